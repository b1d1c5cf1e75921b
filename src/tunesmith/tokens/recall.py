"""What a tune itself suggests next: the copies that could go on, and the place in the bar.

Melodies repeat: their sections, their bars, their rhythms. A network must learn to find what to
copy, and that takes most of a short training. So every id comes with what can be told by rule
from the ids so far: candidates for the next id, each with how well it did lately, and
where in the bar the next one will stand. The network weighs them; nothing is imposed.

Shapes: B tunes, T ids, C channels of candidates, P kinds of places.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
LEVELS = 32
"""Classes of trust in a candidate; 0 is none at all."""
HITS = np.array([bin(n).count("1") for n in range(256)])
"""(256,) the guesses that came true among the last eight, as bits."""
_SIEVED = 32  # ids after which the tunes that have ended are left out


class Recalled(NamedTuple):
    """What is known when the next id is to be told; any leading shape.

    Attributes:
        candidates: (…, C) ids that may come next.
        trust: (…, C) how far each earned trust: LEVELS times its channel, and from 0 for no
            candidate to LEVELS - 1.
        places: (…, P) rows of the table of places.
    """

    candidates: Integers
    trust: Integers
    places: Integers


class Returning(NamedTuple):
    """What comes next in each of B tunes if it goes on as its header has planned.

    Attributes:
        ids: (B,) the ids, -1 where nothing is planned.
        pull: (B,) how much a tune has to be held to its plan, 0 to 1.5.
    """

    ids: Integers
    pull: NDArray[np.float64]


class Recall(ABC):
    """The memory of a batch of tunes that are read id by id.

    Attributes:
        channels: C.
        places: rows of the table of places.
    """

    channels: int
    places: int

    @property
    def returning(self) -> Returning | None:
        """What comes next if the tunes go on as their headers have planned; None if none plans."""
        return None

    @abstractmethod
    def push(self, ids: Integers) -> Recalled:
        """Read the next id of each tune, (B,); what it now suggests, without T."""

    @abstractmethod
    def select(self, rows: Sequence[int]) -> Recall:
        """The memory of some of the tunes."""

    def read(self, ids: NDArray[np.integer]) -> Recalled:
        """Read (B, T) ids; (B, T, …)."""
        columns = np.ascontiguousarray(ids.T, np.int64)
        steps = [self.push(column) for column in columns]
        return Recalled(*(np.stack(part, axis=1) for part in zip(*steps, strict=True)))

    def read_all(self, ids: NDArray[np.integer], lengths: Integers) -> Recalled:
        """What whole tunes recall, (B, T, …); the memory, new before, is used up.

        Args:
            ids: (B, T) padded on the right.
            lengths: (B,) of each tune; what is told behind its end means nothing.
        """
        order = np.argsort(-lengths, kind="stable")
        memory: Recall = self
        rows, told = len(ids), list[Recalled]()
        for t, column in enumerate(np.ascontiguousarray(ids[order].T, np.int64)):
            running = int((lengths > t).sum()) if t % _SIEVED == 0 else rows
            if running < rows:
                rows = running
                memory = memory.select(range(rows))
            told.append(memory.push(column[:rows]))
        whole = [np.zeros((*ids.shape, part.shape[1]), np.int64) for part in told[0]]
        for t, now in enumerate(told):
            for part, this in zip(whole, now, strict=True):
                part[order[: len(this)], t] = this
        return Recalled(*whole)


class Match:
    """For each tune the longest run of ids that ends here and was there before.

    Of runs of equal length the latest counts. An id after it is the one that
    followed then. Work and memory grow with the ids so far.

    Args:
        batch: B.
    """

    def __init__(self, batch: int) -> None:
        self._rows = np.arange(batch)
        self._ids = np.zeros((batch, 256), np.int32)
        self._runs = np.zeros((batch, 257), np.int32)  # ends at j - 1 and before the latest id
        self._order = np.arange(256, dtype=np.int32)
        self.read = 0

    def push(self, ids: Integers) -> tuple[Integers, Integers]:
        """Read (B,) ids; (B,) where what followed each run stands, and (B,) its length or 0."""
        t = self.read
        if t == self._ids.shape[1]:
            self._ids = np.pad(self._ids, ((0, 0), (0, t)))
            self._runs = np.pad(self._runs, ((0, 0), (0, t)))
            self._order = np.arange(2 * t, dtype=np.int32)
        self._ids[:, t] = ids
        self.read = t + 1
        if not t:
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
        runs = self._runs[:, :t] + 1
        runs *= self._ids[:, :t] == self._ids[:, t, None]
        self._runs[:, 1 : t + 1] = runs
        ends = (runs * (t + 1) + self._order[:t]).argmax(axis=1)
        return ends + 1, runs[self._rows, ends].astype(np.int64)

    def resume(self, row: int, end: int) -> tuple[int, int]:
        """Let what one tune reads next follow its id at `end` instead of the latest.

        Returns:
            As `push`, for that tune: the place and the length of the longest run that ends like it.
        """
        t = self.read
        ids = self._ids[row, :t]
        runs = self._runs[row, 1 : t + 1]
        runs[:] = 0
        alive = ids == ids[end]
        alive[end] = False  # it is no match of its own
        back = 0
        while alive.any():
            runs += alive
            back += 1
            if back > end:
                break
            alive[back:] &= ids[:-back] == ids[end - back]
            alive[:back] = False
        best = int((runs * t + self._order[:t]).argmax())
        # Without any run the best is the latest id, which nothing has followed yet.
        return (best + 1, int(runs[best])) if runs[best] else (0, 0)

    def another(self) -> tuple[Integers, Integers]:
        """As `push` said last, of the longest run that was followed by another id than that one."""
        t = self.read - 1
        if t < 1:
            return np.zeros(len(self._rows), np.int64), np.zeros(len(self._rows), np.int64)
        runs, followers = self._runs[:, 1 : t + 1], self._ids[:, 1 : t + 1]
        order = self._order[:t]
        ends = (runs * (t + 1) + order).argmax(axis=1)
        runs = runs * (followers != followers[self._rows, ends, None])
        ends = (runs * (t + 1) + order).argmax(axis=1)
        return ends + 1, runs[self._rows, ends].astype(np.int64)

    def at(self, places: Integers) -> Integers:
        """(B,) the id of each tune at its place."""
        return self._ids[self._rows, places].astype(np.int64)

    def select(self, rows: Sequence[int]) -> Match:
        """Of some of the tunes."""
        other = Match(0)
        other._rows = np.arange(len(rows))
        other._ids, other._runs = self._ids[rows], self._runs[rows]
        other._order, other.read = self._order, self.read
        return other


class Before:
    """The ids before the latest one, each as a row of the table of places.

    Args:
        batch: B.
        size: ids there are.
        count: how many are told.
    """

    def __init__(self, batch: int, size: int, count: int) -> None:
        self._first = size * np.arange(count)
        self._last = np.zeros((batch, count + 1), np.int64)  # 0 also where there was none
        self._kept = self._last.copy()
        self.places = size * count

    def push(self, ids: Integers) -> Integers:
        """Read (B,) ids; (B, count) rows, the latest first."""
        self._last = np.concatenate([ids[:, None], self._last[:, :-1]], axis=1)
        return self._last[:, 1:] + self._first

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Remember the ids so far of these tunes for `resume`."""
        self._kept[rows] = self._last[rows]

    def resume(self, rows: NDArray[np.bool_]) -> None:
        """Let what these tunes read next follow what was kept."""
        self._last[rows] = self._kept[rows]

    def select(self, rows: Sequence[int]) -> Before:
        """Of some of the tunes."""
        other = Before(0, 0, 0)
        other._first, other.places = self._first, self.places
        other._last, other._kept = self._last[rows], self._kept[rows]
        return other


