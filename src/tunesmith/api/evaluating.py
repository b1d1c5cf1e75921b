"""Measure a model on tunes: bits a note, beside baselines, with intervals."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith import __version__
from tunesmith.api.comparing import Baselines, as_told
from tunesmith.api.composing import Model
from tunesmith.corpus import Corpus
from tunesmith.corpus.store import Tune
from tunesmith.errors import InputError, UsageError
from tunesmith.evaluation.likelihood import Bits, Interval, TuneScore, bits_per_note, score_tunes
from tunesmith.keyfinding import with_estimates
from tunesmith.melody import Melody
from tunesmith.tokens.base import Ids

CONDITIONAL = "model, told style, mode, density, range, end and form"
FIRST_BARS = 8
TENTHS = 10
_TOGETHER = 32  # tunes scored at once


@dataclass(frozen=True)
class Row:
    """One line of the table: bits a sounding note.

    Attributes:
        name: whose figures, or of which part of the tunes.
        notes: how many there are.
        joint, pitch, timing: with 95 % intervals over tunes.
        ahead: joint of the model minus joint of this row, tune by tune; below 0 the
            model is better. None where there is nothing to compare.
    """

    name: str
    notes: int
    joint: Interval
    pitch: Interval
    timing: Interval
    ahead: Interval | None = None


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        split: the side of the corpus.
        tunes, notes: that were scored.
        left_out: tunes that were not, and notes that were moved, by reason.
        rows: the model, unconditional; the model, told the attributes; each baseline.
        sources: the same of each source, where there are several; named "source: row".
        positions: the model's row on each part of the tunes; the header and the end,
            which belong to no note, are lines of their own, a tune and not a note.
        loss: nats a token. Its exponential is the perplexity.
        warning: why the figures may flatter the model; '' for no reason.
        about: hashes, date, machine, versions, seconds spent.
    """

    split: str
    tunes: int
    notes: int
    left_out: dict[str, int]
    rows: list[Row]
    sources: list[Row]
    positions: list[Row]
    around: dict[str, Bits]
    loss: float
    warning: str
    about: dict[str, Any]

    @property
    def perplexity(self) -> float:
        """Of a token: the exponential of the loss; compares within one vocabulary only."""
        return float(np.exp(self.loss))

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON; intervals as [value, low, high], None for no ends."""
        tables = {
            name: [
                {k: _json(v) if isinstance(v, Interval) else v for k, v in vars(row).items()}
                for row in rows
            ]
            for name, rows in vars(self).items() if name in ("rows", "sources", "positions")
        }  # fmt: skip
        return {**asdict(self), **tables, "perplexity": self.perplexity}


@dataclass(frozen=True)
class Held:
    """The tunes to be scored.

    Attributes:
        melodies: each tune, as the tokens tell it; see `as_told`.
        ids, sources: of each tune.
        left_out: what was not taken, by reason.
    """

    melodies: list[Melody]
    ids: list[Ids]
    sources: list[str]
    left_out: dict[str, int]


def evaluate(
    model: Model,
    corpus: str | Path | Corpus,
    *,
    split: str = "test",
    baselines: bool = True,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a model on a side of a corpus, beside baselines trained on its training side.

    Args:
        model: from `load_model`.
        corpus: a folder that `prepare` made.
        split: 'test', 'validation' or 'train'.
        baselines: whether to train and score them; fitting takes the longer the more
            tunes there are.
        limit: at most that many tunes, drawn at random (always the same ones).
        progress: told (tunes scored, tunes).

    Raises:
        InputError: if the corpus is missing or damaged, or has no tune to score.
        UsageError: for a side that does not exist, or a limit below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} tunes", remedy="use 1 or more")
    opened = corpus if isinstance(corpus, Corpus) else Corpus.open(corpus)
    held = held_tunes(opened, model, split, limit)
    beside = Baselines(opened, split, model.vocabulary, held.melodies) if baselines else None
    with beside or nullcontext():
        began = time.perf_counter()
        scores = _scored(model, held.ids, progress, given=False)
        told = _scored(model, held.ids, None, given=True)
        seconds = {"model": time.perf_counter() - began}
        theirs = beside.bits() if beside else {}
        if beside:
            seconds["baselines, after the model"] = time.perf_counter() - began - seconds["model"]
    own = _row("model", [s.total for s in scores], held)
    rows = [own, _row(CONDITIONAL, [s.total for s in told], held)]
    if all(a.total == b.total for a, b in zip(scores, told, strict=True)):
        rows.pop()  # a vocabulary without attributes
    rows += [_row(name, bits, held, scores) for name, bits in theirs.items()]
    about = _about(model, opened)
    about["seconds"] = {k: round(v, 2) for k, v in seconds.items()}
    nats = sum(s.total.total for s in scores) * np.log(2)
    return Evaluation(
        split=split,
        tunes=len(scores),
        notes=own.notes,
        left_out=held.left_out,
        rows=rows,
        sources=_by_source(scores, theirs, held),
        positions=_by_position(scores, held.melodies),
        around={
            "header": _mean([s.header for s in scores]),
            "end": _mean([s.end for s in scores]),
        },
        loss=float(nats / sum(s.tokens for s in scores)),
        warning=warning_of(model.checkpoint.provenance, opened, split),
        about=about,
    )


def held_tunes(corpus: Corpus, model: Model, split: str, limit: int | None) -> Held:
    """The tunes of a side as the model sees them; equal ones are taken once.

    Raises:
        InputError: if none is left.
    """
    different: dict[str, Tune] = {}
    for tune in corpus.tunes(split):
        different.setdefault(tune.key, tune)
    tunes = list(different.values())
    left_out = {"equal to another up to transposition": corpus.count(split) - len(tunes)}
    if limit is not None and limit < len(tunes):
        left_out["beyond the limit"] = len(tunes) - limit
        picks = np.random.default_rng(0).choice(len(tunes), limit, replace=False)
        tunes = [tunes[i] for i in sorted(picks)]
    held = Held([], [], [], left_out)
    for tune in tunes:
        melody = with_estimates(tune.melody)
        try:
            encoded = model.vocabulary.encode(melody, tune.style)
        except InputError:
            held.left_out["no tokens can say"] = held.left_out.get("no tokens can say", 0) + 1
            continue
        held.melodies.append(as_told(melody, encoded, model.vocabulary))
        held.ids.append(encoded.ids)
        held.sources.append(tune.source)
        moved = "notes moved by the grid"
        held.left_out[moved] = held.left_out.get(moved, 0) + encoded.moved
    if not held.ids:
        raise InputError(
            f"there is no tune for '{split}' in it", where=str(corpus.folder),
            remedy="choose another --split, or prepare it from more tunes",
        )  # fmt: skip
    return held


def warning_of(provenance: dict[str, Any], corpus: Corpus, split: str) -> str:
    """Why figures on a side of a corpus may flatter a model; '' if they do not.

    Judged by what the checkpoint says of its training, and of that of the models it started
    from: the hash of the split, and the names and hashes of its sources.
    """
    for trained in _trainings(provenance):
        if warning := _warning_of_one(trained, corpus, split):
            return warning
    return ""


def _trainings(provenance: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a model says of its training, then of that of the model it started from, and so on."""
    yield provenance
    while before := provenance.get("started_from"):
        if "split_sha256" not in before and before.get("sources") == provenance.get("sources"):
            # Older models do not keep the split of what they started from: here, the same files.
            before = {k: v for k, v in provenance.items() if k == "split_sha256"} | before
        provenance = before
        yield provenance


