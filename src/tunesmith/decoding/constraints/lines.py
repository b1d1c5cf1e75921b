"""Where a line of pitches that is told meets bars that are kept; see docs.

The notes of a row of kept bars stand next to each other in the line, so they fit it at few
places only; and between two such rows there is room for so many notes, no more and no fewer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

from tunesmith.decoding.constraints.events import NOTE, Constraint, Event, Place
from tunesmith.decoding.constraints.pitches import ContourOf, Pitches
from tunesmith.decoding.constraints.template import Template
from tunesmith.decoding.constraints.times import NotesPerBar, NoteValues


class Row(NamedTuple):
    """Kept bars one after the other.

    Attributes:
        start: the step at which the first begins.
        first: the onset of the first note that begins in them.
        notes: how many begin in them.
        counts: how many notes may have begun before the first of these, in order.
    """

    start: int
    first: int
    notes: int
    counts: tuple[int, ...]


class KeptLine(Constraint):
    """Kept notes stand where they fit a line of pitches; the state is how many notes came.

    It follows from the line and the kept bars; it is there to be found early.

    Args:
        line: the pitches, or the signs between them.
        kept: the given melody, of which some bars are kept.
        shortest: steps that a note lasts at least.
        low, high: notes that begin in a full bar.
    """

    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE})
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False

    def __init__(
        self, line: Pitches | ContourOf, kept: Template, shortest: int, low: int, high: int
    ) -> None:
        self.name, self._line = line.name, line
        self.notes = len(line.pitches) if isinstance(line, Pitches) else len(line.signs) + 1
        given, self._bars, self._keeps, self._pickup = kept.given
        self._starts = self._bars[1:] if self._pickup else self._bars
        self._shortest, self._low, self._high = shortest, low, high
        self._rows = self._chained(self._kept_rows(given))
        self._begins = [row.first for row in self._rows]
        self._at = {row.first: row for row in self._rows}

    def _kept_rows(self, given: Sequence[tuple[int, int, int]]) -> list[Row]:
        """The rows that have notes, each with every place at which it fits the line."""
        rows: list[Row] = []
        start = None
        for begin, keep in zip(self._bars, [*self._keeps, False], strict=True):
            if keep:
                start = begin if start is None else start
            elif start is not None:
                inside = [(a, p) for a, _, p in given if start <= a < begin]
                pitches = [p for _, p in inside]
                if inside:
                    fits = [k for k in range(self.notes) if self._fits(k, pitches)]
                    rows.append(Row(start, inside[0][0], len(inside), tuple(fits)))
                start = None
        return rows

    def _fits(self, count: int, pitches: Sequence[int]) -> bool:
        """Whether notes of these pitches may come after `count` notes."""
        if count + len(pitches) > self.notes:
            return False
        if isinstance(self._line, Pitches):
            return list(self._line.pitches[count : count + len(pitches)]) == list(pitches)
        signs = [(b > a) - (b < a) for a, b in pairwise(pitches)]
        return list(self._line.signs[count : count + len(signs)]) == signs

    def _chained(self, rows: list[Row]) -> list[Row]:
        """The rows with the places from which the end can be reached."""
        found: list[Row] = []
        for row in reversed(rows):
            counts = [c for c in row.counts if self._goes_on(c + row.notes, row, found)]
            found.insert(0, row._replace(counts=tuple(counts)))
        return found

    def _goes_on(self, count: int, row: Row, later: list[Row]) -> bool:
        place = next(i for i, b in enumerate(self._bars) if b >= row.start)
        while place < len(self._keeps) and self._keeps[place]:
            place += 1
        return self._can_meet(count, self._bars[place], later[0] if later else None)

    def _can_meet(self, count: int, at: int, row: Row | None) -> bool:
        """Whether so many notes before a step can lead to a row, or to the end."""
        goal = row.start if row else self._bars[-1]
        counts = row.counts if row else (self.notes,)
        least, most = self._between(at, goal)
        place = bisect_left(counts, count + least)
        return place < len(counts) and counts[place] <= count + most

    def _between(self, at: int, goal: int) -> tuple[int, int]:
        """Notes that begin at least and at most from one step to another."""
        least = bars = 0
        for number, (start, end) in enumerate(pairwise(self._bars)):
            if end <= at or start >= goal or (number == 0 and self._pickup):
                continue
            bars += 1
            least += self._low * (start >= at and end <= goal)
        most = -(-max(0, goal - at) // self._shortest)
        if not (self._pickup and at < self._bars[1]):
            most = min(most, self._high * bars)
        return least, most

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        row = self._at.get(self._step(event.bar, event.at))
        if state == self.notes or (row and state not in row.counts):
            return None
        return state + 1

    def accept(self, state: int) -> bool:  # noqa: D102
        return state == self.notes

    def _step(self, bar: int, at: int) -> int:
        return at + (self._starts[bar] if bar >= 0 else 0)

    def possible(self, state: int, place: Place) -> bool:  # noqa: D102
        at = self._step(place.bar, place.at)
        number = bisect_left(self._begins, at)
        row = self._rows[number] if number < len(self._rows) else None
        inside = number and at < self._end(self._rows[number - 1])
        if inside or (row and row.start < at):
            return True  # among kept notes, which were looked at where they begin
        return self._can_meet(state, at, row)

    def _end(self, row: Row) -> int:
        return next(
            b for b, keep in zip(self._bars[1:], [*self._keeps[1:], False], strict=True)
            if b > row.start and not keep
        )  # fmt: skip


def kept_lines(automata: Sequence[Constraint]) -> list[Constraint]:
    """What follows from lines of pitches and kept bars, where both are asked for."""
    values = [a for a in automata if isinstance(a, NoteValues)]
    numbers = [a for a in automata if isinstance(a, NotesPerBar)]
    shortest = max([min(a.steps) for a in values], default=1)
    low = max([a.low for a in numbers], default=0)
    high = min([a.high for a in numbers], default=10**6)
    return [
        KeptLine(line, kept, shortest, low, high)
        for line in automata if isinstance(line, Pitches | ContourOf)
        for kept in automata if type(kept) is Template
    ]  # fmt: skip


__all__ = ["KeptLine", "kept_lines"]
