"""Constraints of one kind, stepped together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from tunesmith.decoding.constraints.events import EVERYTHING, Constraint, Event, Place

States = tuple[Any, ...]


def says(member: Constraint, name: str) -> bool:
    """Whether a constraint has a method of its own in place of that of `Constraint`."""
    return getattr(type(member), name) is not getattr(Constraint, name)


class Group(tuple[Constraint, ...]):
    """Constraints whose states stand side by side; only those are asked that have something to say.

    The states are a tuple in the order of the members.

    Args:
        members: the constraints.
        base: bars before the first that they count, those of a primer they do not see.

    Attributes:
        counts: whether what some say of most and of least notes may conflict.
        judging: whether any says of itself whether an end is possible.
    """

    def __new__(cls, members: Iterable[Constraint], base: int = 0) -> Group:  # noqa: D102
        return super().__new__(cls, members)

    def __init__(self, members: Iterable[Constraint], base: int = 0) -> None:
        self._base = base
        numbered = list(enumerate(self))
        self._hearing = {
            kind: [(i, m.step) for i, m in numbered if kind in m.hears] for kind in EVERYTHING
        }
        self._welcomes = {
            kind: [(i, m.welcomes) for i, m in numbered if kind in m.hears] for kind in EVERYTHING
        }
        self._accepts = [(i, m.accept) for i, m in numbered if says(m, "accept")]
        self._possible = [(i, m.possible) for i, m in numbered if says(m, "possible")]
        self._most = [(i, m.most_notes) for i, m in numbered if says(m, "most_notes")]
        self._least = [(i, m.least_notes) for i, m in numbered if says(m, "least_notes")]
        self._lengths = [(i, m.lengths) for i, m in numbered if says(m, "lengths")]
        self._ended = [(i, m.ended) for i, m in numbered if says(m, "ended")]
        self._only = [(i, m.only_pitch) for i, m in numbered if says(m, "only_pitch")]
        self.judging = bool(self._possible)
        bounding = {i for i, _ in (*self._most, *self._least)}
        self.counts = bool(self._most) and bool(self._least) and len(bounding) > 1

    def starts(self) -> States:
        """The states before the first event."""
        return tuple(m.start() for m in self)

    def step(self, states: States, event: Event) -> States | None:
        """The states after an event, or None if one of the members forbids it."""
        hearing = self._hearing[event[0]]
        if not hearing:
            return states
        after = list(states)
        for place, step in hearing:
            state = step(after[place], event)
            if state is None:
                return None
            after[place] = state
        return tuple(after)

    def ended(self, states: States) -> States | None:
        """The states once what sounded has ended; None if it may not end so."""
        if not self._ended:
            return states
        after = list(states)
        for number, ended in self._ended:
            state = ended(after[number])
            if state is None:
                return None
            after[number] = state
        return tuple(after)

    def accept(self, states: States) -> bool:
        """Whether the melody may end in these states."""
        return all(accept(states[number]) for number, accept in self._accepts)

    def may_end(self, states: States, pitch: int) -> bool:
        """False only if no melody can end on a pitch, as each says alone."""
        return all(m.may_end(state, pitch) for m, state in zip(self, states, strict=True))

    def _seen(self, place: Place) -> Place:
        """A place with its bar as the members count it."""
        base = self._base
        return place._replace(bar=place.bar - base) if 0 < base <= place.bar else place

    def possible(self, states: States, place: Place) -> bool:
        """False only if no end can be reached from here, as each says alone."""
        place = self._seen(place)
        for number, possible in self._possible:  # noqa: SIM110 (a third of the time of all())
            if not possible(states[number], place):
                return False
        return True

    def most_notes(self, states: States, place: Place) -> int:
        """A number of notes that cannot be exceeded from here on."""
        most, place = place.room, self._seen(place)
        for number, bound in self._most:
            most = min(most, bound(states[number], place))
        return most

    def least_notes(self, states: States, place: Place) -> int:
        """A number of notes that must come from here on."""
        least, place = 0, self._seen(place)
        for number, bound in self._least:
            least = max(least, bound(states[number], place))
        return least

    def lengths(
        self, states: States, place: Place, kind: str, room: int, cuts: Collection[int]
    ) -> set[int] | None:
        """The lengths of an event that matter here to all; None if no member says."""
        found: set[int] | None = None
        place = self._seen(place)
        for number, lengths in self._lengths:
            some = lengths(states[number], place, kind, room, cuts)
            if some is not None:
                found = set(some) if found is None else found.intersection(some)
        return found

    def only_pitch(self, states: States, event: Event) -> int | None:
        """The only pitch that a note may have here, if that is known."""
        for number, only in self._only:
            pitch = only(states[number], event)
            if pitch is not None:
                return pitch
        return None

    def judges(self, states: States, kind: str) -> tuple[int, ...]:
        """The places of the members that might refuse an event of a kind."""
        return tuple(i for i, welcomes in self._welcomes[kind] if not welcomes(states[i], kind))


__all__ = ["Group", "States", "says"]
