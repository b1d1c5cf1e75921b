"""A melody laid out as notation: bars of spelled notes and rests, ties and tuplets.

What every written score needs and no reader does: each bar's time is cut into
note values that a musician can read. Stretches on the binary grid (down to the
128th) are split where the metre asks for it; others become tuplets, found by
the cheapest cover of the bar with plain and tuplet spans.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from tunesmith.errors import InputError
from tunesmith.melody import WHOLE, Bar, Chord, Melody, Meter, Note, pitch_class
from tunesmith.theory import metrical_weight, spell

GRID = WHOLE // 128
"""Ticks of the shortest plain note value, the 128th."""

_TUPLETS = (3, 5, 7, 9, 11, 13)
_SMALLEST_SPAN = WHOLE // 32  # no tuplet is shorter than a 32nd in all
_UNSPELLABLE = 100  # cost of a boundary that has to move: more than any tuplet


@dataclass(frozen=True, slots=True)
class Event:
    """One written note or rest.

    Attributes:
        pitch: MIDI number, or None for a rest.
        name: its spelling without octave, 'F#'; '' for a rest.
        onset: ticks from the start of the melody.
        ticks: length as it sounds, 1 or more.
        value: the note value as part of a whole note, without dots: 1/8, 2 (a breve).
        dots: 0 or 1.
        tuplet: (actual, normal), as (3, 2), or None.
        tuplet_start, tuplet_stop: whether it is the first or last of its group.
        tie_start, tie_stop: whether a tie leads from it to the next, or to it.
    """

    pitch: int | None
    name: str
    onset: int
    ticks: int
    value: Fraction
    dots: int = 0
    tuplet: tuple[int, int] | None = None
    tuplet_start: bool = False
    tuplet_stop: bool = False
    tie_start: bool = False
    tie_stop: bool = False

    @property
    def end(self) -> int:
        """The tick at which it has ended."""
        return self.onset + self.ticks


@dataclass(frozen=True, slots=True)
class LaidBar:
    """One written bar.

    Attributes:
        bar: its place in the melody. A pickup that no note value fits begins a
            few ticks earlier or later here than in the melody, and the last bar
            that completes it ends so.
        events: what is written, without gaps; they sum to `ticks`.
        meter_changes: whether its metre has to be written; True in the first.
        chords: the chord symbols that begin in it.
    """

    bar: Bar
    events: tuple[Event, ...]
    meter_changes: bool
    chords: tuple[Chord, ...]

    @property
    def ticks(self) -> int:
        """Length as written: the bar's, less in a last bar that completes the pickup."""
        return sum(e.ticks for e in self.events)

    @property
    def is_silent(self) -> bool:
        """Whether it holds rests only."""
        return all(e.pitch is None for e in self.events)


@dataclass(frozen=True, slots=True)
class Layout:
    """A melody as written.

    Attributes:
        bars: as in `Melody.bars`.
        unspellable: notes whose begin or end had to move by up to a few ticks,
            since one level of tuplets cannot spell them.
    """

    bars: tuple[LaidBar, ...]
    unspellable: int


@dataclass(frozen=True, slots=True)
class _Region:
    """A span of a bar, plain (`actual` 1) or one tuplet; ticks from the full bar's start."""

    start: int
    end: int
    actual: int = 1
    normal: int = 1
    level: int = 0  # halvings of the tuplet's own unit that its notes need


@dataclass(frozen=True, slots=True)
class _Segment:
    """A note, or a silence, as far as it lies in the bar; ticks from the full bar's start."""

    start: int
    end: int
    note: Note | None
    has_onset: bool  # whether it begins here rather than sounding on


