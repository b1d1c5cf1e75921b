"""Choose the best of many tunes: refuse by limits, rank, keep apart. Plain numbers only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError
from tunesmith.evaluation.rules import RULES
from tunesmith.evaluation.rules_score import TYPICAL

Distances = Callable[[int], NDArray[np.float64]]
"""How far each candidate is from one of them, (candidates,), each 0 to 1."""

RANKS = ("real", "rules", "likelihood", "both")
"""What to rank by: being as good as real tunes, the default; the rules' combined score; how near
the bits per note are to the typical value; or the mean of the two places of these."""

BY_BITS = ("likelihood", "both")
"""Those that need the bits per note of real tunes."""

LIKELY = 0.25
"""The combined score from which on tunes are alike. From 0.5 on one is likelier real than fake; but
of short tunes the rules can say less, and the higher this is, the more bars has what is kept."""

COMBINED = "combined"
"""The name of the combined score among the limits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tune's figures.

    Attributes:
        rules: score of each rule that applies, None for others, and `COMBINED`.
        bits_per_note: its bits per note by the model alone; None if no note was sampled.
        longest_run: notes of the longest run shared with a training tune, or None.
        sparse: whether it has fewer notes than bars, so that few rules apply, or something else
            for which it comes last.
    """

    rules: Mapping[str, float | None]
    bits_per_note: float | None
    longest_run: int | None = None
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What came of choosing.

    Attributes:
        kept: indices of the candidates kept, the best first.
        refused: how many each filter refused; a tune may count at several.
        passed: how many passed all filters.
        nearest: of each one kept, how far the nearest other one kept is, and which candidate
            that is; None if it is alone or no distances were given.
        too_near: how many passed, stood before the last one that was looked at, and were left
            out since they were too near to one kept before.
        wanted: how many were to be kept.
        apart: how far apart they had to be.
    """

    kept: tuple[int, ...]
    refused: Mapping[str, int]
    passed: int
    nearest: tuple[tuple[float, int] | None, ...] = ()
    too_near: int = 0
    wanted: int = 0
    apart: float = 0.0

    @property
    def shortfall(self) -> str:
        """One line if fewer were kept than wanted, else ''."""
        if len(self.kept) >= self.wanted:
            return ""
        return (
            f"only {len(self.kept)} of the {self.passed} tunes that pass are at least "
            f"{self.apart:g} apart, and {self.wanted} were wanted: make more with --from"
        )


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Limits as typed, 'in_scale=0.9', by rule.

    Raises:
        UsageError: no such rule, or no number from 0 to 1.
    """
    limits = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            limits[name] = float(number)
        except ValueError:
            raise UsageError(
                f"'{text}' is no limit", where="--min-rule", remedy="write it as in_scale=0.9"
            ) from None
    check("rules", limits)
    return limits


def no_typical_bits() -> UsageError:
    """What to say where a rank in `BY_BITS` has nothing to go by."""
    return UsageError(
        "the model does not say how many bits per note real tunes cost",
        remedy="use --rank real or rules, or train with a validation side",
    )


def check(rank: str, limits: Mapping[str, float], apart: float = 0.0) -> None:
    """Raise a `UsageError` for an unknown rank or rule, or a limit or distance not in 0 to 1."""
    if not 0 <= apart <= 1:
        raise UsageError(f"tunes at least {apart:g} apart", remedy="use 0 (off) to 1")
    if rank not in RANKS:
        raise UsageError(f"there is no rank '{rank}'", remedy=f"use one of {', '.join(RANKS)}")
    for name, limit in limits.items():
        if name not in RULES and name != COMBINED:
            raise UsageError(
                f"there is no rule '{name}'", remedy=f"use one of {', '.join((*RULES, COMBINED))}"
            )
        if not 0 <= limit <= 1:
            raise UsageError(f"a limit of {limit} on {name}", remedy="use 0 to 1")


def choose_best(
    candidates: Sequence[Candidate],
    count: int,
    *,
    rank: str = "real",
    limits: Mapping[str, float] | None = None,
    most_copied: int | None = None,
    typical_bits: float | None = None,
    usual_run: float | None = None,
    distances: Distances | None = None,
    apart: float = 0.0,
) -> Choice:
    """The best `count` of the candidates that pass the limits and differ from each other.

    By 'real' a tune is the better the less its combined score falls short of `LIKELY`, then
    the less its longest run shared with a training tune exceeds what is usual; what
    is better than that is not better still, so that what is kept is as varied as what real
    tunes are. Rewarding the largest score instead keeps the tunes that repeat most.

    By 'rules' the largest combined score is best. By 'likelihood' it is the smallest
    |bits per note - typical bits|: a tune far below what real tunes cost is dull
    repetition, one far above it is noise; one without a note sampled comes last. By 'both' it
    is the smallest mean of the two places. Ties keep the order of the candidates; those with
    fewer notes than bars come after all others. A rule that does not apply to a tune refuses
    nothing.

    From the best down, each is kept that is at least `apart` from all kept before; of two
    variants the better one stays. So the best of all is always kept, what is kept does not
    depend on how many are wanted, and each left out has a better neighbour. If the candidates
    run out, fewer are kept, which `Choice.shortfall` says.

    Args:
        candidates: what to choose from.
        count: how many to keep.
        rank: one of `RANKS`.
        limits: the least score by rule, 0 to 1.
        most_copied: the longest run of notes that may be shared with a training tune.
        typical_bits: bits per note of real tunes that were not trained on; needed by
            'likelihood' and 'both'.
        usual_run: notes of the longest run that real tunes that were not trained on share
            with a training tune, the 95th percentile; for 'real', which without it looks at rules
            alone. With the median half of the real tunes would come last.
        distances: how far apart they are, as `variety.Distances(melodies).to`.
        apart: the least distance of any two that are kept, 0 to 1; 0 keeps equal ones too.

    Raises:
        UsageError: an unknown rank or rule, `apart` outside its range, fewer than `count`
            pass, or a figure is missing.
    """
    limits = limits or {}
    check(rank, limits, apart)
    if rank in BY_BITS and typical_bits is None:
        raise no_typical_bits()
    refused: Counter[str] = Counter()
    passed = []
    for i, candidate in enumerate(candidates):
        reasons = _reasons(candidate, limits, most_copied)
        refused.update(reasons)
        if not reasons:
            passed.append(i)
    if len(passed) < count:
        by = ", ".join(f"{name} refused {n}" for name, n in refused.most_common())
        most = refused.most_common(1)[0][0] if refused else "count"
        raise UsageError(
            f"only {len(passed)} of {len(candidates)} tunes pass, and {count} are wanted"
            + f" ({by})" * bool(by),
            remedy=f"loosen {most}, or make more with --from",
        )
    places = _places(candidates, passed, rank, typical_bits, usual_run)
    ordered = sorted(passed, key=lambda i: (candidates[i].sparse, places[i], i))
    if distances is None:
        return Choice(tuple(ordered[:count]), dict(refused), len(passed), wanted=count)
    kept, rows, too_near = _apart(ordered, count, distances, apart)
    nearest = tuple(_nearest(i, row, kept) for i, row in zip(kept, rows, strict=True))
    return Choice(tuple(kept), dict(refused), len(passed), nearest, too_near, count, apart)


def _apart(
    ordered: Sequence[int], count: int, distances: Distances, apart: float
) -> tuple[list[int], list[NDArray[np.float64]], int]:
    """The first ones that are far enough from all before; their distances; those left out."""
    kept: list[int] = []
    rows: list[NDArray[np.float64]] = []
    too_near = 0
    for i in ordered:
        if len(kept) == count:
            break
        if any(row[i] < apart for row in rows):
            too_near += 1
            continue
        kept.append(i)
        rows.append(distances(i))
    return kept, rows, too_near


def _nearest(i: int, row: NDArray[np.float64], kept: Sequence[int]) -> tuple[float, int] | None:
    return min(((float(row[j]), j) for j in kept if j != i), default=None)


def _shortfall(candidate: Candidate, most: float) -> tuple[float, float]:
    """By how much the rules are missed, and the longest copy is too long."""
    missed = max(0.0, LIKELY - (candidate.rules[COMBINED] or 0.0))
    return missed, max(0.0, (candidate.longest_run or 0) - most)


def _unlike(bits_per_note: float | None, typical: float) -> float:
    """How far from the typical value; without one, farther than any."""
    return math.inf if bits_per_note is None else abs(bits_per_note - typical)


WEAKEST = 2
"""How many rules `reasons` names."""


def weakest(candidate: Candidate) -> dict[str, float]:
    """The scores of the rules that lie furthest below the mean of real tunes; at most two."""
    below = {
        name: score - TYPICAL[name]
        for name, score in candidate.rules.items()
        if name in TYPICAL and score is not None and score < TYPICAL[name]
    }
    names = sorted(below, key=lambda name: below[name])[:WEAKEST]
    return {name: float(candidate.rules[name] or 0.0) for name in names}


def reasons(
    candidates: Sequence[Candidate], choice: Choice, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Why each was kept, the best first, as plain data for receipts and tables.

    Args:
        candidates: as given to `choose_best`.
        choice: what it gave.
        names: how each candidate is called.

    Returns:
        For each: 'place' from 1, 'score' (combined rules), 'bits_per_note', 'nearest' and
        'nearest_distance' (None if it is alone), 'longest_copy' in notes or None, and 'weakest'
        (`weakest`).
    """
    near = choice.nearest or (None,) * len(choice.kept)
    found = []
    for place, (i, other) in enumerate(zip(choice.kept, near, strict=True), 1):
        one = candidates[i]
        found.append(
            {
                "place": place,
                "score": one.rules[COMBINED],
                "bits_per_note": one.bits_per_note,
                "nearest": None if other is None else names[other[1]],
                "nearest_distance": None if other is None else round(other[0], 4),
                "longest_copy": one.longest_run,
                "weakest": weakest(one),
            }
        )
    return found


