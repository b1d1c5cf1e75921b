"""Receipts: how a tune was made, what it keeps, and enough to write it again."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tunesmith import __version__
from tunesmith.api.model import Model, Tune
from tunesmith.decoding import Generated, Sampling
from tunesmith.decoding.constraints import Constraint, Constraints, KeptBars, check
from tunesmith.errors import InputError, TunesmithError
from tunesmith.evaluation.originality import judge, receipt_entry
from tunesmith.melody import Melody
from tunesmith.tokens import make_vocabulary
from tunesmith.tokens.table import (
    CLOSE_SLOT,
    LAST_SLOT,
    PERIOD_SLOT,
    PITCH_LOWEST,
    REPEATS_SLOT,
    UNKNOWN,
    is_meter,
)

RECEIPT_FORMAT = 1
_LARGEST = 4 * 1024 * 1024


class Judged(NamedTuple):
    """Constraints, and what they speak of.

    Attributes:
        constraints: what was asked.
        melody: the melody, or a part of one.
        tied: ticks at the beginning of the part in which a note before it sounds on.
    """

    constraints: Constraints
    melody: Melody
    tied: int = 0


@dataclass(frozen=True)
class Made:
    """A melody, and how it was drawn.

    Attributes:
        melody: the melody.
        passes: what was sampled, the last of which holds the whole tune; with how many of
            its ids were given.
        new_from: from which tick on the notes of the melody are those of the ids, and which
            tick of the ids' melody that is.
    """

    melody: Melody
    passes: tuple[tuple[Generated, int], ...]
    new_from: tuple[int, int] = (0, 0)


def make_receipt(
    model: Model, made: Made, judged: Sequence[Judged], sampling: Sampling
) -> dict[str, Any]:
    """The receipt of a melody.

    Args:
        model: what made it.
        made: the melody and its ids.
        judged: what it was to keep, and the part of it that this speaks of.
        sampling: how it was drawn.
    """
    vocabulary, provenance = model.vocabulary, model.checkpoint.provenance
    receipt: dict[str, Any] = {
        "receipt": RECEIPT_FORMAT,
        "melody": made.melody.to_dict(),
        "vocabulary": vocabulary.kind,
        "token_ids": list(made.passes[-1][0].ids),
    }
    if any(made.new_from):
        receipt["new_from"] = list(made.new_from)
    receipt |= {
        "model_sha256": model.checkpoint.sha256,
        "model_licence": provenance.get("licence"),
        "versions": {
            "tunesmith": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
        },
        "sampling": asdict(sampling),
        "constraints": hard_entries(judged),
        "struck": sum(one.struck for one, _ in made.passes),
        "begun_anew": sum(one.begun_anew for one, _ in made.passes),
        "bits_per_note": _bits_per_note(made, vocabulary.kind),
        "originality": None,
    }
    if model.index:
        found = judge(model.index, made.melody)
        receipt["originality"] = receipt_entry(found, model.index.header["human"])
    else:
        receipt["originality_missing"] = model.no_index
    return receipt


def _bits_per_note(made: Made, kind: str) -> float | None:
    """Of what was sampled, by the model alone; None if no note was."""
    nats, notes = 0.0, 0
    for one, given in made.passes:
        nats -= sum(one.log_probabilities[given - 1 :])
        ids = np.array(one.ids[given:])
        notes += int((ids >= PITCH_LOWEST).sum()) if kind == "notes" else 0
    if kind != "notes":
        notes = len(made.melody.notes)
    return round(nats / float(np.log(2)) / notes, 4) if notes else None


def hard_entries(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Each constraint, and whether the finished melody keeps it, wherever it speaks of it."""
    entries: dict[str, dict[str, Any]] = {}
    for constraints, melody, tied in judged:
        asked = constraints.asked()
        for name, held, measured in check(melody, constraints, tied):
            wanted = plain(asked.get(name, name))
            entry = {"name": name, "kind": "hard", "wanted": wanted, "held": True, "measured": []}
            kept = entries.setdefault(name, entry)
            kept["held"] &= held
            kept["measured"].append(measured)
    for entry in entries.values():
        entry["measured"] = "; ".join(entry["measured"])
    return list(entries.values())


