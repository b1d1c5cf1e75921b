"""A conflict that pitches alone show: no sequence of pitches keeps what is asked, in any rhythm."""

from __future__ import annotations

import constraint_flags as flags
from constraint_checker import signs
from constraint_solver_pitch import HIGH, LOW
from ortools.sat.python import cp_model

MOST = 90
"""Notes that are enough: a walk to the last pitch that comes by no pitch twice has 77 at most."""


def no_sequence(asked: dict, names: set[str]) -> bool:
    """Whether it is proved that no pitches of a melody keep these flags."""
    some = flags.scales(flags.of_scale(asked, names))
    return all(_none(asked, names, scale) for scale in some or [set(range(12))])


def _none(asked: dict, names: set[str], scale: set[int]) -> bool:
    low, high = LOW, HIGH
    if "range" in names:
        a, b = map(flags.pitch, asked["range"].split(":"))
        low, high = max(low, a), min(high, b)
    usable = [p for p in range(low, high + 1) if p % 12 in scale]
    if not usable:
        return True
    least = 2 if "cadence" in names else 1
    sizes = {len(data["notes"]) for data in _files(asked, names)}
    if len(sizes) > 1 or (sizes and min(sizes) < least):
        return True
    return not _some(asked, names, usable, (least, MOST) if not sizes else (min(sizes),) * 2)


def _files(asked: dict, names: set[str]) -> list[dict]:
    found = [asked[n] for n in ("pitches_from", "rhythm_from") if n in names]
    file = "contour" in names and isinstance(asked["contour"], dict)
    return found + ([asked["contour"]] if file else [])


def _some(asked: dict, names: set[str], usable: list[int], span: tuple[int, int]) -> bool:
    """Whether a sequence exists, or that is not settled. It ends at place `size - 1`; a shorter
    one begins later, and stands before that at its first pitch."""
    m = cp_model.CpModel()
    domain = cp_model.Domain.from_values(usable)
    size = span[1]
    q = [m.new_int_var_from_domain(domain, "") for _ in range(size)]
    idle = [m.new_bool_var("") for _ in range(size)]
    for i in range(size - 1):
        m.add_implication(idle[i + 1], idle[i])
        m.add(q[i] == q[i + 1]).only_enforce_if(idle[i])
        if "max_leap" in names:
            m.add_linear_constraint(q[i + 1] - q[i], *(s * int(asked["max_leap"]) for s in (-1, 1)))
    for place in idle[size - span[0] :]:
        m.add(place == 0)
    if "max_repeat" in names:
        most = int(asked["max_repeat"])
        same = [m.new_bool_var("") for _ in range(size - 1)]
        for i, b in enumerate(same):
            m.add(q[i] != q[i + 1]).only_enforce_if(~b)
        for i in range(size - most):
            m.add_bool_or(idle[i], *(~b for b in same[i : i + most]))
    for name, place in (("start", q[0]), ("end", q[-1])):
        if name in names:
            kind, wanted = flags.target(asked[name], asked)
            _within(m, place, [p for p in usable if (p if kind == "pitch" else p % 12) in wanted])
    if "cadence" in names:
        last, before = flags.cadence(asked["cadence"], asked)
        _within(m, q[-1], [p for p in usable if p % 12 in last])
        _within(m, q[-2], [p for p in usable if p % 12 in before])
    if "pitches_from" in names:
        for place, note in zip(q, asked["pitches_from"]["notes"], strict=True):
            m.add(place == note[2])
    if "contour" in names and isinstance(asked["contour"], dict):
        for i, sign in enumerate(signs([n[2] for n in asked["contour"]["notes"]])):
            m.add(q[i + 1] > q[i] if sign > 0 else q[i + 1] < q[i] if sign else q[i + 1] == q[i])
    solver = cp_model.CpSolver()
    solver.parameters.max_deterministic_time = 5
    solver.parameters.num_workers = 1
    return solver.solve(m) != cp_model.INFEASIBLE


def _within(m: cp_model.CpModel, place: cp_model.IntVar, pitches: list[int]) -> None:
    m.add_linear_expression_in_domain(place, cp_model.Domain.from_values(pitches))
