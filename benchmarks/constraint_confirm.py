"""Confirm refusals with OR-Tools CP-SAT: no melody keeps what is named; without any one, one does.

    python benchmarks/constraint_confirm.py SETS LOG --out CONFIRMED [--seconds 60]

Needs `pip install ortools`, which no other part of the project needs. Takes the refusals of a log
of `constraint_run.py`. That there is a melody is shown by one, which must pass
`constraint_checker.py`; where the solver finds none of few bars, one that Tunesmith composes will
do, since more may be needed. That there is none is proved on the grid of 20 ticks, in one of two
ways:

- `proved`: by a model of pitches alone that leaves out all that time can say, or in every shape
  there is (metre and number of bars given by the flags named, or by the melody that is followed).
- `bounded`: where the flags named leave the metre or the number of bars open, in every metre
  (those that differ in length or strong beats) of 1 to 4 bars (or twice the least that the form
  can have).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd
from pathlib import Path

import constraint_flags as flags
from constraint_checker import MOST, broken
from constraint_heard import GRID, WHOLE, Heard
from constraint_run import attempt
from constraint_sequence import no_sequence
from constraint_solver import Model, Shape

from tunesmith import load_model

USUAL = [(4, 4), (3, 4), (6, 8), (2, 4), (2, 2), (3, 8), (9, 8), (12, 8), (5, 4), (7, 8)]
SCALES = ("key", "mode", "scale")


@dataclass
class Answer:
    """Whether there is a melody (None: not settled), how that is known, and the melody."""

    holds: bool | None
    how: str = ""
    melody: Heard | None = None


def metres() -> list[tuple[int, int]]:
    """One metre for each bar length and set of strong beats, the usual ones first."""
    every = [(n, d) for d, most in MOST.items() for n in range(1, most + 1)]
    every += [(n, 32) for n in range(1, 32, 2)]
    found: dict[tuple[int, bool], tuple[int, int]] = {}
    for n, d in [*USUAL, *every]:
        found.setdefault((WHOLE * n // d, n % 2 == 0 and n >= 4), (n, d))
    return list(found.values())


def followed(asked: dict, names: set[str]) -> list[Heard]:
    found = [Heard.from_data(asked["rhythm_from"])] if "rhythm_from" in names else []
    return found + ([Heard.from_data(asked["kept"]["melody"])] if "kept" in names else [])


def shapes(asked: dict, names: set[str]) -> tuple[list[Shape], bool]:
    """The shapes that a melody may have, and whether these are all of them."""
    if given := followed(asked, names):
        return _shapes_of(given, asked, names), True
    meters = [flags.meter(asked["meter"])] if "meter" in names else metres()
    size = len(flags.form(asked["form"])) if "form" in names else 1
    counts = [int(asked["bars"])] if "bars" in names else sorted({size, 2 * size, 1, 2, 3, 4})
    found = []
    for count in counts:
        for n, d in meters:
            length = WHOLE * n // d
            spans = {"no": (0, 0), "yes": (GRID, length - GRID)}
            span = (0, length - GRID)
            if "pickup" in names:
                text = asked["pickup"]
                span = spans[text] if text in spans else (flags.ticks(text),) * 2
            if span[0] <= span[1] < length:
                found.append(Shape(((n, d),) * count, span))
    return found, "meter" in names and "bars" in names


def _shapes_of(given: list[Heard], asked: dict, names: set[str]) -> list[Shape]:
    first = given[0]
    if any((g.pickup, g.duration, g.bars) != (first.pickup, first.duration, first.bars)
           for g in given):  # fmt: skip
        return []
    meters = tuple((b.numerator, b.denominator) for b in first.bars)
    text = asked["pickup"] if "pickup" in names else ""
    wrong = (
        ("bars" in names and int(asked["bars"]) != len(meters))
        or ("meter" in names and {flags.meter(f"{n}/{d}") for n, d in meters}
            != {flags.meter(asked["meter"])})
        or (text == "yes" and not first.pickup) or (text == "no" and first.pickup)
        or (text not in ("", "yes", "no") and flags.ticks(text) != first.pickup)
    )  # fmt: skip
    short = first.duration < first.bars[-1].end
    return [] if wrong else [Shape(meters, (first.pickup,) * 2, short)]


def unit_of(asked: dict, names: set[str], shape: Shape) -> Shape:
    """The coarsest grid on which a melody of this shape exists if one does at all."""
    times: list[int] = []
    if "note_values" in names:
        times = [flags.ticks(word) for word in asked["note_values"].split(",")]
    if "rhythm" in names and shape.pickup == (0, 0):
        times = [n for n, _ in flags.rhythm(asked["rhythm"])]
    for heard in followed(asked, names):
        more = [t for o, n, _ in heard.notes for t in (o, n)]
        if "rhythm_from" in names or times:
            times += [*more, heard.duration]
    return shape.finest(times) if times else shape


def coarse(shape: Shape, asked: dict, names: set[str]) -> Iterator[Shape]:
    """Coarser grids, where a melody is found sooner if there is one."""
    if "note_values" in names or "rhythm" in names or followed(asked, names):
        return
    lengths = shape.lengths()
    for unit in (240, 120, 60):
        low, high = -(-shape.pickup[0] // unit) * unit, shape.pickup[1] // unit * unit
        fits = all(n % unit == 0 and (n // 2) % unit == 0 for n in lengths)
        if fits and low <= high and gcd(*lengths, unit) == unit:
            yield replace(shape, pickup=(low, high), unit=unit)


def solve(asked: dict, names: set[str], seconds: float) -> Answer:
    """Whether a melody keeps these flags; degrees are those of all that was asked."""
    end = time.process_time() + seconds
    if no_sequence(asked, names):
        return Answer(False, "proved")
    some, whole = shapes(asked, names)
    for one in some[:24]:
        for rough in coarse(one, asked, names):
            found = _try(asked, names, rough, min(3, end - time.process_time()))
            if found.holds:
                return found
    settled = True
    for one in some:
        left = end - time.process_time()
        found = _try(asked, names, unit_of(asked, names, one), left) if left > 0 else Answer(None)
        if found.holds:
            return found
        settled &= found.holds is False
    return Answer(False, "proved" if whole else "bounded") if settled else Answer(None)


def _try(asked: dict, names: set[str], shape: Shape, seconds: float) -> Answer:
    if seconds <= 0:
        return Answer(None)
    holds, melody = Model(asked, names, shape).solve(seconds)
    if melody:
        wrong = [n for n in broken(melody, asked) if n not in SCALES]
        wrong = [n for n in wrong if n not in asked or n in names]
        wrong += [n for n in broken(melody, flags.of_scale(asked, names)) if n in SCALES]
        if wrong:
            raise AssertionError(f"the solver's melody breaks {wrong}: {melody} {asked} {names}")
    return Answer(holds, "", melody)


def confirm(one: dict, named: list[str], seconds: float) -> dict:
    """Whether what a refusal names is a smallest conflict."""
    asked, always = dict(one["asked"]), set()
    if "primer" in one:
        primer = Heard.from_data(one["primer"])
        n, d = [m for m in primer.meters if m[0] < primer.duration][-1][1:]
        asked |= {"pickup": "no", "meter": f"{n}/{d}"}
        always = {"pickup", "meter", "bars"}
    whole = solve(asked, always | set(named), seconds)
    line = {"together": whole.holds, "how": whole.how}
    if whole.holds:
        line["melody"] = whole.melody.as_data() if whole.melody else None
    without = {}
    for name in named:
        rest = set(named) - {name}
        found = solve(asked, always | rest, seconds)
        without[name] = found.holds
        if found.holds is False and found.how == "bounded":
            without[name] = True if _composes(one, rest) else None
    line["without"] = without
    line["confirmed"] = whole.holds is False and all(without.values())
    line["wrong"] = whole.holds is True or any(v is False for v in without.values())
    return line


def _composes(one: dict, names: set[str]) -> bool:
    """Whether a melody that Tunesmith composes under these flags alone keeps them."""
    names = names | ({"bars"} if "primer" in one else set())
    asked = {name: value for name, value in one["asked"].items() if name in names}
    with tempfile.TemporaryDirectory() as folder:
        line = attempt(load_model(), {**one, "asked": asked}, Path(folder), seconds=60)
    return bool(line["outcome"] == "held")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("sets", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60, help="of the processor, a question")
    given = parser.parse_args()
    sets = {one["id"]: one for one in map(json.loads, given.sets.read_text().splitlines())}
    before = given.out.read_text().splitlines() if given.out.exists() else []
    done = {json.loads(x)["id"] for x in before}
    counts: Counter[str] = Counter()
    with given.out.open("a") as out:
        lines = {x["id"]: x for x in map(json.loads, given.log.read_text().splitlines())}
        for line in lines.values():
            if line["outcome"] != "refused" or line["id"] in done:
                continue
            now = time.process_time()
            try:
                found = confirm(sets[line["id"]], line["named"], given.seconds)
            except AssertionError as e:
                found = {"solver": str(e), "confirmed": False, "wrong": False}
            found = {"id": line["id"], "named": line["named"], **found}
            found["cpu_s"] = round(time.process_time() - now, 2)
            print(json.dumps(found), file=out, flush=True)
            counts[
                "confirmed" if found["confirmed"] else "wrong" if found["wrong"] else "open"
            ] += 1
    print(dict(counts))


if __name__ == "__main__":
    main()
