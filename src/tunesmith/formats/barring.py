"""From the bars of a score to a `Melody`: repeats, ties, ticks, pickup and irregular bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from tunesmith.errors import InputError
from tunesmith.formats.reading import Remarks
from tunesmith.formats.repeats import Marks, playing_order
from tunesmith.melody import LONGEST as MELODY_LONGEST
from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Chord, Key, Melody, Meter, Note

Time = int | Fraction
"""Ticks: a whole number wherever it is one, which is nearly everywhere and far quicker."""

MOST_NOTES = 50_000
"""Notes that a tune may have once its repeats are played out."""

_MOST_PARTS = 16
"""Short bars that are tried together as one."""


class SourceNote(NamedTuple):
    """A note as it stands in a bar.

    Attributes:
        onset: quarters from the start of the bar.
        duration: quarters, more than 0.
        pitch: MIDI number.
        spelling: 'Eb', or None where the source does not say.
        tied: whether a tie leads on to the next note.
    """

    onset: Fraction
    duration: Fraction
    pitch: int
    spelling: str | None = None
    tied: bool = False


@dataclass(frozen=True, slots=True)
class SourceBar:
    """A bar as it stands in the source, before repeats are played out.

    Attributes:
        place: where it is: 'line 12, bar 3'.
        meter: the metre in force, (6, 8).
        length: what its notes and rests sum to, in quarters; 0 for an empty one.
        notes: by onset, not overlapping, ending inside the bar.
        chords: (quarters from the start of the bar, symbol).
        marks: its repeat signs and endings.
    """

    place: str
    meter: tuple[int, int]
    length: Fraction
    notes: tuple[SourceNote, ...] = ()
    chords: tuple[tuple[Fraction, str], ...] = ()
    marks: Marks = Marks()  # noqa: RUF009 (frozen)


class _Timed(NamedTuple):
    """A source bar with its times in ticks."""

    length: Time
    full: int  # what its metre asks for
    notes: tuple[tuple[Time, Time, int, str | None, bool], ...]
    chords: tuple[tuple[Time, str], ...]


def assemble(
    bars: Sequence[SourceBar],
    *,
    key: Key | None = None,
    tempo: float | None = None,
    title: str = "",
    origin: str = "",
) -> tuple[Melody, Remarks]:
    """The melody that the bars make when played, and what had to be mended.

    No note changes its onset or length, save for rounding to the tick. A short
    first bar is the pickup. Short bars that fill one bar together (the end of a
    repeated section and the pickup of the next) become one. Any other bar that
    does not fill its metre gets a metre of its own length; only the last bar may
    just end early.

    Returns:
        The melody and the remarks, of these: 'notes rounded to the tick', 'notes
        shorter than a tick dropped', 'bars of irregular length', 'ties that lead
        to no equal note'.

    Raises:
        InputError: no notes, a bar whose length no metre expresses (with its
            place), too many bars or notes, or what `Melody` refuses.
    """
    remarks = Remarks()
    timed = [_in_ticks(bar) for bar in bars]
    played = [i for i in playing_order([bar.marks for bar in bars]) if timed[i].length]
    if sum(len(timed[i].notes) for i in played) > MOST_NOTES:
        raise InputError(
            f"with its repeats it has more than {MOST_NOTES} notes", remedy="check the repeat signs"
        )
    if sum(timed[i].length for i in played) > MELODY_LONGEST:
        raise InputError(
            f"with its repeats it lasts more than {MELODY_LONGEST // TICKS_PER_QUARTER} quarters",
            remedy="check its lengths and repeat signs",
        )
    groups = _join_short_bars(bars, timed, played)
    meters, pickup, starts = _set_meters(bars, timed, groups, remarks)

    notes: list[tuple[Time, Time, int, str | None, bool]] = []  # onset, end, …
    chords: list[Chord] = []
    end: Time = 0
    for start, group in zip(starts, groups, strict=True):
        end = start
        for i in group:
            bar = timed[i]
            _lay_notes(notes, bar, end, bars[i].place, remarks)
            chords += [Chord(_round(end + at), symbol) for at, symbol in bar.chords]
            end += bar.length
    if notes and notes[-1][4]:
        remarks.note("ties that lead to no equal note", f"{bars[played[-1]].place}, its last note")
    melody = Melody(
        notes=_rounded(notes, remarks),
        meters=tuple(meters),
        pickup=pickup,
        duration=_round(end),
        key=key,
        tempo=tempo,
        title=title,
        origin=origin,
        chords=tuple(chords),
    )
    return melody, remarks


def _ticks(quarters: Fraction) -> Time:
    above, below = quarters.numerator * TICKS_PER_QUARTER, quarters.denominator
    return Fraction(above, below) if above % below else above // below


def _round(ticks: Time) -> int:
    return ticks if isinstance(ticks, int) else int(ticks + Fraction(1, 2))


def _in_ticks(bar: SourceBar) -> _Timed:
    try:
        full = Meter(0, *bar.meter).bar_ticks
    except InputError as e:
        remedy = "use 1 to 255 over a power of two up to 64"
        raise InputError(e.what, where=bar.place, remedy=remedy) from None
    return _Timed(
        _ticks(bar.length),
        full,
        tuple((_ticks(n[0]), _ticks(n[1]), n[2], n[3], n[4]) for n in bar.notes),
        tuple((_ticks(at), symbol) for at, symbol in bar.chords),
    )


def _join_short_bars(
    bars: Sequence[SourceBar], timed: Sequence[_Timed], played: Sequence[int]
) -> list[list[int]]:
    """The played bars in groups, each of which is one bar of the melody."""
    groups: list[list[int]] = []
    at = 0
    while at < len(played):
        full, total, after = timed[played[at]].full, timed[played[at]].length, at + 1
        most = min(at + _MOST_PARTS, len(played))
        while total < full and after < most and timed[played[after]].full == full:
            if bars[played[after]].meter != bars[played[at]].meter:
                break
            total += timed[played[after]].length
            after += 1
        if total != full:
            after = at + 1
        groups.append(list(played[at:after]))
        at = after
    return groups


def _set_meters(
    bars: Sequence[SourceBar],
    timed: Sequence[_Timed],
    groups: Sequence[Sequence[int]],
    remarks: Remarks,
) -> tuple[list[Meter], int, list[int]]:
    """The metre changes, the pickup, and the tick at which each group starts."""
    lengths = [sum((timed[i].length for i in group), start=0) for group in groups]
    meters: list[Meter] = []
    starts: list[int] = []
    tick = pickup = 0
    for n, (group, length) in enumerate(zip(groups, lengths, strict=True)):
        bar, full = bars[group[0]], timed[group[0]].full
        starts.append(tick)
        is_last = n == len(groups) - 1
        # A whole tune of short bars has the wrong metre, not a pickup.
        starts_short = n == 0 and length < full and not is_last and lengths[1] != length
        if starts_short:
            pickup = _round(length)
        if length == full or starts_short or (is_last and length < full):
            meter = Meter(tick, *bar.meter)
        else:
            meter = _meter_of(length, bar, tick)
            asked = f"in a metre of {bar.meter[0]}/{bar.meter[1]}"
            remarks.note(
                "bars of irregular length",
                f"{bar.place} ({meter.numerator}/{meter.denominator} {asked})",
            )
        last = meters[-1] if meters else None
        if not last or (last.numerator, last.denominator) != (meter.numerator, meter.denominator):
            meters.append(meter)
        tick += pickup if starts_short else meter.bar_ticks
    return meters or [Meter(0, 4, 4)], pickup, starts


def _meter_of(length: Time, bar: SourceBar, tick: int) -> Meter:
    """The metre of a bar of that many ticks, its lower number as near as can be to the bar's."""
    denominator = bar.meter[1]
    while denominator <= 64:
        units = Fraction(length * denominator, WHOLE)
        if units.denominator == 1 and units <= 255:
            return Meter(tick, units.numerator, denominator)
        denominator *= 2
    raise InputError(
        f"the bar lasts {Fraction(length) / TICKS_PER_QUARTER} quarters, which is no metre",
        where=bar.place,
        remedy="check its note lengths",
    )


