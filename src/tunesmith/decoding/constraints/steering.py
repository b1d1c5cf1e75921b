"""`Steered`: a grammar that keeps constraints, with look-ahead."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.decoding.constraints.asked import Constraints
from tunesmith.decoding.constraints.events import COMPASS, NOTE, REST, TIE, Event, Place
from tunesmith.decoding.constraints.facts import Facts, unlike
from tunesmith.decoding.constraints.forced import Filling, Primed, PrimedState
from tunesmith.decoding.constraints.groups import States
from tunesmith.decoding.constraints.pitches import Range
from tunesmith.decoding.constraints.search import Allowance, Groups, Node, OutOfBudget, Search
from tunesmith.decoding.constraints.times import NotesPerBar
from tunesmith.errors import InputError
from tunesmith.melody import MODES, TICKS_PER_QUARTER, Key
from tunesmith.tokens import Grammar, State, table
from tunesmith.tokens.base import Planned
from tunesmith.tokens.grammar import MOST_ACCIDENTALS, NotesGrammar, TuneState
from tunesmith.tokens.table import (
    ANY_MORE,
    BAR0,
    BAR_MORE,
    DENSITIES,
    DENSITY0,
    END,
    FIRST_EVENT,
    KEY0,
    KEY_SLOT,
    LENGTH0,
    LENGTHS,
    METER0,
    METER_STEPS,
    METERS,
    MODE0,
    NAMES,
    PICKUP,
    PIECE,
    PITCH0,
    PITCH_LOWEST,
    TICKS_PER_STEP,
    UNKNOWN,
    tonic_offset,
)

Mask = NDArray[np.bool_]
_MOST_KEPT = 100_000
"""Places of tunes that are remembered at a time."""
_LENGTHS = np.array(LENGTHS)
_NEVER = np.zeros(len(LENGTHS), bool)
_EARLY = 8
"""The first of so many parts of a tune is its very beginning."""


class Spot:
    """A state of `Steered`; equal ones are the same object.

    Attributes:
        inner: the state of the grammar within.
        tune: what that says of the tune.
        groups: the states of the constraints before the first event.
        node: the state of the search after the last event; None in the header.
        seen: ids so far, as long as they are of a primer that is not shown.
        mask: what may come next, once it is known.
        after: the spots that follow, by token, as far as they were asked for.
        live: whether an end can be reached, once that is known.
        single: whether only one token may come next.
        silent: (lengths,) those that only a rest may have, where notes may have others; once the
            mask is known.
    """

    __slots__ = (
        "after", "groups", "inner", "live", "mask", "node", "seen", "silent", "single", "tune",
    )  # fmt: skip

    def __init__(
        self, inner: State, tune: TuneState, groups: Groups | None, node: Node | None, seen: int
    ) -> None:
        self.inner, self.tune, self.groups, self.node, self.seen = inner, tune, groups, node, seen
        self.mask: Mask | None = None
        self.after: dict[int, Spot] = {}
        self.live: bool | None = None
        self.single = False
        self.silent: Mask | None = None


def _densities(counts: Sequence[NotesPerBar], facts: Facts) -> Mask:
    """The classes of density with which so many notes a bar may go, where the metre is asked."""
    mask = np.ones(len(NAMES), bool)
    if not counts or len(facts.meters()) > 1:
        return mask
    quarters = METER_STEPS[facts.meters()[0]] * TICKS_PER_STEP / TICKS_PER_QUARTER
    low, high = max(c.low for c in counts) / quarters, min(c.high for c in counts) / quarters
    edges = (0.0, *DENSITIES, math.inf)
    for place, (least, most) in enumerate(pairwise(edges)):
        mask[DENSITY0 + place] = (least < high and most > low) or least <= low == high < most
    return mask


class Steered(Grammar):
    """A grammar under constraints; of use for many tunes at once, which share what was found.

    `allowed` is cheap: what the grammar and each constraint alone say of the next id. `viable`
    is exact: whether a complete tune can still come after it. Whoever draws only ids that are
    both, never comes to a dead end.

    Args:
        grammar: of the `notes` vocabulary, made with `constraints.wishes()`; or primed.
        constraints: what to keep.
        names: which parts of it; None for all.
        unseen: ids of a primer that the constraints do not look at.
        unseen_bars: full bars that begin in these.
        budget: what one search may cost; see `Search`.

    Attributes:
        by_chance: whether melodies may well keep all this unasked.
        unsettled: ids that were refused because a search ran out of its budget.
    """

    alternatives = NotesGrammar.alternatives

    def __init__(
        self,
        grammar: NotesGrammar | Primed,
        constraints: Constraints,
        *,
        names: Any = None,
        unseen: int = 0,
        unseen_bars: int = 0,
        budget: int = 20_000,
    ) -> None:
        facts, automata = constraints.assemble(names)
        self._grammar = grammar
        self._unseen = unseen
        self.facts: Facts = replace(facts, base=unseen_bars)
        self.search = Search(self.facts, automata, budget)
        ranges = [a for a in automata if isinstance(a, Range)]
        self._low = max([r.low for r in ranges], default=0)
        self._high = min([r.high for r in ranges], default=127)
        counts = [a for a in automata if isinstance(a, NotesPerBar)]
        self._densities = _densities(counts, self.facts)
        self._spots: dict[Any, Spot] = {}
        # Many tunes have the same few states of time, whatever their pitches and headers.
        self._kind_masks = lru_cache(maxsize=50_000)(self._kinds)
        self._judged_masks = lru_cache(maxsize=50_000)(self._judged)
        self._pitch_masks = lru_cache(maxsize=50_000)(self._pitches)
        self._fits: dict[Any, Mask] = {}
        self.unsettled = 0
        self.by_chance = constraints.by_chance

    # -- as a grammar ------------------------------------------------------------

    def start(self) -> State:  # noqa: D102
        inner = self._grammar.start()
        return self._spot(inner, self.search.start(), None, 0)

    def ended(self, state: State) -> bool:  # noqa: D102
        assert isinstance(state, Spot)
        return self._grammar.ended(state.inner)

    def allowed(self, state: State) -> Mask:  # noqa: D102
        assert isinstance(state, Spot)
        if state.mask is None:
            mask = self._grammar.allowed(state.inner)
            if np.count_nonzero(mask) > 1:
                mask = self._narrowed(state, mask)
                if state.tune.last == "mode":
                    mask = self._usual_keys(state, mask)
            state.mask = mask
            state.single = int(np.count_nonzero(mask)) == 1
        return state.mask

    def unbound(self, state: State) -> Mask:
        """(V,) which ids the grammar within allows; in the header, that of the constraints too."""
        assert isinstance(state, Spot)
        if state.node is None:
            return self.allowed(state)
        return self._grammar.allowed(state.inner)

    def planned(self, state: State) -> Planned | None:  # noqa: D102
        assert isinstance(state, Spot)
        plan, node = self._grammar.planned(state.inner), state.node
        if plan is None or node is None or state.tune.pending:
            return plan
        # If one note at most may come, this is the last onset, whatever was planned.
        return plan if self._notes_left(node) > 1 else None

    def _notes_left(self, node: Node) -> int:
        """So many notes at most may begin from here on, as far as times tell; or in this bar."""
        place, time = node.place, node.time
        most = self.search.time.most_notes(time, place)
        if place.bar < 0:
            return most
        counts = [
            m.notes_left(s)
            for m, s in zip(self.search.time, time, strict=True)
            if isinstance(m, NotesPerBar)
        ]
        return min([most, *counts])

    def pending(self, state: State) -> bool:
        """Whether a length is told and waits for what it is the length of."""
        assert isinstance(state, Spot)
        return bool(state.tune.pending)

    def hardly_begun(self, state: State) -> bool:
        """Whether less than an eighth of a tune (or of a bar) is there."""
        assert isinstance(state, Spot)
        if state.node is None:
            return True
        place = state.node.place
        bar = place.bar - self.facts.base
        whole = (bar + place.left if place.left else 1) * place.bar_length
        return _EARLY * (bar * place.bar_length + place.at) < whole

    def advance(self, state: State, token: int) -> State:  # noqa: D102
        assert isinstance(state, Spot)
        after = state.after.get(token)
        if after is None:
            after = self._advance(state, token)
            if after is None:
                raise InputError(f"the token {NAMES[token]} may not follow here")
            state.after[token] = after
        return after

    def _spot(self, inner: State, groups: Groups | None, node: Node | None, seen: int) -> Spot:
        key = (inner, groups if node is None else None, node, seen)
        spot = self._spots.get(key)
        if spot is None:
            if len(self._spots) >= _MOST_KEPT:
                self._spots.clear()
            tune = inner.tune if isinstance(inner, PrimedState) else inner
            assert isinstance(tune, TuneState)
            spot = self._spots[key] = Spot(inner, tune, groups, node, seen)
        return spot

    def _advance(self, spot: Spot, token: int) -> Spot | None:
        inner = self._grammar.advance(spot.inner, token)
        tune = inner.tune if isinstance(inner, PrimedState) else inner
        assert isinstance(tune, TuneState)
        seen = min(spot.seen + 1, self._unseen)
        groups, node = spot.groups, spot.node
        if tune is spot.tune:  # an id of another part of the tune
            return self._spot(inner, groups, node, seen)
        role = tune.last
        shown = spot.seen >= self._unseen
        if role == "key":
            mode = -1 if tune.mode == UNKNOWN or not shown else tune.mode - MODE0
            tonic = -1 if token == UNKNOWN or not shown else token - KEY0
            groups = self.search.start(tonic, mode)
            if groups is None:
                return None
        elif role == "pickup":
            assert groups
            node = self.search.begin_pickup(tune.meter - METER0, groups)
        elif role == "bar":
            assert groups
            if node is None:
                node = self.search.begin(tune.meter - METER0, tune.remaining, groups, shown)
            else:
                node = self.search.barline(node, tune.remaining, shown)
            if node is None:
                return None
        elif role in ("pitch", "rest", "tie"):
            assert node
            kind = {"pitch": NOTE, "rest": REST, "tie": TIE}[role]
            pitch = token - PITCH0 + tonic_offset(tune.key) if role == "pitch" else -1
            node = self.search.play(node, kind, spot.tune.pending, pitch, shown)
            if node is None:
                return None
        after = self._spot(inner, groups, node, seen)
        heard = role == "meter" or (role == "mode" and self.search.hears_head())
        if node is None and groups == spot.groups and not heard and after.live is None:
            after.live = spot.live  # an id of the header that no constraint looks at
        return after

    # -- what each constraint alone says ---------------------------------------------

    def _narrowed(self, spot: Spot, base: Mask) -> Mask:
        mask = base.copy()
        tune, node = spot.tune, spot.node
        if node is None:
            self._narrow_header(spot, mask)
        elif tune.pending:
            mask &= self._sounds(spot, node)
        else:
            self._narrow_events(spot, node, mask)
        mask.flags.writeable = False
        return mask

    def _usual_keys(self, spot: Spot, mask: Mask) -> Mask:
        """The keys with few accidentals, if there is one of them that can be kept."""
        mode = spot.tune.mode
        if mode == UNKNOWN:
            return mask
        usual = mask.copy()
        for token in np.flatnonzero(mask):
            if token != UNKNOWN:
                key = Key.from_pitch_class(int(token) - KEY0, MODES[mode - MODE0])
                usual[token] = abs(key.sharps) <= MOST_ACCIDENTALS
        if not self.search.hears_head():
            return usual if usual.any() else mask
        try:
            return usual if self._any_after_is_live(spot, usual) else mask
        except OutOfBudget:
            return mask

    def _narrow_header(self, spot: Spot, mask: Mask) -> None:
        tune = spot.tune
        # What is told beforehand agrees with what is asked, or the tune would begin in a manner
        # that it cannot keep up.
        if tune.last == "key":
            _prefer(mask, self._densities)
        elif tune.last in ("density", "low"):
            offset = tonic_offset(tune.key)
            inside = np.zeros_like(mask)
            low, high = self._low - offset + PITCH0, self._high - offset + PITCH0
            inside[max(low, PITCH_LOWEST) : high + 1] = True
            _prefer(mask, inside)
            _prefer(mask, self._around_an_ending(spot))
        elif tune.last == "high":
            _prefer(mask, self._endings(spot))
        elif tune.last == "repeats":
            meters = np.zeros_like(mask)
            meters[[METER0 + m for m in self.facts.meters()]] = True
            mask &= meters
        elif tune.last == "meter":
            pickup = self.facts.pickup
            if pickup is False:
                mask[PICKUP] = False
            elif pickup is not None:
                mask[BAR0 + 1 : BAR_MORE + 1] = False
            if self.facts.bars is None:
                mask[BAR_MORE] = False

    def _endings(self, spot: Spot) -> Mask:
        """(V,) the pitches on which a melody may end."""
        mask = np.zeros(len(NAMES), bool)
        if spot.groups is not None:
            states, offset = spot.groups[1], tonic_offset(spot.tune.key)
            for token in range(PITCH_LOWEST, len(NAMES)):
                mask[token] = self.search.tune.may_end(states, token - PITCH0 + offset)
        return mask

    def _around_an_ending(self, spot: Spot) -> Mask:
        """(V,) the lowest pitches, or with one the highest, that leave an ending between them."""
        mask = np.zeros(len(NAMES), bool)
        endings = np.flatnonzero(self._endings(spot))
        if spot.tune.last == "density":
            mask[: endings.max(initial=0) + 1] = True
        else:
            mask[endings[endings >= spot.tune.low].min(initial=len(NAMES)) :] = True
        return mask

    def _narrow_events(self, spot: Spot, node: Node, mask: Mask) -> None:
        tune, place = spot.tune, node.place
        lengths = slice(LENGTH0, LENGTH0 + len(LENGTHS))
        bars = slice(BAR0 + 1, BAR_MORE + 1)
        if place.bar < 0:
            if not self.facts.pickup_complete(place):
                mask[bars] = False
            elif self.facts.bars is None:
                mask[BAR_MORE] = False
        if tune.last == "bar":
            meters = slice(METER0, METER0 + len(METERS))
            asked = METER0 + place.meter
            changes = asked != tune.meter
            mask[meters] = False
            if changes:
                mask[:] = False
                mask[asked] = True
                return
        note, rest, tie = self._kind_masks(place, self._judging(node.time))
        if not self.search.graph.next(node.tune):
            note = _NEVER
        mask[lengths] &= note | rest | tie
        due = self.search.length_due(node)
        if due and mask[(only := LENGTH0 + PIECE[due])]:
            mask[lengths] = False  # a copy is written as long as it sounds
            mask[only] = True
        spot.silent = mask[lengths] & ~(note | tie) if note.any() else None
        if not self.search.may_end(node):
            mask[END] = False

    def _judging(self, time: States) -> States:
        """The states without that of a share of rests, which refuses no event by itself."""
        number = self.search.times.share
        if number is None or not self.search.times.may_rest:
            return time
        return (*time[:number], None, *time[number + 1 :])

    def _kinds(self, place: Place, time: States) -> tuple[Mask, Mask, Mask]:
        """(lengths,) which the constraints on times allow of notes, rests and ties, one by one."""
        members, times = self.search.time, self.search.times
        room = times.room(place)
        # Of the place nothing is looked at but what events tell.
        where = place._replace(pickup=0, held=0, room=room, more=ANY_MORE)
        found = []
        for kind in (NOTE, REST, TIE):
            if kind == TIE and place.held != 2:
                found.append(_NEVER)
                continue
            judges = members.judges(time, kind)
            mask = self._judged_masks(where, kind, judges, tuple(time[i] for i in judges))
            if times.whole and place.bar >= 0:
                wholes = members.lengths(time, place, kind, room, (room,))
                if wholes is not None:
                    pieces = np.zeros(len(LENGTHS), bool)
                    pieces[[PIECE[n] for n in wholes]] = True
                    mask = mask & pieces
            if place.longest(kind) < ANY_MORE:
                mask = mask & (place.longest(kind) >= _LENGTHS)
            found.append(mask)
        note, rest, tie = found
        return note, rest, tie

    def _judged(self, place: Place, kind: str, judges: tuple[int, ...], states: States) -> Mask:
        """(lengths,) of an event of a kind, `place.room` at most, which some members allow."""
        steps = [(self.search.time[i].step, s) for i, s in zip(judges, states, strict=True)]
        told = self.search.times.event(place, kind, 0)[2:]
        found = np.zeros(len(LENGTHS), bool)
        for number, length in enumerate(LENGTHS):
            if length <= place.room:
                event = Event(kind, length, *told)
                found[number] = all(step(state, event) is not None for step, state in steps)
        return found

    def _sounds(self, spot: Spot, node: Node) -> Mask:
        """(V,) which pitches, rest and tie are allowed after a length."""
        search, (place, time, tune, both), length = self.search, node, spot.tune.pending
        number = LENGTHS.index(length)
        note, *others = (
            bool(mask[number]) for mask in self._kind_masks(place, self._judging(time))
        )
        rest, tie = (
            kept and self._keeps_both(place, both, kind, length)
            for kept, kind in zip(others, (REST, TIE), strict=True)
        )
        offset = tonic_offset(spot.tune.key)
        mask = self._pitch_masks(tune, offset, note, rest, tie)
        judges = search.both.judges(both, NOTE)
        if not judges or not note:
            return mask
        event = search.times.event(place, NOTE, length)
        only = search.both.only_pitch(both, event)
        mask = mask.copy()
        pitches = mask[COMPASS[0] - offset + PITCH0 : COMPASS[-1] + 1 - offset + PITCH0]
        for number in judges:
            pitches &= self._fitting(number, both[number], event, only)
        return mask

    def _keeps_both(self, place: Place, both: States, kind: str, length: int) -> bool:
        """Whether the constraints on both allow a rest or a tie of a length."""
        group = self.search.both
        if not group.judges(both, kind):
            return True
        return group.step(both, self.search.times.event(place, kind, length)) is not None

    def _fitting(self, number: int, state: Any, event: Event, only: int | None) -> Mask:
        """(pitches of the compass,) which a constraint of those on both allows; or of one pitch."""
        member = self.search.both[number]
        key = (number, state, only, member.sees(event))
        found = self._fits.get(key)
        if found is None:
            if len(self._fits) > _MOST_KEPT:
                self._fits.clear()
            found = self._fits[key] = np.zeros(len(COMPASS), bool)
            fits = member.fitting(state, event, COMPASS if only is None else (only,))
            found[[p - COMPASS[0] for p in fits]] = True
        return found

    def _pitches(self, tune: States, offset: int, note: bool, rest: bool, tie: bool) -> Mask:
        pitches = tuple(p for p, _ in self.search.graph.next(tune)) if note else ()
        return _sound_mask(pitches, offset, rest, tie)

    # -- look-ahead --------------------------------------------------------------------

    def viable(self, state: State, token: int, patience: float = 1) -> bool:
        """Whether a complete tune that keeps everything can still come after an id.

        An id whose search runs out of its budget counts as one after which none can.

        Args:
            state: before the id.
            token: the id.
            patience: how many times the usual budget the search may cost.
        """
        assert isinstance(state, Spot)
        if not self.allowed(state)[token]:  # drawn by chance
            return False
        if state.single:  # settled before
            return True
        after = state.after.get(token) or self._advance(state, token)
        if after is None:  # the mask need not know of numbers of bars that cannot be
            return False
        state.after[token] = after
        if after.live is None:
            usual = self.search.budget
            self.search.budget = int(usual * patience)
            try:
                after.live = self._is_live(after)
            except OutOfBudget:
                self.unsettled += 1
                return False
            finally:
                self.search.budget = usual
        return after.live

    def satisfiable(self, budget: int | None = None) -> bool:
        """Whether there is any tune at all; of a primed grammar, any that goes on from there.

        Args:
            budget: what the search may cost; None is that of every search.

        Raises:
            OutOfBudget: if that could not be settled.
        """
        if self.facts.contradiction:
            return False
        spot = self._after_primer()
        if spot is None:
            return False
        spot.live = self._is_live(spot, budget)
        if not (spot.live or self.search.times.exact):
            raise OutOfBudget
        return spot.live

    def believe(self) -> None:
        """Take it that there is a tune, as something else has found."""
        spot = self._after_primer()
        if spot is not None:
            spot.live = True

    def learn(self, ids: Sequence[int]) -> bool:
        """Take it that the beginnings of a tune that keeps everything can be completed.

        A search might not settle that. Of its header the key alone matters.

        Args:
            ids: of the whole tune, which was checked.

        Returns:
            Whether the masks allow it, too; if not, nothing is taken from it.
        """
        if self.facts.contradiction:
            return False
        spot = self.start()
        assert isinstance(spot, Spot)
        way = [spot]
        for place, token in enumerate(map(int, ids)):
            allowed = self.allowed(spot)
            if place < FIRST_EVENT and place != KEY_SLOT and not allowed[token]:
                token = int(allowed.argmax())
            after = self._advance(spot, token) if allowed[token] else None
            if after is None:
                return False
            spot.after[token] = after
            spot = after
            way.append(after)
        if not self.ended(spot):
            return False
        for one in way:
            one.live = True
            if one.node is not None:
                self.search.remember(one.node)
        return True

    def _after_primer(self) -> Spot | None:
        spot = self.start()
        assert isinstance(spot, Spot)
        if isinstance(self._grammar, Primed):
            for token in self._grammar.ids:
                after = self._advance(spot, token)
                if after is None:
                    return None
                spot = after
        return spot

    def _is_live(self, spot: Spot, budget: int | None = None) -> bool:
        tune, node, search = spot.tune, spot.node, self.search
        if self._grammar.ended(spot.inner):
            return True
        allowance = Allowance(budget or search.budget)
        if node is not None:
            if tune.pending:
                return search.alive_after_length(node, tune.pending)
            return search.alive(node, allowance)
        groups = spot.groups
        if groups is None:
            return False
        if tune.last == "mode" and search.hears_head():
            return self._any_after_is_live(spot, self.allowed(spot))
        known = tune.last == "meter"
        meters = (tune.meter - METER0,) if known else self.facts.meters()
        return search.any_alive(groups, unlike(meters), allowance)

    def _any_after_is_live(self, spot: Spot, mask: Mask) -> bool:
        """Whether an end can be reached after some of these ids; one not settled hides no other."""
        unsettled = False
        for token in np.flatnonzero(mask):
            try:
                if self._after_is_live(spot, int(token)):
                    return True
            except OutOfBudget:
                unsettled = True
        if unsettled:
            raise OutOfBudget
        return False

    def _after_is_live(self, spot: Spot, token: int) -> bool:
        after = self._advance(spot, token)
        return after is not None and self._is_live(after)


def _prefer(mask: Mask, wanted: Mask) -> None:
    """Leave of a mask what is wanted too, if there is any of that."""
    if (mask & wanted).any():
        mask &= wanted


@lru_cache(maxsize=20_000)
def _sound_mask(pitches: tuple[int, ...], offset: int, rest: bool, tie: bool) -> Mask:
    mask = np.zeros(len(NAMES), bool)
    mask[[p - offset + PITCH0 for p in pitches]] = True
    mask[table.REST], mask[table.TIE] = rest, tie
    mask.flags.writeable = False
    return mask


__all__ = ["Filling", "Primed", "Steered"]
