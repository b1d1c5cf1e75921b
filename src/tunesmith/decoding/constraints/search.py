"""Joint look-ahead: whether a melody that keeps everything can still be completed.

A state of the search is (place, time, tune, both): the place between two events, and the
states of the constraints in three groups. Two projections of this product are settled on
their own and prune it: (place, time), where pitches do not matter, and (tune), where only the
order of pitches does. All searches share what they found: live and dead states.

The search does not go through all melodies. A note is one event, or one in each bar that it
sounds in; and of the lengths only those are tried that some constraint says matter
(`Constraint.lengths`), or, where none measures lengths, one step, the way to the next strong
beat and the way to the barline: every melody can be brought to this form without changing what
such constraints see. With a constraint of a user's own all pieces that tokens can say are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tunesmith.decoding.constraints.crowds import Crowds
from tunesmith.decoding.constraints.events import (
    BAR,
    HEAD,
    MIDDLES,
    NOTE,
    REST,
    TIE,
    UNKNOWN_ROOM,
    Constraint,
    Event,
    Place,
    is_strong,
)
from tunesmith.decoding.constraints.facts import Facts
from tunesmith.decoding.constraints.form import Form, FormState, FormTimes
from tunesmith.decoding.constraints.pitches import Heard
from tunesmith.decoding.constraints.template import TimeTemplate
from tunesmith.decoding.constraints.times import RestShare, Rhythm
from tunesmith.decoding.constraints.tunegraph import (
    States,
    TuneGraph,
    accept_all,
    step_all,
)
from tunesmith.tokens.table import LENGTHS, METER_STEPS

Groups = tuple[States, States, States]
_LIKED = (24, 12, 48, 36, 72, 96, 6, 18, 8, 16, 32, 3, 4, 9)
_MOST_REMEMBERED = 300_000
"""States that are remembered of each kind."""
_USUAL = 10
"""So many metres and numbers of bars, the first, are tried before others."""
_ALONE = 300
"""Children that are looked at one melody at a time at least, before all of a rhythm at once."""
_LIKELY, _LONG = 3, 8_000
"""So many of these, the first, get a search of this length where sections repeat."""
_TIME_BUDGET = 3_000
"""What one question of times alone may cost; what is not settled by then prunes nothing."""
_LEAST_TIME_BUDGET = 50
"""The same, where several in a row were not settled."""


def _order(room: int) -> tuple[int, ...]:
    """Lengths that fit, the one that fills the room first, then the usual ones."""
    first = [n for n in (room, *_LIKED) if n <= room and n in LENGTHS]
    return tuple(dict.fromkeys([*first, *(n for n in reversed(LENGTHS) if n <= room)]))


ORDERS = tuple(_order(room) for room in range(max(METER_STEPS) + 1))


class Node(NamedTuple):
    """A state of the search: see the module."""

    place: Place
    time: States
    tune: States
    both: States


class Move(NamedTuple):
    """An event that may come next, as far as times tell."""

    event: Event
    place: Place
    time: States


class OutOfBudget(Exception):
    """A search that could not be settled within its budget."""


class Allowance:
    """Children that may still be looked at."""

    def __init__(self, left: int) -> None:
        self.left = left


def reach(
    root: Hashable,
    children: Callable[[Any], Iterator[Any]],
    is_live: Callable[[Any], bool],
    dead: set[Any],
    allowance: Allowance,
) -> list[Any] | None:
    """A way to the end, depth first, in a graph without cycles.

    Args:
        root: where to begin.
        children: what may follow a state, the likeliest first; None is the end.
        is_live: whether it is known of a state that the end can be reached from it.
        dead: states from which it cannot; grows.
        allowance: children that may be looked at; shrinks.

    Returns:
        The states on a way from `root`, and the known one to which it leads, or None for the
        end; None if there is no way.

    Raises:
        OutOfBudget: if the allowance does not suffice; what was found dead is kept.
    """
    path = [(root, children(root))]
    while path:
        state, rest = path[-1]
        for child in rest:
            allowance.left -= 1
            if child is None or is_live(child):
                return [*(s for s, _ in path), child]
            if child not in dead:
                path.append((child, children(child)))
                break
        else:
            dead.add(state)
            path.pop()
        if allowance.left < 0:
            raise OutOfBudget
    return None


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
        rigid = any(isinstance(c, Rhythm | TimeTemplate) for c in all_of_them)
        if not rigid:  # lists of lengths without end: no use where lengths are free
            all_of_them = [c for c in all_of_them if not isinstance(c, FormTimes)]
        self.time = [c for c in all_of_them if c.kind == "time"]
        self.tune = [Heard(), *(c for c in all_of_them if c.kind == "tune")]
        self.both = [c for c in all_of_them if c.kind == "both"]
        self._counts_bars = any(c.counts_bars for c in all_of_them) or bool(facts.layout)
        self.graph = TuneGraph(list(self.tune))
        self._bars = [b for b in facts.bar_counts() if all(c.possible_bars(b) for c in all_of_them)]
        self._survey(all_of_them)
        self._allowance = Allowance(budget)
        self._live: set[Node] = set()
        self._dead: set[Node] = set()
        self._time_live: set[tuple[Place, States]] = set()
        self._time_dead: set[tuple[Place, States]] = set()
        self._moves_known: dict[tuple[Place, States], tuple[Move, ...]] = {}
        self._notes_known: dict[Any, tuple[tuple[States, States], ...]] = {}
        self._rests_to_come: dict[Node, tuple[int, int, int]] = {}
        self._time_budget = _TIME_BUDGET
        self._crowds = Crowds(self)

    def _survey(self, members: Sequence[Constraint]) -> None:
        """What kind of search this is."""
        measuring = [c for c in members if c.measures]
        self._formed = formed = any(isinstance(c, Form) for c in members)
        self._whole = all(c.seamless for c in members)
        shares = [i for i, c in enumerate(self.time) if isinstance(c, RestShare)]
        self._share = shares[0] if shares and self._whole else None
        others = [c for c in measuring if not isinstance(c, RestShare)]
        self._loose = bool(shares) and not others and not formed and self._whole
        self._all_rests = bool(shares) and not self._loose
        self._ties = bool(others) or formed
        self._short_matters = bool(measuring)
        self._few = (1, 2, 3) if formed else (1,)
        self._bounding = (*self.time, *self.both)
        bounds = [
            (type(c).most_notes, type(c).least_notes) for c in self.time
        ]  # fmt: skip
        plain = (Constraint.most_notes, Constraint.least_notes)
        self._counting = [i for i, b in enumerate(bounds) if b != plain]
        if len(self._counting) < 2:
            self._counting = []  # one alone knows by itself

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
            self.complete(node.place)
            and accept_all(self.time, node.time)
            and accept_all(self.tune, node.tune)
            and accept_all(self.both, node.both)
        )

    @staticmethod
    def complete(place: Place) -> bool:
        """Whether a place is the end of the last bar, and something sounded."""
        short = METER_STEPS[place.meter] - place.at
        return place.left == 1 and place.held > 0 and short in (0, place.pickup) and place.bar >= 0

    # -- look-ahead -------------------------------------------------------------

    def any_alive(self, groups: Groups, meters: Sequence[int], allowance: Allowance) -> bool:
        """Whether there is a melody that begins in one of some metres.

        Every beginning is tried with a small allowance before any with a large one.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        needed = self.graph.notes_needed(groups[1]) or 0
        first = 200 + 10 * needed
        usual = [
            root for meter in meters[:_USUAL] for root in self._roots(meter, groups, usual=True)
        ]
        if self._formed:  # few are tried long rather than many in vain
            likely = usual[:_LIKELY]
            if self._any_of(likely, max(8 * first, _LONG), allowance):
                return True
            usual = [*likely, *usual[_LIKELY:]]
        if self._any_of(usual, first, allowance):
            return True
        waiting = dict.fromkeys(meters)
        roots: dict[int, list[Node]] = {}
        for most in (first, 2_000 + 50 * needed, allowance.left):
            for meter in list(waiting):
                if meter not in roots:
                    hopeless = not self._endless(meter, groups[0], allowance)
                    roots[meter] = [] if hopeless else list(self._roots(meter, groups))
                if self._any_of(roots[meter], most, allowance):
                    return True
                if not roots[meter]:
                    del waiting[meter]
            if not waiting:
                return False
        raise OutOfBudget

    def _any_of(self, roots: list[Node], most: int, allowance: Allowance) -> bool:
        """Whether a melody can be completed from one of some states; drops those that are dead.

        Args:
            roots: the states.
            most: what one may cost.
            allowance: what they may cost together.

        Raises:
            OutOfBudget: if they cost more together.
        """
        unsettled = []
        for root in roots:
            before = min(most, allowance.left)
            part = Allowance(before)
            try:
                if self.alive(root, part):
                    return True
            except OutOfBudget:
                unsettled.append(root)
            allowance.left -= before - part.left
            if allowance.left <= 0:
                raise OutOfBudget
        roots[:] = unsettled
        return False

    def _roots(self, meter: int, groups: Groups, usual: bool = False) -> Iterator[Node]:
        """Where a melody in a metre may begin; or the usual numbers of bars alone."""
        pickup = self.facts.pickup
        if pickup is None or pickup is False:
            for bars in self._bars[:_USUAL] if usual else self._bars:
                node = self.begin(meter, bars, groups)
                if node is not None and self._hopeful(node):
                    yield node
        if pickup is not False and self._bars:
            node = self.begin_pickup(meter, groups)
            room = self.room(node.place) > 0 and self._bars_suffice(node)
            if room and self._hopeful(node):
                yield node

    def _bars_suffice(self, node: Node) -> bool:
        """False only if, after a pickup, too many notes must come for any number of bars."""
        counting = [(self.time[i], node.time[i]) for i in self._counting]
        most = min((m.most_notes(s, node.place) for m, s in counting), default=node.place.room)
        for bars in self._bars:
            after, event = self._next_bar(node.place, bars)
            time = step_all(self.time, node.time, event)
            if time is None or not counting:
                return True
            if max(self.time[i].least_notes(time[i], after) for i in self._counting) <= most:
                return True
        return False

    def _endless(self, meter: int, time: States, allowance: Allowance) -> bool:
        """False only if no melody in a metre keeps what is said of times, of any number of bars."""
        members = tuple(
            c for c in self.time if not (c.counts_bars or isinstance(c, RestShare)) and c.seamless
        )
        if not members or self.facts.layout or self.facts.bars is not None:
            return True  # of use only where the number of bars is open
        states = tuple(s for c, s in zip(self.time, time, strict=True) if c in members)
        length, pickup = METER_STEPS[meter], self.facts.pickup
        place = Place(-1, 0, 0, meter, 0, 0, UNKNOWN_ROOM)
        waiting = [(place, states)]
        seen = set()
        while waiting:
            place, states = key = waiting.pop()
            if key in seen:
                continue
            seen.add(key)
            allowance.left -= 1
            if len(seen) > _TIME_BUDGET or allowance.left < 0:
                return True
            full = place.bar >= 0 and (place.at == length or (pickup is not False and place.at))
            if full and place.held and accept_all(members, states):
                return True
            begins = place.bar < 0 and (place.at or not pickup)
            if place.at == length or begins:
                bar = Event(BAR, length, -1, 0, 0, length, True, 0)
                after = step_all(members, states, bar)
                if after is not None:
                    waiting.append((place._replace(bar=0, at=0), after))
            if place.bar < 0 and pickup is False:
                continue
            for move in self._new_moves(place, states, members):
                waiting.append((move.place, move.time))
        return False

    def alive(self, node: Node, allowance: Allowance | None = None) -> bool:
        """Whether a melody can be completed from a state.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        if self._is_live(node):
            return True
        if node in self._dead or not self._hopeful(node):
            return False
        allowance = allowance or Allowance(self.budget)
        place = node.place
        if place.pickup and place.left and not self.facts.layout:
            # A last bar that is complete can always be had where one short by the pickup can,
            # unless lengths matter.
            full = node._replace(place=place._replace(pickup=0))
            try:
                if self._alive(full, allowance):
                    self._live.add(node)
                    return True
            except OutOfBudget:
                if self._short_matters:
                    return self._alive(node, Allowance(self.budget))
                raise
            if not self._short_matters:
                self._dead.add(node)
                return False
        return self._alive(node, allowance)

    def _alive(self, node: Node, allowance: Allowance) -> bool:
        root = self._loosened(node)
        if root in self._dead:
            return False
        if self._is_live(root):
            return True
        if len(self._dead) > _MOST_REMEMBERED:
            self._dead.clear()
        if len(self._live) > _MOST_REMEMBERED:
            self._live.clear()
            self._rests_to_come.clear()
        parts = [root._replace(tune=tune) for tune in self.graph.singles(root.tune)]
        parts = [part for part in parts if part not in self._dead]
        if any(self._is_live(part) for part in parts) or self._any_way(parts, allowance):
            self._live.add(node)
            return True
        self._dead.add(node)
        return False

    def _any_way(self, parts: Sequence[Node], allowance: Allowance) -> bool:
        """Whether there is a way to the end from any of some states; it is remembered."""
        unsettled = False
        for number, part in enumerate(parts):
            before = max(1, allowance.left // (len(parts) - number))
            share = self._allowance = Allowance(before)
            try:
                way = self._way(part, share)
            except OutOfBudget:
                unsettled = True
                continue
            finally:
                allowance.left -= before - share.left
            if way is not None:
                self._learn(way)
                return True
            self._dead.add(part)
        if unsettled:
            raise OutOfBudget
        return False

    def _way(self, root: Node, allowance: Allowance) -> list[Any] | None:
        """A way to the end: one melody at a time for a while, then all of a rhythm at once."""
        before = max(_ALONE, allowance.left // (8 if self._crowds.exact else 2))
        alone = self._allowance = Allowance(before)
        try:
            return reach(root, self._children, self._is_live, self._dead, alone)
        except OutOfBudget:
            allowance.left -= before - alone.left
        finally:
            self._allowance = allowance
        if allowance.left < 0:
            raise OutOfBudget
        way = self._crowds.settle(root, allowance)
        if way is None:
            self._dead.add(root)
            return None
        if way:
            return [*way, None]
        return reach(root, self._children, self._is_live, self._dead, allowance)

    def _loosened(self, node: Node) -> Node:
        if not self._loose:
            return node
        return node._replace(
            time=tuple(m.loosened(s, node.place) for m, s in zip(self.time, node.time, strict=True))
        )

    # Rests to come do not depend on those that were: what is known of a way to the end is
    # kept apart from the state of the rests, and added to it where the way is come upon again.

    def _core(self, node: Node) -> tuple[Node, tuple[int, ...]]:
        """A state without that of its rests, and that."""
        place, time, tune, both = node
        share = self._share
        assert share is not None
        state = time[share]
        waits = state[3:] if len(state) > 2 else ("exact",)
        return Node(place, (*time[:share], waits, *time[share + 1 :]), tune, both), state

    def _is_live(self, node: Node) -> bool:
        if node in self._live:
            return True
        if self._share is None:
            return False
        core, state = self._core(node)
        more = self._rests_to_come.get(core)
        return more is not None and self._kept(state, more)

    def _kept(self, state: tuple[int, ...], more: tuple[int, int, int]) -> bool:
        rests, steps, free = (*state[:3], 0)[:3]
        share = self.time[self._share or 0]
        assert isinstance(share, RestShare)
        return share.holds(rests + more[0], free + more[2], steps + more[1])

    def _learn(self, way: list[Any]) -> None:
        """Remember a way to the end."""
        self._live.update(way[:-1])
        if self._share is None:
            return
        last = way[-1]
        if last is None:
            _, at_end = self._core(way[-2])
            end = (*at_end[:3], 0)[:3]
        else:
            core, state = self._core(last)
            more = self._rests_to_come.get(core)
            if more is None:
                return
            end = tuple(a + b for a, b in zip((*state[:3], 0)[:3], more, strict=True))
        for node in way[:-1]:
            core, state = self._core(node)
            before = (*state[:3], 0)[:3]
            more = (end[0] - before[0], end[1] - before[1], end[2] - before[2])
            self._rests_to_come[core] = more

    def alive_after_length(self, node: Node, length: int) -> bool:
        """Whether a melody can be completed with an event of that length next."""
        after = [n for n in self._of_length(node, length) if n not in self._dead]
        allowance = Allowance(self.budget)
        return any(self._is_live(n) for n in after) or any(self.alive(n, allowance) for n in after)

    def _of_length(self, node: Node, length: int) -> Iterator[Node]:
        place, time, tune, both = node
        for kind in (TIE, NOTE, REST) if place.held == 2 else (NOTE, REST):
            event = self.event(place, kind, length)
            time_after = step_all(self.time, time, event)
            if time_after is not None:
                move = Move(event, self.after(place, kind, length), time_after)
                yield from self._after_move(move, tune, both)

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
                for bars in self._bars:
                    child = self.barline(node, bars)
                    if child and self._hopeful(child):
                        if not self.facts.layout:
                            yield child._replace(place=child.place._replace(pickup=0))
                        if self.facts.layout or self._short_matters:
                            yield child
        elif place.at == METER_STEPS[place.meter]:
            if place.left > 1:
                child = self.barline(node)
                if child and self._hopeful(child):
                    yield child
            return
        copied = self._copied(node)
        if copied:
            moves: Iterable[Move] = self._new_moves(place, node.time, copied=copied)
        else:
            moves = self._moves(place, node.time)
        for move in moves:
            if self._time_alive(move.place, move.time):
                yield from self._after_move(move, node.tune, node.both)

    def _after_move(self, move: Move, tune: States, both: States) -> Iterator[Node]:
        event, place, time = move
        if event.kind != NOTE:
            both_after = step_all(self.both, both, event)
            if both_after is not None:
                child = Node(place, time, tune, both_after)
                if self._hopeful(child):
                    yield child
            return
        for tune_after, both_after in self._notes(event, tune, both):
            child = Node(place, time, tune_after, both_after)
            if self._hopeful(child):
                yield child

    def _notes(self, event: Event, tune: States, both: States) -> Iterable[tuple[States, States]]:
        """The different states after a note of any pitch."""
        if self._formed:  # states seldom come again, and the first will often do
            return self._new_notes(event, tune, both)
        key = (tune, both, event) if self.both else tune
        found = self._notes_known.get(key)
        if found is None:
            if len(self._notes_known) > _MOST_REMEMBERED:
                self._notes_known.clear()
            found = tuple(dict.fromkeys(self._new_notes(event, tune, both)))
            self._notes_known[key] = found
        return found if self.both else [(t, both) for t, _ in found]

    def _new_notes(
        self, event: Event, tune: States, both: States
    ) -> Iterator[tuple[States, States]]:
        only = None
        for member, state in zip(self.both, both, strict=True):
            only = member.only_pitch(state, event) if only is None else only
        for pitch, tune_after in self.graph.next(tune):
            if only is None or pitch == only:
                both_after = step_all(self.both, both, event._replace(pitch=pitch))
                if both_after is not None:
                    yield tune_after, both_after

    def _moves(self, place: Place, time: States) -> tuple[Move, ...]:
        """The events that may come next, of the lengths that matter."""
        key = (place, time)
        found = self._moves_known.get(key)
        if found is None:
            if len(self._moves_known) > _MOST_REMEMBERED:
                self._moves_known.clear()
            found = self._moves_known[key] = tuple(self._new_moves(place, time))
        return found

    def _copied(self, node: Node) -> tuple[Form, FormState] | None:
        """The form and its state, where the section repeats another, whose lengths it has."""
        if not self._formed:
            return None
        for member, state in zip(self.both, node.both, strict=True):
            if isinstance(member, Form) and member.copies(state):
                return member, state
        return None

    def _new_moves(
        self,
        place: Place,
        time: States,
        members: Sequence[Constraint] | None = None,
        copied: tuple[Form, FormState] | None = None,
    ) -> Iterator[Move]:
        """As `_moves`, of all constraints on times or of some, and perhaps in a copied section."""
        room = self.room(place)
        share = self._share if members is None else None
        members = self.time if members is None else members
        if room <= 0:
            return
        tied = place.held == 2 and (self._ties or not self._whole)
        wanted = 0
        if share is not None and len(time[share]) == 2:
            rests = members[share]
            assert isinstance(rests, RestShare)
            wanted = rests.wanted(time[share], room)
        kinds = (REST, TIE, NOTE) if wanted > 0 else (TIE, NOTE, REST)
        for kind in kinds:
            if kind == TIE and not tied:
                continue
            lengths = self._lengths(members, place, time, kind, room, wanted)
            if copied:
                form, state = copied
                its = form.lengths(state, place, kind, room, (room,))
                if its is not None:
                    lengths = its
            for length in lengths:
                event = self.event(place, kind, length)
                after = step_all(members, time, event)
                if after is not None:
                    there = self.after(place, kind, length)
                    if self._whole and kind != REST and length < room and place.bar >= 0:
                        there = there._replace(held=1)  # a whole note: it does not sound on
                    if members is not self.time or self._time_possible(there, after):
                        yield Move(event, there, after)

    def _lengths(
        self,
        members: Sequence[Constraint],
        place: Place,
        time: States,
        kind: str,
        room: int,
        wanted: int,
    ) -> Collection[int]:
        """The lengths that matter, the likeliest first."""
        if not self._whole:
            return ORDERS[room]
        loose = place.bar < 0 and isinstance(self.facts.pickup, bool | None)
        cuts: Collection[int] = range(1, room + 1) if loose else (room,)
        found: set[int] | None = None
        for member, state in zip(members, time, strict=True):
            some = member.lengths(state, place, kind, room, cuts)
            if some is not None:
                found = set(some) if found is None else found.intersection(some)
        if found is None:
            if kind == REST and self._all_rests:
                found = set(range(1, room + 1))
            else:
                found = {room, *self._few}
                middle = MIDDLES[place.meter] - place.at
                short = METER_STEPS[place.meter] - place.pickup - place.at
                if place.bar >= 0:
                    found |= {middle, short if place.left == 1 else room}
                found = {n for n in found if 0 < n <= room}
        if kind == REST and wanted > 0:
            return sorted(found, key=lambda n: (abs(n - wanted), n))
        return sorted(found, reverse=True)

    def _hopeful(self, node: Node) -> bool:
        """False only if no end can be reached, by the constraints' own shortcuts."""
        place, time, tune, both = node
        needed = self.graph.notes_needed(tune)
        if needed != 0:
            if needed is None or needed > place.room:
                return False
            members = zip(self._bounding, (*time, *both), strict=True)
            if needed > min((m.most_notes(s, place) for m, s in members), default=place.room):
                return False
        for member, state in zip(self.both, both, strict=True):
            if not member.possible(state, place):
                return False
        return self._time_possible(place, time)

    def most_notes(self, place: Place, time: States) -> int:
        """A number of notes that cannot be exceeded from here on, as far as times tell."""
        bounds = (m.most_notes(s, place) for m, s in zip(self.time, time, strict=True))
        return min(place.room, min(bounds, default=place.room))

    def _time_possible(self, place: Place, time: States) -> bool:
        if not all(m.possible(s, place) for m, s in zip(self.time, time, strict=True)):
            return False
        if not self._counting:
            return True
        counting = [(self.time[i], time[i]) for i in self._counting]
        least = max(m.least_notes(s, place) for m, s in counting)
        return least <= min(m.most_notes(s, place) for m, s in counting)

    def _time_alive(self, place: Place, time: States) -> bool:
        """Whether times alone can be completed, as far as that is settled soon."""
        if not self.time:
            return True
        state = (place, time)
        if state in self._time_live:
            return True
        if state in self._time_dead:
            return False
        if len(self._time_live) > _MOST_REMEMBERED:
            self._time_live.clear()
        before = self._time_budget
        allowance = Allowance(before)
        try:
            way = reach(
                state, self._time_children, self._time_live.__contains__, self._time_dead,
                allowance,
            )  # fmt: skip
            self._time_budget = min(_TIME_BUDGET, 2 * before)
        except OutOfBudget:
            self._time_live.add(state)  # no ground to prune
            self._time_budget = max(_LEAST_TIME_BUDGET, before // 2)
            return True
        finally:
            self._allowance.left -= before - allowance.left
        if way is None:
            return False
        self._time_live.update(way[:-1])
        return True

    def _time_children(self, state: tuple[Place, States]) -> Iterator[Any]:
        place, time = state
        if self.complete(place) and accept_all(self.time, time):
            yield None
        for move in self._times_next(place, time):
            yield move.place, move.time

    def time_moves(self, place: Place, time: States) -> Iterator[Move]:
        """The events that may come next, barlines too, as far as times tell."""
        for move in self._times_next(place, time):
            if self._time_alive(move.place, move.time):
                yield move

    def _times_next(self, place: Place, time: States) -> Iterator[Move]:
        if place.bar < 0:
            if self.facts.pickup_complete(place):
                for bars in self._bars:
                    yield from self._time_barline(place, time, bars)
        elif place.at == METER_STEPS[place.meter]:
            if place.left > 1:
                yield from self._time_barline(place, time, 0)
            return
        yield from self._moves(place, time)

    def _time_barline(self, place: Place, time: States, bars: int) -> Iterator[Move]:
        after, event = self._next_bar(place, bars)
        time_after = step_all(self.time, time, event)
        if time_after is not None and self._time_possible(after, time_after):
            if not self.facts.layout and place.bar < 0:
                yield Move(event, after._replace(pickup=0), time_after)
            yield Move(event, after, time_after)


__all__ = ["Allowance", "Facts", "Groups", "Node", "OutOfBudget", "Search"]
