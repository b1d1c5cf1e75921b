"""The half of the CP-SAT model that is about pitches and sections; see `constraint_solver.py`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import constraint_flags as flags
from constraint_checker import signs
from ortools.sat.python import cp_model

LOW, HIGH = 27, 103


class Pitched:
    """What flags say of `q`, the pitch of the latest note at each step."""

    m: Any
    asked: dict
    shape: Any
    size: int
    on: list[Any]
    so: list[Any]
    q: list[Any]
    had: list[Any]
    starts: list[int]
    ends: list[int]

    def _is(self, yes: Any, no: Any) -> Any:
        """A truth value that is whether the first holds; the second is its opposite."""
        b = self.m.new_bool_var("")
        self.m.add(yes).only_enforce_if(b)
        self.m.add(no).only_enforce_if(~b)
        return b

    def _fix(self, t: int, on: bool, so: bool) -> None:
        self.m.add(self.on[t] == int(on))
        self.m.add(self.so[t] == int(so))

    def _domain(self, pitches: Any) -> cp_model.Domain:
        return cp_model.Domain.from_values([p for p in range(LOW, HIGH + 1) if p in pitches])

    def _of_classes(self, classes: set[int]) -> cp_model.Domain:
        return self._domain({p for p in range(128) if p % 12 in classes})

    def _max_leap(self, text: str) -> None:
        for a, b in pairwise(self.q):
            self.m.add_linear_constraint(b - a, -int(text), int(text))

    def _equal(self, t: int) -> Any:
        b = self.m.new_bool_var("")
        self.m.add(self.q[t] == self.q[t - 1]).only_enforce_if(b)
        self.m.add(self.q[t] != self.q[t - 1]).only_enforce_if(~b)
        return b

    def _max_repeat(self, text: str) -> None:
        m = self.m
        run = [m.new_int_var(0, int(text), f"run{t}") for t in range(self.size)]
        m.add(run[0] == self.on[0])
        for t in range(1, self.size):
            equal = self._equal(t)
            m.add(run[t] == run[t - 1]).only_enforce_if(~self.on[t])
            again = [self.on[t], self.had[t - 1], equal]
            m.add(run[t] == run[t - 1] + 1).only_enforce_if(again)
            m.add(run[t] == 1).only_enforce_if(self.on[t], ~equal)
            m.add(run[t] == 1).only_enforce_if(self.on[t], ~self.had[t - 1])

    def _target(self, text: str, q: Any) -> None:
        kind, wanted = flags.target(text, self.asked)
        domain = self._domain(wanted) if kind == "pitch" else self._of_classes(wanted)
        self.m.add_linear_expression_in_domain(q, domain)

    def _start(self, text: str) -> None:
        self._target(text, self.q[0])

    def _end(self, text: str) -> None:
        self._target(text, self.q[-1])

    def _strong(self) -> list[tuple[int, int, int]]:
        """Strong beats as (step, number of the bar from 0, ticks from its start)."""
        found = []
        for i, ((n, _), start, end) in enumerate(
            zip(self.shape.meters, self.starts, self.ends, strict=True)
        ):
            found.append((start, i, 0))
            if n % 2 == 0 and n >= 4:
                found.append(((start + end) // 2, i, (end - start) // 2))
        return found

    def _cadence(self, kind: str) -> None:
        m = self.m
        last, before = flags.cadence(kind, self.asked)
        m.add(sum(self.on) >= 2)
        m.add_linear_expression_in_domain(self.q[-1], self._of_classes(last))
        places = []
        for t, _, _ in self._strong():
            b = m.new_bool_var("")
            places.append(b)
            m.add_implication(b, self.on[t])
            for x in range(t + 1, self.size):
                m.add_implication(b, ~self.on[x])
            if t:
                domain = self._of_classes(before)
                m.add_linear_expression_in_domain(self.q[t - 1], domain).only_enforce_if(b)
        m.add_exactly_one(places)

    def _chords(self, text: str) -> None:
        entries = flags.chord_list(text)
        for t, i, place in self._strong():
            entry = entries[i % len(entries)]
            tones = entry[place * len(entry) // (self.ends[i] - self.starts[i])]
            self.m.add_linear_expression_in_domain(
                self.q[t], self._of_classes(tones)
            ).only_enforce_if(self.on[t])

    def _counted(self, notes: int) -> list[Any]:
        """How many notes began by each step; in all, so many."""
        m = self.m
        counts = [m.new_int_var(0, notes, f"count{t}") for t in range(self.size)]
        for t in range(self.size):
            m.add(counts[t] == (counts[t - 1] if t else 0) + self.on[t])
        m.add(counts[-1] == notes)
        return counts

    def _pitches_from(self, data: dict) -> None:
        pitches = [n[2] for n in data["notes"]]
        for q, count in zip(self.q, self._counted(len(pitches)), strict=True):
            self.m.add_element(count, [pitches[0], *pitches], q)

    def _contour(self, wanted: str | dict) -> None:
        if isinstance(wanted, str):
            return self._contour_of_bars(wanted)
        m = self.m
        asked = signs([n[2] for n in wanted["notes"]])
        counts = self._counted(len(asked) + 1)
        for t in range(1, self.size):
            sign = m.new_int_var(-1, 1, "")
            m.add_element(counts[t], [0, 0, *asked], sign)
            up, down = self._is(sign == 1, sign <= 0), self._is(sign == -1, sign >= 0)
            m.add(self.q[t] > self.q[t - 1]).only_enforce_if(self.on[t], up)
            m.add(self.q[t] < self.q[t - 1]).only_enforce_if(self.on[t], down)
            m.add(self.q[t] == self.q[t - 1]).only_enforce_if(self.on[t], ~up, ~down)
        return None

    def _contour_of_bars(self, wanted: str) -> None:
        """`line` is the first pitch in each bar; a bar without one goes on with that before."""
        m = self.m
        line: list[Any] = []
        some: Any = m.new_constant(0)  # whether a note began in a bar up to here
        for start, end in zip(self.starts, self.ends, strict=True):
            first = m.new_int_var(LOW, HIGH, "")
            here = m.new_bool_var("")
            m.add_max_equality(here, self.on[start:end])
            for t in range(start, end):
                earlier = [~b for b in self.on[start:t]]
                m.add(first == self.q[t]).only_enforce_if(self.on[t], *earlier)
            if line:
                m.add(first == line[-1]).only_enforce_if(~here)
                m.add(first == line[-1]).only_enforce_if(~some)
            now = m.new_bool_var("")
            m.add_max_equality(now, [some, here])
            line, some = [*line, first], now
        rising = {"up": len(line) - 1, "down": 0}
        if wanted != "arch":
            for i, (a, b) in enumerate(pairwise(line)):
                m.add(a <= b) if i < rising[wanted] else m.add(a >= b)
            m.add(line[-1] > line[0]) if wanted == "up" else m.add(line[-1] < line[0])
            return
        tops = [m.new_bool_var("") for _ in line]
        m.add_exactly_one(tops)
        for k, top in enumerate(tops):
            for i, (a, b) in enumerate(pairwise(line)):
                (m.add(a <= b) if i < k else m.add(a >= b)).only_enforce_if(top)
            m.add(line[k] > line[0]).only_enforce_if(top)
            m.add(line[k] > line[-1]).only_enforce_if(top)

    def _form(self, text: str) -> None:
        m, sections = self.m, flags.form(text)
        count = len(self.starts) // len(sections)
        if len(self.starts) % len(sections):
            m.add_bool_or([])
            return
        models: dict[str, list[int]] = {}
        for i, (letter, varied) in enumerate(sections):
            place = list(range(self.starts[i * count], self.ends[(i + 1) * count - 1]))
            m.add_implication(self.so[place[0]], self.on[place[0]])
            if letter not in models:
                for other in models.values():
                    m.add_bool_or(self._differences(place, other))
                models[letter] = place
            else:
                self._repeat(place, models[letter], varied)

    def _repeat(self, place: list[int], model: list[int], varied: bool) -> None:
        m, equal, notes = self.m, [], []
        for a, b in zip(place, model, strict=False):
            m.add(self.on[a] == self.on[b])
            m.add(self.so[a] == self.so[b])
            if not varied:
                m.add(self.q[a] == self.q[b]).only_enforce_if(self.on[a])
                continue
            same = m.new_bool_var("")
            m.add(self.q[a] == self.q[b]).only_enforce_if(same)
            m.add(self.q[a] != self.q[b]).only_enforce_if(self.on[a], ~same)
            m.add_implication(same, self.on[a])
            equal.append(same)
            notes.append(self.on[a])
        for t in (*place[len(model) :], *model[len(place) :]):
            self._fix(t, False, False)
        if varied:
            m.add(sum(equal) < sum(notes))
            m.add(2 * sum(equal) >= sum(notes))

    def _differences(self, place: list[int], other: list[int]) -> list[Any]:
        """Truth values of which one is true if the notes of two sections differ."""
        m, found = self.m, []
        for a, b in zip(place, other, strict=False):
            for line in (self.on, self.so):
                found.append(self._is(line[a] + line[b] == 1, line[a] == line[b]))
            pitch = m.new_bool_var("")
            m.add(self.q[a] != self.q[b]).only_enforce_if(pitch)
            m.add_implication(pitch, self.on[a])
            found.append(pitch)
        return found + [self.so[t] for t in (*place[len(other) :], *other[len(place) :])]
