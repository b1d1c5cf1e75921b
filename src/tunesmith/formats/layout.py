"""A melody laid out as notation: bars of spelled notes and rests, ties and tuplets.

What every written score needs and no reader does: each bar's time is cut into
note values that a musician can read. Stretches on the binary grid (down to the
128th) are split where the metre asks for it; others become tuplets, found by
the cheapest cover of the bar with plain and tuplet spans.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from tunesmith.errors import InputError
from tunesmith.formats.spans import (
    Region,
    Segment,
    cover,
    places_of,
    single_value,
    split_plain,
    split_tuplet,
)
from tunesmith.melody import WHOLE, Bar, Chord, Melody, Note, pitch_class
from tunesmith.theory import spell


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
class Piece:
    """An event, or the part of one between two chord symbols.

    Attributes:
        length: as written, part of a whole note: dots in it, a tuplet not.
        tie_start, tie_stop: as of an event; to be passed over for rests.
        chords: the symbols that stand over it.
    """

    length: Fraction
    tie_start: bool
    tie_stop: bool
    chords: tuple[Chord, ...]


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

    def pieces(self) -> list[list[Piece]]:
        """Each event cut where the chord symbol changes, for formats that place none within a note.

        A symbol that stands after the bar's last event stands over its last piece.
        """
        out = []
        at = 0
        onset = Fraction(0)  # of the event before it was rounded to the tick, as in tuplets
        for i, event in enumerate(self.events):
            if event.tuplet_start or not event.tuplet:
                onset = Fraction(event.onset)
            stop = at
            is_last = i == len(self.events) - 1
            while stop < len(self.chords) and (is_last or self.chords[stop].tick < event.end):
                stop += 1
            out.append(_pieces(event, onset, self.chords[at:stop]))
            actual, normal = event.tuplet or (1, 1)
            written = sum((p.length for p in out[-1]), start=Fraction(0))
            onset += written * WHOLE * normal / actual
            at = stop
        return out

    @property
    def is_silent(self) -> bool:
        """Whether it holds rests only."""
        return all(e.pitch is None for e in self.events)


def _pieces(event: Event, onset: Fraction, chords: Sequence[Chord]) -> list[Piece]:
    """An event as its pieces, each a single note value where binary values can sum to it."""
    whole = event.value * Fraction(2 ** (event.dots + 1) - 1, 2**event.dots)
    actual, normal = event.tuplet or (1, 1)
    over: dict[Fraction, list[Chord]] = {Fraction(0): []}
    for chord in chords:
        at = (chord.tick - onset) / WHOLE * actual / normal
        if event.tuplet:
            at = _written(at, Fraction(WHOLE * normal, actual))
        over.setdefault(max(at, Fraction(0)) if at < whole else max(over), []).append(chord)
    out: list[Piece] = []
    for start, end in pairwise((*over, whole)):
        for n, length in enumerate(_values(end - start)):
            out.append(Piece(length, True, True, () if n else tuple(over[start])))
    out[0] = replace(out[0], tie_stop=event.tie_stop)
    out[-1] = replace(out[-1], tie_start=event.tie_start)
    return out


def _written(at: Fraction, speed: Fraction) -> Fraction:
    """A place within a tuplet as it is written: on its own grid, if it is that but for the tick.

    Args:
        at: part of a whole note.
        speed: ticks that a whole note written there sounds.
    """
    nearest = Fraction(round(at * 128), 128)
    if abs(nearest - at) * speed < Fraction(1, 2):
        return nearest
    return Fraction(round(at * 3840), 3840)  # rounds to the same tick, and no longer fraction


def _values(length: Fraction) -> list[Fraction]:
    """A length as note values, longest first; as it is where binary values cannot sum to it."""
    out = []
    is_binary = length.denominator & (length.denominator - 1) == 0
    while is_binary and single_value(length) is None:
        out.append(Fraction(1 << (length.numerator.bit_length() - 1), length.denominator))
        length -= out[-1]
    return [*out, length]


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
    segments = [Segment(0, begin, None, True)] if begin else []
    for span, note in spans:
        start = span.onset - shift
        segments.append(
            Segment(max(start, begin), min(span.end - shift, end), note, start >= begin)
        )
    if end < meter.bar_ticks:
        segments.append(Segment(end, meter.bar_ticks, None, True))
    cuts = [s.start for s in segments[1:]]
    regions = cover(cuts, segments, meter)
    if regions is None:
        raise InputError(
            "more notes than notation can spell",
            where=f"bar {bar.index + 1}",
            remedy="write it as MIDI",
        )
    places = places_of(cuts, segments, regions)
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
    region: Region,
    segments: list[Segment],
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
            pieces = split_plain(
                start, end, meter.numerator, meter.denominator, segment.note is None
            )
        else:
            pieces = tuple(split_tuplet(start, end, region))
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


def _shown(region: Region, events: list[Event]) -> tuple[int, int]:
    """The numbers over a tuplet: 6 for six equal notes where 3 would do, else as found."""
    if region.actual == 3 and len(events) == 6 and len({e.value for e in events}) == 1:
        return 2 * region.actual, 2 * region.normal
    return region.actual, region.normal
