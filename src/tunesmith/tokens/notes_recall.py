"""What a tune of the `notes` vocabulary suggests next: see `recall`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.tokens.recall import HITS, LEVELS, Integers, Match, Recall, Recalled
from tunesmith.tokens.table import (
    BAR0,
    BAR_MORE,
    END,
    LENGTH0,
    LENGTHS,
    NAMES,
    PICKUP,
    PITCH_LOWEST,
    REST,
    TIE,
)

_SPAN = 256  # places in a bar that are told apart
_RING = 16  # bars that are remembered; more than the longest lag
_LAGS = np.array([1, 2, 4, 8])
_CHANNEL_ROWS = LEVELS * np.arange(1 + len(_LAGS))
_PITCHES = len(NAMES) - PITCH_LOWEST
_PLACES = 192
_LENGTH_OF = np.zeros(len(NAMES), np.int64)
_LENGTH_OF[LENGTH0 : LENGTH0 + len(LENGTHS)] = LENGTHS
_IS_EVENT = np.zeros(len(NAMES), bool)
_IS_EVENT[PITCH_LOWEST:] = _IS_EVENT[[REST, TIE]] = True
_IS_COUNTED = np.zeros(len(NAMES), bool)
_IS_COUNTED[BAR0 + 1 : BAR_MORE + 1] = True
_IS_BAR = _IS_COUNTED.copy()
_IS_BAR[PICKUP] = True
_PLAIN = np.where(_IS_COUNTED, BAR0 + 1, np.arange(len(NAMES)))  # bars without their numbers


class NotesRecall(Recall):
    """For the `notes` vocabulary: the longest match, and the same place some bars ago.

    The channels are the match (bars being alike whatever their number) and what stood at this
    place of the bar 1, 2, 4 and 8 bars before, trusted by its last eight guesses. The places are
    the steps since the bar line (with a length told or not), the latest pitch, and the
    bars that are left.

    Args:
        batch: B.
    """

    channels = 1 + len(_LAGS)
    places = 2 * _PLACES + 1 + _PITCHES + 1 + BAR_MORE - BAR0

    def __init__(self, batch: int) -> None:
        self._rows = np.arange(batch)
        self._match = Match(batch)
        self._there = np.zeros((batch, _RING, 2 * _SPAN), np.int64)
        self._guesses = np.zeros((batch, len(_LAGS)), np.int64)
        self._history = np.zeros((batch, len(_LAGS)), np.int64)
        # Of each tune: bars begun, steps since, the waiting length, latest pitch, latest bar.
        self._state = np.zeros((5, batch), np.int64)

    def push(self, ids: Integers) -> Recalled:  # noqa: D102
        bars, steps, waiting, pitch, latest = self._state
        rows = self._rows
        self._there[rows, bars % _RING, _key(steps, waiting)] = ids
        hits = self._guesses == ids[:, None]
        self._history = (2 * self._history + hits) % 256

        is_bar = _IS_BAR[ids]
        steps = np.where(is_bar, 0, steps + waiting * _IS_EVENT[ids])
        waiting = _LENGTH_OF[ids]
        bars = bars + is_bar
        self._there[is_bar, bars[is_bar] % _RING] = 0
        pitch = np.where(ids >= PITCH_LOWEST, ids - PITCH_LOWEST + 1, pitch)
        latest = np.where(_IS_COUNTED[ids], ids - BAR0, latest)
        self._state = np.stack([bars, steps, waiting, pitch, latest])

        before = bars[:, None] - _LAGS
        key = _key(steps, waiting)
        found = self._there[rows[:, None], before % _RING, key[:, None]] * (before > 0)
        place, length = self._match.push(_PLAIN[ids])
        next_bar = np.where(latest == 1, END, BAR0 + np.maximum(latest - 1, 1))
        next_bar = np.where(latest == BAR_MORE - BAR0, BAR_MORE, next_bar)
        candidates = np.concatenate([self._match.at(place)[:, None], found], axis=1)
        candidates = np.where(_IS_COUNTED[candidates], next_bar[:, None], candidates)
        self._guesses = np.where(found > 0, candidates[:, 1:], -1)
        trust = np.where(found > 0, 1 + 2 * HITS[self._history] + hits, 0)
        trust = np.concatenate([np.minimum(length, LEVELS - 1)[:, None], trust], axis=1)
        trust += _CHANNEL_ROWS
        at = np.minimum(steps, _PLACES - 1) + _PLACES * (waiting > 0)
        places = np.stack([at, 2 * _PLACES + pitch, 2 * _PLACES + 1 + _PITCHES + latest], axis=1)
        return Recalled(candidates, trust, places)

    def select(self, rows: Sequence[int]) -> NotesRecall:  # noqa: D102
        other = NotesRecall(0)
        other._rows = np.arange(len(rows))
        other._match = self._match.select(rows)
        other._there, other._state = self._there[rows], self._state[:, rows]
        other._guesses, other._history = self._guesses[rows], self._history[rows]
        return other


def _key(steps: Integers, waiting: Integers) -> Integers:
    """(B,) the place in the bar and whether a length or a pitch is due."""
    return np.minimum(steps, _SPAN - 1) * 2 + (waiting > 0)
