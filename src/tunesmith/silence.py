"""Bars in which no note sounds: where they are, and a melody without the most of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tunesmith.errors import UsageError
from tunesmith.melody import Bar, Chord, Melody, Meter

Spans = tuple[tuple[int, int], ...]


def empty_spans(melody: Melody) -> Spans:
    """The stretches of full bars in which nothing sounds: the first, and the first after it."""
    return _empty(melody, [b for b in melody.bars if not b.is_pickup])


def _empty(melody: Melody, bars: list[Bar]) -> Spans:
    notes, place = melody.notes, 0
    spans: list[tuple[int, int]] = []
    for i, bar in enumerate(bars):
        while place < len(notes) and notes[place].end <= bar.start:
            place += 1
        if place < len(notes) and notes[place].onset < bar.end:
            continue
        if spans and spans[-1][1] == i:
            spans[-1] = (spans[-1][0], i + 1)
        else:
            spans.append((i, i + 1))
    return tuple(spans)


def check_longest(bars: int | None) -> None:
    """Raise a `UsageError` for a longest silence that is no number of bars."""
    if bars is not None and bars < 0:
        raise UsageError(f"a longest silence of {bars} bars", remedy="use 0 or more")


def without_long_silence(melody: Melody, longest: int) -> tuple[Melody, int]:
    """A melody from which bars are taken out in which no note sounds.

    Of silent bars in a row the first `longest` stay. Those before the first note, a silent pickup
    among them, and those after the last all go. What follows moves up by whole bars, metres with
    it; the chord that holds at a barline to which it moves still does.

    Args:
        melody: the melody.
        longest: full bars, 0 or more.

    Returns:
        The melody, itself if nothing is taken out, and how many bars were.
    """
    bars = list(melody.bars)
    gone: list[tuple[int, int]] = []  # ticks
    count = 0
    for first, after in _empty(melody, bars):
        at_edge = first == 0 or after == len(bars)
        start = first if at_edge else first + longest
        if start < after:
            count += after - start
            gone.append((bars[start].start, min(bars[after - 1].end, melody.duration)))
    if not gone:
        return melody, 0

    def moved(tick: int) -> int:
        return tick - sum(min(tick, end) - start for start, end in gone if start < tick)

    duration = moved(melody.duration)
    return replace(
        melody,
        notes=tuple(replace(n, onset=moved(n.onset)) for n in melody.notes),
        meters=_moved_meters(melody.meters, moved, duration),
        pickup=moved(melody.pickup),
        duration=duration,
        chords=_moved_chords(melody, gone, moved),
    ), count


def _moved_meters(
    meters: tuple[Meter, ...], moved: Callable[[int], int], duration: int
) -> tuple[Meter, ...]:
    """The metres that still hold somewhere, none twice in a row."""
    at = {moved(m.tick): m for m in meters}  # the last one of those that now meet
    found: list[Meter] = []
    for tick, meter in at.items():
        if tick < duration and (not found or str(found[-1]) != str(meter)):
            found.append(replace(meter, tick=tick))
    return tuple(found)


def _moved_chords(
    melody: Melody, gone: list[tuple[int, int]], moved: Callable[[int], int]
) -> tuple[Chord, ...]:
    """The chords, of those in a stretch that goes only the one that holds when it is over."""
    found: list[Chord] = []
    ticks = [c.tick for c in melody.chords]
    for chord, following in zip(melody.chords, [*ticks[1:], melody.duration + 1], strict=False):
        end = next((end for start, end in gone if start <= chord.tick < end), None)
        if end is None or following > end < melody.duration:
            found.append(replace(chord, tick=moved(chord.tick)))
    return tuple(found)
