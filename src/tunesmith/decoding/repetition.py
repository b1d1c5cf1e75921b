"""More or less of what the tune has had already: a weight on going on with a repeat.

As the repetition penalty of Keskar and others (CTRL, 2019) lowers what was there before, but of
runs of notes instead of single tokens, of which a melody has few kinds; and in both directions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tunesmith.tokens.table import NAMES, PITCH_LOWEST

FEWEST = 4
"""Notes that a repeat must have had before it is held back or helped; motifs stay free."""
FULL = 8
"""Notes from which on the whole weight holds."""
GAIN = 3.0
"""Nats at strength 1."""


class Repeats:
    """What in the tunes of a batch would go on with a repeat.

    A note repeats n notes if it and the n - 1 before it stand in the tune already, in this
    order and at these pitches; lengths, rests and barlines between them do not count. Each
    pitch c gets

        strength · GAIN · min(1, max(0, (n_c - FEWEST) / (FULL - FEWEST)))

    nats, where n_c is how many notes would be repeated with it. At 1 the odds of going on with
    a repeat are at most e^GAIN, or 20, times the model's, and at -1 at least a 20th of them.

    Args:
        batch: tunes.
        size: V, of the vocabulary.
        strength: -1 to 1.
    """

    def __init__(self, batch: int, size: int, strength: float) -> None:
        self._first = PITCH_LOWEST if size == len(NAMES) else 0  # others hold notes alone
        self._ids: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * batch
        self._runs: list[NDArray[np.int64]] = [np.zeros(0, np.int64)] * batch
        self._weights = np.zeros((batch, size))
        self._strength = strength

    def push(self, row: int, token: int) -> None:
        """Read the next id of a tune."""
        if token < self._first:
            return
        before = self._ids[row]
        # runs[j]: how many notes up to j - 1 equal the latest ones.
        runs = np.zeros(len(before) + 1, np.int64)
        runs[1:] = (self._runs[row] + 1) * (before == token)
        ids = np.append(before, token)
        self._ids[row], self._runs[row] = ids, runs
        longest = np.zeros(self._weights.shape[1])  # before each pitch
        np.maximum.at(longest, ids, runs)
        grown = np.clip((longest + 1 - FEWEST) / (FULL - FEWEST), 0, 1)
        self._weights[row] = self._strength * GAIN * grown

    def weights(self, rows: list[int]) -> NDArray[np.float64]:
        """(rows, V) nats to add to the logits of the next id."""
        found: NDArray[np.float64] = self._weights[rows]
        return found
