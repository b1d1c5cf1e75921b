"""An index of training tunes in which any run of notes is found in any transposition.

A tune of n notes is n - 1 symbols of two bytes, and a separator. Byte 1 is the interval to the
next note (semitones + 128, 1 to 255), byte 2 the distance from the note's onset to the next
one's in 24ths of a quarter, rounded, at most 255 (10.6 quarters). So a rest counts with the note
before it, and how long a note is held does not matter. A separator's first byte is 0, which no
interval is; its second is how long the last note is held.

Two suffix arrays (Manber and Myers, Suffix arrays: a new method for on-line string searches,
SIAM J. Comput. 1993) list the positions in the order of what follows them: by byte 1 alone, and
by both. A run is found by bisection. Positions take 3 bytes each, or 4 from 2^24 notes on, so
the index has 8 to 10 bytes a note. It is one file:

    magic, length of the header (8 bytes, little-endian), header (JSON, zlib), symbols,
    suffix array by intervals, suffix array by intervals and lengths

It holds the training tunes, so it is under their licence, which the header names.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError
from tunesmith.files import write_atomically
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Meter, Note

FILE = "originality.index"
MAGIC = b"TSORIG1\n"
STEP = TICKS_PER_QUARTER // 24
_LARGEST_HEADER = 1 << 30
_FIRST_LOOK = 64  # symbols compared before a longer match is looked for
_AGAIN = "train the model again, or use `tunesmith originality --corpus`"


def symbols_of(melody: Melody) -> bytes:
    """The symbols of a melody, two bytes each, without a separator: 2 (n - 1) bytes."""
    onsets = np.array([n.onset for n in melody.notes])
    pitches = np.array(melody.pitches)
    pairs = np.empty((len(pitches) - 1, 2), np.uint8)
    pairs[:, 0] = np.diff(pitches) + 128
    pairs[:, 1] = _steps(np.diff(onsets))
    return pairs.tobytes()


def _steps(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.minimum((ticks + STEP // 2) // STEP, 255)


def suffix_array(symbols: NDArray[np.uint16], bits: int) -> NDArray[np.int64]:
    """The positions of a text in the order of the suffixes that begin there.

    By prefix doubling; only what is still tied is sorted again.

    Args:
        symbols: (n,) of `bits` bits each.
        bits: 8 or 16.
    """
    n, depth = len(symbols), 56 // bits
    padded = np.concatenate([symbols, np.zeros(depth, symbols.dtype)]).astype(np.int64)
    key = np.zeros(n, np.int64)
    for k in range(depth):
        key = key << bits | padded[k : k + n]
    rank = np.zeros(n, np.int64)
    order = np.zeros(n, np.int64)
    places = suffixes = np.arange(n)
    while True:
        by = np.argsort(key, kind="stable")
        key, suffixes = key[by], suffixes[by]
        order[places] = suffixes
        new = np.r_[True, key[1:] != key[:-1]][:n]
        heads = np.maximum.accumulate(np.where(new, np.arange(len(key)), 0))
        rank[suffixes] = places[heads]
        tied = ~(new & np.r_[new[1:], True][: len(new)])
        if not tied.any():
            return order
        places, suffixes = places[tied], suffixes[tied]
        after = suffixes + depth
        # Past the end: the shorter suffix first.
        follows = np.where(after < n, rank[np.minimum(after, n - 1)] + 1, n - after)
        key = rank[suffixes] * (n + depth + 1) + follows + depth
        depth *= 2


class _Sorted:
    """The suffixes of the text in order, for bisection.

    Args:
        data: the whole file, or what is after the header.
        text: where the symbols begin in it.
        order: where the suffix array begins in it.
        count: symbols.
        width: bytes of a position.
        stride: 2 to look at intervals alone, 1 for both bytes of each symbol.
    """

    def __init__(
        self, data: bytes | mmap.mmap, text: int, order: int, count: int, width: int, stride: int
    ) -> None:
        self._data, self._text, self._order = data, text, order
        self._count, self._width, self._stride = count, width, stride

    def _symbols(self, place: int, length: int) -> bytes:
        at = self._order + place * self._width
        begin = self._text + 2 * int.from_bytes(self._data[at : at + self._width], "little")
        end = min(begin + 2 * length, self._text + 2 * self._count)
        return self._data[begin : end : self._stride]

    def _bisect(self, run: bytes, length: int, after: bool) -> int:
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            found = self._symbols(middle, length)
            if found < run or (after and found == run):
                low = middle + 1
            else:
                high = middle
        return low

    def longest(self, query: bytes) -> int:
        """Symbols from the start of `query` that stand together somewhere in the text."""
        size = 3 - self._stride  # bytes of a symbol as compared
        symbols, look = len(query) // size, _FIRST_LOOK
        while True:
            length = min(look, symbols)
            part = query[: length * size]
            place = self._bisect(part, length, after=False)
            best = 0
            for near in (place - 1, place):
                if 0 <= near < self._count:
                    best = max(best, _common(part, self._symbols(near, length)) // size)
            if best < length or length == symbols:
                return best
            look *= 8

    def positions(self, run: bytes) -> NDArray[np.int64]:
        """Where in the text a run stands, as symbol numbers, in no order."""
        length = len(run) // (3 - self._stride)
        first = self._bisect(run, length, after=False)
        last = self._bisect(run, length, after=True)
        begin = self._order + first * self._width
        raw = self._data[begin : begin + (last - first) * self._width]
        table = np.frombuffer(raw, np.uint8).reshape(-1, self._width).astype(np.int64)
        return table @ (256 ** np.arange(self._width))


def _common(a: bytes, b: bytes) -> int:
    """Bytes that two texts have in common at the start."""
    if a == b:
        return len(a)
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


class TuneIndex:
    """See the module; made by `build`, opened by `open`.

    Attributes:
        header: the tunes (id, source, title, …), the licence, the sources, and what else
            was put in.
        intervals, pairs: the suffixes by intervals, and by intervals and lengths.
        starts: (tunes,) where each tune begins, in symbols.
        size: bytes of symbols and suffix arrays.
    """

    def __init__(self, header: dict[str, Any], data: bytes | mmap.mmap, begin: int = 0) -> None:
        self.header = header
        self._data, self._begin = data, begin
        count, width = header["symbols"], header["width"]
        self.size = count * (2 + 2 * width)
        self.starts = np.array([0, *np.cumsum(header["notes"])[:-1]])
        orders = begin + 2 * count, begin + (2 + width) * count
        self.intervals = _Sorted(data, begin, orders[0], count, width, 2)
        self.pairs = _Sorted(data, begin, orders[1], count, width, 1)

    @classmethod
    def build(cls, tunes: Iterable[tuple[str, str, Melody]], about: dict[str, Any]) -> TuneIndex:
        """Index tunes.

        Args:
            tunes: id, source and melody of each.
            about: what else the header is to say, such as the licence.

        Raises:
            InputError: if there is no tune.
        """
        texts, entries, notes = [], [], []
        for name, source, melody in tunes:
            last = _steps(np.array([melody.notes[-1].duration]))[0]
            texts.append(symbols_of(melody) + bytes([0, last]))
            notes.append(len(melody.notes))
            meters = [[m.tick, m.numerator, m.denominator] for m in melody.meters]
            first = melody.notes[0]
            entries.append(
                [name, source, melody.title, first.pitch, first.onset, melody.pickup, meters]
            )
        if not texts:
            raise InputError("no tune to index")
        text = b"".join(texts)
        pairs: NDArray[np.uint16] = np.frombuffer(text, ">u2").astype(np.uint16)
        width = 3 if len(pairs) < 1 << 24 else 4
        orders = (suffix_array((pairs >> 8).astype(np.uint16), 8), suffix_array(pairs, 16))
        raw = [o.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes() for o in orders]
        header = {
            **about, "symbols": len(pairs), "width": width, "notes": notes, "tunes": entries,
        }  # fmt: skip
        return cls(header, text + b"".join(raw))

    @classmethod
    def open(cls, path: Path) -> TuneIndex:
        """Open the index in a file; its arrays stay on disk until they are looked at.

        Raises:
            InputError: if there is none, or it is damaged.
        """
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as e:
            raise InputError(f"cannot be read ({e})", where=str(path), remedy=_AGAIN) from e
        try:
            if data[:8] != MAGIC:
                raise ValueError("another kind of file, or of another version")
            begin = 16 + int.from_bytes(data[8:16], "little")
            unpack = zlib.decompressobj()
            header = json.loads(unpack.decompress(data[16:begin], _LARGEST_HEADER))
            if hashlib.sha256(memoryview(data)[begin:]).hexdigest() != header["sha256"]:
                raise ValueError("its contents are not those that were written")
            return cls(header, data, begin)
        except (ValueError, KeyError, TypeError, IndexError, zlib.error) as e:
            raise InputError(f"is damaged ({e})", where=str(path), remedy=_AGAIN) from e

    def save(self, path: Path) -> None:
        """Write the index, whole or not at all.

        Raises:
            OutputError: with the reason.
        """
        body = self._data[self._begin :]
        header = self.header | {"sha256": hashlib.sha256(body).hexdigest()}
        packed = zlib.compress(json.dumps(header, separators=(",", ":")).encode(), 9)
        write_atomically(path, MAGIC + len(packed).to_bytes(8, "little") + packed + body)

    def __len__(self) -> int:
        return len(self.starts)

    def tunes_at(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the tune that each position is in."""
        return np.searchsorted(self.starts, positions, "right") - 1

    def melody(self, tune: int) -> Melody:
        """An indexed tune again: pitches exactly, times in 24ths of a quarter, without rests."""
        count = self.header["notes"][tune]
        begin = self._begin + 2 * int(self.starts[tune])
        pairs = np.frombuffer(self._data[begin : begin + 2 * count], np.uint8).reshape(-1, 2)
        name, _, title, pitch, onset, pickup, meters = self.header["tunes"][tune]
        pitches = pitch + np.cumsum([0, *(pairs[:-1, 0].astype(int) - 128)])
        lengths = np.maximum(pairs[:, 1].astype(int), 1) * STEP
        onsets = onset + np.cumsum([0, *lengths[:-1]])
        notes = tuple(
            Note(int(o), int(d), int(p)) for o, d, p in zip(onsets, lengths, pitches, strict=True)
        )
        end = notes[-1].end
        kept = tuple(Meter(*m) for m in meters if m[0] < end)
        return Melody(notes, kept, pickup=pickup if pickup < end else 0, title=title, origin=name)
