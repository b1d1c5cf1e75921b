"""Constraints on a part of a melody: bars that follow a primer, bars in its middle, some notes."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tunesmith.decoding.constraints.asked import Constraints
from tunesmith.decoding.constraints.events import (
    BAR,
    EVERYTHING,
    HEAD,
    NOTE,
    SOUNDS,
    TIE,
    Constraint,
    Event,
)
from tunesmith.decoding.constraints.search import Facts
from tunesmith.decoding.constraints.template import Template

_DONE = "done"


class Sounds(Constraint):
    """At least one note begins, and the first does not sound on from before."""

    name = "sound"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = SOUNDS
    counts_bars = False

    def step(self, state: Any, event: Event) -> int | None:  # noqa: D102
        if event.kind == TIE and not state:
            return None
        return 2 if event.kind == NOTE else max(state, 1)

    def accept(self, state: Any) -> bool:  # noqa: D102
        return bool(state == 2)


class Within(Constraint):
    """A constraint that looks at some bars alone, as if the melody were these.

    What sounds on into them from before is neither a note nor a rest. The state is that of the
    constraint within, and whether anything began in these bars.

    Args:
        inner: the constraint.
        first: the first of the bars, 0-based, the pickup not counted.
        bars: how many there are.
    """

    hears: ClassVar[frozenset[str]] = EVERYTHING

    def __init__(self, inner: Constraint, first: int, bars: int) -> None:
        self.name, self._inner = inner.name, inner
        self._first, self._bars = first, bars

    def start(self) -> Hashable:  # noqa: D102
        return (self._inner.start(), False)

    def step(self, state: Any, event: Event) -> Hashable | None:  # noqa: D102
        bar = event.bar - self._first
        if state == _DONE or (bar < 0 and event.kind != HEAD):
            return state  # type: ignore[no-any-return]
        inner, begun = state
        if event.kind != HEAD and bar >= self._bars:
            return _DONE if self._inner.accept(inner) else None
        if event.kind not in self._inner.hears or (event.kind == TIE and not begun):
            return state  # type: ignore[no-any-return]
        if event.kind != HEAD:
            event = event._replace(bar=bar, left=self._bars - bar)
        after = self._inner.step(inner, event)
        return None if after is None else (after, begun or event.kind not in (HEAD, BAR))

    def accept(self, state: Any) -> bool:  # noqa: D102
        return state == _DONE or self._inner.accept(state[0])


class TimesWithin(Within):
    """The same for a constraint that never looks at pitches."""

    kind: ClassVar[str] = "time"


class Pinned(Template):
    """A given melody that is kept but for some stretches of time.

    Args:
        notes: (onset, end, pitch) of its notes, in steps from its start.
        bars: the step at which each bar begins, and one for the end; a pickup is the first.
        free: the steps that are free.
        pickup: whether the first of the bars is a pickup.
    """

    def __init__(
        self,
        notes: Sequence[tuple[int, int, int]],
        bars: Sequence[int],
        free: Collection[int],
        pickup: bool,
    ) -> None:
        cuts = sorted({*bars, *(s for s in free if s - 1 not in free)}
                      | {s + 1 for s in free if s + 1 not in free})  # fmt: skip
        kept = [start not in free for start in cuts[:-1]]
        super().__init__("kept notes", notes, cuts, kept, False)
        self._starts = bars[1:] if pickup else bars
        self._pinned = (notes, bars, free, pickup)

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        notes, bars, free, pickup = self._pinned
        return (TimesPinned([(a, b, -1) for a, b, _ in notes], bars, free, pickup),)


class TimesPinned(Pinned):
    """The same of rhythm alone."""

    kind: ClassVar[str] = "time"

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return ()


class Changed(Constraint):
    """Of some given notes at most so many are there again: same onset, length and pitch.

    The state is the note that sounds, the time, and how many are there again.

    Args:
        notes: (onset, end, pitch) of these, in steps from the tune's start.
        bars: the step at which each bar begins; a pickup is none.
        most: how many may be there again.
    """

    name = "amount"
    hears: ClassVar[frozenset[str]] = SOUNDS

    def __init__(
        self, notes: Collection[tuple[int, int, int]], bars: Sequence[int], most: int
    ) -> None:
        self._notes, self._bars, self._most = frozenset(notes), bars, most
        self._onsets = {onset for onset, _, _ in notes}

    def start(self) -> Hashable:  # noqa: D102
        return (-1, 0, 0, 0)

    def step(self, state: Any, event: Event) -> Hashable | None:  # noqa: D102
        onset, end, pitch, again = state
        at = event.at + (self._bars[event.bar] if event.bar >= 0 else 0)
        if event.kind == TIE:
            return (onset, at + event.length if onset >= 0 else 0, pitch, again)
        again += (onset, end, pitch) in self._notes
        if again > self._most:
            return None
        if event.kind == NOTE and at in self._onsets:
            return (at, at + event.length, event.pitch, again)
        return (-1, 0, 0, again)  # no note that could be there again

    def accept(self, state: Any) -> bool:  # noqa: D102
        onset, end, pitch, again = state
        return bool(again + ((onset, end, pitch) in self._notes) <= self._most)


@dataclass(frozen=True, kw_only=True)
class Following(Constraints):
    """Constraints on the bars that follow a primer.

    Attributes:
        layout: places of the metres in the table, of the primer's bars and of those after it.
    """

    layout: tuple[int, ...] = ()

    def asked(self) -> dict[str, Any]:  # noqa: D102
        return {name: value for name, value in super().asked().items() if name != "layout"}

    def assemble(  # noqa: D102
        self, names: Collection[str] | None = None
    ) -> tuple[Facts, list[Constraint]]:
        facts, automata = super().assemble(names)
        return replace(facts, layout=self.layout, bars=len(self.layout)), [*automata, Sounds()]


@dataclass(frozen=True, kw_only=True)
class Inside(Constraints):
    """Constraints on some bars of a melody whose others are kept.

    Attributes:
        around: what holds of the whole.
        first: the first of the bars, 0-based, the pickup not counted.
        count: how many there are.
        also: more automata of the whole.
    """

    around: Constraints = field(default_factory=Constraints)
    first: int = 0
    count: int = 0
    also: tuple[Constraint, ...] = ()

    def asked(self) -> dict[str, Any]:  # noqa: D102
        mine = ("around", "first", "count", "also")
        return {name: value for name, value in super().asked().items() if name not in mine}

    def assemble(  # noqa: D102
        self, names: Collection[str] | None = None
    ) -> tuple[Facts, list[Constraint]]:
        _, automata = super().assemble(names)
        facts, around = self.around.assemble()
        kinds = {True: TimesWithin, False: Within}
        inside = [kinds[a.kind == "time"](a, self.first, self.count) for a in automata]
        return facts, [*around, *inside, *self.also]
