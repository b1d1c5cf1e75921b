"""The metres of a MIDI file as bars: pickup, changes within a bar, empty bars at the start."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, replace

from tunesmith.errors import InputError
from tunesmith.formats.midi_file import MidiFile
from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Meter


@dataclass(frozen=True, slots=True)
class MeterMap:
    """Metres as `Melody` has them: each at a barline, the first at tick 0.

    Attributes:
        meters: by tick.
        pickup: ticks of the short first bar, or 0.
    """

    meters: tuple[Meter, ...]
    pickup: int = 0

    def _section(self, tick: int) -> tuple[int, int]:
        """The metre in force at a tick (its place) and the tick of its first full bar."""
        place = max(0, bisect_right([m.tick for m in self.meters], tick) - 1)
        return place, self.pickup if place == 0 else self.meters[place].tick

    def bar_number(self, tick: int) -> int:
        """The bar in which a tick lies, 1-based; a pickup counts as bar 1, as in `Melody.bars`."""
        place, start = self._section(tick)
        if tick < start:
            return 1
        count = (tick - start) // self.meters[place].bar_ticks
        for i, meter in enumerate(self.meters[:place]):
            begin = self.pickup if i == 0 else meter.tick
            count += (self.meters[i + 1].tick - begin) // meter.bar_ticks
        return count + 1 + bool(self.pickup)

    def first_bar(self, onset: int) -> tuple[int, int]:
        """Where the bar of the first note starts, and how many bars are before it."""
        place, start = self._section(onset)
        if onset < start:
            return 0, 0
        bar = self.meters[place].bar_ticks
        return start + (onset - start) // bar * bar, self.bar_number(onset) - 1

    def starting_at(self, tick: int) -> MeterMap:
        """The metres of the music from a barline on."""
        place, _ = self._section(tick)
        later = (replace(m, tick=m.tick - tick) for m in self.meters[place + 1 :])
        return _with_pickup([replace(self.meters[place], tick=0), *later])

    def until(self, tick: int) -> tuple[Meter, ...]:
        """The metres that begin before a tick."""
        return (self.meters[0], *(m for m in self.meters[1:] if m.tick < tick))


def map_meters(file: MidiFile, remarks: Counter[str]) -> MeterMap:
    """The metres of a file, 4/4 where it says nothing.

    Raises:
        InputError: for a metre of 0, or in notes shorter than the 64th.
    """
    changes = _changes(file)
    pickup = 0
    meters = [changes[0]]
    for i, change in enumerate(changes[1:], 1):
        last = meters[-1]
        first_barline = pickup if len(meters) == 1 else last.tick
        over = (change.tick - first_barline) % last.bar_ticks
        if over == 0:
            meters.append(change)
            continue
        is_first_bar = len(meters) == 1 and not pickup and change.tick < last.bar_ticks
        if is_first_bar and change.tick < change.bar_ticks:
            pickup = change.tick
            meters = [replace(change, tick=0)]
            continue
        short = _meter_of(over, change.tick - over, last.denominator)
        if short:
            remarks["bars of irregular length"] += 1
            if short.tick == last.tick:
                meters.pop()
            meters += [short, change]
        else:
            remarks["metre changes moved to the barline"] += 1
            barline = change.tick - over + last.bar_ticks
            if i + 1 == len(changes) or changes[i + 1].tick > barline:
                meters.append(replace(change, tick=barline))
    return MeterMap(_without_repeats(meters), pickup) if pickup else _with_pickup(meters)


def _changes(file: MidiFile) -> list[Meter]:
    """The file's metres in our ticks, the first at 0, one at a tick."""
    by_tick: dict[int, Meter] = {0: Meter(0, 4, 4)}
    for tick, numerator, exponent in file.meters:
        at = (2 * tick * TICKS_PER_QUARTER + file.per_quarter) // (2 * file.per_quarter)
        if exponent > 6 or numerator == 0:
            raise InputError(
                f"a metre of {numerator}/{2 ** min(exponent, 99)}",
                remedy="use metres with 1 to 64 below the line",
            )
        by_tick[at] = Meter(at, numerator, 2**exponent)
    return [by_tick[tick] for tick in sorted(by_tick)]


def _meter_of(ticks: int, tick: int, denominator: int) -> Meter | None:
    """The metre of a bar of that many ticks at `tick`, or None if it is no 64ths."""
    while denominator <= 64:
        units, rest = divmod(ticks * denominator, WHOLE)
        if rest == 0 and units <= 255:
            return Meter(tick, units, denominator)
        denominator *= 2
    return None


def _with_pickup(meters: list[Meter]) -> MeterMap:
    """The metres with a short first bar in a metre of its own taken for the pickup."""
    if len(meters) > 1:
        first, second = meters[:2]
        if second.tick == first.bar_ticks < second.bar_ticks:
            return MeterMap(_without_repeats([replace(second, tick=0), *meters[2:]]), second.tick)
    return MeterMap(_without_repeats(meters))


def _without_repeats(meters: list[Meter]) -> tuple[Meter, ...]:
    kept = meters[:1]
    for meter in meters[1:]:
        if (meter.numerator, meter.denominator) != (kept[-1].numerator, kept[-1].denominator):
            kept.append(meter)
    return tuple(kept)
