"""Constraints on when notes begin and how long they last, whatever their pitches; see docs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import Any, ClassVar

from tunesmith.decoding.constraints.events import (
    BAR,
    NOTE,
    REST,
    SOUNDS,
    TIE,
    UNKNOWN_ROOM,
    Constraint,
    Event,
    Place,
)
from tunesmith.decoding.constraints.template import Template
from tunesmith.tokens.table import METER_STEPS


class _Time(Constraint):
    kind: ClassVar[str] = "time"
    counts_bars = False
    seamless: ClassVar[bool] = True


class NoteValues(_Time):
    """Lengths of notes are some; those of rests, cut at barlines, sums of these.

    The state is what sounds, a note or a rest or nothing told, and its steps so far.

    Args:
        steps: the lengths.
        least: so many notes are known to begin in the last bar, which is as long as all others or
            shorter by the pickup.

    Attributes:
        grid: what all lengths, of rests too, are multiples of.
        shortest, longest: of the lengths.
    """

    name = "note-values"
    sectional: ClassVar[bool] = True
    hears: ClassVar[frozenset[str]] = SOUNDS | {BAR}

    def __init__(self, steps: Iterable[int], least: int = 0) -> None:
        self.steps = frozenset(steps)
        self.shortest, self.longest = min(self.steps), max(self.steps)
        self._least = least * self.shortest  # steps that the last bar has for them
        self.grid = math.gcd(*self.steps)
        self._sums = {0}
        for n in range(1, max(METER_STEPS) + 1):
            if any(n - s in self._sums for s in self.steps):
                self._sums.add(n)
        self._lengths: Callable[..., Collection[int]] = lru_cache(maxsize=50_000)(self._lengths_of)

    def beside(self, counts: NotesPerBar) -> NoteValues:
        """The same where notes are counted, in bars of one length."""
        return NoteValues(self.steps, counts.low)

    def start(self) -> Hashable:  # noqa: D102
        return ("", 0)

    def at_best(self) -> Any:  # noqa: D102
        return self.start()

    def step(self, state: tuple[str, int], event: Event) -> Hashable | None:  # noqa: D102
        kind, steps = state
        if event.kind == TIE:
            if kind == NOTE:
                steps += event.length
                return (NOTE, steps) if steps <= self.longest else None
            return state  # of a note before all that is looked at
        if event.kind == REST and kind == REST:
            return (REST, steps + event.length)
        if event.kind == BAR and kind == NOTE:
            return state
        if not self.accept(state):
            return None
        if event.kind == BAR:
            return ("", 0)
        if event.kind == NOTE and event.length > self.longest:
            return None
        return (event.kind, event.length)

    def accept(self, state: tuple[str, int]) -> bool:  # noqa: D102
        kind, steps = state
        if kind == NOTE:
            return steps in self.steps
        return kind != REST or steps in self._sums

    def lengths(  # noqa: D102
        self, state: tuple[str, int], place: Place, kind: str, room: int, cuts: Collection[int]
    ) -> Collection[int]:
        return self._lengths(state, kind, room, cuts)

    def _lengths_of(
        self, state: tuple[str, int], kind: str, room: int, cuts: Collection[int]
    ) -> Collection[int]:
        before, steps = state
        if kind == REST:
            so_far = steps if before == REST else 0
            return [n for n in range(1, room + 1) if n + so_far in self._sums]
        so_far = steps if kind == TIE and before == NOTE else 0
        if kind == TIE and before != NOTE:
            return range(1, room + 1)
        whole = {v - so_far for v in self.steps if 0 < v - so_far <= room}
        longest = self.longest - so_far
        return whole.union(n for n in cuts if n < longest)

    def missing(self, steps: int) -> int:
        """Steps that a note must last at least which has lasted some."""
        return min((n - steps for n in self.steps if n >= steps), default=0)

    def ended(self, state: tuple[str, int]) -> Hashable | None:  # noqa: D102
        return ("", 0) if self.accept(state) else None

    def possible(self, state: tuple[str, int], place: Place) -> bool:  # noqa: D102
        kind, steps = state
        if not kind and place.held == 2:
            return True  # of a note before all that is looked at
        if place.room < UNKNOWN_ROOM:
            # From where this began to the end there are whole lengths alone.
            ahead = (place.room + steps) % self.grid
            if ahead and (
                ahead != place.pickup % self.grid
                or self._least > place.bar_length - place.pickup  # it has to be a full bar
            ):
                return False
        if kind != NOTE or steps in self.steps:
            return True
        return any(0 < s - steps <= place.room for s in self.steps)

    def most_notes(self, state: tuple[str, int], place: Place) -> int:  # noqa: D102
        return 1 + place.room // self.shortest


class NotesPerBar(_Time):
    """In every bar between so many and so many notes begin; the state is how many did in this.

    It is -1 before the first bar. Args: low and high, both included.
    """

    name = "notes-per-bar"
    sectional: ClassVar[bool] = True
    measures: ClassVar[bool] = False
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def start(self) -> Hashable:  # noqa: D102
        return -1

    def at_best(self) -> Any:  # noqa: D102
        return self.start()

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        if event.kind == BAR:
            return 0 if state < 0 or state >= self.low else None
        if state < 0:
            return state
        return state + 1 if state < self.high else None

    def welcomes(self, state: int, kind: str) -> bool:  # noqa: D102
        return kind == NOTE and state < self.high

    def accept(self, state: int) -> bool:  # noqa: D102
        return state >= self.low

    def possible(self, state: int, place: Place) -> bool:  # noqa: D102
        return state < 0 or self.low - state <= place.bar_length - place.at

    def notes_left(self, state: int) -> int:
        """How many more may come in this bar."""
        return self.high - max(state, 0)

    def most_notes(self, state: int, place: Place) -> int:  # noqa: D102
        if state < 0 or place.room >= UNKNOWN_ROOM:
            return place.room
        return self.high * place.left - state

    def least_notes(self, state: int, place: Place) -> int:  # noqa: D102
        if state < 0 or place.room >= UNKNOWN_ROOM:
            return 0
        return self.low * place.left - state


class RestShare(_Time):
    """The share of rests in the whole; the state is the steps of rest and of all so far.

    Where nothing else measures, every note may be shorter with a rest after it, and every rest
    but that before the first note a longer note. Such a loosened state has two members more: the
    steps that may be either, and whether a rest now must stay one.

    Args:
        low, high: shares, 0 to 1.
        grid: what all lengths are known to be multiples of, in steps.
        rhythm: what is known of the rests from the first bar on.
        bars: how many there are, if that is known.
        kept: a melody of which rests or rhythm are kept.
    """

    name = "rest-share"
    hears: ClassVar[frozenset[str]] = SOUNDS

    def __init__(
        self,
        low: Fraction,
        high: Fraction,
        grid: int = 1,
        rhythm: Rhythm | None = None,
        bars: int | None = None,
        kept: Template | None = None,
    ) -> None:
        self.low, self.high, self._grid = low, high, grid
        self._rhythm, self._bars, self._kept = rhythm, bars, kept
        self._low, self._high = low.as_integer_ratio(), high.as_integer_ratio()
        self._middle = ((low + high) / 2).as_integer_ratio()

    def beside(
        self,
        values: NoteValues | None,
        rhythm: Rhythm | None,
        bars: int | None,
        kept: Template | None,
    ) -> RestShare:
        """The same where more is known of lengths."""
        return RestShare(self.low, self.high, values.grid if values else 1, rhythm, bars, kept)

    def start(self) -> Hashable:  # noqa: D102
        return (0, 0)

    def loosened(self, state: tuple[int, int], place: Place) -> tuple[int, ...]:  # noqa: D102
        return state if len(state) > 2 else (*state, 0, place.held != 2)

    def step(self, state: tuple[int, ...], event: Event) -> Hashable | None:  # noqa: D102
        length = event.length
        if len(state) == 2:
            rests, steps = state
            if event.kind == REST:
                if not self.high:
                    return None
                rests += length
            return (rests, steps + length)
        rests, steps, free, waits = state
        if event.kind == REST:
            if waits:
                return (rests + length, steps + length, free, True)
            return (rests, steps + length, free + length, False)
        return (rests, steps + length, free + length - (event.kind == NOTE), False)

    def welcomes(self, state: tuple[int, ...], kind: str) -> bool:  # noqa: D102
        return kind != REST or bool(self.high)

    def accept(self, state: tuple[int, ...]) -> bool:  # noqa: D102
        return self.holds(state[0], state[2] if len(state) > 2 else 0, state[1])

    def holds(self, rests: int, free: int, steps: int) -> bool:
        """Whether there may be `rests` to `rests + free` steps of rest in `steps` in all."""
        (low, of_low), (high, of_high), grid = self._low, self._high, self._grid
        least = max(rests, -(-low * steps // of_low))
        return -(-least // grid) * grid <= min(rests + free, high * steps // of_high)

    def due(self, state: tuple[int, ...], room: int) -> tuple[int, int]:
        """Steps of rest that have to come at least and may come at most in what is left."""
        (low, of_low), (high, of_high) = self._low, self._high
        rests, whole = state[0], state[1] + room
        due = -(-low * whole // of_low) - rests
        return due if due > 0 else 0, high * whole // of_high - rests

    def possible(self, state: tuple[int, ...], place: Place) -> bool:  # noqa: D102
        rests, steps = state[0], state[1]
        if place.room >= UNKNOWN_ROOM:
            return place.bar >= 0 or self._may_follow(rests, steps, place.bar_length)
        free = state[2] if len(state) > 2 else 0
        for room in {place.room, place.room - place.pickup}:
            if self._kept and steps + room != self._kept.steps:
                continue
            least, most = 0, room
            for known in (self._rhythm, self._kept):
                if known:
                    some = known.rests(room)
                    least, most = max(least, some[0]), min(most, some[1])
            if least <= most and self.holds(rests + least, free + most - least, steps + room):
                return True
        return False

    def _may_follow(self, rests: int, steps: int, bar: int) -> bool:
        """Whether the rhythm may follow in a pickup, which is less than a bar."""
        if self._rhythm is None or self._bars is None:
            return True
        whole = self._bars * bar
        least, most = self._rhythm.rests(whole - bar)[0], self._rhythm.rests(whole)[1]
        (low, of_low), (high, of_high) = self._low, self._high
        return (rests + least) * of_high <= high * (whole + bar) and low * whole <= of_low * (
            rests + bar - steps + most
        )

    def wanted(self, state: tuple[int, ...], room: int) -> int:
        """Steps of rest that are wanted by the end of `room`, for a share in the middle."""
        middle, whole = self._middle
        return middle * (state[1] + room) // whole - state[0]


class Rhythm(_Time):
    """A row of notes and rests, repeated from the first bar to the end.

    The state is the place in the row, in steps, and whether a note is sounding; -1 in the pickup.

    Args:
        row: (steps, whether it is a note) of each member.
        only: the lengths that notes may have; None for any.
    """

    name = "rhythm"
    hears: ClassVar[frozenset[str]] = SOUNDS | {BAR}

    def __init__(
        self, row: Sequence[tuple[int, bool]], only: Collection[int] | None = None
    ) -> None:
        self._row, self._total = row, sum(n for n, _ in row)
        self._notes: dict[int, int] = {}  # where a note begins, and where it ends
        self._sounding = [0] * self._total  # of each place within a note, that note's end
        self._borders = {0}
        self._begun: list[int] = []  # notes that begin before each place
        self._rests: dict[int, tuple[int, int]] = {}
        self._silent = [False] * self._total
        at = 0
        for steps, is_note in row:
            if is_note:
                self._notes[at] = at + steps
            for place in range(at, at + steps):
                self._begun.append(len(self._notes) - (is_note and place == at))
                self._sounding[place] = at + steps if is_note else 0
                self._silent[place] = not is_note
            at += steps
            self._borders.add(at % self._total)
        ends = [b for b, e in self._notes.items() if only is not None and e - b not in only]
        self._last: list[float] = [  # steps from each place to a note that may not be
            min(((b - p) % self._total for b in ends), default=math.inf) for p in range(self._total)
        ]

    def beside(self, values: NoteValues) -> Rhythm:
        """The same where lengths of notes are some."""
        return Rhythm(self._row, values.steps)

    def rests(self, room: int) -> tuple[int, int]:
        """At least and at most so many steps of some are rests, wherever in the row they begin."""
        found = self._rests.get(room)
        if found is None:
            rounds, more = divmod(max(room, 0), self._total)
            row = list(accumulate([0, *self._silent, *self._silent]))
            inside = [row[p + more] - row[p] for p in range(self._total)]
            whole = rounds * row[self._total]
            found = self._rests[room] = whole + min(inside), whole + max(inside)
        return found

    def start(self) -> Hashable:  # noqa: D102
        return -1

    def at_best(self) -> Any:  # noqa: D102
        return self.start()

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        if event.kind == BAR:
            return max(state, 0)
        if state < 0:
            return state
        end = state + event.length
        if event.kind == NOTE:
            fits = end <= self._notes.get(state, -1) and self._last[state] > 0
        elif event.kind == TIE:
            inside = state not in self._borders
            fits = inside and end <= self._sounding[state]
        else:
            fits = all(self._silent[p % self._total] for p in range(state, end))
        return end % self._total if fits else None

    def lengths(  # noqa: D102
        self, state: int, place: Place, kind: str, room: int, cuts: Collection[int]
    ) -> Collection[int] | None:
        if state < 0:
            return None
        if kind == REST:
            run = 0
            while run < room and self._silent[(state + run) % self._total]:
                run += 1
            short = place.bar_length - place.pickup - place.at
            return {n for n in (run, short if place.left == 1 else 0) if 0 < n <= run}
        end = self._notes.get(state, 0) if kind == NOTE else self._sounding[state]
        return (min(end - state, room),) if end > state else ()

    def _ahead(self, state: int, steps: int) -> int:
        """Notes that begin in so many steps from here on."""
        rounds, rest = divmod(state + steps, self._total)
        return rounds * len(self._notes) + self._begun[rest] - self._begun[state]

    def most_notes(self, state: int, place: Place) -> int:  # noqa: D102
        if state < 0 or place.room >= UNKNOWN_ROOM:
            return place.room
        return self._ahead(state, place.room)

    def least_notes(self, state: int, place: Place) -> int:  # noqa: D102
        if state < 0 or place.room >= UNKNOWN_ROOM:
            return 0
        return self._ahead(state, max(0, place.room - place.pickup))

    def possible(self, state: int, place: Place) -> bool:  # noqa: D102
        if state < 0 or place.room >= UNKNOWN_ROOM:  # it may end here, or go on
            return self._last[max(state, 0)] > 0 or state in self._borders
        return any(
            room <= self._last[state] and (state + room) % self._total in self._borders
            for room in (place.room, place.room - place.pickup)
        )

    def accept(self, state: int) -> bool:  # noqa: D102
        return state in self._borders
