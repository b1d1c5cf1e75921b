"""A given melody that is kept, in some bars or in all, with its pitches or without; see docs."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from itertools import accumulate, pairwise
from typing import ClassVar

from tunesmith.decoding.constraints.events import (
    NOTE,
    REST,
    SOUNDS,
    TIE,
    Constraint,
    Event,
    Place,
)

_FREE, _ONSET, _SILENT, _HOLD, _ENTER = range(5)
ANY = -1


class Template(Constraint):
    """A given melody, as far as it is to be kept.

    The state is the pitch that sounds, where it matters, and whether the given end is reached.

    Args:
        name: as refusals say it.
        notes: (onset, end, pitch) of the given notes, in steps from the tune's start; pitch
            `ANY` leaves it free.
        bars: the step at which each bar begins, and one for the end; a pickup is the first.
        kept: of each of these bars, whether it is kept.
        pickup: whether the first of the bars is a pickup.

    Attributes:
        steps: its duration.
    """

    hears: ClassVar[frozenset[str]] = SOUNDS
    seamless: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        notes: Sequence[tuple[int, int, int]],
        bars: Sequence[int],
        kept: Sequence[bool],
        pickup: bool,
    ) -> None:
        self.name = name
        self.given = (notes, bars, kept, pickup)
        self._starts = bars[1:] if pickup else bars
        self.steps = total = bars[-1]
        # Of each step what must be there, and at which steps a note must have ended.
        what = [_FREE] * total
        for (start, end), keep in zip(pairwise(bars), kept, strict=True):
            if keep:
                what[start:end] = [_SILENT] * (end - start)
        is_kept = [w != _FREE for w in what]
        self._what, self._pitch = what, [ANY] * total
        self._ends: set[int] = set()
        for start, end, pitch in notes:
            for step in range(start, end):
                if is_kept[start] or is_kept[step]:
                    what[step] = _HOLD if is_kept[start] else _ENTER
                    self._pitch[step] = pitch
            if is_kept[start]:
                what[start] = _ONSET
                self._ends.add(end)
        self._enters = _ENTER in what
        # So many steps before each at which no note may sound on, and no rest be.
        stops = (s in self._ends or w not in (_FREE, _HOLD, _ENTER) for s, w in enumerate(what))
        self._stops = [0, *accumulate(stops)]
        self._sounds = [0, *accumulate(w not in (_FREE, _SILENT) for w in what)]
        self._silent = [0, *accumulate(w == _SILENT for w in what)]
        self._matter = frozenset(p for p in self._pitch if p != ANY)
        self._runs = [1] * total  # how long it goes on like that
        for step in range(total - 2, -1, -1):
            if what[step + 1] == (_HOLD if what[step] == _ONSET else what[step]) and (
                step + 1 not in self._ends
            ):
                self._runs[step] += self._runs[step + 1]

    def start(self) -> Hashable:  # noqa: D102
        return (ANY, False)

    def step(self, state: tuple[int, bool], event: Event) -> Hashable | None:  # noqa: D102
        at = event.at + (self._starts[event.bar] if event.bar >= 0 else 0)
        end = at + event.length
        if end > self.steps or not self._fits(state[0], event, at, end):
            return None
        sounding = state[0]
        if self._enters and event.kind in (NOTE, REST):
            sounding = event.pitch if event.pitch in self._matter else ANY
        return (sounding, end == self.steps)

    def tells(self, state: tuple[int, bool], pitch: int) -> Hashable:  # noqa: D102
        return pitch if pitch in self._matter else ANY

    def rests(self, room: int) -> tuple[int, int]:
        """At least and at most so many of the last steps are rests."""
        at = self.steps - min(max(room, 0), self.steps)
        sounds = self._sounds[-1] - self._sounds[at]
        return self._silent[-1] - self._silent[at], self.steps - at - sounds

    def sees(self, event: Event) -> tuple[frozenset[int], bool] | None:  # noqa: D102
        at = event.at + (self._starts[event.bar] if event.bar >= 0 else 0)
        end = at + event.length
        if end > self.steps or not self._placed(event.kind, at, end):
            return None
        return (self._asked(event.kind, at, end), end == self.steps)

    def fitting(  # noqa: D102
        self, state: tuple[int, bool], event: Event, pitches: Collection[int]
    ) -> Collection[int]:
        seen = self.sees(event)  # of a note, whatever sounded before
        return [p for p in pitches if seen[0] <= {p}] if seen else ()

    def _asked(self, kind: str, at: int, end: int) -> frozenset[int]:
        """The pitches that what sounds from `at` to `end` must have."""
        if kind == REST:
            return frozenset()
        asked = set()
        if self._enters:
            span = zip(self._what[at:end], self._pitch[at:end], strict=True)
            asked = {p for w, p in span if w == _ENTER}
        if kind == NOTE and self._what[at] == _ONSET:
            asked.add(self._pitch[at])
        return frozenset(asked - {ANY})

    def _placed(self, kind: str, at: int, end: int) -> bool:
        """Whether an event fits there, pitches aside."""
        if kind == REST:
            return self._sounds[end] == self._sounds[at]
        if kind == NOTE:
            if self._what[at] not in (_FREE, _ONSET):
                return False
            at += 1
        return self._stops[end] == self._stops[at]

    def _fits(self, sounding: int, event: Event, at: int, end: int) -> bool:
        if not self._placed(event.kind, at, end):
            return False
        if event.kind == NOTE:
            sounding = event.pitch
        return self._asked(event.kind, at, end) <= {sounding}

    def lengths(  # noqa: D102
        self,
        state: tuple[int, bool],
        place: Place,
        kind: str,
        room: int,
        cuts: Collection[int],
    ) -> Collection[int] | None:
        bar = place.bar
        at = place.at + (self._starts[bar] if bar >= 0 else 0)
        if at >= self.steps:
            return ()
        what = self._what[at]
        if what == _FREE:
            return None
        fits = {_ONSET: NOTE, _HOLD: TIE, _ENTER: TIE, _SILENT: REST}[what]
        return (min(self._runs[at], room),) if kind == fits else ()

    def accept(self, state: tuple[int, bool]) -> bool:  # noqa: D102
        return state[1]

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        notes, bars, kept, pickup = self.given
        blank = [(start, end, ANY) for start, end, _ in notes]
        return (TimeTemplate(self.name, blank, bars, kept, pickup),)


class TimeTemplate(Template):
    """The same of rhythm alone."""

    kind: ClassVar[str] = "time"

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return ()