def lay_out(melody: Melody) -> Layout:
    """Write a melody in bars.

    Every bar sums exactly: to its metre, to the pickup, or, where the melody's
    end completes the pickup, to the bar without the pickup. Otherwise a last bar
    is filled up with rests.

    Raises:
        InputError: if a bar holds more notes than notation can spell (over 32 in
            a quarter).
    """
    bars = []
    moved: set[Note] = set()
    ties: dict[Note, list[tuple[int, int]]] = {}  # note -> places of its events
    laid: list[list[Event]] = []
    previous: tuple[int, int] | None = None
    segments = _segments(melody)
    starts = [n.onset for n, _ in segments]
    for bar in melody.bars:
        length = _written_length(bar, melody)
        first = max(0, bisect_right(starts, bar.start) - 1)
        last = bisect_left(starts, bar.start + length)
        events, bar, bar_moved = _lay_bar(bar, length, segments[first:last], melody)
        moved |= bar_moved
        for i, (_, note) in enumerate(events):
            if note:
                ties.setdefault(note, []).append((len(laid), i))
        laid.append([e for e, _ in events])
        metre = (bar.meter.numerator, bar.meter.denominator)
        bars.append((bar, metre != previous))
        previous = metre
    _tie(laid, ties)
    chords = _chords_by_bar(melody)
    return Layout(
        tuple(
            LaidBar(bar, tuple(events), changes, chords[i])
            for i, ((bar, changes), events) in enumerate(zip(bars, laid, strict=True))
        ),
        len(moved),
    )


def _segments(melody: Melody) -> list[tuple[Note, Note | None]]:
    """Notes and silences in order as (a span, the note or None), up to the last bar's end."""
    out: list[tuple[Note, Note | None]] = []
    at = 0
    for note in melody.notes:
        if note.onset > at:
            out.append((Note(at, note.onset - at, 0), None))
        out.append((note, note))
        at = note.end
    end = melody.bars[-1].end
    if end > at:
        out.append((Note(at, end - at, 0), None))
    return out


def _written_length(bar: Bar, melody: Melody) -> int:
    """Ticks of a bar as written: short where the melody's end completes its pickup."""
    rest = melody.duration - bar.start
    is_last = bar.end >= melody.duration and bar.index > 1  # a pickup and its rest are one bar
    if is_last and melody.pickup and rest == bar.length - melody.pickup:
        return rest
    return bar.length


def _chords_by_bar(melody: Melody) -> list[tuple[Chord, ...]]:
    """The chord symbols of each bar; one at the very end belongs to the last."""
    bars = melody.bars
    out: list[list[Chord]] = [[] for _ in bars]
    starts = [b.start for b in bars]
    for chord in melody.chords:
        out[bisect_right(starts, chord.tick) - 1].append(chord)
    return [tuple(c) for c in out]


def _tie(laid: list[list[Event]], ties: dict[Note, list[tuple[int, int]]]) -> None:
    """Tie the events that one note has become."""
    for places in ties.values():
        for n, (bar, i) in enumerate(places):
            if len(places) > 1:
                laid[bar][i] = replace(laid[bar][i], tie_start=n < len(places) - 1, tie_stop=n > 0)


# -- one bar ------------------------------------------------------------------


def _lay_bar(
    bar: Bar, length: int, spans: list[tuple[Note, Note | None]], melody: Melody
) -> tuple[list[tuple[Event, Note | None]], Bar, set[Note]]:
    """The events of one bar with their notes, the bar as written, and the notes that moved.

    Positions are counted from the start of the full bar, so that a pickup lies at
    its end as it sounds; what the pickup or a short last bar lacks is a silence
    that is laid out with the rest and then left out.
    """
    meter = bar.meter
    shift = bar.end - meter.bar_ticks  # tick of the full bar's start
    begin, end = bar.start - shift, bar.start - shift + length
    segments = [_Segment(0, begin, None, True)] if begin else []
    for span, note in spans:
        start = span.onset - shift
        segments.append(
            _Segment(max(start, begin), min(span.end - shift, end), note, start >= begin)
        )
    if end < meter.bar_ticks:
        segments.append(_Segment(end, meter.bar_ticks, None, True))
    cuts = [s.start for s in segments[1:]]
    regions = _cover(cuts, segments, meter)
    if regions is None:
        raise InputError(
            "more notes than notation can spell",
            where=f"bar {bar.index + 1}",
            remedy="write it as MIDI",
        )
    places = _places(cuts, segments, regions)
    moved = {
        s.note
        for s in segments
        if s.note and (places[s.start] != s.start or places.get(s.end, s.end) != s.end)
    }
    first, last = places.get(begin, begin), places.get(end, end)
    placed = [
        replace(s, start=places[s.start], end=places.get(s.end, s.end))
        for s in segments
        if s.start >= begin and s.end <= end
    ]
    events = [
        item
        for region in regions
        for item in _write_region(region, placed, first, last, shift, melody)
    ]
    return events, replace(bar, start=first + shift) if begin else bar, moved


