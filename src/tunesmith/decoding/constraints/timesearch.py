"""When notes begin and end, pitches aside: what may come next, and whether that can be completed.

Of lengths only those are tried that some constraint says matter (`Constraint.lengths`), or,
where none measures lengths, one step, the way to the next strong beat and the way to the
barline: every melody can be brought to this form without changing what such constraints see.
With a constraint of a user's own all pieces that tokens can say are tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

from tunesmith.decoding.constraints.bounds import Bounds
from tunesmith.decoding.constraints.events import (
    BAR,
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
from tunesmith.decoding.constraints.form import Form, FormState
from tunesmith.decoding.constraints.groups import Group, States, says
from tunesmith.decoding.constraints.reaching import (
    MOST_REMEMBERED,
    Allowance,
    Found,
    Move,
    OutOfBudget,
    reach,
)
from tunesmith.decoding.constraints.times import NoteValues, RestShare, Rhythm
from tunesmith.tokens.table import ANY_MORE, LENGTHS, METER_STEPS, MORE

_LIKED = (24, 12, 48, 36, 72, 96, 6, 18, 8, 16, 32, 3, 4, 9)
_MOST_STATES = 3_000
"""What one question of times alone may cost; what is not settled by then prunes nothing."""
_MOST_PICKUPS = 20_000
"""States that are looked at to tell which pickups a rhythm may follow, in one metre."""
_LEAST_STATES = 50
"""The same, where several in a row were not settled."""


def _order(room: int) -> tuple[int, ...]:
    """Lengths that fit, the one that fills the room first, then the usual ones."""
    first = [n for n in (room, *_LIKED) if n <= room and n in LENGTHS]
    return tuple(dict.fromkeys([*first, *(n for n in reversed(LENGTHS) if n <= room)]))


_ORDERS = tuple(_order(room) for room in range(max(METER_STEPS) + 1))


class Times:
    """The product of the constraints on times with the bars, and what is known of its states.

    Args:
        facts: the shape of the melody.
        members: the constraints on times.
        others: all others.

    Attributes:
        allowance: what a question costs is taken from here too.
        bars: the numbers of bars that there may be.
        formed: whether sections repeat.
        loose: whether lengths matter to nothing but the share of rests.
        exact: whether all lengths that matter are tried. With a share of rests and a form they are
            too many, so of notes some are, and what is not found then may be there.
        short_matters: whether it matters if the last bar ends short.
        whole: whether no constraint sees how notes are cut.
        may_rest: whether there may be rests, as far as their share tells.
        share: the place of the share of rests among the members; None if there is none, or a
            constraint that sees how notes are cut.
    """

    def __init__(self, facts: Facts, members: Group, others: Sequence[Constraint]) -> None:
        self.facts, self.members = facts, members
        all_of_them = [*members, *others]
        self.bars = [b for b in facts.bar_counts() if all(c.possible_bars(b) for c in all_of_them)]
        self._counts_bars = any(c.counts_bars for c in all_of_them) or bool(facts.layout)
        self.formed = any(isinstance(c, Form) for c in all_of_them)
        self.whole = all(c.seamless for c in all_of_them)
        measuring = [c for c in all_of_them if c.measures]
        shares = [i for i, c in enumerate(members) if isinstance(c, RestShare)]
        self.share = shares[0] if shares and self.whole else None
        self.may_rest = all(c.high > 0 for c in members if isinstance(c, RestShare))
        more = [c for c in measuring if not isinstance(c, RestShare)]
        self.loose = bool(shares) and not more and not self.formed and self.whole
        self._all_rests = bool(shares) and not self.loose
        say_lengths = [c for c in members if says(c, "lengths") and not isinstance(c, Form)]
        values = [(i, c) for i, c in enumerate(members) if isinstance(c, NoteValues)]
        # Where no other member says lengths (free bars beside kept ones, a pickup before a rhythm).
        rhythmic = any(isinstance(c, Rhythm) for c in members)
        self._all_notes = self._all_rests and (rhythmic or not self.formed)
        self.exact = not self._all_rests or self._all_notes or bool(values) or not self.whole
        # Of lengths alone a long rest is as well several rests, which are fewer to try.
        self._values = values if len(say_lengths) == len(values) == 1 else []
        self._ties = bool(more) or self.formed
        self.short_matters = bool(measuring)
        self._few = (1, 2, 3) if self.formed else (1,)
        self.allowance = Allowance(0)
        self._budget = _MOST_STATES
        self._live: set[tuple[Place, States]] = set()
        self._dead: set[tuple[Place, States]] = set()
        self._known: dict[tuple[Place, States], Found] = {}
        self._pickups: dict[int, frozenset[int] | None] = {}
        self._bounds = Bounds(members, () if facts.layout else self.bars)

    # -- places ------------------------------------------------------------------

    def room(self, place: Place) -> int:
        """Steps that the next event may take."""
        if place.bar < 0:
            room, some = self.facts.pickup_room(place), self.pickups(place.meter)
            return room if some is None else min(room, max(some, default=0) - place.at)
        return METER_STEPS[place.meter] - place.at

    def may_begin(self, place: Place) -> bool:
        """Whether the first bar may begin at a place in the pickup."""
        some = self.pickups(place.meter)
        return self.facts.pickup_complete(place) and (some is None or place.at in some)

    def pickups(self, meter: int) -> frozenset[int] | None:
        """The steps of pickups that a rhythm may follow in a metre, as far as times tell.

        None if there is no rhythm, the number of bars is open, or it is not settled soon.
        """
        if meter not in self._pickups:
            rhythmic = any(isinstance(m, Rhythm) for m in self.members)
            told = self.facts.bars is not None and not (self.facts.layout or self.facts.base)
            self._pickups[meter] = self._pickups_before(meter) if rhythmic and told else None
        return self._pickups[meter]

    def _pickups_before(self, meter: int) -> frozenset[int] | None:
        members, beginning = self._at_best
        asked, length = self.facts.pickup, METER_STEPS[meter]
        exact = asked if asked is not None and not isinstance(asked, bool) else 0
        allowance = Allowance(_MOST_PICKUPS)
        dead: set[tuple[Place, States]] = set()

        def children(state: tuple[Place, States]) -> Iterator[Any]:
            place, time = state
            if self.complete(place) and members.accept(time):
                yield None
            if place.at == length and place.left > 1:
                after, event = self.next_bar(place, 0)
                later = members.step(time, event)
                if later is not None and members.possible(later, after):
                    yield after, later
            for move in self.new_moves(place, time, members):
                if members.possible(move.time, move.place):
                    yield move.place, move.time

        def leads(steps: int, last: int) -> bool:
            """Whether a pickup leads to the end with a last bar that is shorter by some steps."""
            before = Place(-1, 0, steps, meter, 0, 1, UNKNOWN_ROOM)
            for count in self.bars:
                after, event = self.next_bar(before, count)
                after, time = after._replace(pickup=last), members.step(beginning, event)
                if time is None or not members.possible(time, after):
                    continue
                if reach((after, time), children, lambda _: False, dead, allowance) is not None:
                    return True
            return False

        some = range(exact or 1, (exact or length - 1) + 1)
        try:
            if leads(some[0], 0):  # a full last bar may follow any of them
                return frozenset(some)
            return frozenset(steps for steps in some if leads(steps, steps))
        except OutOfBudget:
            return None

    @cached_property
    def _at_best(self) -> tuple[Group, States]:
        """Those that say what a pickup leaves them at best, and that."""
        best = [(m, m.at_best()) for m in self.members]
        told = [(m, state) for m, state in best if state is not None]
        return Group(m for m, _ in told), tuple(state for _, state in told)

    def event(self, place: Place, kind: str, length: int, pitch: int = -1) -> Event:
        """An event at a place."""
        meter = place.meter
        strong = place.bar >= 0 and is_strong(meter, place.at)
        bar = place.bar - self.facts.base if place.bar >= 0 else -1
        return Event(kind, length, pitch, bar, place.at, METER_STEPS[meter], strong, place.left)

    @staticmethod
    def after(place: Place, kind: str, length: int) -> Place:
        """The place after an event that is written: a note or rest, or a piece of one."""
        bar, left, at, meter, pickup, held, room, _ = place
        at += length
        full = bar >= 0 and at == METER_STEPS[meter]
        more = ANY_MORE if full else MORE[length]
        if kind == REST:
            held = min(held, 1)
        elif more or bar < 0:  # the barline after a pickup may come at any time
            held = 2
        else:
            held, more = 1, ANY_MORE  # of a rest that follows
        return Place(bar, left, at, meter, pickup, held, room - length if left else room, more)

    def next_bar(self, place: Place, bars: int) -> tuple[Place, Event]:
        """The place after a barline, and the barline.

        Args:
            place: at the end of a bar or of the pickup.
            bars: how many there are from here on, where that was not settled before.
        """
        left = place.left - 1 if place.left else bars
        bar = place.bar + 1
        meter = self.facts.layout[bar] if self.facts.layout else place.meter
        pickup = place.at if place.bar < 0 else place.pickup
        room = place.room if place.left else self.facts.room(left, meter)
        number = bar if self._counts_bars or bar == 0 else 1
        length = METER_STEPS[meter]
        event = Event(BAR, length, -1, bar - self.facts.base, 0, length, True, left)
        return Place(number, left, 0, meter, pickup, place.held, room), event

    @staticmethod
    def complete(place: Place) -> bool:
        """Whether a place is the end of the last bar, and something sounded."""
        short = METER_STEPS[place.meter] - place.at
        return place.left == 1 and place.held > 0 and short in (0, place.pickup) and place.bar >= 0

    # -- what may come next --------------------------------------------------------

    def possible(self, place: Place, time: States) -> bool:
        """False only if no end can be reached, by the constraints' own shortcuts."""
        members = self.members
        if not members.possible(time, place):
            return False
        if self._bounds.telling:
            return self._bounds.fits(place, time)
        return not members.counts or (
            members.least_notes(time, place) <= members.most_notes(time, place)
        )

    def moves(self, place: Place, time: States) -> Iterable[Move]:
        """The events that may come next, of the lengths that matter; no barlines."""
        key = (place, time)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > MOST_REMEMBERED:
                self._known.clear()
            found = self._known[key] = Found(partial(self.new_moves, place, time))
        return found

    def new_moves(
        self,
        place: Place,
        time: States,
        members: Group | None = None,
        copied: tuple[Form, FormState] | None = None,
    ) -> Iterator[Move]:
        """As `moves`, of all constraints on times or of some, and perhaps in a copied section."""
        room = self.room(place)
        share = self.share if members is None else None
        members = self.members if members is None else members
        if room <= 0:
            return
        bar, left, at, meter, pickup, held, to_end, _ = place
        tied = held == 2 and (self._ties or not self.whole)
        wanted = 0
        if share is not None and len(time[share]) == 2:
            rests = members[share]
            assert isinstance(rests, RestShare)
            wanted = rests.wanted(time[share], room)
        due, its = copied[0].due(copied[1], room) if copied else ("", 0)
        for kind in (REST, TIE, NOTE) if wanted > 0 else (TIE, NOTE, REST):
            if (kind == TIE and not tied) or (due and kind != due):
                continue
            lengths: Collection[int] = (its,)
            if its and not self.whole:
                lengths = [n for n in _ORDERS[room] if n <= its]
            elif not its:
                lengths = self._lengths(members, place, time, kind, room, wanted)
            whole = kind != REST and bar >= 0
            still = 2 if kind != REST else min(held, 1)
            longest = place.longest(kind)
            one = self.event(place, kind, 0)
            for length in lengths:
                if length > longest:
                    continue
                event = Event(kind, length, *one[2:])
                after = members.step(time, event)
                if after is None:
                    continue
                if self.whole:  # and a whole note does not sound on
                    sounds = 1 if whole and length < room else still
                    more = to_end - length if left else to_end
                    if sounds < 2:  # what comes next is another note or rest
                        after = members.ended(after)
                        if after is None:
                            continue
                    there = Place(bar, left, at + length, meter, pickup, sounds, more)
                else:
                    there = self.after(place, kind, length)
                if members is not self.members or self.possible(there, after):
                    yield Move(event, there, after)

    def _lengths(
        self, members: Group, place: Place, time: States, kind: str, room: int, wanted: int
    ) -> Collection[int]:
        """The lengths that matter, the likeliest first."""
        if not self.whole:
            return _ORDERS[room]
        loose = place.bar < 0 and isinstance(self.facts.pickup, bool | None)
        cuts: Sequence[int] = range(1, room + 1) if loose else (room,)
        found = members.lengths(time, place, kind, room, cuts)
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
                if self._all_notes:
                    usual = sorted(found, reverse=True)
                    return [*usual, *(n for n in range(room - 1, 0, -1) if n not in found)]
        if kind == REST and members is self.members:
            for number, member in self._values:
                if member.accept(time[number]):
                    found = {n for n in found if n == room or n in member.steps}
        if kind == REST and wanted > 0:
            return sorted(found, key=lambda n: (abs(n - wanted), n))
        return sorted(found, reverse=True)

    # -- look-ahead ------------------------------------------------------------------

    def alive(self, place: Place, time: States) -> bool:
        """Whether times alone can be completed, as far as that is settled soon."""
        if not self.members:
            return True
        state = (place, time)
        if state in self._live:
            return True
        if state in self._dead:
            return False
        if len(self._live) > MOST_REMEMBERED:
            self._live.clear()
        before = self._budget
        allowance = Allowance(before)
        try:
            way = reach(state, self._children, self._live.__contains__, self._dead, allowance)
            self._budget = min(_MOST_STATES, 2 * before)
        except OutOfBudget:
            self._live.add(state)  # no ground to prune
            self._budget = max(_LEAST_STATES, before // 2)
            return True
        finally:
            self.allowance.left -= before - allowance.left
        if way is None:
            return False
        self._live.update(way[:-1])
        return True

    def live_moves(self, place: Place, time: States) -> Iterator[Move]:
        """The events that may come next, barlines too, from which times can be completed."""
        for move in self._next(place, time):
            if self.alive(move.place, move.time):
                yield move

    def _children(self, state: tuple[Place, States]) -> Iterator[Any]:
        place, time = state
        if self.complete(place) and self.members.accept(time):
            yield None
        for move in self._next(place, time):
            yield move.place, move.time

    def _next(self, place: Place, time: States) -> Iterator[Move]:
        if place.bar < 0:
            if self.may_begin(place):
                for bars in self.bars:
                    yield from self._barline(place, time, bars)
        elif place.at == METER_STEPS[place.meter]:
            if place.left > 1:
                yield from self._barline(place, time, 0)
            return
        yield from self.moves(place, time)

    def _barline(self, place: Place, time: States, bars: int) -> Iterator[Move]:
        after, event = self.next_bar(place, bars)
        time_after = self.members.step(time, event)
        if time_after is not None and self.possible(after, time_after):
            if not self.facts.layout and place.bar < 0:
                yield Move(event, after._replace(pickup=0), time_after)
            yield Move(event, after, time_after)

    def bars_suffice(self, place: Place, time: States) -> bool:
        """False only if, after a pickup, too many notes must come for any number of bars."""
        members, (others, beginning) = self.members, self._at_best
        most = members.most_notes(time, place)
        longest = METER_STEPS[place.meter] - 1  # of a pickup that is not over; the tune may end
        for bars in self.bars:  # that much earlier
            after, event = self.next_bar(place, bars)
            after = after._replace(pickup=longest)
            best = others.step(beginning, event)
            if best is None or others.least_notes(best, after) > others.most_notes(best, after):
                continue
            later = members.step(time, event)
            if later is None or not members.counts or members.least_notes(later, after) <= most:
                return True
        return False

    def endless(self, meter: int, time: States, allowance: Allowance) -> bool:
        """False only if no melody in a metre keeps what is said of times, of any number of bars."""
        chosen = [
            i for i, c in enumerate(self.members)
            if not (c.counts_bars or isinstance(c, RestShare)) and c.seamless
        ]  # fmt: skip
        if not chosen or self.facts.layout:
            return True
        members = Group(self.members[i] for i in chosen)
        length, pickup = METER_STEPS[meter], self.facts.pickup
        place = Place(-1, 0, 0, meter, 0, 0, UNKNOWN_ROOM)
        waiting = [(place, tuple(time[i] for i in chosen))]
        seen = set()
        while waiting:
            place, states = key = waiting.pop()
            if key in seen or not members.possible(states, place):
                continue
            seen.add(key)
            allowance.left -= 1
            if len(seen) > _MOST_STATES or allowance.left < 0:
                return True
            full = place.bar >= 0 and (place.at == length or (pickup is not False and place.at))
            if full and place.held and members.accept(states):
                return True
            begins = place.bar < 0 and (place.at or not pickup)
            if place.at == length or begins:
                after = members.step(states, Event(BAR, length, -1, 0, 0, length, True, 0))
                if after is not None:
                    waiting.append((place._replace(bar=0, at=0, more=ANY_MORE), after))
            if place.bar < 0 and pickup is False:
                continue
            for move in self.new_moves(place, states, members):
                waiting.append((move.place, move.time))
        return False


__all__ = ["Times"]
