"""Train a model on a corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tunesmith import __version__
from tunesmith.api.preparing import style_names, tokenised
from tunesmith.api.tracing import BOX, put_index
from tunesmith.corpus import Corpus
from tunesmith.errors import InputError, MissingExtraError, UsageError
from tunesmith.model.checkpoint import Checkpoint, load_checkpoint
from tunesmith.model.config import ModelConfig
from tunesmith.tokens import Vocabulary, make_vocabulary, vocabulary_from_dict

NON_COMMERCIAL = "non-commercial"


def train(
    corpus: str | Path,
    out: str | Path,
    *,
    tokens: str | None = None,
    size: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    start_from: str | Path | None = None,
    dropout: float | None = None,
    rate: float | None = None,
    turned: float | None = None,
    device: str | None = None,
    force: bool = False,
    log: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train a model on a corpus's training side, watched on its validation side.

    Args:
        corpus: a folder that `prepare` made.
        out: the run's folder: `metrics.jsonl`, and the checkpoints `best` and `last`.
        tokens: 'notes' (the default), 'letters' or 'pitches'.
        size: 'nano' (the default), 'small', 'base' or 'large'.
        minutes: becomes a number of steps by a short calibration; 3 if neither is given. A
            small corpus takes less: once it is learnt by heart nothing is gained.
        steps: the number of steps instead.
        seed: of weights, batches and augmentation; 1 by default.
        resume: go on with the run in `out`; what is not given is as recorded there.
        start_from: fine-tune this model instead of random weights: a folder, or 'default' for
            the model that comes with Tunesmith. Its tokens and size are taken over, and its
            styles, to which the corpus's are added.
        dropout: share of what each block writes that is dropped in training, 0 to 0.9; by
            default it grows with how often the run goes through its tunes, up to 0.2.
        rate: what to multiply the usual learning rates with; above 0, 1 by default. Fine-tuning
            that is to keep more of the model it starts from takes less.
        turned: share of tunes that are learned upside down, backwards or both, and marked so, 0
            to 1; 0 by default. It keeps a small corpus from being learnt by heart.
        device: 'auto' (the default), 'cpu', 'cuda' or 'mps'.
        force: replace a run that is in `out`.
        log: told each record of `metrics.jsonl`, and notes as {'note': text}.

    The index of the training tunes, by which receipts tell originality, is put into `best`.

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
    try:
        from tunesmith import training
    except ImportError as e:
        if e.name != "torch":
            raise
        raise MissingExtraError(
            "training needs torch, which is not installed",
            remedy="pip install 'tunesmith[train]'",
        ) from e

    begun = _begun(Path(out)) if resume else {}
    opened = Corpus.open(corpus)
    start = BOX if start_from == "default" else start_from and Path(start_from)
    base = load_checkpoint(start) if start else None
    if base:
        vocabulary = _of_base(base, opened, tokens, size, str(start_from))
    else:
        kind = tokens or begun.get("tokens", "notes")
        vocabulary = make_vocabulary(kind, style_names(opened))
    if base:
        config = base.config
    elif size is None and begun:
        config = begun["config"]
    else:
        config = ModelConfig.from_size(size or "nano", vocabulary.size, **vocabulary.recall_fields)
    recipe = begun["recipe"] if begun else training.Recipe.of_size(config)
    if dropout is not None:
        recipe = replace(recipe, dropout=dropout)
    if turned is not None:
        recipe = replace(recipe, turned=turned)
    if rate is not None:
        usual = training.Recipe.of_size(config)
        recipe = replace(
            recipe, matrix_rate=rate * usual.matrix_rate, other_rate=rate * usual.other_rate
        )
    context = config.max_position_embeddings
    sides = {s: tokenised(opened, vocabulary, s, context) for s in ("train", "validation")}
    data = {s: training.TokenData(t.ids, t.offsets) for s, t in sides.items()}
    last = training.train(
        data["train"],
        data["validation"],
        vocabulary,
        config,
        Path(out),
        steps=steps,
        minutes=minutes,
        seed=begun.get("seed", 1) if seed is None else seed,
        resume=resume,
        device=device or begun.get("device", "auto"),
        force=force,
        start_from=base,
        recipe=recipe,
        provenance=_provenance(opened, base, {k: t.counts for k, t in sides.items()}),
        log=log,
    )
    put_index(opened, out, start)
    return last


def _of_base(
    base: Checkpoint, corpus: Corpus, tokens: str | None, size: str | None, name: str
) -> Vocabulary:
    """The tokens of a model to start from, with the styles of the corpus too."""
    known = vocabulary_from_dict(base.vocabulary)
    if tokens not in (None, known.kind) or size is not None:
        raise UsageError(
            f"the model to start from has tokens and a size of its own ({known.kind})",
            where=name,
            remedy="leave out --tokens and --size",
        )
    return make_vocabulary(known.kind, (*dict.fromkeys((*known.styles, *style_names(corpus))),))


def _provenance(
    opened: Corpus, base: Checkpoint | None, counts: dict[str, dict[str, int]]
) -> dict[str, Any]:
    """What is kept with a model: the corpus, what its tokens hold of it, where it started."""
    provenance: dict[str, Any] = {
        "made_by": f"tunesmith {__version__}",
        "licence": _licence(opened),
        "corpus_fingerprint": opened.fingerprint,
        "split_sha256": opened.manifest["split"]["sha256"],
        "sources": [
            {k: s[k] for k in ("name", "licence", "tunes", "notes", "files_sha256")}
            for s in opened.manifest["sources"]
        ],
        "tokens": counts,
    }
    if base:
        kept = (
            "made_by", "licence", "split_sha256", "sources", "scores", "training", "started_from",
        )  # fmt: skip
        before = {k: v for k, v in base.provenance.items() if k in kept}
        if "training" in before:  # the tokens stand beside the weights
            before["training"] = {k: v for k, v in before["training"].items() if k != "vocabulary"}
        provenance["started_from"] = before
        if NON_COMMERCIAL in str(base.provenance.get("licence")).lower():
            provenance["licence"] = base.provenance["licence"]
    return provenance


def _begun(out: Path) -> dict[str, Any]:
    """The settings of the run in a folder; none if it never came to a plan.

    Returns:
        config, recipe, tokens, seed and device.
    """
    from tunesmith.training import Recipe

    try:
        settings = json.loads((out / "run.json").read_text("utf-8"))["settings"]
        return {
            "config": ModelConfig.from_dict(settings["model"]),
            "recipe": Recipe(**settings["recipe"]),
            "tokens": settings["vocabulary"]["kind"],
            "seed": settings["seed"],
            "device": settings["device"],
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError) as e:
        raise InputError(
            "is damaged, or of another version", where=str(out / "run.json"),
            remedy="start the run anew with --force",
        ) from e  # fmt: skip


def _licence(corpus: Corpus) -> str:
    """What the weights may be used for, as far as their sources say."""
    licences = sorted({s["licence"] for s in corpus.manifest["sources"]})
    if any(NON_COMMERCIAL in licence.lower() for licence in licences):
        return "non-commercial use only, as one of the sources demands"
    return "as the sources allow: " + "; ".join(licences)
