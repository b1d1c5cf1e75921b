"""What a tune of the `notes` vocabulary suggests next: see `recall`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.tokens.recall import (
    HITS,
    LEVELS,
    Before,
    Integers,
    Match,
    Recall,
    Recalled,
    Returning,
)
from tunesmith.tokens.table import (
    BAR0,
    BAR_MORE,
    DENSITY0,
    END,
    FILL,
    FIRST_EVENT,
    GAP,
    LAST_SLOT,
    LENGTH0,
    LENGTHS,
    LONGEST_COUNT,
    METER0,
    METER_STEPS,
    NAMES,
    PERIOD_SLOT,
    PICKUP,
    PITCH_LOWEST,
    REPEATS,
    REPEATS_SLOT,
    REST,
    TIE,
    UNKNOWN,
)

_INTERVAL0 = 2 * len(NAMES)  # an interval of 0 among the intervals, which come after the ids
_SPAN = 256  # places in a bar that are told apart
_RING = 128  # bars that are remembered; more than the longest lag
_IN_HEADER = 3 * len(NAMES)  # from here on, ids that the matches see of the header: like none
_LAGS = np.array([1, 2, 4, 8])
_CHANNEL_ROWS = LEVELS * np.arange(3 + len(_LAGS))
_PITCHES = len(NAMES) - PITCH_LOWEST
_PLACES = 192
_BEGUN = 40  # bars begun that are told apart
_BEFORE = 7  # ids before the latest that are told
_LENGTH_OF = np.zeros(len(NAMES), np.int64)
_LENGTH_OF[LENGTH0 : LENGTH0 + len(LENGTHS)] = LENGTHS
_BAR_LENGTH_OF = np.zeros(len(NAMES), np.int64)
_BAR_LENGTH_OF[METER0 : METER0 + len(METER_STEPS)] = METER_STEPS
_LONG_PERIOD, _MOST_PULL = 16, 1.5
"""Bars from which on the network seldom finds by itself what is to come again; chosen with
`_RETURN` in `decoding/generating.py` so that as much comes again as is told (benchmarks/LOG.md)."""
_BOUNDS = np.array([0.0, *REPEATS, 2 * REPEATS[-1] - REPEATS[-2]])
_TOLD_AGAIN = np.array([0.0, *(_BOUNDS[:-1] + _BOUNDS[1:]) / 2])
"""The share that each class of `repeats` tells, from 1; 0 where none is told."""
_ROUNDS = 4
"""Rounds of the period that are told apart; the last is open."""
# Where the rows of each kind of place begin.
_KINDS = np.cumsum([
    2 * _PLACES, 1 + _PITCHES, 1 + BAR_MORE - BAR0, _BEGUN, _PLACES, _BEGUN,
    1 + _PITCHES, 1 + _PITCHES, 1 + 3 * _ROUNDS,
])  # fmt: skip
_IS_EVENT = np.zeros(len(NAMES), bool)
_IS_EVENT[PITCH_LOWEST:] = _IS_EVENT[[REST, TIE]] = True
_IS_COUNTED = np.zeros(len(NAMES), bool)
_IS_COUNTED[BAR0 + 1 : BAR_MORE + 1] = True
_IS_BAR = _IS_COUNTED.copy()
_IS_BAR[PICKUP] = True
_NUMBER_OF = np.where(_IS_COUNTED, np.arange(len(NAMES)) - BAR0, 0)
_NOWHERE = np.zeros(0, bool)
_PLAIN = np.where(_IS_COUNTED, BAR0 + 1, np.arange(len(NAMES)))  # bars without their numbers


class _State(NamedTuple):
    """Where each tune stands, (B,) each.

    Attributes:
        bars: the number of this bar; the first is 1. Behind `fill` they go on where the gap was.
        steps: since the bar line.
        waiting: the length that was told and has no pitch yet, or 0.
        pitch: the latest, from 1; or 0.
        goal: the last of the tune, as the header tells it, from 1; or 0 where it does not.
        period: after how many bars a bar comes again, as the header tells it; or 0.
        repeats: the class of how much comes again, as the header tells it, from 1; or 0.
        whole: the number of bars that was told first; or 0 before that.
        latest: the number of bars that are left, with this one; or 0 before the first.
        length: steps of a bar in this metre.
        pickup: steps of the bar before the first.
        before: `bars`, `pitch`, `latest` and the ids read before the gap; 0 where there is none.
        behind: the bars left at the first bar behind the gap, and the first pitch there; or 0.
        filling: whether the gap is being filled.
        shift: to be taken from `bars` for the number of a bar of a gap at the tune's beginning.
    """

    bars: Integers
    steps: Integers
    waiting: Integers
    pitch: Integers
    goal: Integers
    period: Integers
    repeats: Integers
    whole: Integers
    latest: Integers
    length: Integers
    pickup: Integers
    before_bars: Integers
    before_pitch: Integers
    before_latest: Integers
    before_read: Integers
    behind_latest: Integers
    behind_pitch: Integers
    filling: Integers
    shift: Integers


class NotesRecall(Recall):
    """For the `notes` vocabulary: the longest match, and the same place some bars ago.

    The channels are the match (bars being alike whatever their number); what stood at this
    place of the bar 1, 2, 4, 8 bars before, and as many as the header tells of the period, trusted
    by its last eight guesses; and the longest match of lengths and intervals, its next pitch moved
    to here. Of a note that ends the tune
    (its length uses up the last bar, or leaves that of the pickup) the pitch that the header tells
    stands for the longest match. The places are the steps
    since the bar line (with a length told or not), the latest pitch, the bars that are left,
    the number of the bar, the length of the pickup, that last pitch where it is due, how often the
    period has passed and whether this bar is the first, the last or another one of it, and the ids
    before this one. Of the header, copies know nothing.

    Where a gap is filled, all of them go on as if what was before the gap had just been read;
    what is told besides is how many bars are left of the gap and the first pitch behind it,
    and where nothing is so many bars before, what stands as many bars later.

    Args:
        batch: B.
    """

    channels = 3 + len(_LAGS)

    def __init__(self, batch: int) -> None:
        self._rows = np.arange(batch)
        self._match = Match(batch)
        self._intervals = Match(batch)
        self._before = Before(batch, len(NAMES), _BEFORE)
        self.places = int(_KINDS[-1]) + self._before.places
        self._there = np.zeros((batch, _RING, 2 * _SPAN), np.int16)
        self._numbers = np.zeros((batch, _RING), np.int64)  # of the bars that stand there
        self._guesses = np.zeros((batch, 1 + len(_LAGS)), np.int64)
        self._history = np.zeros((batch, 1 + len(_LAGS)), np.int64)
        self._state = _State(*np.zeros((len(_State._fields), batch), np.int64))
        self._gapped = False  # whether any tune has a gap, which few have
        self._pull = np.zeros(batch)
        self._of_bars = np.zeros((4, batch), np.int64)

    @property
    def returning(self) -> Returning:  # noqa: D102
        state = self._state
        # The pickup is the end of a bar, not the first bar that may come again.
        pickup = (state.pickup > 0) & (state.bars - state.period == 1)
        return Returning(np.where(pickup, -1, self._guesses[:, -1]), self._pull)

    def push(self, ids: Integers) -> Recalled:  # noqa: D102
        now, read = self._state, self._match.read
        self._there[self._rows, now.bars % _RING, _key(now.steps, now.waiting)] = ids
        hits = self._guesses == ids[:, None]
        self._history = (2 * self._history + hits) % 256
        header = read < FIRST_EVENT  # its numbers of bars begin none
        is_bar = np.zeros(len(ids), bool) if header else _IS_BAR[ids]
        then = _after(now, ids, read, is_bar)
        self._gapped = self._gapped or bool((ids == GAP).any())
        fills = _NOWHERE
        if self._gapped:
            fills = ids == FILL
            self._before.keep(ids == GAP)
            then = _around_gap(now, then, ids, read, is_bar)
        self._state = then
        if not now.whole.all():  # with it all is told
            self._pull = _pull(then)
        begun = is_bar.nonzero()[0]
        if len(begun):
            bars = then.bars[begun]
            self._there[begun, bars % _RING] = 0
            self._numbers[begun, bars % _RING] = bars
        if header or self._gapped or len(begun):
            self._of_bars = _of_bars(then)

        key = _key(then.steps, then.waiting)
        lags = np.empty((len(ids), 1 + len(_LAGS)), np.int64)
        lags[:, :-1], lags[:, -1] = _LAGS, then.period
        bars = then.bars[:, None]
        found = self._at(bars - lags, key) * (lags > 0)
        if self._gapped:
            later = self._at(bars + lags, key) * (lags * then.filling[:, None] > 0)
            found = np.where(found > 0, found, later)
        heard = np.full(len(ids), _IN_HEADER + read) if header else _PLAIN[ids]
        place, length = self._match.push(heard)
        interval = heard if header else self._interval(ids, now.pitch)
        moved_place, moved_length = self._intervals.push(interval)
        for row in map(int, fills.nonzero()[0]):
            end = int(then.before_read[row]) - 1
            place[row], length[row] = self._match.resume(row, end)
            moved_place[row], moved_length[row] = self._intervals.resume(row, end)
        if len(fills):
            self._before.resume(fills)
        next_bar = self._of_bars[0]
        moved, moved_length = self._moved(moved_place, moved_length, then.pitch)
        longest = self._match.at(place) * (length > 0)
        candidates = np.concatenate([longest[:, None], found, moved[:, None]], axis=1)
        candidates = np.where(_IS_COUNTED[candidates], next_bar[:, None], candidates)
        self._guesses = np.where(found > 0, candidates[:, 1:-1], -1)
        trust = np.empty_like(candidates)
        trust[:, 0], trust[:, -1] = length, moved_length
        ends = _ends(then)
        if ends.any():
            candidates[ends, 0] = PITCH_LOWEST - 1 + then.goal[ends]
            trust[ends, 0] = LEVELS
        np.minimum(trust, LEVELS - 1, out=trust)
        trust[:, 1:-1] = (1 + 2 * HITS[self._history] + hits) * (found > 0)
        trust += _CHANNEL_ROWS
        places = np.empty((len(ids), len(_KINDS) + _BEFORE), np.int64)
        places[:, 0] = np.minimum(then.steps, _PLACES - 1) + _PLACES * (then.waiting > 0)
        places[:, 1], places[:, 2] = then.pitch, then.latest
        places[:, 3] = self._of_bars[1]
        places[:, 4] = np.minimum(then.pickup, _PLACES - 1)
        places[:, 5] = self._of_bars[2]
        places[:, 6] = then.behind_pitch * then.filling
        places[:, 7] = then.goal * ends
        places[:, 8] = self._of_bars[3]
        places[:, 1 : len(_KINDS)] += _KINDS[:-1]
        places[:, len(_KINDS) :] = _KINDS[-1] + self._before.push(_PLAIN[ids])
        if len(fills):  # the mark itself is not told
            self._before.resume(fills)
        return Recalled(candidates, trust, places)

    def _at(self, bars: Integers, key: Integers) -> Integers:
        """What stood in these bars, (B, lags), at this place, (B,); 0 where nothing."""
        rows, slots = self._rows[:, None], bars % _RING
        found = self._there[rows, slots, key[:, None]]
        # In bar 0 stand the attributes.
        known = (bars != 0) & (self._numbers[rows, slots] == bars)
        return np.where(known, found, 0).astype(np.int64)

    def _interval(self, ids: Integers, pitch: Integers) -> Integers:
        """The ids with intervals for pitches, after the latest pitch, (B,)."""
        interval = np.where(pitch > 0, _INTERVAL0 + _pitch(ids) - pitch, len(NAMES))
        return np.where(ids >= PITCH_LOWEST, interval, _PLAIN[ids])

    def _moved(
        self, place: Integers, length: Integers, pitch: Integers
    ) -> tuple[Integers, Integers]:
        """What the longest match of lengths and intervals says, (B,), and its length or 0.

        Args:
            place: (B,) where it stands.
            length: (B,) of the match.
            pitch: (B,) the latest.
        """
        said = self._intervals.at(place)
        moved = PITCH_LOWEST - 1 + pitch + said - _INTERVAL0
        found = np.where(said < len(NAMES), said, moved)
        there = (length > 0) & (said != len(NAMES)) & (found < len(NAMES))
        there &= (said < len(NAMES)) | (found >= PITCH_LOWEST)
        return np.where(there, found, 0), np.where(there, length, 0)

    def select(self, rows: Sequence[int]) -> NotesRecall:  # noqa: D102
        other = NotesRecall(0)
        other._rows = np.arange(len(rows))
        other._match, other._intervals = self._match.select(rows), self._intervals.select(rows)
        other._before = self._before.select(rows)
        other._there = self._there[rows]
        other._state = _State(*(part[rows] for part in self._state))
        other._pull, other._of_bars = self._pull[rows], self._of_bars[:, rows]
        other._gapped = self._gapped
        other._numbers = self._numbers[rows]
        other._guesses, other._history = self._guesses[rows], self._history[rows]
        return other


def _pitch(ids: Integers) -> Integers:
    return ids - PITCH_LOWEST + 1


def _after(s: _State, ids: Integers, read: int, is_bar: NDArray[np.bool_]) -> _State:
    """Where each tune stands after one more id, (B,), if there is no gap.

    Args:
        s: before it.
        ids: (B,).
        read: so many were read before.
        is_bar: (B,) whether a bar begins with it.
    """
    header = read < FIRST_EVENT  # its numbers of bars begin none
    is_pitch = ids >= PITCH_LOWEST
    number = _NUMBER_OF[ids]
    meter = _BAR_LENGTH_OF[ids]
    s = s._replace(
        waiting=_LENGTH_OF[ids] * (not header),
        steps=np.where(is_bar, 0, s.steps + s.waiting * _IS_EVENT[ids]),
        pitch=np.where(is_pitch, _pitch(ids), s.pitch),
        length=np.where(meter > 0, meter, s.length),
        pickup=s.pickup if header else np.where(
            (number > 0) & (s.latest == 0), s.steps * (s.bars > 0), s.pickup
        ),
    )  # fmt: skip
    if read == LAST_SLOT:
        s = s._replace(goal=np.where(is_pitch, _pitch(ids), 0))
    elif read == PERIOD_SLOT:
        s = s._replace(period=number % (BAR_MORE - BAR0))
    elif read == REPEATS_SLOT:
        s = s._replace(repeats=(ids - DENSITY0 + 1) * (ids != UNKNOWN))
    if header or not is_bar.any():
        return s
    # By their numbers, since bars are left out at a gap and come behind the end. Before the first
    # and beyond the highest number one follows another.
    counted = number > 0
    on = np.where(counted & (s.latest > 0) & (number != s.latest), s.latest - number, 1)
    return s._replace(
        bars=s.bars + is_bar * on,
        whole=np.where((s.whole == 0) & counted, number, s.whole),
        latest=np.where(counted, number, s.latest),
    )


def _around_gap(
    s: _State, then: _State, ids: Integers, read: int, is_bar: NDArray[np.bool_]
) -> _State:
    """The same where a gap is left, the rest is read, and then the gap is filled.

    Args:
        s: before the id.
        then: after it, gaps aside.
        ids: (B,).
        read: so many were read before.
        is_bar: (B,) whether a bar begins with it.
    """
    gaps, fills = ids == GAP, ids == FILL
    counted = _NUMBER_OF[ids] * is_bar
    # With no bar before the gap, the first that is filled in finds its number from the end.
    back = fills & (s.before_latest > 0)
    in_tail = (s.before_read > 0) & (s.filling == 0)
    first_behind = in_tail & (s.behind_latest == 0)
    bars = np.where(back, s.before_bars, then.bars)
    first_filled = (s.filling > 0) & (counted > 0) & (s.before_latest == 0) & (s.shift == 0)
    first_pitch = in_tail & (ids >= PITCH_LOWEST) & (s.behind_pitch == 0)
    return then._replace(
        bars=bars,
        steps=np.where(fills, 0, then.steps),
        pitch=np.where(fills, s.before_pitch, then.pitch),
        latest=np.where(back, s.before_latest, then.latest),
        before_bars=np.where(gaps, s.bars, s.before_bars),
        before_pitch=np.where(gaps, s.pitch, s.before_pitch),
        before_latest=np.where(gaps, s.latest, s.before_latest),
        before_read=np.where(gaps, read, s.before_read),
        behind_latest=np.where(first_behind, counted, s.behind_latest),
        behind_pitch=np.where(first_pitch, _pitch(ids), s.behind_pitch),
        filling=s.filling | fills,
        shift=np.where(first_filled, bars - s.before_bars - 1, s.shift),
    )


def _of_bars(s: _State) -> Integers:
    """(4, B) what changes at a barline only: the id of the next one, and three of the places."""
    last = np.where(s.filling > 0, s.behind_latest + 1, 1)
    next_bar = np.where(s.latest == last, END, BAR0 + np.maximum(s.latest - 1, 1))
    left = np.where(s.filling > 0, s.latest - s.behind_latest, 0)
    return np.array([
        np.where(s.latest == BAR_MORE - BAR0, BAR_MORE, next_bar),
        np.minimum(np.maximum(s.bars - s.shift, 0), _BEGUN - 1),
        np.minimum(np.maximum(left, 0), _BEGUN - 1),
        _round(s),
    ])  # fmt: skip


def _ends(s: _State) -> NDArray[np.bool_]:
    """(B,) whether a pitch is due that may end the tune, and the header tells which.

    Bars that fill a gap have others behind them, so none of them is the last.
    """
    left = s.length - s.steps - s.waiting
    due: NDArray[np.bool_] = (s.waiting > 0) & (s.latest == 1) & (s.goal > 0)
    due &= (left == 0) | (left == s.pickup)
    return due


def _round(s: _State) -> Integers:
    """(B,) where in the header's period this bar is: 0 if there is none."""
    period = np.maximum(s.period, 1)
    # The pickup counts for none; it has the number 1, as the first bar has without one.
    rounds, phase = np.divmod(np.maximum(s.bars - s.shift - 1 - (s.pickup > 0), 0), period)
    part = np.where(phase == 0, 0, np.where(phase == period - 1, 2, 1))
    return np.where(s.period > 0, 1 + 3 * np.minimum(rounds, _ROUNDS - 1) + part, 0)


def _pull(s: _State) -> NDArray[np.float64]:
    """(B,) how much a tune has to be held to its header's plan of what comes again, 0 to 1.5.

    After a period of P bars N - P of N are left, and of so many the share that `repeats` tells is
    N / (N - P) times as large, at most 1: that, times P / 16, but at most 1.5, for short periods
    are followed by the network alone. 0 where nothing is told. More bars than a token can count are
    taken for 128, as many as a tune gets that was asked for no number.
    """
    bars = np.where(s.whole > LONGEST_COUNT, 2 * LONGEST_COUNT, s.whole)
    told = (s.period > 0) & (s.repeats > 0) & (bars > s.period)
    share = _TOLD_AGAIN[np.clip(s.repeats, 0, len(_TOLD_AGAIN) - 1)] * bars
    share = np.minimum(share / np.where(told, bars - s.period, 1), 1)
    return np.where(told, share * np.minimum(s.period / _LONG_PERIOD, _MOST_PULL), 0)


def _key(steps: Integers, waiting: Integers) -> Integers:
    """(B,) the place in the bar and whether a length or a pitch is due."""
    return np.minimum(steps, _SPAN - 1) * 2 + (waiting > 0)
