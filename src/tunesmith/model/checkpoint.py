"""Checkpoints: a folder of weights, configuration, vocabulary and provenance; no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tunesmith.errors import InputError
from tunesmith.files import recover_folder, replacing_folder
from tunesmith.model.config import ModelConfig

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
VOCABULARY = "vocabulary.json"
PROVENANCE = "provenance.json"

_ANOTHER = "use another checkpoint"
_LARGEST_WEIGHT = 1e6
_LARGEST_JSON = 16 * 1024 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """A model as it lies on disk.

    Attributes:
        weights: under Hugging Face's names, float32.
        config: the shape.
        vocabulary: as in `vocabulary.json`.
        provenance: corpora, licences, hashes, recipe, scores.
        sha256: of the weights' file, in hexadecimal.
    """

    weights: dict[str, NDArray[np.float32]]
    config: ModelConfig
    vocabulary: dict[str, Any]
    provenance: dict[str, Any]
    sha256: str


def save_checkpoint(
    folder: Path,
    weights: Mapping[str, NDArray[np.float32]],
    config: ModelConfig,
    vocabulary: dict[str, Any],
    provenance: dict[str, Any],
    beside: Mapping[str, bytes] | None = None,
) -> None:
    """Write a checkpoint whole or not at all, in place of one that is there.

    Args:
        folder: the checkpoint's folder.
        weights: see `Checkpoint`.
        config: see `Checkpoint`.
        vocabulary: see `Checkpoint`.
        provenance: see `Checkpoint`.
        beside: further files by name, such as the state of the optimiser.

    Raises:
        OutputError: with the reason; an older checkpoint is still there.
    """
    files = {
        WEIGHTS: save(dict(weights), metadata={"format": "pt"}),
        CONFIG: _json(config.to_dict()),
        VOCABULARY: _json(vocabulary),
        PROVENANCE: _json(provenance),
        **(beside or {}),
    }
    with replacing_folder(folder) as draft:
        for name, data in files.items():
            (draft / name).write_bytes(data)


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def find_checkpoint(path: Path) -> Path:
    """The checkpoint's folder at `path`: itself, or a run's `best`, or its `last`.

    Raises:
        InputError: if there is none.
    """
    for folder in (path, path / "best", path / "last"):
        recover_folder(folder)
        if (folder / WEIGHTS).is_file():
            return folder
    raise InputError(
        "there is no model here" if path.exists() else "no such folder",
        where=str(path),
        remedy="give a run's folder, or train one with `tunesmith train` or `tunesmith quickstart`",
    )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, or a run's best one, and check it.

    Raises:
        InputError: for one that is missing, damaged, or of another shape than it says.
    """
    folder = find_checkpoint(path)
    try:
        config = ModelConfig.from_dict(_read_json(folder / CONFIG))
    except InputError as e:
        where = str(folder / CONFIG)
        raise InputError(e.what, where=where, remedy=e.remedy or _ANOTHER) from e
    data = _read(folder / WEIGHTS)
    try:
        weights = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise _damaged(folder / WEIGHTS, str(e)) from e
    shapes = config.shapes()
    found = {name: tuple(w.shape) for name, w in weights.items()}
    if found != shapes:
        wrong = sorted(n for n in shapes.keys() | found.keys() if shapes.get(n) != found.get(n))
        raise InputError(
            f"its weights are not those of {CONFIG}: {', '.join(wrong[:3])}",
            where=str(folder / WEIGHTS),
            remedy=_ANOTHER,
        )
    for name, w in weights.items():
        if w.dtype.kind != "f":
            raise _damaged(folder / WEIGHTS, f"{name} is of type {w.dtype}")
        if not (
            np.abs(w, dtype=np.float32) <= _LARGEST_WEIGHT
        ).all():  # so that no number is more than finite
            raise _damaged(folder / WEIGHTS, f"{name} is not finite, or over {_LARGEST_WEIGHT:g}")
    return Checkpoint(
        weights={n: w.astype(np.float32) for n, w in weights.items()},
        config=config,
        vocabulary=_read_json(folder / VOCABULARY),
        provenance=_read_json(folder / PROVENANCE),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise InputError(
            f"cannot be read ({e.strerror})", where=str(path), remedy="the checkpoint is incomplete"
        ) from e


def _read_json(path: Path) -> dict[str, Any]:
    text = _read(path)
    if len(text) > _LARGEST_JSON:
        raise _damaged(path, f"larger than {_LARGEST_JSON // 1024**2} MB")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise _damaged(path, str(e)) from e
    if not isinstance(data, dict):
        raise _damaged(path, "no object")
    return data


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"is damaged ({why[:200]})", where=str(path), remedy=_ANOTHER)
