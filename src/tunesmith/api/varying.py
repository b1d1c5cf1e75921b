"""Vary a melody: some of its notes anew, what is to be kept kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from tunesmith.api.drawing import Drawing, Plan, Progress, draw
from tunesmith.api.model import Model, Tune
from tunesmith.api.receipts import Judged, Made, asked_data, plain
from tunesmith.api.refilling import Job, Span, on_grid, refill, restored, steps
from tunesmith.api.reworking import header_wishes, own_scale
from tunesmith.decoding.constraints import Constraint, Constraints, KeptBars
from tunesmith.decoding.constraints.asked import flag
from tunesmith.decoding.constraints.events import COMPASS, NOTE, REST, Event
from tunesmith.decoding.constraints.inside import (
    Changed,
    Counts,
    Inside,
    Line,
    NewNotes,
    Pinned,
    TimesPinned,
)
from tunesmith.decoding.constraints.parsing import parse_range
from tunesmith.decoding.constraints.pitches import Scale
from tunesmith.decoding.constraints.template import ANY
from tunesmith.errors import UsageError
from tunesmith.melody import Melody, Note
from tunesmith.tokens.table import TICKS_PER_STEP

KEEPABLE = ("rhythm", "pitches", "contour")
_TOLERANCE = 0.5
"""By how much of it the amount may be missed, where the tune has notes enough."""
_NEW = 0.6
"""The share of the notes chosen to change that must, in each stretch."""
_WIDER = 3
"""Semitones by which new notes may leave the range."""
_AIM = 1.1
"""Notes chosen for each that shall change: some come back."""
_GRIDS = (24, 12, 8, 6, 4, 3, 2)
"""Steps between places at which notes may begin, a quarter to a twelfth of it."""
_ON_GRID = 0.9
"""The share of a tune's notes that begin on the grid that is called its own."""
_OF_NEW_NOTES = {"key", "mode", "scale", "allow_chromatic", "range"}
"""What may be asked of them."""
_FINEST_HALF = 3
"""Steps of the finest half of a grid that new notes are given: a thirty-second."""


@dataclass(frozen=True)
class Keep:
    """What of a melody a variation keeps.

    Attributes:
        whole: which of `KEEPABLE`, of the whole melody.
        bars: which bars, 1 for the first full one, 0 for the pickup.
    """

    whole: frozenset[str] = frozenset()
    bars: frozenset[int] = frozenset()


def parse_keep(texts: Sequence[str]) -> Keep:
    """'rhythm', 'pitches', 'contour' and 'bars=1,3', any of them.

    Raises:
        UsageError: for anything else, or where nothing is left to vary.
    """
    whole, bars = set(), set()
    for text in texts:
        name, equals, numbers = text.strip().partition("=")
        if name in KEEPABLE and not equals:
            whole.add(name)
        elif name == "bars" and all(n.strip().isdecimal() for n in numbers.split(",")):
            bars |= {int(n) for n in numbers.split(",")}
        else:
            raise UsageError(
                f"'{text}' cannot be kept", where="--keep",
                remedy="use rhythm, pitches, contour or bars=1,3",
            )  # fmt: skip
    if {"rhythm", "pitches"} <= whole:
        raise UsageError(
            "with rhythm and pitches kept nothing is left to vary", where="--keep",
            remedy="keep one of them",
        )  # fmt: skip
    return Keep(frozenset(whole), frozenset(bars))