def _write_region(
    region: _Region,
    segments: list[_Segment],
    first: int,
    last: int,
    shift: int,
    melody: Melody,
) -> Iterator[tuple[Event, Note | None]]:
    """The events of one region, as far as it lies between `first` and `last`."""
    meter = melody.meter_at(max(0, shift + max(first, region.start)))
    out: list[tuple[Event, Note | None]] = []
    for segment in segments:
        start = max(segment.start, region.start, first)
        end = min(segment.end, region.end, last)
        if start >= end:
            continue
        if region.actual == 1:
            pieces = _split_plain(
                start, end, meter.numerator, meter.denominator, segment.note is None
            )
        else:
            pieces = tuple(_split_tuplet(start, end, region))
        note = segment.note
        name = _name(note, melody) if note else ""
        for at, ticks, value, dots in pieces:
            event = Event(note.pitch if note else None, name, shift + at, ticks, value, dots)
            out.append((event, note))
    if region.actual > 1 and out:
        tuplet = _shown(region, [e for e, _ in out])
        out = [(replace(e, tuplet=tuplet), n) for e, n in out]
        out[0] = (replace(out[0][0], tuplet_start=True), out[0][1])
        out[-1] = (replace(out[-1][0], tuplet_stop=True), out[-1][1])
    yield from out


def _name(note: Note, melody: Melody) -> str:
    """The spelling a note came with if it is that pitch, else the key's."""
    if note.spelling and pitch_class(note.spelling) == note.pitch % 12:
        return note.spelling
    return spell(note.pitch, melody.key)


def _shown(region: _Region, events: list[Event]) -> tuple[int, int]:
    """The numbers over a tuplet: 6 for six equal notes where 3 would do, else as found."""
    if region.actual == 3 and len(events) == 6 and len({e.value for e in events}) == 1:
        return 2 * region.actual, 2 * region.normal
    return region.actual, region.normal


# -- plain and tuplet spans ------------------------------------------------------


