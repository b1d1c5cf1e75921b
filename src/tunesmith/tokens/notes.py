"""The default vocabulary: attributes, bars that count down, lengths and pitches.

A tune reads

    bos  style mode key density low high last close period repeats  meter  [pickup …]  bar:8 …  end

Each of the ten attributes may be `?`, unknown. All pitches are told as if the tonic
were C, so that a tune is the same in every key but for one token: the key is therefore news like
the notes, and its `?` is for tunes whose key is not known. `low` and `high`
are the outer ones, `last` is the one it ends on, and `close` is the length from its onset to the
end of the tune. `period` is after how many bars a bar comes again, most often, and `repeats` how
much of the tune does.

A bar is its token, which says how many bars remain with it, a metre if it changes
there, and events that fill it exactly: a length and then a pitch, `rest`, or `tie`
(the note before sounds on). The pickup has a bar token of its
own and no stated length; it is not counted, and the last bar may be shorter by
it, as notation has it.

For infilling, bars from the middle go to the end: `… gap`, the bars after them,
`end fill`, the missing bars, `end`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError
from tunesmith.melody import MODES, TICKS_PER_QUARTER, Bar, Key, Melody, Meter, Note
from tunesmith.theory import share_again
from tunesmith.tokens.base import Encoded, Ids, Vocabulary
from tunesmith.tokens.grammar import NotesGrammar
from tunesmith.tokens.notes_recall import NotesRecall
from tunesmith.tokens.table import (
    ATTRIBUTES,
    BAR0,
    BAR_MORE,
    BOS,
    CLOSE_SLOT,
    DENSITY0,
    END,
    FILL,
    FIRST_EVENT,
    GAP,
    HIGHEST,
    KEY0,
    KEY_SLOT,
    LAST_SLOT,
    LENGTH0,
    LENGTHS,
    LOWEST,
    METER0,
    METER_STEPS,
    MODE0,
    NAMES,
    PERIOD_SLOT,
    PICKUP,
    PITCH0,
    PITCH_LOWEST,
    REPEATED_INTERVALS,
    REST,
    STYLE0,
    STYLE_SLOTS,
    TICKS_PER_STEP,
    TIE,
    TURNED,
    TURNED0,
    UNKNOWN,
    bar_token,
    density_class,
    is_bar,
    is_meter,
    length_token,
    meter_of,
    meter_token,
    pieces,
    repeats_class,
    tonic_offset,
)

# How training sees a tune; `benchmarks/LOG.md` has what other shares do.
ALL_UNKNOWN_SHARE = 0.4
ALL_KNOWN_SHARE = 0.3  # as when composing: a plan is followed as far as it was seen whole
ATTRIBUTE_UNKNOWN_SHARE = 0.4
INFILL_SHARE = 0.2
TRANSPOSED_SHARE = 0.1

_MIRROR = {UNKNOWN: 4} | {
    MODE0 + MODES.index(mode): degree
    for mode, degree in {
        "major": 4, "minor": 10, "dorian": 0, "phrygian": 8, "lydian": 6, "mixolydian": 2,
        "locrian": 6,
    }.items()
}  # fmt: skip
"""By the id of a mode, what a degree and its mirror image add up to, in semitones."""


class NotesVocabulary(Vocabulary):
    """The table described above; see the module."""

    kind = "notes"
    passes = 6
    attributes = ATTRIBUTES

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        if len(styles) > STYLE_SLOTS - TURNED:
            raise InputError(
                f"{len(styles)} styles, and there are {STYLE_SLOTS - TURNED}",
                remedy="put some sources in one folder",
            )
        self.names = NAMES
        self.styles = tuple(styles)
        self.bos, self.end = BOS, END

    # -- melody to ids ---------------------------------------------------------

    def encode(self, melody: Melody, style: str | None = None) -> Encoded:  # noqa: D102
        bars = melody.bars
        starts, moved, onsets, ends = _quantised(melody)
        ids = [BOS, *self._attributes(melody, style), meter_token(melody.meters[0])]
        first_pitch = PITCH0 - tonic_offset(ids[KEY_SLOT])  # the id of pitch 0, if it had one
        full_bars = len(bars) - bars[0].is_pickup
        meter, i, sounding, finish = ids[-1], 0, False, starts[-1]
        for bar, (start, end) in zip(bars, pairwise(starts), strict=True):
            if bar.is_pickup:
                ids.append(PICKUP)
            else:
                ids.append(bar_token(full_bars - bar.index + bars[0].is_pickup))
                now = meter_token(bar.meter)
                if now != meter:
                    ids.append(now)
                    meter = now
            # Events of this bar: (steps, pitch id or REST or TIE).
            at = start
            if i > 0 and ends[i - 1] > start:
                until = min(ends[i - 1], end)
                _put(ids, until - at, TIE)
                at = until
            while at < end:
                if i < len(onsets) and onsets[i] < end:
                    if onsets[i] > at:
                        _put(ids, onsets[i] - at, REST)
                    until = min(ends[i], end)
                    _put(ids, until - onsets[i], first_pitch + melody.notes[i].pitch)
                    at, i, sounding = until, i + 1, True
                else:
                    if _short_ending(bars, starts, bar, at, i == len(onsets) and sounding):
                        finish = at
                    else:
                        _put(ids, end - at, REST)
                    at = end
        ids.append(END)
        close = min(finish - onsets[-1], LENGTHS[-1])
        if close in LENGTHS:
            ids[CLOSE_SLOT] = length_token(close)
        ids[PERIOD_SLOT] = _period(ids)
        return Encoded(np.array(ids, np.uint16), moved)

    def _attributes(self, melody: Melody, style: str | None) -> list[int]:
        quarters = melody.duration / TICKS_PER_QUARTER
        key = KEY0 + melody.key.pitch_class if melody.key else UNKNOWN
        low, high = (p - tonic_offset(key) for p in (min(melody.pitches), max(melody.pitches)))
        if low < LOWEST or high > HIGHEST:
            raise InputError(
                f"its pitches {min(melody.pitches)} to {max(melody.pitches)} leave the range of "
                "the tokens, about that of the piano",
                remedy="transpose it by octaves",
            )
        return [
            STYLE0 + self.styles.index(style) if style in self.styles else UNKNOWN,
            MODE0 + MODES.index(melody.key.mode) if melody.key else UNKNOWN,
            key,
            DENSITY0 + density_class(len(melody.notes) / quarters),
            PITCH0 + low,
            PITCH0 + high,
            PITCH0 + melody.pitches[-1] - tonic_offset(key),
            UNKNOWN,  # for the end is not known before the bars are,
            UNKNOWN,  # nor the period
            DENSITY0 + repeats_class(share_again(melody.intervals, REPEATED_INTERVALS)),
        ]

    # -- ids to melody ---------------------------------------------------------

    def decode(self, ids: Sequence[int] | Ids) -> Melody:  # noqa: D102
        ids = [int(i) for i in ids]
        if FILL in ids:
            ids = unfold_infill(ids)
        grammar = self.grammar()
        state = grammar.start()
        for token in ids:
            state = grammar.advance(state, token)
        if not grammar.ended(state):
            raise InputError("the tune breaks off before its end")
        return _melody_of(ids)

    # -- for training and scoring ----------------------------------------------

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:  # noqa: D102
        ids = self._transposed(ids, rng)
        hidden = rng.random(len(ATTRIBUTES)) < ATTRIBUTE_UNKNOWN_SHARE
        kind = rng.random()
        if kind < ALL_UNKNOWN_SHARE:
            hidden[:] = True
        elif kind < ALL_UNKNOWN_SHARE + ALL_KNOWN_SHARE:
            hidden[:] = False
        hidden[KEY_SLOT - 1] = False
        hidden[0] &= not _is_turned(ids)  # what `?` composes is never turned
        ids[1:FIRST_EVENT][hidden] = UNKNOWN
        if rng.random() < INFILL_SHARE:
            ids = fold_infill(ids, rng)
        return ids

    def turned(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """Upside down, backwards or both, with the same chance; marked where the style was.

        Upside down keeps the scale and, as nearly as it can, the range. A tune that changes its
        metre, was cut, does not fill whole bars, or has a pickup that begins with a rest, has no
        backwards; it comes back as it is, as does one that would leave the table.
        """
        way = int(rng.integers(TURNED))
        made = ids if way == 0 else self._backwards(ids)
        if made is not None and way != 1:
            made = _upside_down(made)
        if made is None:
            return ids
        made = np.array(made)
        made[1] = TURNED0 + way
        return made

    def _backwards(self, ids: Ids) -> Ids | None:
        """The tune from its end to its beginning."""
        if ids[-1] != END or ((ids >= METER0) & (ids < METER0 + len(METER_STEPS))).sum() != 1:
            return None
        forth = _melody_of(ids.tolist())
        full = METER_STEPS[ids[FIRST_EVENT] - METER0] * TICKS_PER_STEP
        if forth.duration % full or (forth.pickup and forth.notes[0].onset):
            return None
        back = Melody(
            tuple(Note(forth.duration - n.end, n.duration, n.pitch) for n in forth.notes[::-1]),
            forth.meters,
            pickup=full - forth.pickup if forth.pickup else 0,
            duration=forth.duration,
            key=forth.key,
        )
        return self.encode(back).ids

    def _transposed(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """Moved by -5 to +6 semitones, as far as its pitches stay in the table; a copy."""
        before, ids = np.array(ids), np.array(ids)
        shift = int(rng.integers(-5, 7))
        if rng.random() >= TRANSPOSED_SHARE:
            return ids
        key = int(ids[KEY_SLOT])
        if key != UNKNOWN:  # another key; the tokens change only where that is octaves away
            ids[KEY_SLOT] = KEY0 + (key - KEY0 + shift) % 12
            shift += tonic_offset(key) - tonic_offset(int(ids[KEY_SLOT]))
        pitches = ids >= PITCH_LOWEST
        low, high = int(ids[pitches].min()) - PITCH0, int(ids[pitches].max()) - PITCH0
        octaves = shift % 12 == 0
        while low + shift < LOWEST:
            shift += 12 if octaves else 1
        while high + shift > HIGHEST:
            shift -= 12 if octaves else 1
        if low + shift < LOWEST:  # too wide a tune to move
            return before
        ids[pitches] += np.uint16(shift % 2**16)
        return ids

    def unconditional(self, ids: Ids) -> Ids:  # noqa: D102
        ids = np.array(ids)
        key = ids[KEY_SLOT]
        ids[1:FIRST_EVENT] = UNKNOWN
        ids[KEY_SLOT] = key
        return ids

    def charged(self, ids: Ids) -> NDArray[np.bool_]:  # noqa: D102
        news: NDArray[np.bool_] = (ids != BOS) & (ids != UNKNOWN)
        news[1:2] &= not _is_turned(ids)
        news[KEY_SLOT : KEY_SLOT + 1] = True
        return news

    def note_count(self, ids: Ids) -> int:  # noqa: D102
        return int((np.asarray(ids)[FIRST_EVENT:] >= PITCH_LOWEST).sum())

    def cut(self, ids: Ids, length: int) -> Ids:  # noqa: D102
        if len(ids) <= length:
            return ids
        starts = np.flatnonzero(is_bar(ids[: length + 1]))
        return ids[: starts[-1]] if len(starts) > 1 else ids[:length]

    def recall(self, batch: int) -> NotesRecall:  # noqa: D102
        return NotesRecall(batch)

    def grammar(self, wishes: Mapping[str, Any] | None = None) -> NotesGrammar:
        """The grammar; see `NotesGrammar` for the wishes it can keep."""
        return NotesGrammar(self.styles, wishes)


def _period(ids: Sequence[int]) -> int:
    """The id that says after how many bars most bars of a tune come again: see `PERIOD_SLOT`.

    A bar comes again if all it holds is the same; what counts is how many bars back it was heard
    last. Of two numbers that are as frequent it is the smaller one.
    """
    latest: dict[tuple[int, ...], int] = {}
    lags: Counter[int] = Counter()
    starts = np.flatnonzero(is_bar(np.array(ids))).tolist()
    for bar, (start, end) in enumerate(pairwise([*starts, len(ids) - 1])):
        held = tuple(t for t in ids[start + 1 : end] if not is_meter(t))
        if max(held, default=0) < PITCH_LOWEST:  # no note begins in it
            continue
        if held in latest:
            lags[bar - latest[held]] += 1
        latest[held] = bar
    return bar_token(min(lags, key=lambda n: (-lags[n], n))) if lags else REST


def _is_turned(ids: Ids) -> bool:
    """Whether the tune is marked as one that was turned."""
    return bool(TURNED0 <= ids[1] < TURNED0 + TURNED)


def _upside_down(ids: Ids) -> Ids | None:
    """The tune mirrored so that its scale stays; None if that leaves the table."""
    pitches = ids >= PITCH_LOWEST
    low, high = (int(f(ids[pitches])) - PITCH0 for f in (min, max))
    sum_ = low + high
    sum_ += (_MIRROR[int(ids[2])] - sum_ + 5) % 12 - 5
    if sum_ - high < LOWEST or sum_ - low > HIGHEST:
        return None
    made = np.array(ids)
    made[pitches] = sum_ + 2 * PITCH0 - ids[pitches].astype(int)
    lowest, highest = LAST_SLOT - 2, LAST_SLOT - 1
    made[lowest], made[highest] = made[highest], made[lowest]
    return made


def token_counts(melody: Melody) -> dict[str, int]:
    """What the tokens cannot hold of a melody, counted for a corpus's manifest.

    Returns:
        'notes moved by the grid' and 'tunes no tokens can say', where not 0.
    """
    try:
        moved = NotesVocabulary().encode(melody).moved
    except InputError:
        return {"tunes no tokens can say": 1}
    return {"notes moved by the grid": moved} if moved else {}


def _put(ids: list[int], steps: int, what: int) -> None:
    """Append an event of that many steps, tied together where no token is that long."""
    for length in pieces(steps):
        ids += [length_token(length), what]
        if what != REST:
            what = TIE


def _quantised(melody: Melody) -> tuple[list[int], int, list[int], list[int]]:
    """The melody on the grid, bar by bar.

    Returns:
        The step at which each bar starts and one more for the end of the last;
        how many notes moved; the step of each note's onset and of its end.
    """
    bars = melody.bars
    starts = [0]
    for bar in bars:
        steps = max(1, _round(bar.length))
        if bar.is_pickup:  # shorter than a bar, also when rounded
            steps = min(steps, METER_STEPS[meter_token(bar.meter) - METER0] - 1)
        starts.append(starts[-1] + steps)
    tops = [bar.start for bar in bars]
    place = 0

    def step(tick: int, at: int) -> int:
        return starts[at] + min(_round(tick - tops[at]), starts[at + 1] - starts[at])

    onsets: list[int] = []
    ends: list[int] = []
    moved = 0
    for note in melody.notes:
        while place + 1 < len(bars) and tops[place + 1] <= note.onset:
            place += 1
        onset = step(note.onset, place)
        at = place
        while at + 1 < len(bars) and tops[at + 1] < note.end:
            at += 1
        end = step(note.end, at)
        if onsets:
            onset = max(onset, onsets[-1] + 1)
            ends[-1] = min(ends[-1], onset)
        end = min(max(end, onset + 1), starts[-1])
        moved += (note.onset - tops[place], note.end - tops[at]) != (
            (onset - starts[place]) * TICKS_PER_STEP,
            (end - starts[at]) * TICKS_PER_STEP,
        )
        onsets.append(onset)
        ends.append(end)
    if onsets[-1] >= starts[-1]:
        raise InputError("its last notes are too short for the grid")
    return starts, moved, onsets, ends


def _round(ticks: int) -> int:
    """Ticks to steps, half up."""
    return (2 * ticks + TICKS_PER_STEP) // (2 * TICKS_PER_STEP)


def _short_ending(
    bars: tuple[Bar, ...], starts: list[int], bar: Bar, at: int, all_sounded: bool
) -> bool:
    """Whether the tune ends here, in a last bar that leaves room for the pickup."""
    if not (all_sounded and bars[0].is_pickup and bar is bars[-1]):
        return False
    return starts[-2] < at == starts[-1] - starts[1]


def fold_infill(ids: Ids, rng: np.random.Generator) -> Ids:
    """A tune with some of its middle bars moved behind the end, as infilling needs it.

    The gap is drawn among the counted bars so that bars remain after it and no
    note crosses its borders; the tune comes back as it was if there is no such gap.
    """
    starts = np.flatnonzero(is_bar(ids))
    if ids[-1] != END or len(starts) < 2:
        return ids
    clean = [ids[s + 2 + is_meter(ids[s + 1])] != TIE for s in starts]
    borders = [i for i, c in enumerate(clean) if c]
    if len(borders) < 2:
        return ids
    a, b = sorted(rng.choice(len(borders), size=2, replace=False))
    known, middle, _ = fold_at(ids, borders[a], borders[b])
    return np.concatenate([known, middle, [END]]).astype(ids.dtype)


def fold_at(ids: Ids, first: int, after: int) -> tuple[Ids, Ids, int]:
    """A tune with some of its bars moved behind its end.

    Args:
        ids: the tune.
        first: the first bar to move, 0-based among the counted bars.
        after: the first that stays behind it.

    Returns:
        the rest of the tune up to `fill`; the bars that were moved; how many ids of the
        rest stand before them.
    """
    starts = np.flatnonzero(is_bar(ids))
    meters, now = [], int(ids[FIRST_EVENT])
    for start in starts:
        before = now
        now = int(ids[start + 1]) if is_meter(ids[start + 1]) else now
        meters.append((before, now))
    head, middle = ids[: starts[first]], ids[starts[first] : starts[after]]
    tail = ids[starts[after] :]
    # What is read before the tail is the head: say the metre if it is another.
    body = tail[2:] if meters[after][0] != meters[after][1] else tail[1:]
    change = [meters[after][1]] if meters[after][1] != meters[first][0] else []
    parts = [head, [GAP], tail[:1], change, body, [FILL]]
    return np.concatenate([np.asarray(p, ids.dtype) for p in parts]), middle, len(head)


def primer_ids(ids: Ids, more: int) -> Ids:
    """A tune that is to go on for `more` bars: without its end, its last bar filled up.

    Args:
        ids: the tune; its bars are numbered anew.
        more: bars to come.
    """
    starts = np.flatnonzero(is_bar(ids))
    filled = np.array(ids[:-1])
    for i, start in enumerate(starts):
        filled[start] = bar_token(len(starts) - i + more)
    meter = [t for t in ids[FIRST_EVENT:] if is_meter(t)][-1]
    last = filled[starts[-1] :]
    lengths = last[(last >= LENGTH0) & (last < LENGTH0 + len(LENGTHS))]
    missing = METER_STEPS[meter - METER0] - sum(LENGTHS[n - LENGTH0] for n in lengths)
    rest: list[int] = []
    _put(rest, missing, REST)
    return np.concatenate([filled, np.asarray(rest, ids.dtype)])


def unfold_infill(ids: list[int]) -> list[int]:
    """The inverse of `fold_infill`: the bars in the order in which they sound.

    Raises:
        InputError: if the marks are not in that order.
    """
    try:
        gap = ids.index(GAP)
        fill = ids.index(FILL, gap)
    except ValueError:
        raise InputError("an infilling without its gap") from None
    if ids[fill - 1] != END or ids[-1] != END:
        raise InputError("an infilling that breaks off")
    head, tail, middle = ids[:gap], ids[gap + 1 : fill - 1], ids[fill + 1 : -1]

    meter_before = [t for t in head[FIRST_EVENT:] if is_meter(t)][-1]
    meter_after = next((t for t in reversed(middle) if is_meter(t)), meter_before)
    stated = is_meter(tail[1])
    wanted = tail[1] if stated else meter_before
    body = tail[2:] if stated else tail[1:]
    change = [wanted] if wanted != meter_after else []
    return [*head, *middle, tail[0], *change, *body, END]


def _melody_of(ids: list[int]) -> Melody:
    """The melody of ids that keep the grammar."""
    key = None
    if ids[2] != UNKNOWN and ids[KEY_SLOT] != UNKNOWN:
        key = Key.from_pitch_class(ids[KEY_SLOT] - KEY0, MODES[ids[2] - MODE0])
    lowest = PITCH0 - tonic_offset(ids[KEY_SLOT])
    notes: list[Note] = []
    meters: list[Meter] = []
    at, length, pickup, in_pickup = 0, 0, 0, False
    for token in ids[FIRST_EVENT:]:
        if is_meter(token):
            meters.append(meter_of(token, at))
        elif token == PICKUP:
            in_pickup = True
        elif BAR0 < token <= BAR_MORE:
            if in_pickup:
                pickup, in_pickup = at, False
        elif LENGTH0 <= token < LENGTH0 + len(LENGTHS):
            length = LENGTHS[token - LENGTH0] * TICKS_PER_STEP
        elif token == TIE:
            last = notes[-1]
            notes[-1] = Note(last.onset, last.duration + length, last.pitch)
            at += length
        elif token == REST:
            at += length
        elif token >= PITCH_LOWEST:
            notes.append(Note(at, length, token - lowest))
            at += length
    return Melody(tuple(notes), tuple(meters), pickup=pickup, duration=at, key=key)
