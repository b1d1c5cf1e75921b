"""Constraints on when notes begin and how long they last, whatever their pitches; see docs."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from fractions import Fraction
from math import gcd
from typing import ClassVar

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


class _Time(Constraint):
    kind: ClassVar[str] = "time"
    counts_bars = False
    seamless: ClassVar[bool] = True


class NoteValues(_Time):
    """Lengths of notes are some; those of rests, cut at barlines, sums of these.

    The state is what sounds, a note or a rest or nothing told, and its steps so far.

    Args:
        steps: the lengths.
    """

    name = "note-values"
    hears: ClassVar[frozenset[str]] = SOUNDS | {BAR}

    def __init__(self, steps: Iterable[int]) -> None:
        self.steps = frozenset(steps)
        self._longest = max(self.steps)
        self._grid = gcd(*self.steps)
        self._sums = {0}
        for n in range(1, 4 * 96 + 1):  # the longest bar
            if any(n - s in self._sums for s in self.steps):
                self._sums.add(n)

    def start(self) -> Hashable:  # noqa: D102
        return ("", 0)

    def step(self, state: tuple[str, int], event: Event) -> Hashable | None:  # noqa: D102
        kind, steps = state
        if event.kind == TIE:
            if kind == NOTE:
                steps += event.length
                return (NOTE, steps) if steps <= self._longest else None
            return state  # of a note before all that is looked at
        if event.kind == REST and kind == REST:
            return (REST, steps + event.length)
        if event.kind == BAR and kind == NOTE:
            return state
        if not self.accept(state):
            return None
        if event.kind == BAR:
            return ("", 0)
        if event.kind == NOTE and event.length > self._longest:
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
        before, steps = state
        if kind == REST:
            return [n - steps if before == REST else n for n in self._sums_to(
                room + steps if before == REST else room, steps if before == REST else 0
            )]  # fmt: skip
        so_far = steps if kind == TIE and before == NOTE else 0
        if kind == TIE and before != NOTE:
            return range(1, room + 1)
        whole = {v - so_far for v in self.steps if 0 < v - so_far <= room}
        longest = self._longest - so_far
        return whole.union(n for n in cuts if n < longest)

    def _sums_to(self, most: int, above: int) -> list[int]:
        return [n for n in range(above + 1, most + 1) if n in self._sums]

    def possible(self, state: tuple[str, int], place: Place) -> bool:  # noqa: D102
        kind, steps = state
        if not kind:
            return True
        if place.room < UNKNOWN_ROOM:
            # From where this began to the end there are whole lengths alone.
            ahead = (place.room + steps) % self._grid
            if ahead and ahead != place.pickup % self._grid:
                return False
        if kind != NOTE or steps in self.steps:
            return True
        return any(0 < s - steps <= place.room for s in self.steps)

    def most_notes(self, state: tuple[str, int], place: Place) -> int:  # noqa: D102
        return 1 + place.room // min(self.steps)


class NotesPerBar(_Time):
    """In every bar between so many and so many notes begin; the state is how many did in this.

    It is -1 before the first bar. Args: low and high, both included.
    """

    name = "notes-per-bar"
    measures: ClassVar[bool] = False
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def start(self) -> Hashable:  # noqa: D102
        return -1

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
    """

    name = "rest-share"
    hears: ClassVar[frozenset[str]] = SOUNDS

    def __init__(self, low: Fraction, high: Fraction) -> None:
        self.low, self.high = low, high
        self._low, self._high = low.as_integer_ratio(), high.as_integer_ratio()
        self._middle = ((low + high) / 2).as_integer_ratio()

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
        (low, of_low), (high, of_high) = self._low, self._high
        least = max(rests, -(-low * steps // of_low))
        return least <= min(rests + free, high * steps // of_high)

    def possible(self, state: tuple[int, ...], place: Place) -> bool:  # noqa: D102
        if place.room >= UNKNOWN_ROOM:
            return True
        rests, steps = state[0], state[1]
        free = state[2] if len(state) > 2 else 0
        most, least = steps + place.room, steps + place.room - place.pickup
        (low, of_low), (high, of_high) = self._low, self._high
        return rests * of_high <= high * most and low * least <= (
            (rests + free + place.room) * of_low
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
    """

    name = "rhythm"
    hears: ClassVar[frozenset[str]] = SOUNDS | {BAR}

    def __init__(self, row: Sequence[tuple[int, bool]]) -> None:
        self._total = sum(n for n, _ in row)
        self._notes: dict[int, int] = {}  # where a note begins, and where it ends
        self._sounding = [0] * self._total  # of each place within a note, that note's end
        self._borders = {0}
        self._begun: list[int] = []  # notes that begin before each place
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

    def start(self) -> Hashable:  # noqa: D102
        return -1

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        if event.kind == BAR:
            return max(state, 0)
        if state < 0:
            return state
        end = state + event.length
        if event.kind == NOTE:
            fits = end <= self._notes.get(state, -1)
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
        if state < 0 or place.room >= UNKNOWN_ROOM:
            return True
        end = state + place.room
        return end % self._total in self._borders or (
            (end - place.pickup) % self._total in self._borders
        )

    def accept(self, state: int) -> bool:  # noqa: D102
        return state in self._borders
