"""Bits per note, with the interval that goes with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.model.inference import Network
from tunesmith.tokens import Vocabulary
from tunesmith.tokens.base import Ids


class Interval(NamedTuple):
    """A figure and its bootstrap interval.

    Attributes:
        value: over all tunes.
        low, high: the 2.5th and 97.5th percentile over resampled tunes.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Bits(NamedTuple):
    """A code length in bits, by what it tells.

    Attributes:
        pitch: which pitches, the key among them, where it is known that a note begins.
        timing: all else: metre, pickup, bars, lengths, rests, ties, the end.
    """

    pitch: float
    timing: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.pitch + self.timing


def tune_bits(network: Network, vocabulary: Vocabulary, tunes: Sequence[Ids]) -> list[float]:
    """The unconditional code length of each tune in bits: all attributes unknown.

    Every id that carries news is charged: metre, pickup, bars, lengths, pitches,
    ties, rests and the end.
    """
    hidden = [vocabulary.unconditional(ids) for ids in tunes]
    scores = network.log_probabilities(hidden)
    return [
        float(-logs[vocabulary.charged(ids)[1:]].sum() / math.log(2))
        for ids, logs in zip(hidden, scores, strict=True)
    ]


def bits_per_note(
    bits: Sequence[float], notes: Sequence[int], *, seed: int = 0, draws: int = 2000
) -> Interval:
    """Total bits over total notes, with a percentile bootstrap over tunes.

    Args:
        bits: of each tune; a difference of two models' bits is as good.
        notes: sounding notes of each tune.
        seed: of the resampling.
        draws: how many resamples (Efron and Tibshirani 1993, ch. 13).
    """
    b, n = np.asarray(bits, float), np.asarray(notes, float)
    picks = np.random.default_rng(seed).integers(len(b), size=(draws, len(b)))
    ratios: NDArray[np.float64] = b[picks].sum(axis=1) / n[picks].sum(axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(float(b.sum() / n.sum()), float(low), float(high))