def plain(value: Any) -> Any:
    """What was asked, as data for JSON."""
    if isinstance(value, Melody):
        return value.origin or value.title or "a melody"
    if isinstance(value, KeptBars):
        return f"bars {', '.join(map(str, sorted(value.bars)))} of {plain(value.melody)}"
    if isinstance(value, Constraint):
        return value.name
    if isinstance(value, tuple):
        return [plain(v) for v in value]
    return value


def asked_data(constraints: Constraints) -> dict[str, Any]:
    """What a user asked for, as data for JSON."""
    return {name: plain(value) for name, value in constraints.asked().items()}


def read_receipt(path: Path) -> Tune:
    """The tune of a receipt file, checked: its token ids must give its notes again.

    Raises:
        InputError: if it is no receipt, or damaged.
    """

    def refused(what: str) -> InputError:
        remedy = "give a .json file as `tunesmith generate` wrote it"
        return InputError(what, where=str(path), remedy=remedy)

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise refused(f"is larger than {_LARGEST // 1024**2} MB, so no receipt")
        receipt = json.loads(data)
    except OSError as e:
        raise refused(f"cannot be read ({e.strerror})") from e
    except (ValueError, RecursionError) as e:
        raise refused("is no receipt: not JSON") from e
    if not isinstance(receipt, dict) or receipt.get("receipt") != RECEIPT_FORMAT:
        raise refused(f"is no receipt of format {RECEIPT_FORMAT}")
    try:
        melody = Melody.from_dict(receipt.get("melody", {}))
    except InputError as e:
        raise refused(f"its melody is damaged ({e.what})") from e
    ids, kind = receipt.get("token_ids"), receipt.get("vocabulary")
    if not isinstance(ids, list) or any(type(i) is not int for i in ids):
        raise refused("its token ids are no list of whole numbers")
    try:
        again = make_vocabulary(kind if isinstance(kind, str) else "").decode(_as_now(ids, kind))
    except TunesmithError as e:
        raise refused(f"its token ids are damaged ({e.what})") from e
    bits, rules = receipt.get("bits_per_note"), receipt.setdefault("rules", {"combined": None})
    if type(receipt.get("seed")) is not int or not isinstance(bits, int | float | None):
        raise refused("its seed or its bits a note are no number")
    if not isinstance(rules, dict) or not isinstance(rules.get("combined"), int | float | None):
        raise refused("its rules are damaged")
    if not _same_notes(receipt, melody, again):
        raise refused("its token ids are not those of its melody")
    return Tune(melody, receipt)


def _as_now(ids: list[int], kind: object) -> list[int]:
    """Ids of any version: headers did not always tell of the end and the form."""
    for slot in (LAST_SLOT, CLOSE_SLOT, PERIOD_SLOT, REPEATS_SLOT):
        if kind == "notes" and len(ids) > slot and is_meter(ids[slot]):
            ids = [*ids[:slot], UNKNOWN, *ids[slot:]]
    return ids


def _same_notes(receipt: Mapping[str, Any], melody: Melody, again: Melody) -> bool:
    begin = receipt.get("new_from", [0, 0])
    if not isinstance(begin, list) or [type(b) for b in begin] != [int, int]:
        return False

    def since(tune: Melody, tick: int) -> list[tuple[int, int, int]]:
        return [(n.onset - tick, n.duration, n.pitch) for n in tune.notes if n.onset >= tick]

    return since(melody, begin[0]) == since(again, begin[1])


__all__ = [
    "RECEIPT_FORMAT",
    "Judged",
    "Made",
    "asked_data",
    "hard_entries",
    "make_receipt",
    "plain",
    "read_receipt",
]
