"""Samplers: small pure functions from logits to tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a token is drawn from the model's distribution.

    Attributes:
        temperature: above 0 flattens (> 1) or sharpens (< 1) it; 0 takes the likeliest.
        top_k: keep the k likeliest tokens; 0 keeps all.
        top_p: keep the likeliest tokens that together have this probability, of
            what the grammar allows; in (0, 1], 1 keeps all. Holtzman et al.,
            The Curious Case of Neural Text Degeneration (2020).
        min_p: keep the tokens at least so likely as this share of the likeliest one, after
            temperature; 0 to 1, 0 keeps all. Nguyen et al., Turning Up the Heat: Min-p
            Sampling for Creative and Coherent LLM Outputs (2024).
        repetition: how much of the tune is to come again, from -1 (hardly any) by 0 (as the
            model would have it) to 1 (far more than in real tunes); see `repetition.Repeats`.

    Of top-k, min-p and top-p each takes what the one before has left.

    Raises:
        UsageError: for values outside these ranges.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise UsageError(f"a temperature of {self.temperature}", remedy="use 0 to 100, as 0.9")
        if self.top_k < 0:
            raise UsageError(f"a top-k of {self.top_k}", remedy="use 0 (off) or more")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"a top-p of {self.top_p}", remedy="use a number in (0, 1]")
        if not 0 <= self.min_p <= 1:
            raise UsageError(f"a min-p of {self.min_p}", remedy="use 0 (off) to 1, as 0.05")
        if not -1 <= self.repetition <= 1:
            raise UsageError(
                f"a repetition of {self.repetition}", remedy="use -1 (less) to 1 (more); 0 is off"
            )


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities along the last axis; any shape."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def keep_top_k(logits: Floats, k: int) -> Floats:
    """(B, V) with all but each row's k largest at -inf; ties with the k-th stay."""
    if not 0 < k < logits.shape[-1]:
        return logits
    smallest = np.partition(logits, -k, axis=-1)[:, -k, None]
    return np.where(logits < smallest, -np.inf, logits)


def keep_top_p(logits: Floats, p: float) -> Floats:
    """(B, V) with all at -inf but each row's likeliest tokens that together reach p."""
    if p >= 1:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    ranked = np.exp(log_softmax(np.take_along_axis(logits, order, -1)))
    before = np.cumsum(ranked, axis=-1) - ranked  # what the likelier ones have already
    kept = np.empty_like(logits, bool)
    np.put_along_axis(kept, order, before < p, -1)
    return np.where(kept, logits, -np.inf)


def keep_min_p(logits: Floats, p: float) -> Floats:
    """(B, V) with all at -inf that are less likely than p times each row's likeliest."""
    if p <= 0:
        return logits
    least = logits.max(axis=-1, keepdims=True) + np.log(p)
    return np.where(logits < least, -np.inf, logits)


def _kept(logits: Floats, how: Sampling) -> Floats:
    """(B, V) logits with temperature, and all at -inf that may not be drawn."""
    kept = keep_top_k(logits / how.temperature, how.top_k)
    return keep_top_p(keep_min_p(kept, how.min_p), how.top_p)


def choose(
    logits: Floats, allowed: NDArray[np.bool_], uniforms: NDArray[np.float64], how: Sampling
) -> NDArray[np.int64]:
    """Draw one token a row.

    Args:
        logits: (B, V) of the model.
        allowed: (B, V) what the grammar admits; at least one in each row.
        uniforms: (B,) in [0, 1), one a row: the only source of chance.
        how: the sampling.

    Returns:
        (B,) token ids.
    """
    masked = np.where(allowed, logits, -np.inf).astype(np.float64)
    if how.temperature == 0:
        greedy: NDArray[np.int64] = masked.argmax(axis=-1)
        return greedy
    kept = _kept(masked, how)
    cumulative = np.cumsum(np.exp(log_softmax(kept)), axis=-1)
    # The last cumulative value stands in for 1, which rounding may miss; the last
    # token that adds to it is the highest that may be drawn.
    total = cumulative[:, -1:]
    drawn = (cumulative <= uniforms[:, None] * total).sum(axis=-1)
    tokens: NDArray[np.int64] = np.minimum(drawn, (cumulative >= total).argmax(axis=-1))
    return tokens


def truncated(logits: Floats, allowed: NDArray[np.bool_], how: Sampling) -> NDArray[np.float64]:
    """(V,) logits of one row to (V,) weights from which `choose` would draw; 0 elsewhere."""
    masked = np.where(allowed, logits, -np.inf).astype(np.float64)
    if how.temperature == 0:
        return np.where(masked == masked.max(), 1.0, 0.0)
    kept = _kept(masked[None], how)[0]
    weights: NDArray[np.float64] = np.exp(kept - kept.max())
    return weights


def choose_among(weights: NDArray[np.float64], uniform: float) -> int:
    """An index drawn in proportion to (V,) weights, of which at least one is above 0."""
    cumulative = np.cumsum(weights)
    total = cumulative[-1]
    drawn = int(np.searchsorted(cumulative, uniform * total, side="right"))
    return min(drawn, int((cumulative >= total).argmax()))