def vary(
    model: Model,
    melody: Melody,
    keep: str | Sequence[str] = (),
    constraints: Constraints | None = None,
    *,
    amount: float = 0.3,
    **how: Any,
) -> list[Tune]:
    """Variations of a melody, never the same as it.

    Its bars and metres stay, and so does every note that is not chosen to change. New notes keep
    to the scale of its key and its own chromatic notes, leave its range by 3 semitones at most,
    unless another scale or range is asked for, and begin on the tune's own grid (`own_grid`).

    Args:
        model: from `load_model`.
        melody: on the grid of the tokens.
        keep: 'rhythm': all onsets and lengths; 'pitches': their sequence; 'contour': whether
            each interval rises, falls or stays; 'bars=1,3': these bars. One or several.
        constraints: what the new notes must keep: a scale, or key and mode, with chromatic notes,
            and a range. Nothing else can be asked, and these not where all pitches are kept.
        amount: the share of the free notes that change, in (0, 1]: those in bars that are not kept.
            It holds within a half of itself, 0.15 to 0.45 for 0.3, where they are enough;
            at least one changes. A note has changed if none of its onset, length and
            pitch is there any more.
        how: as for `generate`.

    Raises:
        UsageError: for what cannot be asked, or where nothing else is possible.
        InputError: if the melody is off the grid.
    """
    drawing, kept = Drawing(**how), parse_keep([keep] if isinstance(keep, str) else keep)
    if not 0 < amount <= 1:
        raise UsageError(f"an amount of {amount}", remedy="use a share above 0 and up to 1, as 0.3")
    asked = constraints or Constraints()
    _check_asked(asked, kept)
    source = on_grid(melody)
    work = _Variation(source, kept, amount, asked)
    wishes = header_wishes(model, source, asked, drawing)

    def make(generators: Sequence[np.random.Generator], progress: Progress | None) -> list[Made]:
        jobs = [work.job(generator) for generator in generators]
        made = refill(model, jobs, wishes, drawing, generators, progress)
        return [restored(one, melody) for one in made]

    def refuse(made: Melody) -> str:
        few = work.changed(made) < work.least
        return f"fewer than {work.least} of {len(work.free)} free notes changed" * few

    def judged(made: Melody) -> list[Judged]:
        new = work.new(made)
        of_new = [Judged(work.asked, replace(made, notes=new))] if asked.asked() and new else []
        return [Judged(kept_of(melody, kept), made), *of_new]

    plan = Plan(
        "vary", make, judged, refuse=refuse,
        asked={
            **asked_data(asked),
            "keep": [*sorted(kept.whole), *(["bars"] if kept.bars else [])], "amount": amount,
        },
        about={"source": plain(melody), "free_notes": len(work.free)},
        soft=lambda made: {"amount": (amount, work.changed(made) / len(work.free))},
    )  # fmt: skip
    return draw(model, plan, drawing)


def _check_asked(asked: Constraints, keep: Keep) -> None:
    """Raise a `UsageError` for what cannot be asked of new notes."""
    fields = asked.asked().keys()
    if others := sorted(fields - _OF_NEW_NOTES):
        raise UsageError(
            "a variation has the rest of its tune to go by", where=flag(others[0]),
            remedy=f"use infill, or ask only for {', '.join(map(flag, sorted(_OF_NEW_NOTES)))}",
        )  # fmt: skip
    if asked.scale is None and (asked.key is None) != (asked.mode is None):
        raise UsageError("the new notes need a key and a mode", remedy="name both, or --scale")
    if fields and "pitches" in keep.whole:
        raise UsageError(
            "with all pitches kept there is no new one", where=flag(sorted(fields)[0]),
            remedy="keep something else",
        )  # fmt: skip


def kept_of(melody: Melody, keep: Keep) -> Constraints:
    """What is kept of a melody, as constraints."""
    return Constraints(
        rhythm_from=melody if "rhythm" in keep.whole else None,
        pitches_from=melody if "pitches" in keep.whole else None,
        contour=melody if "contour" in keep.whole else None,
        kept=KeptBars(melody, keep.bars),
    )


@dataclass
class _Stretch:
    """Notes chosen to change that lie in bars next to each other."""

    notes: list[int] = field(default_factory=list)
    span: Span = (0, 0)


class OwnGrid(Constraint):
    """Where it is free, notes and rests begin on a grid within the bar, or where notes were.

    Args:
        grid: steps between its places, from the start of the bar; in a pickup from its end.
        own: steps at which notes were.
        free: the steps that are free.
        bars: the step at which each bar begins; a pickup is none.
    """

    name = "grid of the new notes"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, REST})

    def __init__(
        self, grid: int, own: Collection[int], free: Collection[int], bars: Sequence[int]
    ) -> None:
        self._grid, self._bars = grid, bars
        self._others = frozenset(free) - frozenset(own)

    def step(self, state: Any, event: Event) -> Hashable | None:  # noqa: D102
        start = self._bars[max(event.bar, 0)]
        at = event.at + (start if event.bar >= 0 else 0)
        return None if at in self._others and (at - start) % self._grid else 0


