"""Joint look-ahead: whether a melody that keeps everything can still be completed.

A state of the search is (place, time, tune, both): the place between two events, and the
states of the constraints in three groups. Two projections of this product are settled on
their own and prune it: (place, time), where pitches do not matter, and (tune), where only the
order of pitches does. All searches share what they found: sets of live and dead states.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tunesmith.decoding.constraints.events import (
    BAR,
    COMPASS,
    HEAD,
    MOST_UNASKED_BARS,
    NOTE,
    REST,
    TIE,
    UNKNOWN_ROOM,
    Constraint,
    Event,
    Place,
    is_strong,
)
from tunesmith.tokens.table import LENGTHS, METER_STEPS, METERS

States = tuple[Any, ...]

_LIKED = (24, 12, 48, 36, 72, 96, 6, 18, 8, 16, 32, 3, 4, 9)
_USUAL_BARS = (8, 16, 4, 2, 12, 1, 32, 24, 3, 6)
_USUAL_METERS = ("4/4", "3/4", "2/4", "6/8", "2/2", "3/8", "9/8", "12/8", "6/4", "5/4")
MIDDLE_PITCH = 67
_MOST_TUNE_STATES = 20_000
"""States of the pitches-only projection that are worked out; with more it is left unused."""


def _order(room: int) -> tuple[int, ...]:
    """Lengths that fit, the one that fills the room first, then the usual ones."""
    first = [n for n in (room, *_LIKED) if n <= room and n in LENGTHS]
    return tuple(dict.fromkeys([*first, *(n for n in reversed(LENGTHS) if n <= room)]))


ORDERS = tuple(_order(room) for room in range(max(METER_STEPS) + 1))


@dataclass(frozen=True)
class Facts:
    """The shape a melody must have.

    Attributes:
        bars: exact number without the pickup; None for 1 to 64.
        meter: the metre's place in the table of the tokens; None for any.
        pickup: whether there is one, or its exact steps; None for either.
        layout: the metre of each bar, where a melody says it; then `bars` is their number.
        base: bars that the constraints do not count, those of a primer they do not see.
        contradiction: whether what was asked gives two shapes.
    """

    bars: int | None = None
    meter: int | None = None
    pickup: bool | int | None = None
    layout: tuple[int, ...] | None = None
    base: int = 0
    contradiction: bool = False

    def bar_counts(self) -> tuple[int, ...]:
        """The numbers of bars there may be, the usual ones first."""
        if self.bars is not None:
            return (self.bars,)
        return tuple(dict.fromkeys([*_USUAL_BARS, *range(1, MOST_UNASKED_BARS + 1)]))

    def meters(self) -> tuple[int, ...]:
        """The metres there may be at the start, the usual ones first."""
        if self.layout:
            return (self.layout[0],)
        if self.meter is not None:
            return (self.meter,)
        usual = [METERS.index(m) for m in _USUAL_METERS]
        return tuple(dict.fromkeys([*usual, *range(len(METERS))]))

    def room(self, bars: int, meter: int) -> int:
        """Steps in so many bars."""
        if self.layout:
            return sum(METER_STEPS[m] for m in self.layout[-bars:])
        return bars * METER_STEPS[meter]

    def pickup_room(self, place: Place) -> int:
        """Steps that the pickup may still take, from a place in it."""
        most = METER_STEPS[place.meter] - 1
        if self.pickup is not None and not isinstance(self.pickup, bool):
            most = self.pickup if self.pickup <= most else 0
        return most - place.at

    def pickup_complete(self, place: Place) -> bool:
        """Whether the pickup may end at a place in it."""
        if self.pickup is None or isinstance(self.pickup, bool):
            return place.at > 0
        return place.at == self.pickup


class Node(NamedTuple):
    """A state of the search: see the module."""

    place: Place
    time: States
    tune: States
    both: States


class OutOfBudget(Exception):
    """A search that could not be settled within its budget."""


def reach(
    root: Hashable,
    children: Callable[[Any], Iterator[Any]],
    live: set[Any],
    dead: set[Any],
    budget: int,
) -> bool:
    """Whether the end can be reached from `root`, depth first, in a graph without cycles.

    Args:
        root: where to begin.
        children: what may follow a state, the likeliest first; None is the end.
        live: states from which the end can be reached; grows.
        dead: states from which it cannot; grows.
        budget: children that may be looked at.

    Raises:
        OutOfBudget: if that does not suffice; what was found is kept.
    """
    if root in live:
        return True
    if root in dead:
        return False
    path = [(root, children(root))]
    while path:
        state, rest = path[-1]
        for child in rest:
            budget -= 1
            if child is None or child in live:
                live.update(s for s, _ in path)
                return True
            if child not in dead:
                path.append((child, children(child)))
                break
        else:
            dead.add(state)
            path.pop()
        if budget < 0:
            raise OutOfBudget
    return False


class TuneGraph:
    """The projection to pitches: sequences of notes, whatever their times.

    Args:
        members: the constraints of the kind 'tune'.
        compass: the pitches there are.
    """

    def __init__(self, members: Sequence[Constraint], compass: Sequence[int] = COMPASS) -> None:
        self._members = members
        self._pitches = sorted(compass, key=lambda p: abs(p - MIDDLE_PITCH))
        self._all: dict[States, list[tuple[int, States]]] = {}
        self._distance: dict[States, int] = {}
        self._given_up = False
        self._useful: dict[States, tuple[tuple[int, States], ...]] = {}

    def step(self, states: States, pitch: int) -> States | None:
        """The states after a note."""
        return step_all(self._members, states, Event(NOTE, 0, pitch, 0, 0, 0, False, 0))

    def next(self, states: States) -> tuple[tuple[int, States], ...]:
        """The pitches that may come and from which an end can be reached, the nearest to it first.

        Every one is there that is not proved to be hopeless.
        """
        found = self._useful.get(states)
        if found is None:
            if states not in self._all:
                self._explore(states)
            far = self._distance
            hopeful = [
                (pitch, after) for pitch, after in self._all[states]
                if self._given_up or after in far
            ]  # fmt: skip
            hopeful.sort(key=lambda x: far.get(x[1], 0))
            found = self._useful[states] = tuple(hopeful)
        return found

    def notes_needed(self, states: States) -> int | None:
        """Notes needed at least before an end; None if none can be reached."""
        if states not in self._all:
            self._explore(states)
        return 0 if self._given_up else self._distance.get(states)

    def _explore(self, start: States) -> None:
        """Work out everything that can follow, and how far each state is from an end."""
        waiting = [start]
        while waiting:
            states = waiting.pop()
            if states in self._all:
                continue
            after = [(p, s) for p in self._pitches if (s := self.step(states, p)) is not None]
            self._all[states] = after
            if self._given_up:
                return
            if len(self._all) > _MOST_TUNE_STATES:
                self._given_up = True
                self._useful.clear()
                if start in self._all:
                    return
                waiting = [start]
                continue
            waiting += {s for _, s in after}
        if not self._given_up:
            self._measure()

    def _measure(self) -> None:
        before: dict[States, list[States]] = {}
        for states, after in self._all.items():
            for later in {s for _, s in after}:
                before.setdefault(later, []).append(states)
        now = [s for s in self._all if accept_all(self._members, s)]
        self._distance = dict.fromkeys(now, 0)
        notes = 0
        while now:
            notes += 1
            earlier = {s for later in now for s in before.get(later, ())}
            now = [s for s in earlier if s not in self._distance]
            self._distance.update(dict.fromkeys(now, notes))
        self._useful.clear()


def step_all(members: Sequence[Constraint], states: States, event: Event) -> States | None:
    """The states of a group after an event, or None if one of them forbids it."""
    if not members:
        return states
    kind, after = event[0], []
    for member, state in zip(members, states, strict=True):
        if kind in member.hears:
            state = member.step(state, event)
            if state is None:
                return None
        after.append(state)
    return tuple(after)


def accept_all(members: Sequence[Constraint], states: States) -> bool:
    """Whether all of a group may end."""
    return all(m.accept(s) for m, s in zip(members, states, strict=True))


class Search:
    """The product of all constraints with the bars, and what is known of its states.

    Args:
        facts: the shape of the melody.
        constraints: what it must keep.
        budget: children that one search may look at.
    """

    def __init__(
        self, facts: Facts, constraints: Sequence[Constraint], budget: int = 100_000
    ) -> None:
        self.facts, self.budget = facts, budget
        all_of_them = [*constraints, *(s for c in constraints for s in c.shadows())]
        self.time = [c for c in all_of_them if c.kind == "time"]
        self.tune = [c for c in all_of_them if c.kind == "tune"]
        self.both = [c for c in all_of_them if c.kind == "both"]
        self._counts_bars = any(c.counts_bars for c in all_of_them) or bool(facts.layout)
        self.graph = TuneGraph(list(self.tune))
        self._live: set[Node] = set()
        self._dead: set[Node] = set()
        self._time_live: set[tuple[Place, States]] = set()
        self._time_dead: set[tuple[Place, States]] = set()

    # -- where a melody begins and goes on ------------------------------------

    def start(self, tonic: int = -1, mode: int = -1) -> tuple[States, States, States] | None:
        """The states of the groups before the first event; None if the key is forbidden.

        Args:
            tonic: pitch class, or -1 if it is not told.
            mode: place in `MODES`, or -1.
        """
        head = Event(HEAD, mode, tonic, -1, 0, 0, False, 0)
        groups = []
        for members in (self.time, self.tune, self.both):
            states = step_all(members, tuple(c.start() for c in members), head)
            if states is None:
                return None
            groups.append(states)
        return groups[0], groups[1], groups[2]

    def hears_head(self) -> bool:
        """Whether any constraint looks at the key that the model chooses."""
        return any(HEAD in c.hears for c in (*self.time, *self.tune, *self.both))

    def begin_pickup(self, meter: int, groups: tuple[States, States, States]) -> Node:
        """The state before the first event of a pickup."""
        return Node(Place(-1, 0, 0, meter, 0, 0, UNKNOWN_ROOM), *groups)

    def begin(
        self, meter: int, bars: int, groups: tuple[States, States, States], shown: bool = True
    ) -> Node | None:
        """The state before the first event of a tune without a pickup."""
        place = Place(-1, 0, 0, meter, 0, 0, UNKNOWN_ROOM)
        return self.barline(Node(place, *groups), bars, shown)

    def barline(self, node: Node, bars: int = 0, shown: bool = True) -> Node | None:
        """The state after a barline.

        Args:
            node: a state at the end of a bar or of the pickup.
            bars: how many there are from here on, where that was not settled before.
            shown: whether the constraints look.
        """
        after, event = self._next_bar(node.place, bars)
        return self._moved(node, after, event) if shown else node._replace(place=after)

    def _next_bar(self, place: Place, bars: int) -> tuple[Place, Event]:
        left = place.left - 1 if place.left else bars
        bar = place.bar + 1
        meter = self.facts.layout[bar] if self.facts.layout else place.meter
        pickup = place.at if place.bar < 0 else place.pickup
        room = place.room if place.left else self.facts.room(left, meter)
        number = bar if self._counts_bars or bar == 0 else 1
        length = METER_STEPS[meter]
        event = Event(BAR, length, -1, bar - self.facts.base, 0, length, True, left)
        return Place(number, left, 0, meter, pickup, place.held, room), event

    def event(self, place: Place, kind: str, length: int, pitch: int = -1) -> Event:
        """An event at a place."""
        meter = place.meter
        strong = place.bar >= 0 and is_strong(meter, place.at)
        bar = place.bar - self.facts.base if place.bar >= 0 else -1
        return Event(kind, length, pitch, bar, place.at, METER_STEPS[meter], strong, place.left)

    def after(self, place: Place, kind: str, length: int) -> Place:
        """The place after an event."""
        bar, left, at, meter, pickup, held, room = place
        held = 2 if kind != REST else min(held, 1)
        return Place(bar, left, at + length, meter, pickup, held, room - length if left else room)

    def play(
        self, node: Node, kind: str, length: int, pitch: int = -1, shown: bool = True
    ) -> Node | None:
        """The state after an event, or None if a constraint forbids it; as `barline`."""
        after = self.after(node.place, kind, length)
        if not shown:
            return node._replace(place=after)
        event = self.event(node.place, kind, length, pitch)
        return self._moved(node, after, event)

    def _moved(self, node: Node, place: Place, event: Event) -> Node | None:
        time = step_all(self.time, node.time, event._replace(pitch=-1))
        if time is None:
            return None
        tune = node.tune
        if event.kind == NOTE:
            tune_after = step_all(self.tune, tune, event)
            if tune_after is None:
                return None
            tune = tune_after
        both = step_all(self.both, node.both, event)
        return None if both is None else Node(place, time, tune, both)

    def may_end(self, node: Node) -> bool:
        """Whether the melody may end here."""
        return (
            self._complete(node.place)
            and accept_all(self.time, node.time)
            and accept_all(self.tune, node.tune)
            and accept_all(self.both, node.both)
        )

    @staticmethod
    def _complete(place: Place) -> bool:
        short = METER_STEPS[place.meter] - place.at
        return place.left == 1 and place.held > 0 and short in (0, place.pickup) and place.bar >= 0

    # -- look-ahead -------------------------------------------------------------

    def alive(self, node: Node) -> bool:
        """Whether a melody can be completed from a state.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        return reach(node, self._children, self._live, self._dead, self.budget)

    def alive_after_length(self, node: Node, length: int) -> bool:
        """Whether a melody can be completed with an event of that length next."""
        after = [n for n in self._of_length(node, length) if n not in self._dead]
        return any(n in self._live for n in after) or any(self.alive(n) for n in after)

    def room(self, place: Place) -> int:
        """Steps that the next event may take."""
        if place.bar < 0:
            return self.facts.pickup_room(place)
        return METER_STEPS[place.meter] - place.at

    def _children(self, node: Node) -> Iterator[Node | None]:
        place = node.place
        if self.may_end(node):
            yield None
        if place.bar < 0:
            if self.facts.pickup_complete(place):
                for bars in self.facts.bar_counts():
                    child = self.barline(node, bars)
                    if child and self._hopeful(child):
                        yield child
        elif place.at == METER_STEPS[place.meter]:
            if place.left > 1:
                child = self.barline(node)
                if child and self._hopeful(child):
                    yield child
            return
        for length in ORDERS[self.room(place)]:
            yield from self._of_length(node, length)

    def _of_length(self, node: Node, length: int) -> Iterator[Node]:
        """What may follow with an event of that length, as far as the projections tell."""
        place, time, tune, both = node
        for kind in (NOTE, REST, TIE) if place.held == 2 else (NOTE, REST):
            event = self.event(place, kind, length)
            time_after = step_all(self.time, time, event)
            if time_after is None:
                continue
            after = self.after(place, kind, length)
            if not self._time_alive(after, time_after):
                continue
            if kind != NOTE:
                both_after = step_all(self.both, both, event)
                if both_after is not None:
                    child = Node(after, time_after, tune, both_after)
                    if self._hopeful(child):
                        yield child
                continue
            seen = set()
            for pitch, tune_after in self.graph.next(tune):
                if self.both:
                    both_after = step_all(self.both, both, event._replace(pitch=pitch))
                    if both_after is None:
                        continue
                else:
                    both_after = both
                child = Node(after, time_after, tune_after, both_after)
                if child not in seen:
                    seen.add(child)
                    if self._hopeful(child):
                        yield child

    def _hopeful(self, node: Node) -> bool:
        """False only if no end can be reached, by the constraints' own shortcuts."""
        place = node.place
        needed = self.graph.notes_needed(node.tune)
        if needed != 0:
            members = zip((*self.time, *self.both), (*node.time, *node.both), strict=True)
            most = min((m.most_notes(s, place) for m, s in members), default=place.room)
            if needed is None or needed > most:
                return False
        for member, state in zip(self.both, node.both, strict=True):
            if not member.possible(state, place):
                return False
        return self._time_possible(place, node.time)

    def _time_possible(self, place: Place, time: States) -> bool:
        return all(m.possible(s, place) for m, s in zip(self.time, time, strict=True))

    def _time_alive(self, place: Place, time: States) -> bool:
        """Whether times alone can be completed."""
        if not self.time:
            return True
        try:
            return reach(
                (place, time), self._time_children, self._time_live, self._time_dead, self.budget
            )
        except OutOfBudget:
            return True  # not settled: no ground to prune

    def _time_children(self, state: tuple[Place, States]) -> Iterator[Any]:
        place, time = state
        if self._complete(place) and accept_all(self.time, time):
            yield None
        if place.bar < 0:
            if self.facts.pickup_complete(place):
                for bars in self.facts.bar_counts():
                    yield from self._time_barline(place, time, bars)
        elif place.at == METER_STEPS[place.meter]:
            if place.left > 1:
                yield from self._time_barline(place, time, 0)
            return
        for length in ORDERS[self.room(place)]:
            for kind in (NOTE, REST, TIE) if place.held == 2 else (NOTE, REST):
                time_after = step_all(self.time, time, self.event(place, kind, length))
                if time_after is not None:
                    after = self.after(place, kind, length)
                    if self._time_possible(after, time_after):
                        yield after, time_after

    def _time_barline(
        self, place: Place, time: States, bars: int
    ) -> Iterator[tuple[Place, States]]:
        after, event = self._next_bar(place, bars)
        time_after = step_all(self.time, time, event)
        if time_after is not None and self._time_possible(after, time_after):
            yield after, time_after
