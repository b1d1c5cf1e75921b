"""Which tunes are the same tune: exact and near-duplicates, in any transposition.

Two tunes are *exact duplicates* if their notes are equal up to transposition
(`Melody.same_tune`). They are *near-duplicates* by this rule:

- A run is 8 melodic intervals in a row, each taken modulo the octave; rhythm does
  not count, so that a jig and a reel on the same notes are one tune. A run with
  fewer than 3 different intervals (repeated notes, a trill) says nothing and is left out.
- With S different runs in the tune that has fewer, and c of them in the other too,
  the tunes are near-duplicates if c >= 6 + S / 4 (or c = S, if S is from 4 to 8
  and the other tune has at most twice as many). The 6 guards short tunes, whose few
  runs are often common formulas; the quarter lets long ones be variants: two
  settings in which every other bar differs still share that much.
- A tune of fewer than 4 runs has a near-duplicate only where all intervals are equal.

Of a tune with more than 64 runs, the 64 with the smallest hashes are kept, and c
and S are estimated on the range of hashes that both tunes cover, as in bottom-k
MinHash (Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007),
with at least 4 shared. The rule looks at the two tunes alone, never at the rest of
the corpus, so that it says the same when tunes are added.

The tunes to compare come from an inverted index of runs. In a run that very many
tunes have, each is compared with the 32 before it only, which keeps time linear.

The numbers were chosen by eye on the folk and Essen collections: nearly all pairs
just above the line are the same tune, and no cluster is a chain of unlike tunes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tunesmith.melody import Melody

RUN = 8
SKETCH = 64
_DIFFERENT = 3
_FEWEST_RUNS = 4
_BASE = 6.0
_SHARE = 0.25
_WINDOW = 32

Hashes = NDArray[np.uint32]


def content_key(melody: Melody) -> int:
    """A number of 64 bits that is the same for equal notes up to transposition."""
    first = melody.notes[0].pitch
    numbers = [x for n in melody.notes for x in (n.onset, n.duration, n.pitch - first)]
    data = np.array(numbers, dtype="<i8").tobytes()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def sketch(melody: Melody) -> tuple[Hashes, int]:
    """The hashes that stand for a tune, and how many different runs it has.

    Returns:
        hashes: sorted, at most `SKETCH`.
        runs: how many different runs there are; 1 for a tune of fewer than 4,
            whose one hash stands for all its intervals.
    """
    folded = np.mod(np.diff(np.array(melody.pitches, dtype=np.int64)), 12)
    if len(folded) >= RUN:
        windows = np.lib.stride_tricks.sliding_window_view(folded, RUN)  # (runs, RUN)
        ordered = np.sort(windows, axis=1)
        varied = (np.diff(ordered, axis=1) > 0).sum(axis=1) + 1 >= _DIFFERENT
        codes = windows[varied] @ (12 ** np.arange(RUN))  # below 12**8 < 2**32: no two alike
        hashes = np.unique(_mix(codes.astype(np.uint32)))
        if len(hashes) >= _FEWEST_RUNS:
            return hashes[:SKETCH], len(hashes)
    digest = hashlib.blake2b(folded.astype(np.uint8).tobytes(), digest_size=4).digest()
    return np.frombuffer(digest, dtype=np.uint32).copy(), 1


def _mix(x: Hashes) -> Hashes:
    """Scramble 32 bits one to one (the finaliser of MurmurHash3)."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def are_near(a: Hashes, runs_a: int, b: Hashes, runs_b: int) -> bool:
    """Whether two tunes are near-duplicates, from their sketches."""
    fewer, more = sorted((runs_a, runs_b))
    if fewer < _FEWEST_RUNS:
        return runs_a == runs_b and bool(a[0] == b[0])
    tops = [h[-1] for h, runs in ((a, runs_a), (b, runs_b)) if runs > len(h)]
    if tops:  # compare where both are complete
        top = min(tops)
        a, b = a[: np.searchsorted(a, top, "right")], b[: np.searchsorted(b, top, "right")]
    shared = len(np.intersect1d(a, b, assume_unique=True))
    small = len(a) if runs_a <= runs_b else len(b)
    if shared < _FEWEST_RUNS:
        return False
    if fewer <= RUN:
        return shared == small and more <= 2 * fewer
    return shared >= small * (_BASE / fewer + _SHARE)


class Sketches:
    """The sketches of many tunes, at most 768 bytes a tune while neighbours are looked for."""

    def __init__(self) -> None:
        self._hashes = array("I")
        self._ends = array("q", [0])
        self._runs = array("i")

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, hashes: Hashes, runs: int) -> None:
        """Add the next tune's, as `sketch` gives them."""
        self._hashes.frombytes(hashes.astype(np.uint32).tobytes())
        self._ends.append(len(self._hashes))
        self._runs.append(runs)

    def neighbours(self) -> Iterator[tuple[int, int]]:
        """Pairs of near-duplicates (earlier, later), by the number of the later."""
        if not len(self):
            return
        hashes = np.frombuffer(self._hashes, dtype=np.uint32)
        ends = np.frombuffer(self._ends, dtype=np.int64)
        index = hashes.astype(np.uint64) << np.uint64(32)
        for tune in range(len(self)):  # in place: there may be a million
            index[ends[tune] : ends[tune + 1]] |= np.uint64(tune)
        index.sort()  # by hash, then by tune
        for later in range(len(self)):
            mine = hashes[ends[later] : ends[later + 1]]
            for earlier in _candidates(index, mine, later):
                theirs = hashes[ends[earlier] : ends[earlier + 1]]
                if are_near(theirs, self._runs[earlier], mine, self._runs[later]):
                    yield earlier, later


def _candidates(index: NDArray[np.uint64], mine: Hashes, later: int) -> list[int]:
    """The tunes before `later` that share enough of its hashes to be worth comparing."""
    first = mine.astype(np.uint64) << np.uint64(32)
    start = np.searchsorted(index, first)
    stop = np.searchsorted(index, first | np.uint64(later))
    start = np.maximum(start, stop - _WINDOW)
    sizes = stop - start
    total = int(sizes.sum())
    if not total:
        return []
    # the ranges start[k]..stop[k] one after another
    offsets = np.repeat(stop - np.cumsum(sizes), sizes) + np.arange(total)
    tunes = (index[offsets] & np.uint64(0xFFFFFFFF)).astype(np.int64)
    found, counts = np.unique(tunes, return_counts=True)
    return [int(t) for t in found[counts >= min(_FEWEST_RUNS - 1, len(mine))]]


class Groups:
    """Union-find over 0 … n-1."""

    def __init__(self, size: int) -> None:
        self._parent = array("q", range(size))

    def find(self, item: int) -> int:
        """The member that stands for the group of `item`: its smallest."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, a: int, b: int) -> None:
        """Make the groups of a and b one."""
        a, b = self.find(a), self.find(b)
        self._parent[max(a, b)] = min(a, b)
