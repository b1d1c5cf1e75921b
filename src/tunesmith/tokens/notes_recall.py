"""What a tune of the `notes` vocabulary suggests next: see `recall`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tunesmith.tokens.recall import HITS, LEVELS, Before, Integers, Match, Recall, Recalled
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

_INTERVAL0 = 2 * len(NAMES)  # an interval of 0 among the intervals, which come after the ids
_SPAN = 256  # places in a bar that are told apart
_RING = 16  # bars that are remembered; more than the longest lag
_LAGS = np.array([1, 2, 4, 8])
_CHANNEL_ROWS = LEVELS * np.arange(2 + len(_LAGS))
_PITCHES = len(NAMES) - PITCH_LOWEST
_PLACES = 192
_BEGUN = 40  # bars begun that are told apart
_BEFORE = 7  # ids before the latest that are told
_LENGTH_OF = np.zeros(len(NAMES), np.int64)
_LENGTH_OF[LENGTH0 : LENGTH0 + len(LENGTHS)] = LENGTHS
_KINDS = np.cumsum([2 * _PLACES, 1 + _PITCHES, 1 + BAR_MORE - BAR0, _BEGUN])  # where rows begin
_IS_EVENT = np.zeros(len(NAMES), bool)
_IS_EVENT[PITCH_LOWEST:] = _IS_EVENT[[REST, TIE]] = True
_IS_COUNTED = np.zeros(len(NAMES), bool)
_IS_COUNTED[BAR0 + 1 : BAR_MORE + 1] = True
_IS_BAR = _IS_COUNTED.copy()
_IS_BAR[PICKUP] = True
_PLAIN = np.where(_IS_COUNTED, BAR0 + 1, np.arange(len(NAMES)))  # bars without their numbers


class NotesRecall(Recall):
    """For the `notes` vocabulary: the longest match, and the same place some bars ago.

    The channels are the match (bars being alike whatever their number); what stood at this
    place of the bar 1, 2, 4 and 8 bars before, trusted by its last eight guesses; and the longest
    match of lengths and intervals, its next pitch moved to here. The places are the steps
    since the bar line (with a length told or not), the latest pitch, the bars that are left,
    the bars begun, and the ids before this one.

    Args:
        batch: B.
    """

    channels = 2 + len(_LAGS)

    def __init__(self, batch: int) -> None:
        self._rows = np.arange(batch)
        self._match = Match(batch)
        self._intervals = Match(batch)
        self._before = Before(batch, len(NAMES), _BEFORE)
        self.places = int(_KINDS[-1]) + self._before.places
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
        before_it = pitch
        pitch = np.where(ids >= PITCH_LOWEST, ids - PITCH_LOWEST + 1, pitch)
        latest = np.where(_IS_COUNTED[ids], ids - BAR0, latest)
        self._state = np.stack([bars, steps, waiting, pitch, latest])

        before = bars[:, None] - _LAGS
        key = _key(steps, waiting)
        found = self._there[rows[:, None], before % _RING, key[:, None]] * (before > 0)
        place, length = self._match.push(_PLAIN[ids])
        next_bar = np.where(latest == 1, END, BAR0 + np.maximum(latest - 1, 1))
        next_bar = np.where(latest == BAR_MORE - BAR0, BAR_MORE, next_bar)
        moved, moved_length = self._moved(ids, before_it)
        candidates = np.concatenate([self._match.at(place)[:, None], found, moved[:, None]], axis=1)
        candidates = np.where(_IS_COUNTED[candidates], next_bar[:, None], candidates)
        self._guesses = np.where(found > 0, candidates[:, 1:-1], -1)
        trust = np.where(found > 0, 1 + 2 * HITS[self._history] + hits, 0)
        lengths = np.minimum([length, moved_length], LEVELS - 1)
        trust = np.concatenate([lengths[:1].T, trust, lengths[1:].T], axis=1)
        trust += _CHANNEL_ROWS
        at = np.minimum(steps, _PLACES - 1) + _PLACES * (waiting > 0)
        places = np.stack([at, pitch, latest, np.minimum(bars, _BEGUN - 1)], axis=1)
        places[:, 1:] += _KINDS[:-1]
        places = np.concatenate([places, _KINDS[-1] + self._before.push(_PLAIN[ids])], axis=1)
        return Recalled(candidates, trust, places)

    def _moved(self, ids: Integers, pitch: Integers) -> tuple[Integers, Integers]:
        """What the longest match of lengths and intervals says, (B,), and its length or 0.

        Args:
            ids: (B,) those that are read.
            pitch: (B,) the latest before them, as the state has it.
        """
        is_pitch = ids >= PITCH_LOWEST
        now = ids - PITCH_LOWEST + 1
        interval = np.where(pitch > 0, _INTERVAL0 + now - pitch, len(NAMES))
        place, length = self._intervals.push(np.where(is_pitch, interval, _PLAIN[ids]))
        said = self._intervals.at(place)
        latest = np.where(is_pitch, now, pitch)
        moved = PITCH_LOWEST - 1 + latest + said - _INTERVAL0
        found = np.where(said < len(NAMES), said, moved)
        there = (length > 0) & (said != len(NAMES)) & (found < len(NAMES))
        there &= (said < len(NAMES)) | (found >= PITCH_LOWEST)
        return np.where(there, found, 0), np.where(there, length, 0)

    def select(self, rows: Sequence[int]) -> NotesRecall:  # noqa: D102
        other = NotesRecall(0)
        other._rows = np.arange(len(rows))
        other._match, other._intervals = self._match.select(rows), self._intervals.select(rows)
        other._before = self._before.select(rows)
        other._there, other._state = self._there[rows], self._state[:, rows]
        other._guesses, other._history = self._guesses[rows], self._history[rows]
        return other


def _key(steps: Integers, waiting: Integers) -> Integers:
    """(B,) the place in the bar and whether a length or a pitch is due."""
    return np.minimum(steps, _SPAN - 1) * 2 + (waiting > 0)
