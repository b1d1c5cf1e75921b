"""Constraints on the pitches of notes in their order, whatever their times; see docs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, ClassVar

from tunesmith.decoding.constraints.events import (
    BAR,
    HEAD,
    NOTE,
    UNKNOWN_ROOM,
    Constraint,
    Event,
    Place,
    last_strong,
)
from tunesmith.melody import MODES
from tunesmith.theory import SCALES

_NOTES = frozenset({NOTE})


class _Notes(Constraint):
    """A constraint that looks at where notes begin and at their pitches, not at lengths."""

    hears: ClassVar[frozenset[str]] = _NOTES
    counts_bars = False
    seamless: ClassVar[bool] = True
    measures: ClassVar[bool] = False


class _Tune(_Notes):
    kind: ClassVar[str] = "tune"


class Heard(_Tune):
    """There is at least one note; the state is whether one has come."""

    name = "sound"
    sectional: ClassVar[bool] = True

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return 1

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return None

    def accept(self, state: int) -> bool:  # noqa: D102
        return bool(state)


class Scale(_Tune):
    """Every pitch class is one of a set."""

    name = "scale"
    alone: ClassVar[bool] = True
    sectional: ClassVar[bool] = True

    def __init__(self, classes: Iterable[int]) -> None:
        self.classes = frozenset(classes)

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return state if event.pitch % 12 in self.classes else None

    def may_end(self, state: Any, pitch: int) -> bool:  # noqa: D102
        return pitch % 12 in self.classes

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return pitch % 12 in self.classes


class SomeKey(_Tune):
    """There is a tonic among some, and a mode among some, whose scale has every pitch class.

    The key that the model says of its tune, where it says one, is the one that is kept.
    The state is the keys that are still possible, as bits.

    Args:
        tonics: pitch classes.
        modes: of `MODES`.
        more: pitch classes that may sound too.
    """

    name = "key"
    sectional: ClassVar[bool] = True
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, HEAD})

    def __init__(self, tonics: Sequence[int], modes: Sequence[str], more: Iterable[int]) -> None:
        more = frozenset(more)
        self._keys = [(t, MODES.index(m)) for t in tonics for m in modes]
        scales = [{(t + s) % 12 for s in SCALES[MODES[m]]} | more for t, m in self._keys]
        self._with = [
            sum(1 << i for i, scale in enumerate(scales) if c in scale) for c in range(12)
        ]

    def start(self) -> int:  # noqa: D102
        return (1 << len(self._keys)) - 1

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        if event.kind == HEAD:
            said = (event.pitch, event.length)
            state &= sum(
                1 << i for i, key in enumerate(self._keys)
                if all(b in (-1, a) for a, b in zip(key, said, strict=True))
            )  # fmt: skip
        else:
            state &= self._with[event.pitch % 12]
        return state or None

    def may_end(self, state: Any, pitch: int) -> bool:  # noqa: D102
        return bool(state & self._with[pitch % 12])

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return self._with[pitch % 12] & state

    def split(self, state: int) -> tuple[int, ...]:  # noqa: D102
        return tuple(1 << i for i in range(len(self._keys)) if state >> i & 1)


class Range(_Tune):
    """Every pitch is within two, both included."""

    name = "range"
    alone: ClassVar[bool] = True
    sectional: ClassVar[bool] = True

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return state if self.low <= event.pitch <= self.high else None

    def may_end(self, state: Any, pitch: int) -> bool:  # noqa: D102
        return self.low <= pitch <= self.high

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return self.low <= pitch <= self.high


class MaxLeap(_Tune):
    """Successive notes are at most so many semitones apart; the state is the last pitch."""

    name = "max-leap"

    def __init__(self, semitones: int) -> None:
        self.semitones = semitones

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        if state and abs(event.pitch - state) > self.semitones:
            return None
        return event.pitch


class MaxRepeat(_Tune):
    """At most so many successive notes of one pitch; the state is the pitch and how many."""

    name = "max-repeat"

    def __init__(self, notes: int) -> None:
        self.notes = notes

    def start(self) -> Hashable:  # noqa: D102
        return (0, 0)

    def step(self, state: tuple[int, int], event: Event) -> Hashable | None:  # noqa: D102
        if event.pitch != state[0]:
            return (event.pitch, 1)
        return (event.pitch, state[1] + 1) if state[1] < self.notes else None


class Start(_Tune):
    """The first note is one of some pitches; the state is whether it has come."""

    name = "start"
    sectional: ClassVar[bool] = True

    def __init__(self, pitches: Iterable[int]) -> None:
        self.pitches = frozenset(pitches)

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return 1 if state or event.pitch in self.pitches else None

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return state or pitch in self.pitches


class End(_Tune):
    """The last note is one of some pitches; the state is whether the last one was."""

    name = "end"

    def __init__(self, pitches: Iterable[int]) -> None:
        self.pitches = frozenset(pitches)

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return int(event.pitch in self.pitches)

    def may_end(self, state: Any, pitch: int) -> bool:  # noqa: D102
        return pitch in self.pitches

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return pitch in self.pitches

    def accept(self, state: int) -> bool:  # noqa: D102
        return bool(state)


class Pitches(_Tune):
    """All pitches in their order; the state is how many have come."""

    name = "pitches-from"

    def __init__(self, pitches: Sequence[int]) -> None:
        self.pitches = tuple(pitches)

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        if state < len(self.pitches) and event.pitch == self.pitches[state]:
            return state + 1
        return None

    def accept(self, state: int) -> bool:  # noqa: D102
        return state == len(self.pitches)

    def may_end(self, state: Any, pitch: int) -> bool:  # noqa: D102
        return pitch == self.pitches[-1]

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return (NoteCount(len(self.pitches)),)


class ContourOf(_Tune):
    """The signs of all intervals in their order; the state is the notes so far and the last."""

    name = "contour"

    def __init__(self, signs: Sequence[int]) -> None:
        self.signs = tuple(signs)

    def start(self) -> Hashable:  # noqa: D102
        return (0, 0)

    def step(self, state: tuple[int, int], event: Event) -> Hashable | None:  # noqa: D102
        count, last = state
        if count > len(self.signs):
            return None
        if count:
            sign = (event.pitch > last) - (event.pitch < last)
            if sign != self.signs[count - 1]:
                return None
        return (count + 1, event.pitch)

    def after_notes(  # noqa: D102
        self, state: tuple[int, int], events: Sequence[tuple[int, Event]]
    ) -> dict[int, Hashable]:
        count, last = state
        if not count or count > len(self.signs):
            return super().after_notes(state, events)
        sign, now = self.signs[count - 1], count + 1
        if not sign:
            return {p: (now, p) for p, _ in events if p == last}
        return {p: (now, p) for p, _ in events if (p > last if sign > 0 else p < last)}

    def accept(self, state: tuple[int, int]) -> bool:  # noqa: D102
        return state[0] == len(self.signs) + 1

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return (NoteCount(len(self.signs) + 1),)


class NoteCount(_Notes):
    """Exactly so many notes; the state is how many have come."""

    name = "notes"
    kind: ClassVar[str] = "time"

    def __init__(self, notes: int) -> None:
        self.notes = notes

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return state + 1 if state < self.notes else None

    def accept(self, state: int) -> bool:  # noqa: D102
        return state == self.notes

    def possible(self, state: int, place: Place) -> bool:  # noqa: D102
        return self.notes - state <= place.room

    def most_notes(self, state: int, place: Place) -> int:  # noqa: D102
        return self.notes - state

    def least_notes(self, state: int, place: Place) -> int:  # noqa: D102
        return self.notes - state


class Cadence(_Notes):
    """How the last two notes end the tune.

    The state is whether the last note prepares an ending, and whether it is one.

    Args:
        before: pitch classes that the last note but one may have.
        last: pitch classes of the last note.
        shortest: steps that a note lasts at least; None if the metre may change.
        fewest: notes that begin in the last bar at least.
        chords: what has to be met on strong beats too.
    """

    name = "cadence"

    def __init__(
        self,
        before: Iterable[int],
        last: Iterable[int],
        shortest: int | None = None,
        fewest: int = 0,
        chords: Chords | None = None,
    ) -> None:
        self.before, self.last = frozenset(before), frozenset(last)
        self._shortest, self._fewest, self._chords = shortest, fewest, chords

    def beside(self, shortest: int, fewest: int) -> Cadence:
        """The same in one metre; how long notes last and how many begin in a bar, at least."""
        return Cadence(self.before, self.last, shortest, fewest, self._chords)

    def over(self, chords: Chords) -> Cadence:
        """The same over chords."""
        return Cadence(self.before, self.last, self._shortest, self._fewest, chords)

    def start(self) -> Hashable:  # noqa: D102
        return (False, False)

    def welcomes(self, state: tuple[bool, bool], kind: str) -> bool:  # noqa: D102
        return True

    def step(self, state: tuple[bool, bool], event: Event) -> Hashable | None:  # noqa: D102
        pitch = event.pitch % 12
        ends = state[0] and pitch in self.last and self._placed(event)
        return (pitch in self.before, ends)

    def tells(self, state: tuple[bool, bool], pitch: int) -> Hashable:  # noqa: D102
        return (pitch % 12 in self.before, pitch % 12 in self.last)

    def sees(self, event: Event) -> Hashable:  # noqa: D102
        return self._placed(event)

    def _placed(self, event: Event) -> bool:
        return event.strong

    def accept(self, state: tuple[bool, bool]) -> bool:  # noqa: D102
        return state[1]

    def may_end(self, state: Any, pitch: int) -> bool:  # noqa: D102
        return pitch % 12 in self.last

    def possible(self, state: tuple[bool, bool], place: Place) -> bool:  # noqa: D102
        if place.left != 1 or state[1]:
            return True
        last = last_strong(place.meter)
        return place.at < last or (place.at == last and state[0])

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        strong = LastStrong(self.last, self._shortest, self._fewest, self._chords)
        return (_CadencePitches(self.before, self.last), strong)


class _CadencePitches(Cadence):
    kind: ClassVar[str] = "tune"

    def _placed(self, event: Event) -> bool:
        return True

    def shadows(self) -> tuple[Constraint, ...]:
        return ()


class LastStrong(_Notes):
    """At least two notes, and the last on a strong beat; the state is notes (to 2) and that.

    Args:
        last, shortest, fewest, chords: as `Cadence`.
    """

    name = "cadence"
    kind: ClassVar[str] = "time"

    def __init__(
        self, last: frozenset[int], shortest: int | None, fewest: int, chords: Chords | None
    ) -> None:
        self._last, self._shortest, self._fewest = last, shortest, fewest
        self._chords, self.counts_bars = chords, chords is not None

    def start(self) -> Hashable:  # noqa: D102
        return (0, False)

    def at_best(self) -> Any:  # noqa: D102
        return (2, False)

    def welcomes(self, state: tuple[int, bool], kind: str) -> bool:  # noqa: D102
        return True

    def step(self, state: tuple[int, bool], event: Event) -> Hashable | None:  # noqa: D102
        ends = event.strong and (not self._chords or self._chords.meet(event, self._last))
        return (min(2, state[0] + 1), ends)

    def accept(self, state: tuple[int, bool]) -> bool:  # noqa: D102
        return state == (2, True)

    def possible(self, state: tuple[int, bool], place: Place) -> bool:  # noqa: D102
        last = last_strong(place.meter)
        if self._shortest and last // self._shortest + 1 < self._fewest:
            return False  # no such bar can end on it
        return place.left != 1 or self.accept(state) or place.at <= last

    def most_notes(self, state: tuple[int, bool], place: Place) -> int:  # noqa: D102
        if self._shortest is None or place.room >= UNKNOWN_ROOM:
            return place.room
        after = place.bar_length - last_strong(place.meter)
        return 1 + (place.room - after) // self._shortest if place.room >= after else 0


class Chords(_Notes):
    """Notes on strong beats are chord tones.

    Args:
        bars: of each bar the pitch classes of its chords, which divide it evenly.
        again: (bar, bars in all) to the bars where a form repeats that bar, itself included;
            what cannot stand there is not begun here.
        classes: the pitch classes that there are.
    """

    name = "chords"
    counts_bars = True

    def __init__(
        self,
        bars: Sequence[Sequence[frozenset[int]]],
        again: Callable[[int, int], Sequence[int]] | None = None,
        classes: Iterable[int] = range(12),
    ) -> None:
        self.bars, self._again = tuple(tuple(b) for b in bars), again
        self._there = frozenset(classes)
        self._tones: dict[tuple[int, ...], frozenset[int]] = {}

    def beside(self, classes: Iterable[int]) -> Chords:
        """The same where there are no other pitch classes."""
        return Chords(self.bars, self._again, classes)

    def meet(self, event: Event, classes: frozenset[int]) -> bool:
        """Whether any of some pitch classes may stand on a strong beat."""
        return not classes.isdisjoint(self._classes(event))

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        # Of the chords of bars that a form makes one, there may be none that a pitch meets.
        some = self._again or any(self._there.isdisjoint(c) for bar in self.bars for c in bar)
        return (_Unmet(self),) if some else ()

    def step(self, state: int, event: Event) -> Hashable | None:  # noqa: D102
        return state if not event.strong or event.pitch % 12 in self._classes(event) else None

    def tells(self, state: int, pitch: int) -> Hashable:  # noqa: D102
        return tuple(pitch % 12 in chord for bar in self.bars for chord in bar)

    def _classes(self, event: Event) -> frozenset[int]:
        """The pitch classes that are in all chords that stand where an event does."""
        place = event.bar, event.left, event.at, event.bar_length
        found = self._tones.get(place)
        if found is None:
            again = self._again(event.bar, event.bar + event.left) if self._again else (event.bar,)
            bars = [self.bars[number % len(self.bars)] for number in again]
            chords = [bar[event.at * len(bar) // event.bar_length] for bar in bars]
            found = self._tones[place] = self._there.intersection(*chords)
        return found

    def sees(self, event: Event) -> Hashable:  # noqa: D102
        return self._classes(event) if event.strong else None


class _Unmet(_Notes):
    """No note begins on a strong beat whose chord nothing can meet."""

    name = "chords"
    kind: ClassVar[str] = "time"
    counts_bars = True

    def __init__(self, chords: Chords) -> None:
        self._chords = chords

    def at_best(self) -> Any:
        return self.start()

    def step(self, state: int, event: Event) -> Hashable | None:
        return state if not event.strong or self._chords.meet(event, _CLASSES) else None


_CLASSES = frozenset(range(12))


class BarContour(_Notes):
    """The first note of each bar goes up, down, or up and then down.

    The state: whether this bar's first note is due, the last such pitch (0 for none), and what
    moved so far: 0 nothing, 1 up, 2 up and then down.

    Args:
        shape: 'up', 'down' or 'arch'.
    """

    name = "contour"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})

    def __init__(self, shape: str) -> None:
        self.shape = shape
        self._sign = -1 if shape == "down" else 1
        self._goal = 2 if shape == "arch" else 1

    def start(self) -> Hashable:  # noqa: D102
        return (False, 0, 0)

    def sees(self, event: Event) -> Hashable:  # noqa: D102
        return None

    def welcomes(self, state: tuple[bool, int, int], kind: str) -> bool:  # noqa: D102
        return not state[0] or kind != NOTE

    def step(self, state: tuple[bool, int, int], event: Event) -> Hashable | None:  # noqa: D102
        due, last, moved = state
        if event.kind != NOTE:
            return (True, last, moved)
        if not due:
            return state
        change = (event.pitch - last) * self._sign if last else 0
        if change > 0:
            if moved == 2:
                return None
            moved = 1
        elif change < 0:
            if self.shape != "arch" or moved == 0:
                return None
            moved = 2
        return (False, event.pitch, moved)

    def accept(self, state: tuple[bool, int, int]) -> bool:  # noqa: D102
        return state[2] == self._goal

    def possible(self, state: tuple[bool, int, int], place: Place) -> bool:  # noqa: D102
        if not place.left:
            return True
        due, last, moved = state
        bars = place.left - (0 if due and place.at < place.bar_length else 1)
        return self._goal - moved + (not last) <= bars

    def possible_bars(self, bars: int) -> bool:  # noqa: D102
        return bars > self._goal

    def shadows(self) -> tuple[Constraint, ...]:  # noqa: D102
        return (_Moves(), _BarsHeard(self._goal + 1))


class _BarsHeard(_Notes):
    """Notes begin in at least so many bars; the state is in how many, and whether one is due."""

    name = "contour"
    kind: ClassVar[str] = "time"
    hears: ClassVar[frozenset[str]] = frozenset({NOTE, BAR})

    def __init__(self, bars: int) -> None:
        self._bars = bars

    def start(self) -> Hashable:
        return (0, False)

    def at_best(self) -> Any:
        return self.start()

    def step(self, state: tuple[int, bool], event: Event) -> Hashable | None:
        heard, due = state
        if event.kind == BAR:
            return (heard, heard < self._bars)
        return (heard + due, False)

    def accept(self, state: tuple[int, bool]) -> bool:
        return state[0] == self._bars

    def possible(self, state: tuple[int, bool], place: Place) -> bool:
        heard, due = state
        more = place.left - (0 if due and place.at < place.bar_length else 1)
        return not place.left or heard + more >= self._bars

    def least_notes(self, state: tuple[int, bool], place: Place) -> int:
        return self._bars - state[0]


class _Moves(_Tune):
    """There are two different pitches; the state is the first (0 for none), and that."""

    name = "contour"

    def start(self) -> Hashable:
        return (0, False)

    def step(self, state: tuple[int, bool], event: Event) -> Hashable | None:
        first, moved = state
        if moved:
            return state
        return (0, True) if first and event.pitch != first else (event.pitch, False)

    def accept(self, state: tuple[int, bool]) -> bool:
        return state[1]
