"""The projection of the search to pitches: sequences of notes, whatever their times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

from tunesmith.decoding.constraints.events import COMPASS, Constraint, note_of
from tunesmith.decoding.constraints.groups import Group, States

MIDDLE_PITCH = 67
_MOST_STEPS = 400_000
"""Notes found in working out what can follow; where that takes more, it is left unused."""


class TuneGraph:
    """The projection to pitches: sequences of notes, whatever their times.

    Args:
        members: the constraints of the kind 'tune'.
        compass: the pitches there are.
    """

    def __init__(self, members: Sequence[Constraint], compass: Sequence[int] = COMPASS) -> None:
        self._members = members = Group(members)
        judges = Group(m for m in members if m.alone)
        fits = [p for p in compass if judges.step(judges.starts(), note_of(p)) is not None]
        self._pitches = sorted(fits, key=lambda p: abs(p - MIDDLE_PITCH))
        self._steps = 0
        self._all: dict[States, list[tuple[int, States]]] = {}
        self._distance: dict[States, int] = {}
        self._given_up = False
        self._useful: dict[States, tuple[tuple[int, States], ...]] = {}
        self._by_pitch: dict[States, dict[int, tuple[tuple[int, States]]]] = {}
        self._events = [(p, note_of(p)) for p in self._pitches]
        self._moving: list[tuple[int, Constraint, dict[Any, tuple[dict[int, Any], bool]]]] = [
            (i, m, {}) for i, m in enumerate(members) if not m.alone
        ]
        split = Constraint.split
        self._joint = any(type(m).split is not split for m in members)
        self._parts: dict[States, tuple[States, ...]] = {}

    def singles(self, states: States) -> tuple[States, ...]:
        """The states split, from which together the same ends can be reached."""
        if not self._joint:
            return (states,)
        found = self._parts.get(states)
        if found is None:
            parts = [m.split(s) for m, s in zip(self._members, states, strict=True)]
            found = self._parts[states] = tuple(product(*parts))
        return found

    def _all_after(self, states: States) -> list[tuple[int, States]]:
        """The pitches that may come, each with the states after it."""
        # Each constraint is asked once for each of its own states, not of the product's.
        same, each = list(states), []
        for place, member, known in self._moving:
            state = states[place]
            told = known.get(state)
            if told is None:
                after = member.after_notes(state, self._events)
                first = next(iter(after.values()), None)
                alike = len(after) == len(self._events) and all(s == first for s in after.values())
                told = known[state] = (after, alike)
            after, alike = told
            if alike and after:
                same[place] = next(iter(after.values()))
            else:
                each.append((place, after))
        if not each:
            return [(p, tuple(same)) for p in self._pitches]
        if len(each) == 1:
            place, after = each[0]
            head, tail = tuple(same[:place]), tuple(same[place + 1 :])
            return [(p, (*head, s, *tail)) for p, s in after.items()]
        fewest = min((after for _, after in each), key=len)
        found = []
        for pitch in fewest:
            later = same.copy()
            for place, after in each:
                if pitch not in after:
                    break
                later[place] = after[pitch]
            else:
                found.append((pitch, tuple(later)))
        return found

    def step(self, states: States, pitch: int) -> States | None:
        """The states after a note."""
        return self._members.step(states, note_of(pitch))

    def next(self, states: States) -> tuple[tuple[int, States], ...]:
        """The pitches that may come and from which an end can be reached, the nearest to it first.

        Every one is there that is not proved to be hopeless.
        """
        found = self._useful.get(states)
        singles = self.singles(states) if found is None else ()
        if found is None and singles != (states,):
            pitches = dict.fromkeys(p for single in singles for p, _ in self.next(single))
            after_all = [(p, self.step(states, p)) for p in pitches]
            found = self._useful[states] = tuple((p, s) for p, s in after_all if s is not None)
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

    def after(self, states: States, pitch: int) -> tuple[tuple[int, States], ...]:
        """Those of `next` that have one pitch: one or none."""
        found = self._by_pitch.get(states)
        if found is None:
            found = self._by_pitch[states] = {one[0]: (one,) for one in self.next(states)}
        return found.get(pitch, ())

    def notes_needed(self, states: States) -> int | None:
        """Notes needed at least before an end; None if none can be reached."""
        least = self._distance.get(states)
        if least is not None:
            return least
        for single in self.singles(states):
            if single not in self._all:
                self._explore(single)
            needed = 0 if self._given_up else self._distance.get(single)
            if needed is not None and (least is None or needed < least):
                least = needed
        return least

    def _explore(self, start: States) -> None:
        """Work out everything that can follow, and how far each state is from an end."""
        waiting, new = [start], []
        while waiting:
            states = waiting.pop()
            if states in self._all:
                continue
            self._all[states] = after = self._all_after(states)
            new.append(states)
            self._steps += 1 + len(after)
            if self._given_up:
                return
            if self._steps > _MOST_STEPS:
                self._given_up = True
                self._useful.clear()
                self._by_pitch.clear()
                return
            waiting += {s for _, s in after}
        self._measure(new)

    def _measure(self, new: Sequence[States]) -> None:
        """How far new states are from an end; all that can follow them is known."""
        before: dict[States, list[States]] = {}
        for states in new:
            for later in {s for _, s in self._all[states]}:
                before.setdefault(later, []).append(states)
        far = self._distance
        levels: dict[int, list[States]] = {0: [s for s in new if self._members.accept(s)]}
        for later in before:
            if later in far:
                levels.setdefault(far[later], []).append(later)
        far.update(dict.fromkeys(levels[0], 0))
        notes = 0
        while levels:
            for later in levels.pop(notes, ()):
                for states in before.get(later, ()):
                    if states not in far:
                        far[states] = notes + 1
                        levels.setdefault(notes + 1, []).append(states)
            notes += 1