def _lay_notes(
    notes: list[tuple[Time, Time, int, str | None, bool]],
    bar: _Timed,
    start: Time,
    place: str,
    remarks: Remarks,
) -> None:
    """Append the notes of a bar that starts at a tick, joining those that a tie leads to."""
    for onset, duration, pitch, spelling, tied in bar.notes:
        begin = start + onset
        if notes and notes[-1][4]:
            last = notes[-1]
            if last[2] == pitch and last[1] == begin:
                notes[-1] = (last[0], begin + duration, pitch, last[3], tied)
                continue
            remarks.note("ties that lead to no equal note", f"{place}, from the note before")
        notes.append((begin, begin + duration, pitch, spelling, tied))


def _rounded(
    notes: Sequence[tuple[Time, Time, int, str | None, bool]], remarks: Remarks
) -> tuple[Note, ...]:
    done: list[Note] = []
    for onset, end, pitch, spelling, _ in notes:
        if isinstance(onset, int) and isinstance(end, int):
            done.append(Note(onset, end - onset, pitch, spelling))
            continue
        first, last = _round(onset), _round(end)
        if last > first:
            if first != onset or last != end:  # fractions may have added up to whole numbers
                remarks["notes rounded to the tick"] += 1
            done.append(Note(first, last - first, pitch, spelling))
        else:
            remarks["notes shorter than a tick dropped"] += 1
    return tuple(done)
