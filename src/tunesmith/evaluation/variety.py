"""How far apart melodies are, so that of many those are kept that differ from each other.

The distance is one less Ukkonen's similarity of the trigrams of intervals (Ukkonen, Approximate
string matching with q-grams, Theoretical Computer Science 1992; for melodies, Uitdenbogerd,
Music Information Retrieval Technology, 2002). It is the term that weighs most in opti3, the
measure that agreed best with music experts (Müllensiefen and Frieler, Modelling experts' notions
of melodic similarity, Musicae Scientiae 2007). `benchmarks/variety.py` stands it beside others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tunesmith.melody import Melody

Floats = NDArray[np.float64]

SIZE = 3
"""Intervals of a trigram: 4 notes."""
APART = 0.65
"""Nearer than this are two variants of one tune.

Of whole tunes, 88 % of the pairs of variants that were judged by reading lie under it, 97 % of
the pairs in one cluster of `folk`, and 1 in 600 pairs of unlike tunes (`benchmarks/results.md`).
"""


class Distances:
    """The distances between some melodies.

    d(a, b) = sum over trigrams g of |a_g - b_g|, over the sum of all a_g + b_g

    where a_g says how often the trigram of intervals g stands in a: 0 for equal trigrams, 1
    for none in common. Key and rhythm do not count, and the order of bars hardly. Never
    undefined: a melody of fewer than 4 notes has no trigram; it is at 0 from one with the
    same intervals, and at 1 from all others.

    Args:
        melodies: which ones.
    """

    def __init__(self, melodies: Sequence[Melody]) -> None:
        self._size = len(melodies)
        grams: list[NDArray[np.int64]] = []
        counts: list[NDArray[np.int64]] = []
        for melody in melodies:
            gram, count = np.unique(_trigrams(melody.intervals), return_counts=True)
            grams.append(gram)
            counts.append(count)
        self._grams, self._counts = grams, counts
        self._totals = np.array([c.sum() for c in counts], np.int64)
        self._short = [m.intervals if len(m.intervals) < SIZE else None for m in melodies]
        # Who has each trigram, and how often: all in the order of the trigrams.
        owners = np.repeat(np.arange(self._size), [len(g) for g in grams])
        every = np.concatenate([np.zeros(0, np.int64), *grams])
        order = np.argsort(every, kind="stable")
        self._every, self._owners = every[order], owners[order]
        self._often = np.concatenate([np.zeros(0, np.int64), *counts])[order]

    def to(self, one: int) -> Floats:
        """(n,) the distance of each melody to one of them, 0 to 1."""
        if self._short[one] is not None:
            return np.array([0.0 if s == self._short[one] else 1.0 for s in self._short])
        grams, counts = self._grams[one], self._counts[one]
        first = np.searchsorted(self._every, grams)
        sizes = np.searchsorted(self._every, grams, "right") - first
        # The places first … first + size of each trigram, one after another.
        places = np.repeat(first + sizes - np.cumsum(sizes), sizes) + np.arange(sizes.sum())
        both = np.minimum(self._often[places], np.repeat(counts, sizes))
        shared = np.bincount(self._owners[places], both, self._size)
        # |a - b| = a + b - 2 min(a, b)
        apart: Floats = 1 - 2 * shared / (self._totals[one] + self._totals)
        return apart


def distance(a: Melody, b: Melody) -> float:
    """How far two melodies are apart, 0 to 1; see `Distances`."""
    return float(Distances([a, b]).to(0)[1])


def _trigrams(intervals: Sequence[int]) -> NDArray[np.int64]:
    """Each three intervals in a row as one number; intervals are -127 to 127."""
    steps = np.array(intervals, np.int64) + 128
    if len(steps) < SIZE:
        return np.zeros(0, np.int64)
    numbers: NDArray[np.int64] = sliding_window_view(steps, SIZE) @ (256 ** np.arange(SIZE))
    return numbers
