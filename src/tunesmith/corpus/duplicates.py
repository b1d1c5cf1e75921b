"""Which tunes are the same tune: exact and near-duplicates, in any transposition.

Two tunes are *exact duplicates* if their notes are equal up to transposition
(`Melody.same_tune`). They are *near-duplicates* if a model that has seen one would
have seen much of the other: about half or more of the shorter one's bars. The rule:

- A run is 8 melodic intervals in a row, each taken modulo the octave; rhythm does
  not count, so that a jig and a reel on the same notes are one tune. A run with
  fewer than 3 different intervals (repeated notes, a trill) says nothing and is left out.
- With S different runs in the tune that has fewer, and c of them in the other too,
  the tunes are near-duplicates if c >= 6 + S / 4 (or c = S, if S is from 4 to 8
  and the other tune has at most twice as many).
- Settings of one tune may share few runs, as each ornament breaks 8 of them. If c >= 3,
  the tunes are aligned note by note: pitch classes, a repeated pitch once, the first 256,
  in the best transposition. An equal pair counts 1, an unequal one -1, a note left
  out -1/2; the best local alignment (Smith and Waterman, Identification of common
  molecular subsequences, J. Mol. Biol. 1981) of two near-duplicates reaches 6 + 0.55 L,
  with L the length of the shorter tune: stock phrases alone do not.
- A tune of fewer than 4 runs has a near-duplicate only where all intervals are equal.

Of a tune with more than 56 runs, the 56 with the smallest hashes are kept, and c
and S are estimated on the range of hashes that both tunes cover, as in bottom-k
MinHash (Cohen and Kaplan, Summarizing data using bottom-k sketches, PODC 2007).
The rule looks at the two tunes alone, never at the rest of the corpus, so that it
says the same when tunes are added.

The tunes to compare come from an inverted index of runs. In a run that very many
tunes have, each is compared with the 32 before it only, and a tune is aligned with at
most 16, those that share most runs with it, which keeps time linear.

The thresholds were chosen on one half of 200 pairs of the folk and Essen collections
judged by reading; `benchmarks/duplicates.py` gives precision and recall on the other.
"""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.melody import Melody

RUN = 8
SKETCH = 56
LINE = 256
_DIFFERENT = 3
_FEWEST_RUNS = 4
_BASE = 6.0
_SHARE = 0.25
_WINDOW = 32
_SEEN_TOGETHER = 3  # runs shared before an alignment is tried
_ALIGNED_BASE = 6.0
_ALIGNED_SHARE = 0.55
_TRANSPOSITIONS = 2  # tried in an alignment: those in which the pitches agree best
_MOST_ALIGNED = 16  # alignments a tune
_BATCH = 256  # alignments at once

Hashes = NDArray[np.uint32]
Line = NDArray[np.uint8]


class Sketch(NamedTuple):
    """What stands for a tune where tunes are compared.

    Attributes:
        hashes: of its runs, sorted, at most `SKETCH`.
        runs: how many different runs there are; 1 for a tune of fewer than 4,
            whose one hash stands for all its intervals.
        line: its pitch classes, a repeated pitch once; the first `LINE`.
    """

    hashes: Hashes
    runs: int
    line: Line


def content_key(melody: Melody) -> int:
    """A number of 64 bits that is the same for equal notes up to transposition."""
    first = melody.notes[0].pitch
    numbers = [x for n in melody.notes for x in (n.onset, n.duration, n.pitch - first)]
    data = np.array(numbers, dtype="<i8").tobytes()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def sketch(melody: Melody) -> Sketch:
    """The sketch of a tune."""
    pitches = np.array(melody.pitches, dtype=np.int64)
    moved = np.concatenate(([True], np.diff(pitches) != 0))
    line = (pitches[moved][:LINE] % 12).astype(np.uint8)
    folded = np.mod(np.diff(pitches), 12)
    if len(folded) >= RUN:
        windows = np.lib.stride_tricks.sliding_window_view(folded, RUN)  # (runs, RUN)
        ordered = np.sort(windows, axis=1)
        varied = (np.diff(ordered, axis=1) > 0).sum(axis=1) + 1 >= _DIFFERENT
        codes = windows[varied] @ (12 ** np.arange(RUN))  # below 12**8 < 2**32: no two alike
        hashes = np.unique(_mix(codes.astype(np.uint32)))
        if len(hashes) >= _FEWEST_RUNS:
            return Sketch(hashes[:SKETCH], len(hashes), line)
    digest = hashlib.blake2b(folded.astype(np.uint8).tobytes(), digest_size=4).digest()
    return Sketch(np.frombuffer(digest, dtype=np.uint32).copy(), 1, line)


def _mix(x: Hashes) -> Hashes:
    """Scramble 32 bits one to one (the finaliser of MurmurHash3)."""
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x85EBCA6B)
    x = x ^ (x >> np.uint32(13))
    x = x * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def are_near(a: Sketch, b: Sketch) -> bool:
    """Whether two tunes are near-duplicates."""
    verdict = _by_runs(a, b)
    return bool(_by_alignment([(a.line, b.line)])[0]) if verdict is None else verdict


def _by_runs(a: Sketch, b: Sketch) -> bool | None:
    """What the runs say; None if only an alignment can tell."""
    fewer, more = sorted((a.runs, b.runs))
    if fewer < _FEWEST_RUNS:
        return a.runs == b.runs and bool(a.hashes[0] == b.hashes[0])
    left, right = a.hashes, b.hashes
    tops = [s.hashes[-1] for s in (a, b) if s.runs > len(s.hashes)]
    if tops:  # compare where both are complete
        top = min(tops)
        left = left[: np.searchsorted(left, top, "right")]
        right = right[: np.searchsorted(right, top, "right")]
    shared = len(np.intersect1d(left, right, assume_unique=True))
    small = len(left) if a.runs <= b.runs else len(right)
    if shared >= _FEWEST_RUNS:
        if fewer <= RUN:
            same = shared == small and more <= 2 * fewer
        else:
            same = shared >= small * (_BASE / fewer + _SHARE)
        if same:
            return True
    return None if shared >= _SEEN_TOGETHER else False


