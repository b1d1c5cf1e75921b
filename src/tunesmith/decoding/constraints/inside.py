"""Constraints on a part of a melody: bars that follow a primer, bars in its middle, some notes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from tunesmith.decoding.constraints.asked import Constraints, KeptBars
from tunesmith.decoding.constraints.events import (
    EVERYTHING,
    HEAD,
    NOTE,
    REST,
    SOUNDS,
    TIE,
    Constraint,
    Event,
    Place,
)
from tunesmith.decoding.constraints.pitches import NoteCount
from tunesmith.decoding.constraints.search import Facts
from tunesmith.decoding.constraints.template import Template
from tunesmith.decoding.constraints.times import NoteValues, RestShare, Rhythm
from tunesmith.melody import Melody

_DONE = "done"


class Sounds(Constraint):
    """At least one note begins.

    Args:
        tied: whether one may sound on from before.
    """

    name = "sound"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = SOUNDS
    seamless: ClassVar[bool] = True
    counts_bars = False

    def __init__(self, *, tied: bool = False) -> None:
        self._tied = tied

    def step(self, state: Any, event: Event) -> int | None:  # noqa: D102
        if event.kind == TIE and not state and not self._tied:
            return None
        return 2 if event.kind == NOTE else max(state, 1)

    def accept(self, state: Any) -> bool:  # noqa: D102
        return bool(state == 2)


class SoundsBesideRests(Sounds):
    """The same beside a share of rests: then all lengths are to be tried, unless they are told."""

    seamless: ClassVar[bool] = False


class Within(Constraint):
    """A constraint that looks at some bars alone, as if the melody were these.

    What sounds on into them from before is a tie with nothing before it. The state is that of the
    constraint within.

    Args:
        inner: the constraint.
        first: the first of the bars, 0-based, the pickup not counted.
        bars: how many there are.
    """

    hears: ClassVar[frozenset[str]] = EVERYTHING - {HEAD}  # the written key is that of the whole

    def __init__(self, inner: Constraint, first: int, bars: int) -> None:
        self.name, self._inner = inner.name, inner
        self._first, self._bars = first, bars

    def start(self) -> Hashable:  # noqa: D102
        return self._inner.start()

    def step(self, state: Any, event: Event) -> Hashable | None:  # noqa: D102
        bar = event.bar - self._first
        if state == _DONE or bar < 0:
            return state  # type: ignore[no-any-return]
        if bar >= self._bars:
            return _DONE if self._inner.accept(state) else None
        if event.kind not in self._inner.hears:
            return state  # type: ignore[no-any-return]
        return self._inner.step(state, event._replace(bar=bar, left=self._bars - bar))

    def accept(self, state: Any) -> bool:  # noqa: D102
        return state == _DONE or self._inner.accept(state)


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


class NewNotes(Constraint):
    """Notes that begin where it is free have one of some pitches.

    Args:
        pitches: these.
        free: the steps that are free.
        bars: the step at which each bar begins; a pickup is none.
    """

    name = "pitches of the new notes"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE})

    def __init__(
        self, pitches: Collection[int], free: Collection[int], bars: Sequence[int]
    ) -> None:
        self._pitches, self._free, self._bars = frozenset(pitches), frozenset(free), bars

    def step(self, state: Any, event: Event) -> Hashable | None:  # noqa: D102
        at = event.at + (self._bars[event.bar] if event.bar >= 0 else 0)
        return 0 if event.pitch in self._pitches or at not in self._free else None


class Line(Constraint):
    """As many notes as given, each with one of some pitches; the state is how many there were.

    Args:
        choices: the pitches that each may have.
        signs: of each interval between them, whether it rises (1), falls (-1) or stays (0);
            None if it may do any.
    """

    name = "line"
    kind: ClassVar[str] = "tune"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE})
    counts_bars = False

    def __init__(
        self, choices: Sequence[Collection[int]], signs: Sequence[int] | None = None
    ) -> None:
        self._choices, self._signs = [frozenset(c) for c in choices], signs

    def start(self) -> Hashable:  # noqa: D102
        return (0, -1)

    def step(self, state: tuple[int, int], event: Event) -> Hashable | None:  # noqa: D102
        count, before = state
        if count == len(self._choices) or event.pitch not in self._choices[count]:
            return None
        if self._signs is None:
            return (count + 1, -1)
        interval = event.pitch - before
        if before >= 0 and (interval > 0) - (interval < 0) != self._signs[count - 1]:
            return None
        return (count + 1, event.pitch)

    def accept(self, state: tuple[int, int]) -> bool:  # noqa: D102
        return state[0] == len(self._choices)

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return (NoteCount(len(self._choices)),)


class Counts(Constraint):
    """In some stretches of time exactly so many notes begin, and no new silence.

    The state is how many did in the stretch so far.

    Args:
        stretches: (first step, step after the last, notes), in order.
        silent: steps that may be silent in them.
        bars: the step at which each bar begins; a pickup is none.
    """

    name = "count"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = SOUNDS

    def __init__(
        self,
        stretches: Sequence[tuple[int, int, int]],
        silent: Collection[int],
        bars: Sequence[int],
    ) -> None:
        self._stretches, self._silent, self._bars = stretches, frozenset(silent), bars
        self._starts = [start for start, _, _ in stretches]

    def _at(self, bar: int, at: int) -> int:
        return at + (self._bars[bar] if bar >= 0 else 0)

    def _stretch(self, at: int) -> tuple[int, int, int] | None:
        place = bisect_right(self._starts, at) - 1
        return self._stretches[place] if place >= 0 and at < self._stretches[place][1] else None

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        at = self._at(event.bar, event.at)
        stretch = self._stretch(at)
        if stretch is None:
            return 0
        if event.kind == REST and not self._silent.issuperset(range(at, at + event.length)):
            return None
        state += event.kind == NOTE
        if state > stretch[2]:
            return None
        if at + event.length >= stretch[1]:
            return 0 if state == stretch[2] else None
        return state

    def possible(self, state: int, place: Place) -> bool:  # noqa: D102
        at = self._at(place.bar, place.at)
        stretch = self._stretch(at)
        return stretch is None or stretch[2] - state <= stretch[1] - at


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
        shares = any(isinstance(a, RestShare) for a in automata)
        told = any(isinstance(a, NoteValues | Rhythm) for a in automata)
        sounds = SoundsBesideRests() if shares and not told else Sounds()
        return replace(facts, layout=self.layout, bars=len(self.layout)), [*automata, sounds]


@dataclass(frozen=True, kw_only=True)
class Inside(Constraints):
    """Constraints on some bars of a melody whose others are kept.

    Attributes:
        frame: the melody whose bars, metres and pickup it has; None if `around` says that.
        around: what holds of the whole.
        first: the first of the bars, 0-based, the pickup not counted.
        count: how many there are.
        also: more automata of the whole.
    """

    frame: Melody | None = None
    around: Constraints = field(default_factory=Constraints)
    first: int = 0
    count: int = 0
    also: tuple[Constraint, ...] = ()

    @property
    def by_chance(self) -> bool:
        """Never: the bars around are kept."""
        return False

    def asked(self) -> dict[str, Any]:  # noqa: D102
        mine = ("frame", "around", "first", "count", "also")
        return {name: value for name, value in super().asked().items() if name not in mine}

    def assemble(  # noqa: D102
        self, names: Collection[str] | None = None
    ) -> tuple[Facts, list[Constraint]]:
        _, automata = super().assemble(names)
        facts, around = self.around.assemble()
        if self.frame:
            facts, _ = Constraints(kept=KeptBars(self.frame, frozenset())).assemble()
        kinds = {True: TimesWithin, False: Within}
        inside = [kinds[a.kind == "time"](a, self.first, self.count) for a in automata]
        return facts, [*around, *inside, *self.also]