def _warning_of_one(provenance: dict[str, Any], corpus: Corpus, split: str) -> str:
    """As `warning_of`, of one training."""
    if not provenance.keys() & {"split_sha256", "sources"}:
        return "the model does not say what it was trained on: it may know these tunes"
    if provenance.get("split_sha256") == corpus.manifest["split"]["sha256"]:
        return {
            "train": "the model was trained on these very tunes: this is no honest figure",
            "validation": "the model's best checkpoint was chosen on these tunes: "
            "the honest figure is that of --split test",
        }.get(split, "")
    trained = provenance.get("sources", [])
    names = {s["name"] for s in trained}
    files = {s["files_sha256"] for s in trained}
    shared = [
        s["name"]
        for s in corpus.manifest["sources"]
        if s["name"] in names or s["files_sha256"] in files
    ]
    if not shared:
        return ""
    return (
        f"the model was trained on another split of {', '.join(shared)}, so it may know some of "
        "these tunes: no honest figure; use the corpus that it was trained on"
    )


def _scored(
    model: Model,
    ids: Sequence[Ids],
    progress: Callable[[int, int], None] | None,
    *,
    given: bool,
) -> list[TuneScore]:
    scores: dict[int, TuneScore] = {}
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # alike in length, little padding
    for start in range(0, len(ids), _TOGETHER):
        places = order[start : start + _TOGETHER]
        part = score_tunes(model.network, model.vocabulary, [ids[i] for i in places], given=given)
        scores.update(zip(places, part, strict=True))
        if progress:
            progress(len(scores), len(ids))
    return [scores[i] for i in range(len(ids))]


