"""All melodies of one rhythm at once: a search through times that carries sets of states.

What follows a note of a given time depends on its pitch alone, so the states that all pitches
lead to are kept together, as the bits of a number. Where the order of pitches is a line that is
told (pitches of a file, a contour of one) and some of its places are pinned (kept bars, chords),
this settles in thousands of steps what one melody at a time would not in millions.

Forms are left out: what is dead without them is dead, and a melody found is tried with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tunesmith.decoding.constraints.events import NOTE, Event, Place
from tunesmith.decoding.constraints.form import Form
from tunesmith.decoding.constraints.groups import Group, States
from tunesmith.decoding.constraints.reaching import OutOfBudget

if TYPE_CHECKING:
    from tunesmith.decoding.constraints.reaching import Allowance, Node
    from tunesmith.decoding.constraints.search import Search

When = tuple[Place, States]
_MOST_REMEMBERED = 200_000
_NEW_AT_A_TIME = 8
"""So many states stepped cost as much as one child looked at."""


class Crowd(NamedTuple):
    """A place, the states of times there, and a set of the other states, as bits."""

    place: Place
    time: States
    members: int


class Way(NamedTuple):
    """How some states at a place and time go on to an end; no event is the end itself."""

    members: int
    event: Event | None
    after: When | None


class Crowds:
    """The search.

    Args:
        search: the one whose constraints and moves it has.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._kept = [i for i, c in enumerate(search.both) if not isinstance(c, Form)]
        self._both = Group((search.both[i] for i in self._kept), search.facts.base)
        self.exact = len(self._both) == len(search.both)
        self._numbers: dict[tuple[States, States], int] = {}
        self._states: list[tuple[States, States]] = []
        self._needs: list[int] = []
        self._after: dict[tuple[int, Any], int] = {}
        self._sets: dict[tuple[int, Any], int] = {}
        self._most_needed: dict[int, tuple[int, int]] = {}
        self._dead: dict[When, int] = {}
        self._live: dict[When, list[Way]] = {}

    def settle(self, node: Node, allowance: Allowance) -> list[Node] | None:
        """A way from a state to the end, forms aside.

        Args:
            node: where to begin.
            allowance: what it may cost; shrinks.

        Returns:
            The states on the way, the last one an end; empty if a form is in the way; None if
            there is no way, whatever the form.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        if len(self._after) + len(self._sets) + len(self._dead) > _MOST_REMEMBERED:
            self.__init__(self._search)  # type: ignore[misc]
        root = self._thinned(node.place, node.time, self._number(node.tune, self._part(node.both)))
        if root is None or not self._reach(root, allowance):
            return None
        return self._told(node)

    def _part(self, both: States) -> States:
        return both if self.exact else tuple(both[i] for i in self._kept)

    def _number(self, tune: States, both: States) -> int:
        """The bit of a state."""
        state = (tune, both)
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            needed = self._search.graph.notes_needed(tune)
            self._needs.append(10**9 if needed is None else needed)
        return 1 << number

    def _reach(self, root: Crowd, allowance: Allowance) -> bool:
        """Depth first, as `search.reach`; what is found is kept by member."""
        path = [(root, self._children(root, allowance))]
        events: list[Event] = []
        while path:
            crowd, rest = path[-1]
            for event, child in rest:
                allowance.left -= 1
                if event is None:
                    self._learn([c for c, _ in path], events, self._ended(crowd), None)
                    return True
                known = self._known(child)
                if known:
                    when = (child.place, child.time)
                    self._learn([c for c, _ in path], [*events, event], known, when)
                    return True
                dead = self._dead.get((child.place, child.time), 0)
                left = child.members & ~dead
                if left:
                    child = child._replace(members=left)
                    path.append((child, self._children(child, allowance)))
                    events.append(event)
                    break
            else:
                when = (crowd.place, crowd.time)
                self._dead[when] = self._dead.get(when, 0) | crowd.members
                path.pop()
                if events:
                    events.pop()
            if allowance.left < 0:
                raise OutOfBudget
        return False

    def _known(self, crowd: Crowd) -> int:
        """The members of which a way to the end is known."""
        found = 0
        for way in self._live.get((crowd.place, crowd.time), ()):
            found |= way.members
        return found & crowd.members

    def _ended(self, crowd: Crowd) -> int:
        """The members that may end here."""
        search, found = self._search, 0
        for number in _bits(crowd.members):
            tune, both = self._states[number]
            if search.tune.accept(tune) and self._both.accept(both):
                found |= 1 << number
        return found

    def _learn(
        self, crowds: list[Crowd], events: list[Event], ends: int, when: When | None
    ) -> None:
        """Remember a way: the members of each crowd on it that it serves."""
        if when is None:
            last = crowds[-1]
            self._remember((last.place, last.time), Way(ends, None, None))
            when, crowds = (last.place, last.time), crowds[:-1]
        for crowd, event in zip(reversed(crowds), reversed(events), strict=True):
            key = self._key(event)
            serves = 0
            for number in _bits(crowd.members):
                if self._followers(number, event, key) & ends:
                    serves |= 1 << number
            self._remember((crowd.place, crowd.time), Way(serves, event, when))
            ends, when = serves, (crowd.place, crowd.time)

    def _remember(self, when: When, way: Way) -> None:
        ways = self._live.setdefault(when, [])
        if not any(w.members & way.members == way.members for w in ways):
            ways.append(way)

    # -- what follows ------------------------------------------------------------

    def _children(self, crowd: Crowd, allowance: Allowance) -> Iterator[tuple[Event | None, Crowd]]:
        search, place, time = self._search, crowd.place, crowd.time
        if search.times.complete(place) and search.time.accept(time) and self._ended(crowd):
            yield None, crowd
        for event, after, time_after in search.times.live_moves(place, time):
            before = len(self._after)
            members = self._set_after(crowd.members, event)
            allowance.left -= (len(self._after) - before) // _NEW_AT_A_TIME
            if members:
                child = self._thinned(after, time_after, members)
                if child is not None:
                    yield event, child

    def _thinned(self, place: Place, time: States, members: int) -> Crowd | None:
        """A crowd without the members that are hopeless there; None if all are."""
        most = self._search.time.most_notes(time, place)
        least_of_all, most_of_all = self._bounds(members)
        if most < most_of_all:
            if most < least_of_all:
                return None
            members = sum(1 << n for n in _bits(members) if self._needs[n] <= most)
        if self._both.judging and place.at == 0:
            for number in _bits(members):
                if not self._both.possible(self._states[number][1], place):
                    members ^= 1 << number
        return Crowd(place, time, members) if members else None

    def _bounds(self, members: int) -> tuple[int, int]:
        found = self._most_needed.get(members)
        if found is None:
            needs = [self._needs[n] for n in _bits(members)]
            found = self._most_needed[members] = min(needs), max(needs)
        return found

    def _key(self, event: Event) -> Any:
        """What is the same of all events that do the same."""
        return (event.kind, *(m.sees(event) for m in self._both if event.kind in m.hears))

    def _set_after(self, members: int, event: Event) -> int:
        if event.kind != NOTE and not self._both:
            return members
        key = self._key(event)
        found = self._sets.get((members, key))
        if found is None:
            found = 0
            for number in _bits(members):
                found |= self._followers(number, event, key)
            self._sets[members, key] = found
        return found

    def _followers(self, number: int, event: Event, key: Any) -> int:
        found = self._after.get((number, key))
        if found is None:
            found = 0
            for _, tune, both in self._steps(number, event):
                found |= self._number(tune, both)
            self._after[number, key] = found
        return found

    def _steps(self, number: int, event: Event) -> Iterator[tuple[int, States, States]]:
        """The pitches that a state may have, -1 for no note, and what follows."""
        tune, both = self._states[number]
        if event.kind != NOTE:
            after = self._both.step(both, event)
            if after is not None:
                yield -1, tune, after
            return
        for pitch, tune_after in self._search.graph.next(tune):
            after = self._both.step(both, event._replace(pitch=pitch))
            if after is not None:
                yield pitch, tune_after, after

    # -- one melody of many --------------------------------------------------------

    def _told(self, node: Node) -> list[Node]:
        """The states of one melody along known ways; empty if a form is in its way."""
        nodes = [node]
        when: When = (node.place, node.time)
        number = self._numbers[node.tune, self._part(node.both)]
        while True:
            way = next(w for w in self._live[when] if w.members >> number & 1)
            if way.event is None or way.after is None:
                return nodes if self._search.may_end(nodes[-1]) else []
            place, time = when = way.after
            moved = None
            for pitch, tune, both in self._steps(number, way.event):
                bit = self._number(tune, both)
                if not any(w.members & bit for w in self._live[when]):
                    continue
                event = way.event._replace(pitch=pitch) if pitch >= 0 else way.event
                whole = self._search.both.step(nodes[-1].both, event)
                if whole is not None:
                    moved = nodes[-1]._replace(place=place, time=time, tune=tune, both=whole)
                    number = bit.bit_length() - 1
                    break
            if moved is None:
                return []
            nodes.append(moved)


def _bits(members: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while members:
        low = members & -members
        yield low.bit_length() - 1
        members ^= low


__all__ = ["Crowds"]
