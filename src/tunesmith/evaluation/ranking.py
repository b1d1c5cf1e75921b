"""Choose the best of many generated tunes: refuse by limits, then rank. Plain numbers only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.errors import UsageError
from tunesmith.evaluation.rules import RULES

RANKS = ("rules", "likelihood", "both")
"""What to rank by: the rules' combined score; how near the bits per note are to the typical
value; or the mean of the two places."""

COMBINED = "combined"
"""The name of the combined score among the limits."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tune's figures.

    Attributes:
        rules: score of each rule that applies, None for others, and `COMBINED`.
        bits_per_note: its bits per note by the model alone.
        longest_run: notes of the longest run shared with a training tune, or None.
        sparse: whether it has fewer notes than bars: few rules then apply, so it comes last.
    """

    rules: Mapping[str, float | None]
    bits_per_note: float
    longest_run: int | None = None
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What came of choosing.

    Attributes:
        kept: indices of the candidates kept, the best first.
        refused: how many each filter refused; a tune may count at several.
        passed: how many passed all filters.
    """

    kept: tuple[int, ...]
    refused: Mapping[str, int]
    passed: int


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


def check(rank: str, limits: Mapping[str, float]) -> None:
    """Raise a `UsageError` for an unknown rank, a limit on no rule, or one outside 0 to 1."""
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
    rank: str = "rules",
    limits: Mapping[str, float] | None = None,
    most_copied: int | None = None,
    typical_bits: float | None = None,
) -> Choice:
    """The best `count` of the candidates that pass the limits.

    By 'rules' the largest combined score is best. By 'likelihood' it is the smallest
    |bits per note - typical bits|: a tune far below what real tunes cost is dull
    repetition, one far above it is noise. By 'both' it is the smallest mean of the two
    places. Ties keep the order of the candidates; those with fewer notes than bars come
    after all others. A rule that does not apply to a tune
    refuses nothing.

    Args:
        candidates: what to choose from.
        count: how many to keep.
        rank: one of `RANKS`.
        limits: the least score by rule, 0 to 1.
        most_copied: the longest run of notes that may be shared with a training tune.
        typical_bits: bits per note of real tunes that were not trained on; needed by
            'likelihood' and 'both'.

    Raises:
        UsageError: an unknown rank or rule, fewer than `count` pass, or a figure is missing.
    """
    limits = limits or {}
    check(rank, limits)
    if rank != "rules" and typical_bits is None:
        raise UsageError(
            "the model does not say how many bits per note real tunes cost",
            remedy="use --rank rules, or train with a validation side",
        )
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
    places = _places(candidates, passed, rank, typical_bits)
    kept = sorted(passed, key=lambda i: (candidates[i].sparse, places[i], i))[:count]
    return Choice(tuple(kept), dict(refused), len(passed))


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
    candidates: Sequence[Candidate], passed: Sequence[int], rank: str, typical: float | None
) -> dict[int, float]:
    """By candidate, its place: 0 is the best; the mean of both for 'both'."""
    keys = []
    if rank in ("rules", "both"):
        keys.append({i: -(candidates[i].rules[COMBINED] or 0.0) for i in passed})
    if rank in ("likelihood", "both"):
        assert typical is not None  # checked by the caller
        keys.append({i: abs(candidates[i].bits_per_note - typical) for i in passed})
    places = dict.fromkeys(passed, 0.0)
    for key in keys:
        for place, i in enumerate(sorted(passed, key=lambda i: (key[i], i))):
            places[i] += place / len(keys)
    return places