def _cover(cuts: list[int], segments: list[_Segment], meter: Meter) -> list[_Region] | None:
    """The cheapest cover of a bar by plain and tuplet regions, or None if there is none."""
    bar_ticks, beat = meter.bar_ticks, meter.beat_ticks
    if all(c % GRID == 0 for c in cuts):
        return [_Region(0, bar_ticks)]
    parts = 3 if beat == 3 * WHOLE // meter.denominator else 2
    best: list[tuple[float, list[_Region]]] = [(0.0, [])]
    for end in range(beat, bar_ticks + 1, beat):
        options = []
        for beats in (1, 2, 3, 4):
            start = end - beats * beat
            if start < 0:
                break
            cost, before = best[start // beat]
            off_centre = bar_ticks % (end - start) == 0 and start % (end - start) != 0
            if beats == 1:
                added, regions = _divide(start, end, cuts, segments, parts)
            else:
                added, regions = _as_tuplet(start, end, cuts)
            options.append((cost + added + off_centre, before + regions))
        best.append(min(options, key=lambda o: o[0]))
    total, regions = best[-1]
    return None if total == float("inf") else _merged(regions)


def _divide(
    start: int, end: int, cuts: list[int], segments: list[_Segment], parts: int
) -> tuple[float, list[_Region]]:
    """The cheapest way to write a beat or a part of one, and its cost."""
    inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
    if all(c % GRID == 0 for c in inner):
        return 0.0, [_Region(start, end)]
    options = [_as_tuplet(start, end, cuts)]
    moves = _moved(start, end, cuts, segments)
    if moves is not None:
        off_grid = sum(c % GRID != 0 for c in inner)
        options.append((_UNSPELLABLE * off_grid, [_Region(start, end)]))
    if end - start > _SMALLEST_SPAN:
        step = (end - start) // parts
        halves = [_divide(s, s + step, cuts, segments, 2) for s in range(start, end, step)]
        options.append((sum(h[0] for h in halves), [r for h in halves for r in h[1]]))
    return min(options, key=lambda o: o[0])


def _as_tuplet(start: int, end: int, cuts: list[int]) -> tuple[float, list[_Region]]:
    """One tuplet over a span and its cost: infinite where none fits.

    It costs more the more it is subdivided, the rarer its number is, and where
    a note has to be tied across its edges or begins in the span's middle.
    """
    span = end - start
    inner = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
    base = span // GRID
    odd = base // (base & -base) if base and span % GRID == 0 else 0
    if not inner or odd not in (1, 3):
        return float("inf"), []
    edges = sum(c not in cuts and c not in (0,) for c in (start, end))
    middle = (start + end) // 2 in cuts
    offsets = [c - start for c in inner]
    best: tuple[float, list[_Region]] = (float("inf"), [])
    for rarity, actual in enumerate(_TUPLETS):
        if odd == 3 and actual % 3 == 0:
            continue  # three in the time of three is plain
        if actual > 5 and len(inner) < 3:
            continue  # a gap of a tick or two, not a septuplet
        normal = odd
        while 2 * normal < actual and span % (2 * normal * GRID) == 0:
            normal *= 2
        for level in range(6 if actual <= 5 else 2):
            if span < normal * GRID << level:
                break
            if _tuplet_grid(span, actual << level).issuperset(offsets):
                cost = 2 + rarity + level + 2 * edges + middle
                if cost < best[0]:
                    best = float(cost), [_Region(start, end, actual, normal, level)]
                break
    return best


@lru_cache(maxsize=4096)
def _tuplet_grid(span: int, parts: int) -> frozenset[int]:
    """A span cut into equal parts, each cut rounded to the tick as readers do."""
    return frozenset(_rounded(k * span, parts) for k in range(parts))


def _rounded(top: int, bottom: int) -> int:
    """A fraction to the nearest whole number, halves upwards."""
    return (2 * top + bottom) // (2 * bottom)


def _merged(regions: list[_Region]) -> list[_Region]:
    """Neighbouring plain regions as one."""
    out: list[_Region] = []
    for region in regions:
        if out and out[-1].actual == region.actual == 1:
            out[-1] = replace(out[-1], end=region.end)
        else:
            out.append(region)
    return out


def _places(cuts: list[int], segments: list[_Segment], regions: list[_Region]) -> dict[int, int]:
    """Where each boundary is written: as it is, except for the unspellable ones."""
    places = {segments[0].start: segments[0].start} | {c: c for c in cuts}
    for region in regions:
        if region.actual == 1:
            moved = _moved(region.start, region.end, cuts, segments)
            if moved is not None:
                places.update(moved)
    return places


def _moved(
    start: int, end: int, cuts: list[int], segments: list[_Segment]
) -> dict[int, int] | None:
    """The boundaries inside a span moved to the nearest grid points that leave no note empty.

    None if there is no room. A silence may vanish; a note keeps at least one
    grid step after its onset.
    """
    first, last = bisect_right(cuts, start), bisect_left(cuts, end)
    inner = cuts[first:last]
    # cuts[i] is where segments[i + 1] begins
    keep = [
        GRID if segments[i + 1].note and segments[i + 1].has_onset else 0
        for i in range(first - 1, last)
    ]
    if first == 0 or cuts[first - 1] != start:
        keep[0] = keep[0] if segments[first].start == start else 0
    out = [(c + GRID // 2) // GRID * GRID for c in inner]
    low = start
    for i in range(len(out)):
        low = out[i] = max(out[i], low + keep[i])
    high = end
    for i in reversed(range(len(out))):
        high = out[i] = min(out[i], high - keep[i + 1])
    if out and out[0] < start + keep[0]:
        return None
    return dict(zip(inner, out, strict=True))


# -- note values -----------------------------------------------------------------

_Piece = tuple[int, int, Fraction, int]  # start, ticks, value, dots


@lru_cache(maxsize=8192)
def _split_plain(
    start: int, end: int, numerator: int, denominator: int, is_rest: bool
) -> tuple[_Piece, ...]:
    """A span of a bar as single note values, split where the metre asks for it."""
    meter = Meter(0, numerator, denominator)
    single = _single(Fraction(end - start, WHOLE))
    if single and _is_readable(start, end, meter, single[1], is_rest):
        return ((start, end - start, *single),)
    middle = _strongest(start, end, meter)
    return _split_plain(start, middle, numerator, denominator, is_rest) + _split_plain(
        middle, end, numerator, denominator, is_rest
    )


def _single(length: Fraction) -> tuple[Fraction, int] | None:
    """A length (in whole notes) as a value and its dots, or None if no single value is it."""
    for dots, factor in ((0, Fraction(1)), (1, Fraction(2, 3))):
        value = length * factor
        top, bottom = value.numerator, value.denominator
        if value <= 2 and top & (top - 1) == 0 and bottom & (bottom - 1) == 0:
            return value, dots
    return None


def _strongest(start: int, end: int, meter: Meter) -> int:
    """The metrically strongest grid point inside a span, the last of equals.

    The last, so that over three beats a long note is a half tied to what is over.
    """
    points = range(start // GRID * GRID + GRID, end, GRID)
    return max(points, key=lambda p: (metrical_weight(p, meter), p))


def _is_readable(start: int, end: int, meter: Meter, dots: int, is_rest: bool) -> bool:
    """Whether one note value over this span leaves the metre plain to see.

    It does if no point inside is stronger than both its ends, or if it is a
    syncopation around a point just one level stronger, such as the quarter in
    eighth-quarter-eighth. In compound metres nothing shorter than whole beats
    crosses a beat; rests are never syncopated and begin at the strongest place they hold.
    """
    if end - start <= GRID:
        return True
    strongest = _strongest(start, end, meter)
    inside = metrical_weight(strongest, meter)
    ends = metrical_weight(start, meter), metrical_weight(end, meter)
    beat = meter.beat_ticks
    if beat == 3 * WHOLE // meter.denominator and strongest % beat == 0:
        return start % beat == end % beat == 0 and inside <= max(ends)
    if inside <= (ends[0] if is_rest else max(ends)):
        return True
    centred = strongest - start == end - strongest
    return not is_rest and dots == 0 and centred and inside - min(ends) == 1


def _split_tuplet(start: int, end: int, region: _Region) -> Iterator[_Piece]:
    """A span inside a tuplet as single note values, at the tuplet's own speed."""
    span = region.end - region.start
    units = region.actual << region.level
    value = Fraction(span, WHOLE * region.normal << region.level)
    at = _rounded((start - region.start) * units, span)
    stop = _rounded((end - region.start) * units, span)
    while at < stop:
        size = stop - at
        while (single := _single(Fraction(size, 1 << 20))) is None:
            size = 1 << (size.bit_length() - 1)
        here = region.start + _rounded(at * span, units)
        there = region.start + _rounded((at + size) * span, units)
        yield here, there - here, single[0] * (1 << 20) * value, single[1]
        at += size
