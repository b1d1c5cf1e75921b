"""The predicates of docs/constraints.md as a model for OR-Tools CP-SAT.

Needs `pip install ortools` (nothing else here does). Shares nothing with the decoder; written from
the page, like `constraint_checker.py`, which every solution found here must pass.

A melody is told step by step: whether a note begins (`on`), whether one sounds (`so`), and the
pitch of the latest note (`q`; before the first note, the first one's). A model is of one *shape*:
metres and number of bars; the pickup is a variable in it. See `constraint_confirm.py` for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd
from typing import Any

import constraint_flags as flags
from constraint_heard import GRID, WHOLE, Heard
from constraint_solver_pitch import HIGH, LOW, Pitched
from ortools.sat.python import cp_model

PITCHED = {"key", "mode", "scale", "range", "max_leap", "max_repeat", "start", "end", "cadence",
           "chords", "contour", "pitches_from", "form", "kept"}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """Metres of the bars; the least and most pickup in ticks; whether the last bar is short."""

    meters: tuple[tuple[int, int], ...]
    pickup: tuple[int, int]
    short: bool | None = None
    unit: int = GRID

    def lengths(self) -> list[int]:
        return [WHOLE * n // d for n, d in self.meters]

    def finest(self, times: list[int]) -> Shape:
        """The same with the coarsest unit that divides all these times, bars and halves of bars."""
        unit = gcd(*times, *self.lengths(), *(n // 2 for n in self.lengths() if n % 40 == 0))
        fits = self.pickup[0] == self.pickup[1] and gcd(unit, self.pickup[0]) % GRID == 0
        return replace(self, unit=gcd(unit, self.pickup[0])) if fits else self


class Model(Pitched):
    """A CP-SAT model of one shape under some of the flags.

    Args:
        asked: all flags, which say what degrees are.
        names: those that hold here.
        shape: the shape.
    """

    def __init__(self, asked: dict, names: set[str], shape: Shape) -> None:
        self.asked, self.names, self.shape = asked, names, shape
        self.m = cp_model.CpModel()
        u = shape.unit
        least, most = shape.pickup[0] // u, shape.pickup[1] // u
        self.before = most  # steps before bar 1, some of them void
        self.starts = [self.before]
        for length in shape.lengths():
            self.starts.append(self.starts[-1] + length // u)
        self.size = self.starts.pop()
        self.ends = [*self.starts[1:], self.size]
        m = self.m
        self.pickup = m.new_int_var(least, most, "pickup")
        self.short = m.new_bool_var("short")
        if shape.short is not None:
            m.add(self.short == int(shape.short))
        m.add_implication(~self._is(self.pickup >= 1, self.pickup == 0), ~self.short)
        self._steps()
        self.pitched = bool(names & PITCHED)
        if self.pitched:
            self._pitches()
        for name in names:
            getattr(self, "_" + name)(asked[name])

    def _steps(self) -> None:
        m, size = self.m, self.size
        self.on = [m.new_bool_var(f"on{t}") for t in range(size)]
        self.so = [m.new_bool_var(f"so{t}") for t in range(size)]
        self.void = [m.new_bool_var(f"void{t}") for t in range(size)]
        for t in range(size):
            m.add_implication(self.on[t], self.so[t])
            m.add_implication(self.void[t], ~self.so[t])
            if t:
                m.add_bool_or(~self.so[t], self.on[t], self.so[t - 1])
            else:
                m.add_implication(self.so[0], self.on[0])
        front, back = self.void[: self.before], self.void[self.before :]
        for a, b in pairwise(front):
            m.add_implication(b, a)
        for a, b in pairwise(back):
            m.add_implication(a, b)
        m.add(sum(front) == self.before - self.pickup)
        m.add(sum(back) == self.pickup).only_enforce_if(self.short)
        m.add(sum(back) == 0).only_enforce_if(~self.short)
        m.add_at_least_one(self.on)
        self.duration = size - sum(self.void)

    def _pitches(self) -> None:
        m = self.m
        low, high = LOW, HIGH
        if "range" in self.names:
            a, b = map(flags.pitch, self.asked["range"].split(":"))
            low, high = max(low, a), min(high, b)
        scales = self._scales()
        usable = set().union(*scales)
        domain = self._domain({p for p in range(low, high + 1) if p % 12 in usable})
        self.q = [m.new_int_var_from_domain(domain, f"q{t}") for t in range(self.size)]
        if len(scales) > 1:
            choice = [m.new_bool_var(f"scale{i}") for i in range(len(scales))]
            m.add_exactly_one(choice)
            for b, scale in zip(choice, scales, strict=True):
                for q in self.q:
                    m.add_linear_expression_in_domain(q, self._of_classes(scale)).only_enforce_if(b)
        self.had = [m.new_bool_var(f"had{t}") for t in range(self.size)]  # a note began by t
        for t in range(self.size):
            m.add_implication(self.on[t], self.had[t])
            if t:
                m.add_implication(self.had[t - 1], self.had[t])
                m.add_bool_or(~self.had[t], self.had[t - 1], self.on[t])
                m.add(self.q[t] == self.q[t - 1]).only_enforce_if(~self.on[t])
                m.add(self.q[t] == self.q[t - 1]).only_enforce_if(~self.had[t - 1])
            else:
                m.add_implication(self.had[0], self.on[0])

    def _scales(self) -> list[set[int]]:
        if not self.names & {"key", "mode", "scale"}:
            return [set(range(12))]
        some = flags.of_scale(self.asked, self.names)
        return [set(s) for s in {frozenset(s) for s in flags.scales(some) or []}]

    def _nothing(self, value: Any) -> None:
        """What the shape or the domain of the pitches says already."""

    _key = _mode = _scale = _range = _meter = _bars = _pickup = _nothing

    # -- time -----------------------------------------------------------------------

    def _note_values(self, text: str) -> None:
        """The steps are tiled with notes and pieces of rests; these cross no barline."""
        m, u, size = self.m, self.shape.unit, self.size
        lines = {0, *self.starts, size}
        covers: list[list[Any]] = [[] for _ in range(size)]
        sounds: list[list[Any]] = [[] for _ in range(size)]
        begins: list[list[Any]] = [[] for _ in range(size)]
        ticks = {flags.ticks(word) for word in text.split(",")}
        for v in {n // u for n in ticks if n % u == 0}:  # no other fits the grid of a rhythm
            for t in range(size - v + 1):
                note = m.new_bool_var("")
                begins[t].append(note)
                pieces = [note]
                if not any(x in lines for x in range(t + 1, t + v)):
                    pieces.append(m.new_bool_var(""))
                for x in range(t, t + v):
                    covers[x] += pieces
                    sounds[x].append(note)
        for t in range(size):
            m.add(sum(covers[t]) + self.void[t] == 1)
            m.add(sum(begins[t]) == self.on[t])
            m.add(sum(sounds[t]) == self.so[t])

    def _notes_per_bar(self, text: str) -> None:
        low, high = map(int, text.split(":"))
        for start, end in zip(self.starts, self.ends, strict=True):
            self.m.add_linear_constraint(sum(self.on[start:end]), low, high)

    def _rest_share(self, text: str) -> None:
        low, high = map(flags.share, text.split(":"))
        silent = self.duration - sum(self.so)
        self.m.add(silent * low.denominator >= self.duration * low.numerator)
        self.m.add(silent * high.denominator <= self.duration * high.numerator)

    def _rhythm(self, text: str) -> None:
        m, u = self.m, self.shape.unit
        row = [(n // u, sounds) for n, sounds in flags.rhythm(text)]
        m.add_implication(self.so[self.before], self.on[self.before])
        now, i, ends = self.before, 0, []
        while now < self.size:
            length, sounds = row[i % len(row)]
            for t in range(now, min(now + length, self.size)):
                m.add(self.on[t] == int(sounds and t == now)).only_enforce_if(~self.void[t])
                m.add(self.so[t] == int(sounds)).only_enforce_if(~self.void[t])
            now, i = now + length, i + 1
            ends.append(now)
        if self.size not in ends:
            m.add(self.short == 1)
        left = cp_model.Domain.from_values([self.size - e for e in ends if e <= self.size])
        m.add_linear_expression_in_domain(self.pickup, left).only_enforce_if(self.short)

    def _rhythm_from(self, data: dict) -> None:
        u = self.shape.unit
        onsets = {n[0] // u for n in data["notes"]}
        sounding = {t for o, n, _ in data["notes"] for t in range(o // u, (o + n) // u)}
        for t in range(self.size):
            self._fix(t, t in onsets, t in sounding)

    def _kept(self, value: dict) -> None:
        m, u = self.m, self.shape.unit
        given = Heard.from_data(value["melody"])
        spans = [(given.bars[n - 1].start, min(given.bars[n - 1].end, given.duration))
                 if n else (0, given.pickup) for n in value["bars"]]  # fmt: skip
        for first, last in ((a // u, b // u) for a, b in spans):
            silent = set(range(first, last))
            for onset, length, pitch in ((o // u, n // u, p) for o, n, p in given.notes):
                end = onset + length
                silent -= set(range(onset, end))
                if first <= onset < last:
                    for t in range(onset, end):
                        self._fix(t, t == onset, True)
                        m.add(self.q[t] == pitch)
                    if end < self.size:
                        m.add_bool_or(~self.so[end], self.on[end])
                elif onset < first < end:
                    for t in range(first, min(end, last)):
                        self._fix(t, False, True)
                        m.add(self.q[t] == pitch)
            for t in silent:
                self._fix(t, False, False)
            if last < self.size and not any(n[0] < last * u < n[0] + n[1] for n in given.notes):
                m.add_bool_or(~self.so[last], self.on[last])

    # -- solving ----------------------------------------------------------------------

    def solve(self, work: float) -> tuple[bool | None, Heard | None]:
        """Whether there is a melody (None: not settled with so much work, in about seconds)."""
        solver = cp_model.CpSolver()
        solver.parameters.max_deterministic_time = work
        solver.parameters.num_workers = 1
        status = solver.solve(self.m)
        if status == cp_model.INFEASIBLE:
            return False, None
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return None, None
        u, get = self.shape.unit, solver.value
        first = self.before - get(self.pickup)
        notes: list[list[int]] = []
        for t in range(self.size):
            if get(self.on[t]):
                notes.append([(t - first) * u, 0, get(self.q[t]) if self.pitched else 60])
            if get(self.so[t]):
                notes[-1][1] += u
        meters, tick = [(0, *self.shape.meters[0])], (self.starts[0] - first) * u
        for meter, start in zip(self.shape.meters, self.starts, strict=True):
            tick = (start - first) * u
            if meter != meters[-1][1:]:
                meters.append((tick, *meter))
        found = tuple((o, n, p) for o, n, p in notes)
        length = get(self.duration) * u
        return True, Heard(found, tuple(meters), get(self.pickup) * u, length)
