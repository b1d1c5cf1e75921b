"""Joint look-ahead: whether a melody that keeps everything can still be completed.

A state of the search is (place, time, tune, both): the place between two events, and the
states of the constraints in three groups. Two projections of this product are settled on
their own and prune it: (place, time), where pitches do not matter (`timesearch`), and (tune),
where only the order of pitches does (`tunegraph`). All searches share what they found: live and
dead states. The search does not go through all melodies: a note is one event, or one in each bar
that it sounds in, and has one of the lengths that `timesearch` tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tunesmith.decoding.constraints.beginnings import Beginnings, Groups
from tunesmith.decoding.constraints.crowds import Crowds
from tunesmith.decoding.constraints.events import (
    COMPASS,
    HEAD,
    NOTE,
    REST,
    TIE,
    UNKNOWN_ROOM,
    Constraint,
    Event,
    Place,
)
from tunesmith.decoding.constraints.facts import Facts
from tunesmith.decoding.constraints.form import Form, FormState, FormTimes, SectionsHeard
from tunesmith.decoding.constraints.groups import Group, States, says
from tunesmith.decoding.constraints.pitches import Heard
from tunesmith.decoding.constraints.reaching import (
    MOST_REMEMBERED,
    Allowance,
    Found,
    Move,
    Node,
    OutOfBudget,
    distinct,
    reach,
)
from tunesmith.decoding.constraints.rests import Known
from tunesmith.decoding.constraints.sections import APART, SectionsApart
from tunesmith.decoding.constraints.template import TimeTemplate
from tunesmith.decoding.constraints.times import RestShare, Rhythm
from tunesmith.decoding.constraints.timesearch import Times
from tunesmith.decoding.constraints.tunegraph import TuneGraph
from tunesmith.tokens.table import ANY_MORE, METER_STEPS

_ALONE = 300
"""Children that are looked at one melody at a time at least, before all of a rhythm at once."""
_GLANCE = 500
"""What the first state after a length may cost before the others are worked out."""


class Search:
    """The product of all constraints with the bars, and what is known of its states.

    Args:
        facts: the shape of the melody.
        constraints: what it must keep.
        budget: children that one search may look at.

    Attributes:
        time, tune, both: the constraints in their groups.
        times: what is known of times alone.
        graph: what is known of the order of pitches alone.
    """

    def __init__(
        self, facts: Facts, constraints: Sequence[Constraint], budget: int = 100_000
    ) -> None:
        self.facts, self.budget = facts, budget
        all_of_them = [*constraints, *(s for c in constraints for s in c.shadows())]
        rigid = any(isinstance(c, Rhythm | TimeTemplate) for c in all_of_them)
        if not rigid:  # lists of lengths without end: no use where lengths are free
            all_of_them = [c for c in all_of_them if not isinstance(c, FormTimes)]
        self.time = Group((c for c in all_of_them if c.kind == "time"), facts.base)
        self.tune = Group([Heard(), *(c for c in all_of_them if c.kind == "tune")])
        self.both = Group((c for c in all_of_them if c.kind == "both"), facts.base)
        self.graph = TuneGraph(self.tune)
        self.times = Times(facts, self.time, (*self.tune, *self.both))
        self._forms = [(i, c) for i, c in enumerate(self.both) if isinstance(c, Form)]
        self._others = [
            (i, c) for i, c in enumerate(self.both) if not isinstance(c, Form) and NOTE in c.hears
        ]
        pitched = (*(c for c in self.tune if NOTE in c.hears), *(c for _, c in self._others))
        self._likens = bool(self._forms) and all(says(c, "tells") for c in pitched)
        self._told: dict[States, dict[int, Any]] = {}
        number = self.times.share
        share = None if number is None else self.time[number]
        assert share is None or isinstance(share, RestShare)
        self._live, self._dead = Known(share, number or 0), set[Node]()
        self._notes_known: dict[Any, Found] = {}
        self._apart = self._sections_apart(all_of_them)
        self._crowds = Crowds(self)
        self._beginnings = Beginnings(self)

    def _sections_apart(self, members: Sequence[Constraint]) -> SectionsApart | None:
        others = [m for m in members if not isinstance(m, Form)]
        if len(self._forms) != 1 or self.facts.layout or not all(map(_is_sectional, others)):
            return None
        form = self._forms[0][1]
        notes = SectionsHeard(form.sections, silent=True)
        return SectionsApart(form, Search(self.facts, [*others, notes], APART), notes)

    # -- where a melody begins and goes on ------------------------------------

    def start(self, tonic: int = -1, mode: int = -1) -> Groups | None:
        """The states of the groups before the first event; None if the key is forbidden.

        Args:
            tonic: pitch class, or -1 if it is not told.
            mode: place in `MODES`, or -1.
        """
        head = Event(HEAD, mode, tonic, -1, 0, 0, False, 0)
        time = self.time.step(self.time.starts(), head)
        tune = self.tune.step(self.tune.starts(), head)
        both = self.both.step(self.both.starts(), head)
        return None if time is None or tune is None or both is None else (time, tune, both)

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
        after, event = self.times.next_bar(node.place, bars)
        return self._moved(node, after, event) if shown else node._replace(place=after)

    def play(
        self, node: Node, kind: str, length: int, pitch: int = -1, shown: bool = True
    ) -> Node | None:
        """The state after an event, or None if a constraint forbids it; as `barline`."""
        after = self.times.after(node.place, kind, length)
        if not shown:
            return node._replace(place=after)
        moved = self._moved(node, after, self.times.event(node.place, kind, length, pitch))
        if moved and self.times.whole and kind != REST and after.held < 2:
            return self._ended(moved)  # no piece may go on with it
        return moved

    def _ended(self, node: Node) -> Node | None:
        """The state once what sounded has ended; None if it may not end so."""
        time = self.time.ended(node.time)
        return None if time is None else node._replace(time=time)

    def _moved(self, node: Node, place: Place, event: Event) -> Node | None:
        time = self.time.step(node.time, event)
        if time is None:
            return None
        tune = node.tune
        if event.kind == NOTE:
            tune_after = self.tune.step(tune, event)
            if tune_after is None:
                return None
            tune = tune_after
        both = self.both.step(node.both, event)
        return None if both is None else Node(place, time, tune, both)

    def may_end(self, node: Node) -> bool:
        """Whether the melody may end here."""
        place, time, tune, both = node
        return (
            self.times.complete(place)
            and self.time.accept(time)
            and self.tune.accept(tune)
            and self.both.accept(both)
        )

    # -- look-ahead -------------------------------------------------------------

    def any_alive(self, groups: Groups, meters: Sequence[int], allowance: Allowance) -> bool:
        """Whether there is a melody that begins in one of some metres; see `Beginnings`."""
        return self._beginnings.any_alive(groups, meters, allowance)

    def remember(self, node: Node) -> None:
        """Take it that a melody can be completed from a state."""
        self._live.add(node)

    def alive(self, node: Node, allowance: Allowance | None = None) -> bool:
        """Whether a melody can be completed from a state.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        if node in self._live:
            return True
        if node in self._dead or not self.hopeful(node):
            return False
        allowance = allowance or Allowance(self.budget)
        again = Allowance(allowance.left)
        place = node.place
        if self.times.whole and place.more < ANY_MORE and (place.more or place.held == 2):
            return self._alive_in_pieces(node, allowance)
        cut = place.more < ANY_MORE  # a silence that can go on no more may end the tune
        if place.pickup and place.left and not (self.facts.layout or cut):
            # A last bar that is complete can always be had where one short by the pickup can,
            # unless lengths matter.
            full = node._replace(place=place._replace(pickup=0))
            try:
                if self._alive(full, allowance):
                    self._live.add(node)
                    return True
            except OutOfBudget:
                if self.times.short_matters:
                    return self._alive(node, again)
                raise
            if not self.times.short_matters:
                self._dead.add(node)
                return False
        return self._alive(node, allowance)

    def _alive_in_pieces(self, node: Node, allowance: Allowance) -> bool:
        """The same where a sound may go on by one step, or only after a barline, if at all."""
        unsettled, parts = False, list(self._pieces(node))
        for number, part in enumerate(parts):
            before = max(1, allowance.left // (len(parts) - number))
            share = Allowance(before)
            try:
                if self.alive(part, share):
                    self._live.add(node)
                    return True
            except OutOfBudget:
                unsettled = True
            finally:
                allowance.left -= before - share.left
        if unsettled:
            raise OutOfBudget
        self._dead.add(node)
        return False

    def _pieces(self, node: Node) -> Iterator[Node]:
        """States from which together the same ends can be reached, without such a sound."""
        place = node.place
        sounds = place.held == 2
        closed = place._replace(held=1, more=ANY_MORE) if sounds else place._replace(more=0)
        ended = self._ended(node._replace(place=closed))
        if ended is not None:
            yield ended
        if 0 < place.more <= self.times.room(place):
            longer = self.play(node, TIE if sounds else REST, place.more)
            if longer is not None:
                yield longer
        if sounds and place.bar < 0:
            yield from self._first_bars(node)

    def _alive(self, node: Node, allowance: Allowance) -> bool:
        root = self._loosened(node)
        if root in self._dead:
            return False
        if root in self._live:
            return True
        if len(self._dead) > MOST_REMEMBERED:
            self._dead.clear()
        self._live.forget()
        if self._apart and self._apart.surely_alive(node):
            self._live.add(node)
            return True
        parts = [self._likened(root, tune) for tune in self.graph.singles(root.tune)]
        parts = [part for part in parts if part not in self._dead]
        if any(self._is_known(part) for part in parts) or self._any_way(parts, allowance):
            self._live.add(node)
            return True
        self._dead.add(node)
        return False

    def _is_known(self, node: Node) -> bool:
        """Whether the end is known to be reached, if only with a note that ends here."""
        if node in self._live:
            return True
        place = node.place
        return place.held == 2 and node._replace(place=place._replace(held=1)) in self._live

    def _any_way(self, parts: Sequence[Node], allowance: Allowance) -> bool:
        """Whether there is a way to the end from any of some states; it is remembered."""
        unsettled = False
        for number, part in enumerate(parts):
            before = max(1, allowance.left // (len(parts) - number))
            share = self.times.allowance = Allowance(before)
            try:
                way = self._way(part, share)
            except OutOfBudget:
                unsettled = True
                continue
            finally:
                allowance.left -= before - share.left
            if way is not None:
                self._live.learn(way)
                return True
            self._dead.add(part)
        if unsettled:
            raise OutOfBudget
        return False

    def _way(self, root: Node, allowance: Allowance) -> list[Any] | None:
        """A way to the end: one melody at a time for a while, then all of a rhythm at once."""
        before = max(_ALONE, allowance.left // (8 if self._crowds.exact else 2))
        alone = self.times.allowance = Allowance(before)
        try:
            return reach(root, self._children, self._live.__contains__, self._dead, alone)
        except OutOfBudget:
            allowance.left -= before - alone.left
        finally:
            self.times.allowance = allowance
        if allowance.left < 0:
            raise OutOfBudget
        way = self._crowds.settle(root, allowance)
        if way is None:
            self._dead.add(root)
            return None
        if way:
            return [*way, None]
        return reach(root, self._children, self._live.__contains__, self._dead, allowance)

    def _loosened(self, node: Node) -> Node:
        if not self.times.loose:
            return node
        return node._replace(
            time=tuple(m.loosened(s, node.place) for m, s in zip(self.time, node.time, strict=True))
        )

    def _likened(self, node: Node, tune: States) -> Node:
        """The state with other states of pitches, and sections that do not say more of them."""
        if not self._likens:
            return node._replace(tune=tune)
        both = list(node.both)
        key = (tune, *(both[i] for i, _ in self._others))
        told = self._told.get(key)
        if told is None:
            hearing = [(m, s) for m, s in zip(self.tune, tune, strict=True) if NOTE in m.hears]
            hearing += [(m, both[i]) for i, m in self._others]
            told = {p: tuple(m.tells(s, p) for m, s in hearing) for p in COMPASS}
            self._told[key] = told
        for number, form in self._forms:
            both[number] = form.likened(both[number], told)
        return node._replace(tune=tune, both=tuple(both))

    def alive_after_length(self, node: Node, length: int) -> bool:
        """Whether a melody can be completed with an event of that length next.

        Raises:
            OutOfBudget: if that cannot be settled.
        """
        if self._apart and self._apart.surely_alive(node, length):
            return True
        after: list[Node] = []
        for child in self._of_length(node, length):
            if child in self._live:
                return True
            if child in self._dead:
                continue
            if not after:  # one will often do
                try:
                    if self.alive(child, Allowance(min(_GLANCE, self.budget))):
                        return True
                except OutOfBudget:
                    pass
            after.append(child)
        # Each has a small share before any has a large one: what one cannot settle, another may.
        left = self.budget
        for share in (4 * len(after), 1):
            unsettled = []
            for child in after:
                allowance = Allowance(left // share)
                try:
                    if self.alive(child, allowance):
                        return True
                except OutOfBudget:
                    unsettled.append(child)
                left -= left // share - max(0, allowance.left)
            after = unsettled
        if after:
            raise OutOfBudget
        return False

    def _of_length(self, node: Node, length: int) -> Iterator[Node]:
        place, time, tune, both = node
        times = self.times
        # A note first: it is drawn most often, and what was found of it will do then.
        for kind in (NOTE, TIE, REST) if place.held == 2 else (NOTE, REST):
            if length > place.longest(kind):
                continue
            event = times.event(place, kind, length)
            time_after = self.time.step(time, event)
            if time_after is not None:
                there = times.after(place, kind, length)
                if times.whole and kind != REST and there.held < 2:  # as `play` leaves it
                    time_after = self.time.ended(time_after)
                if time_after is not None and times.possible(there, time_after):
                    yield from self._after_move(Move(event, there, time_after), tune, both)

    def _children(self, node: Node) -> Iterator[Node | None]:
        place, time, tune, both = node
        times = self.times
        if place.left == 1 and self.may_end(node):
            yield None
        if place.bar < 0:
            yield from self._first_bars(node)
        elif place.at == METER_STEPS[place.meter]:
            if place.left > 1:
                child = self.barline(node)
                if child and self.hopeful(child):
                    yield child
            return
        copied = self._copied(both)
        moves: Iterable[Move] = (
            times.new_moves(place, time, copied=copied) if copied else times.moves(place, time)
        )
        for move in moves:
            if times.alive(move.place, move.time):
                yield from self._after_move(move, tune, both)

    def _first_bars(self, node: Node) -> Iterator[Node]:
        """The hopeful states in the first bar after a pickup, if that may be one."""
        if self.times.may_begin(node.place):
            for bars in self.times.bars:
                child = self.barline(node, bars)
                if child and self.hopeful(child):
                    if not self.facts.layout:
                        yield child._replace(place=child.place._replace(pickup=0))
                    if self.facts.layout or self.times.short_matters:
                        yield child

    def _after_move(self, move: Move, tune: States, both: States) -> Iterator[Node]:
        """The hopeful states after an event of which times alone say that it is."""
        event, place, time = move
        if event.kind != NOTE:
            both_after = self.both.step(both, event)
            if both_after is not None and self._tune_hopeful(place, time, tune, both_after):
                yield Node(place, time, tune, both_after)
            return
        for tune_after, both_after in self._notes(event, tune, both):
            if self._tune_hopeful(place, time, tune_after, both_after):
                yield Node(place, time, tune_after, both_after)

    def _notes(self, event: Event, tune: States, both: States) -> Iterable[tuple[States, States]]:
        """The different states after a note of any pitch."""
        if self._forms:  # states seldom come again, and the first will often do
            return self._new_notes(event, tune, both)
        key = (tune, both, event) if self.both else tune
        found = self._notes_known.get(key)
        if found is None:
            if len(self._notes_known) > MOST_REMEMBERED:
                self._notes_known.clear()
            found = Found(lambda: distinct(self._new_notes(event, tune, both)))
            self._notes_known[key] = found
        return found

    def _new_notes(
        self, event: Event, tune: States, both: States
    ) -> Iterator[tuple[States, States]]:
        only = self.both.only_pitch(both, event)
        kind, length, _, bar, at, bar_length, strong, left = event
        pitches = self.graph.next(tune) if only is None else self.graph.after(tune, only)
        for pitch, tune_after in pitches:
            note = Event(kind, length, pitch, bar, at, bar_length, strong, left)
            both_after = self.both.step(both, note)
            if both_after is not None:
                yield tune_after, both_after

    def length_due(self, node: Node) -> int:
        """Steps to the end of what has to come next, where a section is copied; or 0.

        It is 0, too, where a constraint sees how notes are cut.
        """
        copied = self._copied(node.both) if self.times.whole else None
        return copied[0].due(copied[1], self.times.room(node.place))[1] if copied else 0

    def _copied(self, both: States) -> tuple[Form, FormState] | None:
        """The form and its state, where the section repeats another, whose lengths it has."""
        for number, form in self._forms:
            if form.copies(both[number]):
                return form, both[number]
        return None

    def hopeful(self, node: Node) -> bool:
        """False only if no end can be reached, by the constraints' own shortcuts."""
        return self._tune_hopeful(*node) and self.times.possible(node.place, node.time)

    def _tune_hopeful(self, place: Place, time: States, tune: States, both: States) -> bool:
        """The same, times alone aside."""
        needed = self.graph.notes_needed(tune)
        if needed != 0:
            if needed is None or needed > place.room:
                return False
            if needed > self.time.most_notes(time, place):
                return False
            if needed > self.both.most_notes(both, place):
                return False
        return self.both.possible(both, place)


def _is_sectional(member: Constraint) -> bool:
    """Whether a constraint is: its class says so itself, for what derives from it may say more."""
    own = vars(type(member)).get("sectional", False)
    return bool(own) and member.kind != "both" and member.seamless


__all__ = ["Allowance", "Facts", "Groups", "Node", "OutOfBudget", "Search"]
