"""How much of a melody stands, note for note, in the tunes of a training side.

All is invariant under transposition. A run of n intervals is n + 1 notes, and runs are told in
notes. With lengths, the distances from onset to onset are equal too, in 24ths of a quarter: n of
them for n intervals, so that the length of the last note does not count, and a rest counts with
the note before it (`originality_index`). A tune written in doubled values shares intervals only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.evaluation.originality_index import TuneIndex, symbols_of
from tunesmith.melody import Melody

if TYPE_CHECKING:
    from tunesmith.corpus import Corpus

GRAM = 12
"""Intervals of a 12-gram: 13 notes."""
RUN = 8
"""Intervals of the runs by which the nearest tune and variants are found."""
VARIANT = 0.25
"""A melody with this share of its different runs of 8 in one training tune is its variant."""
MOST_HELD_OUT = 500
FEWEST = 20
"""Held-out tunes, of a style or in all, from which a limit is taken."""
_BLOCK = 3  # fewest intervals of a block in an alignment


@dataclass(frozen=True)
class Source:
    """A training tune.

    Attributes:
        number: its place in the index.
        id, source, title: as in the corpus.
        note: where the run begins in it, 0-based; the first place, if several.
    """

    number: int
    id: str
    source: str
    title: str
    note: int


@dataclass(frozen=True)
class Run:
    """The longest run that a melody shares with any training tune.

    Attributes:
        notes: its length; 1 if no interval is shared, and then there are no sources.
        starts: where such runs begin in the melody, 0-based notes.
        sources: all training tunes that have one of these runs, by number.
    """

    notes: int
    starts: tuple[int, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Originality:
    """What a melody shares with the training tunes.

    Attributes:
        notes: of the melody.
        longest_run: by intervals.
        longest_run_with_lengths: by intervals and distances from onset to onset.
        grams: runs of 12 intervals in the melody, each place once; n - 12 for n notes, at least 0.
        grams_seen: those of them that stand in some training tune.
        nearest: the training tune that has most of the melody's different runs of 8
            intervals; if none has any, the first source of the longest run; None if it has none.
            `note` is where the longest run it shares begins, 0 if it is not one of those.
        nearest_share: share of the melody's different runs of 8 intervals that the nearest tune
            has, 0 to 1; NaN for a melody of fewer than 9 notes.
    """

    notes: int
    longest_run: Run
    longest_run_with_lengths: Run
    grams: int
    grams_seen: int
    nearest: Source | None
    nearest_share: float

    @property
    def share_of_12_grams_seen(self) -> float:
        """`grams_seen / grams`, 0 to 1; NaN for a melody of fewer than 13 notes."""
        return self.grams_seen / self.grams if self.grams else math.nan

    @property
    def is_variant(self) -> bool:
        """Whether a quarter or more of its runs of 8 intervals stand in one training tune."""
        return self.nearest_share >= VARIANT


def judge(index: TuneIndex, melody: Melody) -> Originality:
    """What a melody shares with the tunes of an index."""
    pairs = symbols_of(melody)
    intervals = pairs[::2]
    found = [index.intervals.longest(intervals[i:]) for i in range(len(intervals))]
    both = [index.pairs.longest(pairs[2 * i :]) for i in range(len(intervals))]
    run = _run(index, found, intervals, with_lengths=False)
    grams = max(0, len(intervals) - GRAM + 1)
    counts, runs = _runs_of_8(index, intervals, found)
    if counts:
        most = max(counts.values())
        number = min(tune for tune, count in counts.items() if count == most)
        here = next((s for s in run.sources if s.number == number), None)
        nearest: Source | None = here or _source(index, number, 0)
    else:
        most, nearest = 0, run.sources[0] if run.sources else None
    return Originality(
        notes=len(melody.notes),
        longest_run=run,
        longest_run_with_lengths=_run(index, both, pairs, with_lengths=True),
        grams=grams,
        grams_seen=sum(f >= GRAM for f in found),
        nearest=nearest,
        nearest_share=most / runs if runs else math.nan,
    )


def _run(index: TuneIndex, found: Sequence[int], symbols: bytes, *, with_lengths: bool) -> Run:
    """The longest run, given the longest match that begins at each note."""
    longest = max(found, default=0)
    if longest == 0:
        return Run(1, (), ())
    size, order = (2, index.pairs) if with_lengths else (1, index.intervals)
    starts = [i for i, f in enumerate(found) if f == longest]
    runs = {symbols[size * i : size * (i + longest)] for i in starts}
    places = np.unique(np.concatenate([order.positions(run) for run in runs]))
    tunes, first = np.unique(index.tunes_at(places), return_index=True)
    at = places[first] - index.starts[tunes]
    sources = [_source(index, int(t), int(n)) for t, n in zip(tunes, at, strict=True)]
    return Run(longest + 1, tuple(starts), tuple(sources))


def _source(index: TuneIndex, number: int, note: int) -> Source:
    name, source, title, *_ = index.header["tunes"][number]
    return Source(number, name, source, title, note)


def _runs_of_8(
    index: TuneIndex, intervals: bytes, found: Sequence[int]
) -> tuple[Counter[int], int]:
    """How many of the different runs of 8 intervals each tune has, and how many there are."""
    runs = {intervals[i : i + RUN] for i in range(len(intervals) - RUN + 1)}
    shared = {intervals[i : i + RUN] for i, f in enumerate(found) if f >= RUN}
    counts: Counter[int] = Counter()
    for run in shared:
        counts.update(np.unique(index.tunes_at(index.intervals.positions(run))).tolist())
    return counts, len(runs)


# -- held-out tunes -------------------------------------------------------------


def figures(judged: Sequence[Originality]) -> dict[str, Any]:
    """The usual figures of a set of melodies: tunes, notes, runs, 12-grams.

    Percentiles are interpolated linearly, in notes. `share_of_12_grams_seen` is of all the
    melodies' 12-grams together. Numbers are None where there is nothing to tell them from.
    """
    if not judged:
        return {"tunes": 0, "median": None, "p95": None, "median_with_lengths": None,
                "p95_with_lengths": None, "share_of_12_grams_seen": None,
                "median_notes": None}  # fmt: skip
    runs = [o.longest_run.notes for o in judged]
    timed = [o.longest_run_with_lengths.notes for o in judged]
    grams = sum(o.grams for o in judged)
    return {
        "tunes": len(judged),
        "median": float(np.percentile(runs, 50)),
        "p95": float(np.percentile(runs, 95)),
        "median_with_lengths": float(np.percentile(timed, 50)),
        "p95_with_lengths": float(np.percentile(timed, 95)),
        "share_of_12_grams_seen": sum(o.grams_seen for o in judged) / grams if grams else None,
        "median_notes": float(np.percentile([o.notes for o in judged], 50)),
    }


def human_figures(
    index: TuneIndex, melodies: Sequence[Melody], styles: Sequence[str]
) -> dict[str, Any]:
    """`figures` of held-out tunes, of all and without the variants of a training tune.

    Args:
        index: of the training tunes.
        melodies: the held-out tunes.
        styles: of each.

    Returns:
        those of all, and 'without_variants': those of the others, and 'variants': how many; and
        'p95_by_style': the 95th percentile of each style with at least `FEWEST` tunes.
    """
    judged = [judge(index, m) for m in melodies]
    runs: dict[str, list[int]] = {}
    for style, one in zip(styles, judged, strict=True):
        runs.setdefault(style, []).append(one.longest_run.notes)
    others = [o for o in judged if not o.is_variant]
    return {
        **figures(judged),
        "variants": len(judged) - len(others),
        "without_variants": figures(others),
        "p95_by_style": {
            s: float(np.percentile(n, 95)) for s, n in sorted(runs.items()) if len(n) >= FEWEST
        },
    }


def usual_run(index: TuneIndex, style: str = "") -> float | None:
    """Notes of the longest run that 95 % of real tunes do not exceed.

    Args:
        index: of the training tunes.
        style: of tunes of this style, if enough of them were held out; else of all.

    Returns:
        None where fewer than `FEWEST` real tunes were held out.
    """
    human = index.header["human"]
    of_all = human.get("p95") if human.get("tunes", 0) >= FEWEST else None
    found: float | None = human.get("p95_by_style", {}).get(style, of_all)
    return found


def index_corpus(corpus: Corpus, before: TuneIndex | None = None) -> TuneIndex:
    """An index of a corpus's training side, with the figures of its validation side.

    Of more than 500 validation tunes, 500 at even distances are judged.

    Args:
        corpus: the corpus.
        before: what a model that goes on learning from the corpus has learnt from already; its
            tunes are taken over.

    Raises:
        InputError: if the corpus is damaged, or has no training tune.
    """
    sources = corpus.manifest["sources"]
    about: dict[str, Any] = {
        "corpus_fingerprint": corpus.fingerprint,
        "licences": {s["name"]: s["licence"] for s in sources},
        "descriptions": {s["name"]: s["description"] for s in sources},
    }
    tunes = [(t.id, t.source, t.melody) for t in corpus.tunes("train")]
    if before:
        for kind in ("licences", "descriptions"):
            about[kind] = {**before.header[kind], **about[kind]}
        names = [(entry[0], entry[1]) for entry in before.header["tunes"]]
        tunes = [(*name, before.melody(i)) for i, name in enumerate(names)] + tunes
    index = TuneIndex.build(tunes, about)
    step = max(1, -(-corpus.count("validation") // MOST_HELD_OUT))
    held_out = [t for i, t in enumerate(corpus.tunes("validation")) if i % step == 0]
    melodies, styles = [t.melody for t in held_out], [t.style for t in held_out]
    human = human_figures(index, melodies, styles) | {"side": "validation"}
    if before:  # of its own styles its own tunes tell more than what came after
        human["p95_by_style"] = {
            **human["p95_by_style"], **before.header["human"].get("p95_by_style", {}),
        }  # fmt: skip
    index.header["human"] = human
    return index


# -- shown ----------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """Notes of a melody that stand in a training tune.

    Attributes:
        note, other: where the block begins in the melody and in the tune, 0-based.
        notes: how many.
        semitones: how much higher the tune is.
    """

    note: int
    other: int
    notes: int
    semitones: int


def align(melody: Melody, other: Melody) -> list[Block]:
    """The blocks that two melodies share, in the order of both.

    The longest common run of intervals, then the same before and after it (Ratcliff and
    Metzener, Pattern matching: the gestalt approach, Dr. Dobb's Journal 1988, as in `difflib`);
    blocks of fewer than 4 notes are left out.
    """
    return [
        Block(m.a, m.b, m.size + 1, other.pitches[m.b] - melody.pitches[m.a])
        for m in _matcher(melody, other).get_matching_blocks()
        if m.size >= _BLOCK
    ]


def shared_run(melody: Melody, other: Melody) -> int:
    """Notes of the longest run that two melodies share, in any transposition; at least 1."""
    return _matcher(melody, other).find_longest_match().size + 1


def _matcher(melody: Melody, other: Melody) -> SequenceMatcher[int]:
    return SequenceMatcher(None, melody.intervals, other.intervals, autojunk=False)


def receipt_entry(found: Originality, human: dict[str, Any]) -> dict[str, Any]:
    """The figures as plain data for receipts and JSON; what is undefined is None."""
    share = found.share_of_12_grams_seen
    near = found.nearest_share
    return {
        "longest_run": found.longest_run.notes,
        "longest_run_with_lengths": found.longest_run_with_lengths.notes,
        "share_of_12_grams_seen": None if math.isnan(share) else round(share, 4),
        "nearest": found.nearest and _told(found.nearest),
        "nearest_share": None if math.isnan(near) else round(near, 4),
        "run_starts_at_notes": [start + 1 for start in found.longest_run.starts],
        "run_sources": len(found.longest_run.sources),
        "human": human,
    }


def _told(source: Source) -> dict[str, Any]:
    return {k: v for k, v in asdict(source).items() if k in ("title", "source", "id")}