def table(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[tuple[str, ...]]:
    """`reasons` as rows of text, the first the heading.

    Args:
        found: what `reasons` gave, or what receipts hold of it.
        names: of the tunes that were kept, in that order.
    """
    rows: list[tuple[str, ...]] = [
        ("place", "tune", "rules", "bits/note", "nearest kept", "longest copy", "below real tunes")
    ]
    for one, name in zip(found, names, strict=True):
        near = one["nearest_distance"]
        weak = ", ".join(f"{n} {s:.2f} ({TYPICAL[n]:.2f})" for n, s in one["weakest"].items())
        rows.append(
            (
                str(one["place"]),
                name,
                "–" if one["score"] is None else f"{one['score']:.3f}",
                "–" if one["bits_per_note"] is None else f"{one['bits_per_note']:.2f}",
                "–" if near is None else f"{near:.2f} {one['nearest']}",
                "–" if one["longest_copy"] is None else f"{one['longest_copy']} notes",
                weak or "nothing",
            )
        )
    return rows


def _reasons(
    candidate: Candidate, limits: Mapping[str, float], most_copied: int | None
) -> list[str]:
    reasons = []
    for name, limit in limits.items():
        score = candidate.rules[name]
        if score is not None and score < limit:
            reasons.append(f"--min-rule {name}={limit:g}")
    if most_copied is not None:
        if candidate.longest_run is None:
            raise UsageError(
                "the model has no index of its training tunes, so copies cannot be told",
                where="--max-copy",
                remedy="train it again, which makes one, or leave --max-copy out",
            )
        if candidate.longest_run > most_copied:
            reasons.append(f"--max-copy {most_copied}")
    return reasons


def _places(
    candidates: Sequence[Candidate],
    passed: Sequence[int],
    rank: str,
    typical: float | None,
    usual_run: float | None,
) -> dict[int, float]:
    """By candidate, its place: 0 is the best; the mean of both for 'both'."""
    keys: list[dict[int, Any]] = []
    if rank == "real":
        most = math.inf if usual_run is None else usual_run
        keys.append({i: _shortfall(candidates[i], most) for i in passed})
    if rank in ("rules", "both"):
        keys.append({i: -(candidates[i].rules[COMBINED] or 0.0) for i in passed})
    if rank in ("likelihood", "both"):
        assert typical is not None  # checked by the caller
        keys.append({i: _unlike(candidates[i].bits_per_note, typical) for i in passed})
    places = dict.fromkeys(passed, 0.0)
    for key in keys:
        for place, i in enumerate(sorted(passed, key=lambda i: (key[i], i))):
            places[i] += place / len(keys)
    return places