def _row(
    name: str,
    bits: Sequence[Bits],
    held: Held,
    model: Sequence[TuneScore] | None = None,
    among: Sequence[int] | None = None,
) -> Row:
    """The line of some code lengths; of all tunes, or of those `among`."""
    places = range(len(bits)) if among is None else among
    notes = [len(held.melodies[i].notes) for i in places]
    ahead = None
    if model is not None:
        gains = [model[i].total.total - bits[i].total for i in places]
        ahead = bits_per_note(gains, notes)
    return Row(
        name,
        sum(notes),
        bits_per_note([bits[i].total for i in places], notes),
        bits_per_note([bits[i].pitch for i in places], notes),
        bits_per_note([bits[i].timing for i in places], notes),
        ahead,
    )


def _by_source(
    scores: Sequence[TuneScore], theirs: Mapping[str, Sequence[Bits]], held: Held
) -> list[Row]:
    names = list(dict.fromkeys(held.sources))
    if len(names) < 2:
        return []
    rows = []
    for name in names:
        among = [i for i, s in enumerate(held.sources) if s == name]
        rows.append(_row(f"{name}: model", [s.total for s in scores], held, among=among))
        rows += [_row(f"{name}: {row}", bits, held, scores, among) for row, bits in theirs.items()]
    return rows


def _by_position(scores: Sequence[TuneScore], melodies: Sequence[Melody]) -> list[Row]:
    """The notes of the pickup, of each of the first bars, of later ones; then of each tenth."""
    parts: dict[str, list[NDArray[np.bool_]]] = {}
    numbers = [_bar_numbers(m) for m in melodies]
    for bar in range(FIRST_BARS + 2):
        name = {0: "pickup", FIRST_BARS + 1: "later bars"}.get(bar, f"bar {bar}")
        parts[name] = [np.minimum(n, FIRST_BARS + 1) == bar for n in numbers]
    tenths = [np.arange(len(n)) * TENTHS // len(n) for n in numbers]
    for tenth in range(TENTHS):
        parts[f"notes {10 * tenth} to {10 * tenth + 10} %"] = [t == tenth for t in tenths]
    rows = []
    for name, masks in parts.items():
        notes = [int(m.sum()) for m in masks]
        if not any(notes):
            continue
        both = zip(scores, masks, strict=True)
        pitch, timing = zip(*((s.pitch[m].sum(), s.timing[m].sum()) for s, m in both), strict=True)
        rows.append(
            Row(
                name,
                sum(notes),
                bits_per_note(np.add(pitch, timing), notes),
                bits_per_note(pitch, notes),
                bits_per_note(timing, notes),
            )
        )
    return rows


def _bar_numbers(melody: Melody) -> NDArray[np.int64]:
    """(N,) the bar in which each note begins, from 1; 0 for the pickup."""
    starts = [bar.start for bar in melody.bars]
    onsets = [note.onset for note in melody.notes]
    return np.searchsorted(starts, onsets, side="right") - bool(melody.pickup)


def _json(interval: Interval) -> list[float | None]:
    return [None if np.isnan(v) else v for v in interval]


def _mean(bits: Sequence[Bits]) -> Bits:
    return Bits(*np.mean(bits, axis=0).tolist())


def _about(model: Model, corpus: Corpus) -> dict[str, Any]:
    return {
        "model_sha256": model.checkpoint.sha256,
        "vocabulary": model.vocabulary.kind,
        "corpus": str(corpus.folder),
        "corpus_fingerprint": corpus.fingerprint,
        "split_sha256": corpus.manifest["split"]["sha256"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {
            "tunesmith": __version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
