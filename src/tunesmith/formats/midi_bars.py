"""Bars from the time signatures of a MIDI file, which may stand anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tunesmith.melody import WHOLE, Melody, Meter

_SHORTEST_UNIT = 64  # the largest lower number of a metre


def meter_of_length(tick: int, length: int, denominator: int) -> Meter | None:
    """The metre whose bar has that many ticks, its lower number the given one or finer.

    Returns:
        None where no metre has that length.
    """
    while denominator <= _SHORTEST_UNIT:
        numerator, rest = divmod(length * denominator, WHOLE)
        if rest == 0 and numerator <= 255:
            return Meter(tick, numerator, denominator)
        denominator *= 2
    return None


def lay_bars(
    changes: Sequence[Meter], duration: int, remarks: Counter[str]
) -> tuple[tuple[Meter, ...], int]:
    """The metres, each at a barline, and the pickup.

    A change inside a bar ends it there: inside the first bar, what is before is the
    pickup; elsewhere the bar gets a metre of its own length, or, where there is
    none, the change waits for the barline.

    Args:
        changes: by tick, the first at tick 0.
        duration: ticks in all; changes from there on are left out.
        remarks: counts what was mended.
    """
    meters, pickup = [changes[0]], 0
    for change in changes[1:]:
        last = meters[-1]
        if change.tick >= duration:
            break
        if change.tick <= last.tick:  # that one had to wait past this one
            meters[-1] = replace(change, tick=last.tick)
            continue
        if len(meters) == 1 and not pickup and change.tick < min(last.bar_ticks, change.bar_ticks):
            pickup = change.tick
            meters = [replace(change, tick=0)]
            continue
        begin = pickup if len(meters) == 1 else last.tick
        rest = (change.tick - begin) % last.bar_ticks
        if rest:
            short = meter_of_length(change.tick - rest, rest, last.denominator)
            if short:
                remarks["bars of irregular length"] += 1
                if short.tick == last.tick:  # not one whole bar of that metre
                    meters.pop()
                meters.append(short)
            else:
                remarks["metre changes moved to the barline"] += 1
                change = replace(change, tick=change.tick + last.bar_ticks - rest)
        meters.append(change)
    unlike = [m for a, m in zip([None, *meters], meters, strict=False) if not _same(a, m)]
    return tuple(m for m in unlike if m.tick < duration), pickup


def _same(a: Meter | None, b: Meter) -> bool:
    return a is not None and (a.numerator, a.denominator) == (b.numerator, b.denominator)


def without_empty_start(melody: Melody, remarks: Counter[str]) -> Melody:
    """The melody from the first bar on in which a note sounds."""
    bars = melody.bars
    empty = sum(bar.end <= melody.notes[0].onset for bar in bars)
    if not empty:
        return melody
    remarks["empty bars at the start dropped"] += empty
    return melody.slice_bars(empty, len(bars) - 1)


def with_pickup(melody: Melody) -> Melody:
    """The melody with a single short first bar before a longer metre as its pickup."""
    if melody.pickup or len(melody.meters) < 2:
        return melody
    first, second = melody.meters[:2]
    if not second.tick == first.bar_ticks < second.bar_ticks:
        return melody
    return replace(melody, pickup=second.tick, meters=(replace(second, tick=0), *melody.meters[2:]))