def own_grid(melody: Melody) -> int:
    """Steps of the coarsest grid on which nine in ten of the notes begin, or of its half.

    The half is taken where it is a thirty-second or longer, so that a tune of even notes has
    other places too.
    """
    starts = [b.end if b.is_pickup else b.start for b in melody.bars]
    ends = [b.end for b in melody.bars]
    into = [
        (n.onset - starts[int(np.searchsorted(ends, n.onset, "right"))]) // TICKS_PER_STEP
        for n in melody.notes
    ]
    grid = next((g for g in _GRIDS if sum(i % g == 0 for i in into) >= _ON_GRID * len(into)), 1)
    half, odd = divmod(grid, 2)
    return grid if odd or half < _FINEST_HALF else half


class _Variation:
    """Which notes of a melody may change, and which are chosen to."""

    def __init__(self, source: Melody, keep: Keep, amount: float, asked: Constraints) -> None:
        self._source, self._keep = source, keep
        pickup = source.bars[0].is_pickup
        bars = source.bars
        numbers = {b.index + (not pickup) for b in bars}
        if unknown := sorted(keep.bars - numbers):
            raise UsageError(
                f"bar {unknown[0]} of a melody of {len(bars) - pickup}", where="--keep",
                remedy=f"use {min(numbers)} to {max(numbers)}",
            )  # fmt: skip
        self._edges = [b.start // TICKS_PER_STEP for b in bars]
        self._edges.append(bars[-1].end // TICKS_PER_STEP)
        self._edges[-1] = min(self._edges[-1], source.duration // TICKS_PER_STEP)
        self._pickup = pickup
        self._full = self._edges[pickup:]
        places = [int(np.searchsorted([b.start for b in bars], n.onset, "right")) - 1
                  for n in source.notes]  # fmt: skip
        self._bar = [place - pickup for place in places]
        self.free = [i for i, p in enumerate(places) if p + (not pickup) not in keep.bars]
        if not self.free:
            raise UsageError("no note is left to vary", remedy="keep fewer bars")
        count = len(self.free)
        self.least = max(1, math.ceil(amount * count * (1 - _TOLERANCE)))
        most = max(1, min(count, math.floor(amount * count * (1 + _TOLERANCE))))
        self._chosen = min(max(round(amount * count * _AIM), self.least), most)
        self._grid = own_grid(source)
        self._onsets = [n.onset // TICKS_PER_STEP for n in source.notes]
        self._before = {(n.onset, n.duration, n.pitch) for n in source.notes}
        self.asked = replace(asked, **own_scale(source, asked))
        self._pitches = _pitches_of(source, asked, self.asked)
        self._kept_steps = {
            step
            for i, (a, b) in enumerate(pairwise(self._edges))
            if i + (not pickup) in keep.bars
            for step in range(a, b)
        }

    def new(self, melody: Melody) -> tuple[Note, ...]:
        """The notes that were not there before; none where rests came instead."""
        return tuple(n for n in melody.notes if (n.onset, n.duration, n.pitch) not in self._before)

    def changed(self, melody: Melody) -> int:
        """How many notes of the source are not there any more."""
        return len(self._before - {(n.onset, n.duration, n.pitch) for n in melody.notes})

    def job(self, generator: np.random.Generator) -> Job:
        """Notes chosen by chance, in small runs, and what holds while they are made anew."""
        longest = 8 if "pitches" in self._keep.whole else 5
        stretches = self._stretches(_runs(self.free, self._chosen, longest, generator))
        by_span = {s.span: s for s in stretches}

        def keeps(now: Melody, span: Span) -> Constraints:
            same = self._source if "rhythm" in self._keep.whole else None
            return Inside(
                frame=self._source, around=Constraints(rhythm_from=same),
                also=self._automata(now, by_span[span].notes),
            )  # fmt: skip

        return Job(self._source, tuple(by_span), keeps, may_stay=True)

    def _stretches(self, runs: Sequence[Sequence[int]]) -> list[_Stretch]:
        """Runs of notes put together where their bars meet; in a pickup, all of them."""
        found: list[_Stretch] = []
        for run in runs:
            free = self._steps_of(run)
            first = int(np.searchsorted(self._full, min(free), "right")) - 1
            after = int(np.searchsorted(self._full, max(free), "right"))
            if first < 0:
                return [_Stretch([i for r in runs for i in r])]
            if found and found[-1].span[1] >= first:
                found[-1].notes += run
                found[-1].span = (found[-1].span[0], max(after, found[-1].span[1]))
            else:
                found.append(_Stretch(list(run), (first, after)))
        return found

    def _steps_of(self, notes: Sequence[int]) -> set[int]:
        """The steps from each of these notes to the next note, but for bars that are kept."""
        onsets = [*self._onsets, self._edges[-1]]
        free = {step for i in notes for step in range(onsets[i], onsets[i + 1])}
        return free - self._kept_steps

    def _automata(self, now: Melody, notes: Sequence[int]) -> tuple[Constraint, ...]:
        free, whole = self._steps_of(notes), self._keep.whole
        old = steps([self._source.notes[i] for i in notes])
        found: list[Constraint] = [
            Changed(old, self._full, len(notes) - math.ceil(_NEW * len(notes)))
        ]
        if not whole:
            pinned = Pinned(steps(now.notes), self._edges, free, self._pickup)
            grid = OwnGrid(self._grid, self._onsets, free, self._full)
            return (*found, pinned, grid, NewNotes(self._pitches, free, self._full))
        # As many notes as there were, so that each can be spoken of by its number.
        may_change = set(notes) if "pitches" not in whole else set()
        choices = [self._pitches if i in may_change else {n.pitch} for i, n in enumerate(now.notes)]
        signs = [(i > 0) - (i < 0) for i in self._source.intervals] if "contour" in whole else None
        found.append(Line(choices, signs))
        if "rhythm" not in whole:
            found.append(OwnGrid(self._grid, self._onsets, free, self._full))
            anything = [(a, b, ANY) for a, b, _ in steps(now.notes)]
            found.append(TimesPinned(anything, self._edges, free, self._pickup))
            sounding = {s for a, b, _ in steps(self._source.notes) for s in range(a, b)}
            found.append(Counts(self._counts(free), free - sounding, self._full))
        return tuple(found)

    def _counts(self, free: set[int]) -> list[tuple[int, int, int]]:
        """The stretches of free steps, and how many notes begin in each."""
        starts = sorted(s for s in free if s - 1 not in free)
        ends = sorted(s + 1 for s in free if s + 1 not in free)
        return [
            (a, b, sum(a <= onset < b for onset in self._onsets))
            for a, b in zip(starts, ends, strict=True)
        ]


def _pitches_of(source: Melody, asked: Constraints, with_scale: Constraints) -> set[int]:
    """What pitches new notes may have.

    Args:
        source: the melody.
        asked: of them.
        with_scale: the same with the melody's own scale where no other is asked for.

    Raises:
        UsageError: if there is none.
    """
    low, high = min(source.pitches) - _WIDER, max(source.pitches) + _WIDER
    if asked.range is not None:
        low, high = parse_range(asked.range)
    _, automata = with_scale.assemble()
    scales = [a.classes for a in automata if isinstance(a, Scale)]
    inside = {p for p in COMPASS if low <= p <= high}
    found = {p for p in inside if all(p % 12 in classes for classes in scales)}
    if not found:
        raise UsageError("no note of the scale lies in the range", remedy="widen the range")
    return found | set(() if asked.asked() else source.pitches)


def _runs(
    free: Sequence[int], count: int, longest: int, generator: np.random.Generator
) -> list[list[int]]:
    """`count` of some notes, in runs of neighbours, drawn by chance."""
    chosen: set[int] = set()
    while len(chosen) < count:
        length = min(int(generator.integers(2, longest + 1)), count - len(chosen))
        start = int(generator.integers(len(free)))
        chosen |= set(free[start : start + length])
    runs: list[list[int]] = []
    for i in sorted(chosen):
        if runs and runs[-1][-1] == i - 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs
