"""What constraints see: events in their places, and the shape of a constraint.

Times are in steps of the token grid, 24 a quarter; pitches are MIDI numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Any, ClassVar, NamedTuple

from tunesmith.tokens.table import ANY_MORE, METER_STEPS, METERS

NOTE, REST, TIE, BAR, HEAD = "note", "rest", "tie", "bar", "head"
SOUNDS = frozenset({NOTE, REST, TIE})
EVERYTHING = frozenset({NOTE, REST, TIE, BAR, HEAD})
COMPASS = range(27, 104)
"""The pitches that the tokens can say in every key."""
MOST_UNASKED_BARS = 64
UNKNOWN_ROOM = 10**6


class Event(NamedTuple):
    """Something that happens in a melody.

    Attributes:
        kind: 'note', 'rest', 'tie' (the note before sounds on), 'bar' (a bar begins; the
            pickup is none) or 'head' (the tune's key is told, before its first event).
            A note or rest may come in several pieces: a note and its ties, rest after rest. In a
            bar these are the longest that there are.
        length: steps; of a 'bar' its whole length; of a 'head' the mode's place in `MODES`, or -1.
        pitch: of a note; of a 'head' the tonic's pitch class, or -1; else -1. Constraints of
            the kind 'time' see -1 for every note.
        bar: 0 for the first full bar; -1 in the pickup.
        at: steps from the start of the bar.
        bar_length: steps in the bar, as its metre says.
        strong: whether a strong beat is here.
        left: bars left, this one included; 0 where that is not settled.
    """

    kind: str
    length: int
    pitch: int
    bar: int
    at: int
    bar_length: int
    strong: bool
    left: int

    @property
    def ends_bar(self) -> bool:
        """Whether the bar is full after it; the pickup never is."""
        return self.bar >= 0 and self.at + self.length == self.bar_length


class Place(NamedTuple):
    """Where in a tune we are, between two events.

    Attributes:
        bar: 0 for the first full bar; -1 in the pickup.
        left: bars left, this one included; 0 where that is not settled.
        at: steps of this bar that are filled.
        meter: the metre's place in the table of the tokens.
        pickup: steps of the pickup, once it is complete.
        held: 0 nothing sounded yet, 1 the last event was a rest or a note that ends here, 2 a note
            that may sound on. What can come after 1 can come after 2.
        room: steps to the end of the last bar; `UNKNOWN_ROOM` or more where that is not settled.
        more: the longest piece by which the last sound may go on in this bar, or a silence; that
            of all lengths where it may as well be looked at as a whole.
    """

    bar: int
    left: int
    at: int
    meter: int
    pickup: int
    held: int
    room: int
    more: int = ANY_MORE

    @property
    def bar_length(self) -> int:
        """Steps in the bar."""
        return METER_STEPS[self.meter]

    def longest(self, kind: str) -> int:
        """The longest piece of a kind, where it would go on with what sounds, or is silent."""
        goes_on = kind == TIE or (kind == REST and self.held != 2)
        return self.more if goes_on else ANY_MORE


def note_of(pitch: int) -> Event:
    """A note of which nothing but its pitch is told, for constraints that look at that alone."""
    return Event(NOTE, 0, pitch, 0, 0, 0, False, 0)


def is_strong(meter: int, at: int) -> bool:
    """Whether a place in a full bar, in steps, is a strong beat of the metre at that index."""
    return at == 0 or at == MIDDLES[meter]


def _middle(meter: str, steps: int) -> int:
    upper = int(meter.split("/")[0])
    return steps // 2 if upper >= 4 and upper % 2 == 0 else 0


def last_strong(meter: int) -> int:
    """The last strong beat in a bar, in steps from its start."""
    return MIDDLES[meter]


MIDDLES = tuple(_middle(m, s) for m, s in zip(METERS, METER_STEPS, strict=True))


class Constraint:
    """A small automaton over events: what a melody must keep.

    Subclass it, give `step`, and `start` and `accept` where the defaults do not do. States are
    small hashable values, never changed; the fewer there are, the quicker the search.

    Attributes:
        name: as refusals and receipts say it.
        kind: 'time' if it never looks at pitches; 'tune' if it looks at the pitches of notes
            in their order and at nothing else; otherwise 'both', which is always right.
        hears: the kinds of events it is told of; others leave its state as it is.
        counts_bars: whether it looks at `bar` of events or places.
        seamless: whether it says the same however notes and rests are cut into pieces.
        measures: whether it looks at more of lengths than in which bar and on which beat, strong
            or not, a note begins.
        alone: whether it judges every note alone, by its pitch.
        sectional: whether it judges whole bars in which no note sounds on from before, or into the
            next, by themselves, and none that come again worse than the first time, and lets notes
            have any of the same pitches, whatever came before, the first note aside; where its
            state splits, each of these. Its kind is 'time' or 'tune', and it is seamless. A class
            that derives from one has to say it anew.
    """

    name: str = "own"
    kind: ClassVar[str] = "both"
    hears: ClassVar[frozenset[str]] = EVERYTHING
    counts_bars: bool = True
    seamless: ClassVar[bool] = False
    measures: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    sectional: ClassVar[bool] = False

    def start(self) -> Hashable:
        """The state before the first event."""
        return 0

    def step(self, state: Any, event: Event) -> Hashable | None:
        """The state after an event, or None if it may not come here."""
        raise NotImplementedError

    def accept(self, state: Any) -> bool:
        """Whether the melody may end in this state."""
        return True

    def may_end(self, state: Any, pitch: int) -> bool:
        """False only if no melody can end on a pitch; `state` is that before the first event."""
        return True

    def welcomes(self, state: Any, kind: str) -> bool:
        """Whether no event of a kind is refused from here, whatever else it is; a shortcut."""
        return False

    def possible(self, state: Any, place: Place) -> bool:
        """False only if no end can be reached from here; a shortcut for the search."""
        return True

    def most_notes(self, state: Any, place: Place) -> int:
        """A number of notes that cannot be exceeded from here on; a shortcut for the search."""
        return place.room

    def least_notes(self, state: Any, place: Place) -> int:
        """A number of notes that must come from here on; a shortcut for the search."""
        return 0

    def lengths(
        self, state: Any, place: Place, kind: str, room: int, cuts: Collection[int]
    ) -> Collection[int] | None:
        """The lengths of an event that matter here; a shortcut for the search.

        Args:
            state: before the event.
            place: of the event.
            kind: 'note', 'rest' or 'tie'.
            room: the longest there may be.
            cuts: lengths after which a barline may come, over which a note may sound on.

        Returns:
            Lengths up to `room`: all that a whole note or rest, or what is left of one, may have,
            cut at barlines alone. None leaves it open.
        """
        return None

    def split(self, state: Any) -> tuple[Any, ...]:
        """States from which together the same ends can be reached, each simpler; a shortcut."""
        return (state,)

    def sees(self, event: Event) -> Hashable:
        """What the step depends on of an event it hears, its pitch aside; a shortcut.

        Two events of one kind for which this is the same lead from each state to the same, with
        the same pitch.
        """
        return event._replace(pitch=-1)

    def tells(self, state: Any, pitch: int) -> Hashable:
        """What can be told of a note's pitch from here on, now and ever after; a shortcut.

        Notes of two pitches for which this is the same lead to the same state.
        """
        return pitch

    def after_notes(self, state: Any, events: Sequence[tuple[int, Event]]) -> dict[int, Hashable]:
        """The states after notes of some pitches that may come, by pitch; to be made quicker."""
        steps = ((pitch, self.step(state, event)) for pitch, event in events)
        return {pitch: after for pitch, after in steps if after is not None}

    def fitting(self, state: Any, event: Event, pitches: Collection[int]) -> Collection[int]:
        """Those of some pitches that a note may have here; to be made quicker."""
        return [p for p in pitches if self.step(state, event._replace(pitch=p)) is not None]

    def only_pitch(self, state: Any, event: Event) -> int | None:
        """The only pitch that a note may have here, if that is known; a shortcut for the search."""
        return None

    def possible_bars(self, bars: int) -> bool:
        """False only if no melody of so many bars keeps it."""
        return True

    def at_best(self) -> Any:
        """A state in the pickup after which all can follow that can after any there, or None."""
        return None

    def loosened(self, state: Any, place: Place) -> Any:
        """The state for a search in which lengths may still be changed, where no other measures."""
        return state

    def ended(self, state: Any) -> Hashable | None:
        """The state once a note or rest has ended: another comes next, and none goes on with it.

        None if it may not end so. States that tell the same of what comes next are to be one.
        """
        return state  # type: ignore[no-any-return]

    def shadows(self) -> tuple[Constraint, ...]:
        """Weaker constraints that follow from this one, of the kinds 'time' or 'tune'."""
        return ()


class Own(Constraint):
    """A constraint made of functions.

    Args:
        name: as refusals and receipts say it.
        step: (state, event) to the next state, or None if the event may not come here.
        start: the state before the first event.
        accept: whether the melody may end in a state.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[Any, Event], Hashable | None],
        start: Hashable = 0,
        accept: Callable[[Any], bool] = lambda state: True,
    ) -> None:
        self.name, self._step, self._start, self._accept = name, step, start, accept

    def start(self) -> Hashable:  # noqa: D102
        return self._start

    def step(self, state: Any, event: Event) -> Hashable | None:  # noqa: D102
        return self._step(state, event)

    def accept(self, state: Any) -> bool:  # noqa: D102
        return self._accept(state)


REGISTRY: dict[str, Callable[[], Constraint]] = {}
"""Constraints of users' own by name; `Constraints(own=["name"])` finds them here."""


def register(name: str, make: Callable[[], Constraint]) -> None:
    """Give a constraint of one's own a name.

    Args:
        name: any text that is not taken; taking it again replaces it.
        make: gives the constraint: its class, or a function.
    """
    REGISTRY[name] = make
