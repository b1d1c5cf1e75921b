"""Train a model on a corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tunesmith import __version__
from tunesmith.api.preparing import style_names, tokenised
from tunesmith.corpus import Corpus
from tunesmith.errors import MissingExtraError, UsageError
from tunesmith.model.config import ModelConfig
from tunesmith.tokens import make_vocabulary

NON_COMMERCIAL = "non-commercial"


def train(
    corpus: str | Path,
    out: str | Path,
    *,
    tokens: str = "notes",
    size: str = "nano",
    minutes: float | None = None,
    steps: int | None = None,
    seed: int = 1,
    resume: bool = False,
    device: str = "auto",
    force: bool = False,
    log: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train a model on a corpus's training side, watched on its validation side.

    Args:
        corpus: a folder that `prepare` made.
        out: the run's folder: `metrics.jsonl`, and the checkpoints `best` and `last`.
        tokens: 'notes' or 'letters'.
        size: 'nano', 'small', 'base' or 'large'.
        minutes: becomes a number of steps by a short calibration; 3 if neither is given.
        steps: the number of steps instead.
        seed: of weights, batches and augmentation.
        resume: go on with the run in `out`; what was recorded there holds.
        device: 'auto', 'cpu', 'cuda' or 'mps'.
        force: replace a run that is in `out`.
        log: told each record of `metrics.jsonl`, and notes as {'note': text}.

    Returns:
        The last record; with 'stopped': True if it was interrupted.

    Raises:
        MissingExtraError: if torch is not installed.
        InputError: if the corpus is missing, damaged or too small.
        UsageError: for options that make no sense together.
        OutputError: if the run cannot be written.
    """
    if minutes is not None and steps is not None:
        raise UsageError("both --minutes and --steps given", remedy="give one of them")
    if minutes is None and steps is None and not resume:
        minutes = 3.0
    try:
        from tunesmith import training
    except ImportError as e:
        if e.name != "torch":
            raise
        raise MissingExtraError(
            "training needs torch, which is not installed",
            remedy="pip install 'tunesmith[train]'",
        ) from e

    opened = Corpus.open(corpus)
    vocabulary = make_vocabulary(tokens, style_names(opened))
    config = ModelConfig.from_size(size, vocabulary.size)
    context = config.max_position_embeddings
    sides = {s: tokenised(opened, vocabulary, s, context) for s in ("train", "validation")}
    data = {s: training.TokenData(t.ids, t.offsets) for s, t in sides.items()}
    provenance = {
        "made_by": f"tunesmith {__version__}",
        "licence": _licence(opened),
        "corpus_fingerprint": opened.fingerprint,
        "split_sha256": opened.manifest["split"]["sha256"],
        "sources": [
            {k: s[k] for k in ("name", "licence", "tunes", "notes", "files_sha256")}
            for s in opened.manifest["sources"]
        ],
        "tokens": {side: t.counts for side, t in sides.items()},
        "size": size,
    }
    return training.train(
        data["train"],
        data["validation"],
        vocabulary,
        config,
        Path(out),
        steps=steps,
        minutes=minutes,
        seed=seed,
        resume=resume,
        device=device,
        force=force,
        provenance=provenance,
        log=log,
    )


def _licence(corpus: Corpus) -> str:
    """What the weights may be used for, as far as their sources say."""
    licences = sorted({s["licence"] for s in corpus.manifest["sources"]})
    if any(NON_COMMERCIAL in licence.lower() for licence in licences):
        return "non-commercial use only, as one of the sources demands"
    return "as the sources allow: " + "; ".join(licences)