class LineRecall(Recall):
    """For plain lines of notes.

    The channels are the longest match; the longest that was followed by something else; the
    one held through notes that differ; and the longest match of intervals, its next note
    moved to here. The places are the three ids before this one.

    Args:
        batch: B.
        size: ids there are.
        notes: how many of them are notes, the first ones, a semitone apart.
        octave: semitones after which notes begin again, as they do in a line of letters.
    """

    channels = 4
    _LONG = 8  # a match from this length on is held
    _BEFORE = 3

    def __init__(self, batch: int, size: int, notes: int, octave: int | None = None) -> None:
        self._size, self._notes, self._octave = size, notes, octave
        self._match = Match(batch)
        self._intervals = Match(batch)
        self._note = np.zeros(batch, np.int64)
        self._held = np.zeros(batch, np.int64)
        self._history = np.zeros(batch, np.int64)
        self._before = Before(batch, size, self._BEFORE)
        self.places = self._before.places

    def push(self, ids: Integers) -> Recalled:  # noqa: D102
        if self._match.read:
            hit = (self._held > 0) & (self._match.at(self._held) == ids)
        else:
            hit = np.zeros(len(ids), bool)
        self._history = (2 * self._history + hit) % 256
        place, length = self._match.push(ids)
        other, other_length = self._match.another()
        self._held += self._held > 0
        new = (length >= self._LONG) & (HITS[self._history] < 4)
        self._held = np.where(new, place, self._held)
        self._history = np.where(new, 255, self._history)
        held = np.where(self._held > 0, 1 + 2 * HITS[self._history] + self._history % 2, 0)
        moved, moved_length = self._moved(ids)
        trust = [np.minimum(n, LEVELS - 1) for n in (length, other_length, held, moved_length)]
        candidates = [self._match.at(p) for p in (place, other, self._held)]
        return Recalled(
            np.stack([*candidates, moved], axis=1),
            np.stack(trust, axis=1) + LEVELS * np.arange(self.channels),
            self._before.push(ids),
        )

    def _moved(self, ids: Integers) -> tuple[Integers, Integers]:
        """What the longest match of intervals says, (B,), and its length, (B,), or 0."""
        is_note = ids < self._notes
        interval = ids - self._note
        if self._octave:
            interval %= self._octave
        place, length = self._intervals.push(np.where(is_note, self._size + interval, -ids))
        self._note = np.where(is_note, ids, self._note)
        said = self._intervals.at(place)
        note = self._note + said - self._size
        if self._octave:
            note %= self._octave
        found = np.where(said > 0, note, -said)
        there = (length > 0) & (found >= 0) & ((said <= 0) | (found < self._notes))
        return np.where(there, found, 0), np.where(there, length, 0)

    def select(self, rows: Sequence[int]) -> LineRecall:  # noqa: D102
        other = LineRecall(0, self._size, self._notes, self._octave)
        other._match, other._intervals = self._match.select(rows), self._intervals.select(rows)
        other._before = self._before.select(rows)
        other._note = self._note[rows]
        other._held, other._history = self._held[rows], self._history[rows]
        return other