def _by_alignment(pairs: Sequence[tuple[Line, Line]]) -> NDArray[np.bool_]:
    """Which pairs of lines align well enough in their best transposition."""
    jobs = [(k, a, (b + t) % 12) for k, (a, b) in enumerate(pairs) for t in _transpositions(a, b)]
    jobs.sort(key=lambda job: (len(job[1]), len(job[2])))  # little padding in a batch
    best = np.zeros(len(pairs))
    for start in range(0, len(jobs), _BATCH):
        batch = jobs[start : start + _BATCH]
        scores = _alignments([a for _, a, _ in batch], [b for _, _, b in batch])
        np.maximum.at(best, [k for k, _, _ in batch], scores)
    shorter = np.array([min(len(a), len(b)) for a, b in pairs])
    near: NDArray[np.bool_] = best >= _ALIGNED_BASE + _ALIGNED_SHARE * shorter
    return near


def _transpositions(a: Line, b: Line) -> list[int]:
    """Semitones by which to raise b so that as many pitches as can be agree."""
    count_a, count_b = (np.bincount(x, minlength=12) for x in (a, b))
    agreement = [int(np.roll(count_b, t) @ count_a) for t in range(12)]
    return sorted(range(12), key=lambda t: -agreement[t])[:_TRANSPOSITIONS]


def _alignments(first: Sequence[Line], second: Sequence[Line]) -> NDArray[np.float64]:
    """The score of the best local alignment of each pair."""
    a = _padded(first, 254)  # (pairs, n)
    b = _padded(second, 255)  # (pairs, m)
    place = np.arange(b.shape[1], dtype=np.int16)
    before = np.zeros((len(b), b.shape[1] + 1), dtype=np.int16)  # in halves, like all here
    best = np.zeros(b.shape, dtype=np.int16)
    for i in range(a.shape[1]):
        step = np.where(a[:, i, None] == b, np.int16(2), np.int16(-2))
        row = np.maximum(before[:, :-1] + step, before[:, 1:] - np.int16(1))
        # left out of b: max over k <= j of row[k] - (j - k)
        np.maximum(row, 0, out=row)
        row += place
        np.maximum.accumulate(row, axis=1, out=row)
        row -= place
        before[:, 1:] = row
        np.maximum(best, row, out=best)
    scores: NDArray[np.float64] = best.max(axis=1) / 2
    return scores


def _padded(lines: Sequence[Line], filler: int) -> Line:
    table = np.full((len(lines), max(map(len, lines))), filler, dtype=np.uint8)
    for row, line in zip(table, lines, strict=True):
        row[: len(line)] = line
    return table


class Sketches:
    """The sketches of many tunes: on disk, but for 20 bytes a tune.

    While neighbours are looked for, the index takes another 450 bytes a tune.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as this object)
        self._ends = array("q", [0])
        self._runs = array("i")
        self._hashes = array("B")

    def __len__(self) -> int:
        return len(self._runs)

    def __getitem__(self, tune: int) -> Sketch:
        start, end = self._ends[tune], self._ends[tune + 1]
        self._file.seek(start)
        data = self._file.read(end - start)
        count = self._hashes[tune]
        hashes = np.frombuffer(data, np.uint32, count)
        return Sketch(hashes, self._runs[tune], np.frombuffer(data, np.uint8, offset=4 * count))

    def add(self, added: Sketch) -> None:
        """Add the next tune's, before any is asked for."""
        written = self._file.write(added.hashes.astype(np.uint32).tobytes())
        written += self._file.write(added.line.astype(np.uint8).tobytes())
        self._ends.append(self._ends[-1] + written)
        self._runs.append(added.runs)
        self._hashes.append(len(added.hashes))

    def neighbours(self) -> Iterator[tuple[int, int]]:
        """Pairs of near-duplicates (earlier, later), each once, in no order to rely on."""
        if not len(self):
            return
        index = np.empty(sum(self._hashes), np.uint64)
        filled = 0
        for tune in range(len(self)):
            hashes = self[tune].hashes
            index[filled : filled + len(hashes)] = hashes
            index[filled : filled + len(hashes)] <<= np.uint64(32)
            index[filled : filled + len(hashes)] |= np.uint64(tune)
            filled += len(hashes)
        index.sort()  # by hash, then by tune
        open_: list[tuple[int, int]] = []
        for later in range(len(self)):
            mine, left = self[later], _MOST_ALIGNED
            for earlier in _candidates(index, mine.hashes, later):
                verdict = _by_runs(self[earlier], mine)
                if verdict:
                    yield earlier, later
                elif verdict is None and left:
                    left -= 1
                    open_.append((earlier, later))
            if len(open_) >= 16 * _BATCH:  # many at once, so that batches have equal lengths
                yield from self._aligned(open_)
                open_ = []
        yield from self._aligned(open_)

    def _aligned(self, pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        near = _by_alignment([(self[a].line, self[b].line) for a, b in pairs])
        return (pair for pair, is_near in zip(pairs, near, strict=True) if is_near)


def _candidates(index: NDArray[np.uint64], mine: Hashes, later: int) -> list[int]:
    """The tunes before `later` that share enough of its hashes, those with most first."""
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
    enough = counts >= min(_SEEN_TOGETHER, len(mine))
    found, counts = found[enough], counts[enough]
    return [int(t) for t in found[np.argsort(-counts, kind="stable")]]


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
