"""Scales, spelling and metrical weight: what the rooms need to know of music theory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from tunesmith.melody import TICKS_PER_QUARTER, WHOLE, Key, Meter, name_at_fifths

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
}
"""Semitones of each mode above its tonic."""


def scale_of(mode: str) -> frozenset[int]:
    """The semitones above the tonic that a melody in a mode may use.

    Minor has its raised sixth and seventh degrees too, as in the melodic and harmonic minor.
    """
    return frozenset(SCALES[mode]) | (frozenset((9, 11)) if mode == "minor" else frozenset())


def spell(pitch: int, key: Key | None) -> str:
    """The usual name of a pitch in a key: 'F#' in G major, 'Bb' in D minor.

    The name is the one inside a window of twelve fifths that reaches from the
    flat third of the signature's major key to its sharp fifth: diatonic notes
    keep the signature's names, b3 and b7 are flats, #1, #4 and #5 (the leading
    note of the relative minor) are sharps. After Temperley, The Cognition of
    Basic Musical Structures (2001), ch. 5: spellings lie close on the line of
    fifths.

    Args:
        pitch: MIDI number; only its pitch class matters.
        key: None is treated as C major.
    """
    lowest = (key.sharps if key else 0) - 3
    return name_at_fifths(lowest + (pitch * 7 - lowest) % 12)


def octave_of(pitch: int, name: str) -> int:
    """The octave number of a pitch under that name: B#3 is MIDI 60, C4 too.

    Args:
        pitch: MIDI number, 60 = C4.
        name: a spelling of it, as 'B#'.
    """
    alter = name.count("#") - name[1:].count("b")
    return (pitch - alter) // 12 - 1


def metrical_weight(tick: int, meter: Meter) -> int:
    """How strong a place in the bar is: 0 downbeat, -1 half-bar or beat, lower is weaker.

    The hierarchy of Lerdahl and Jackendoff, A Generative Theory of Tonal Music
    (1983), ch. 4: each level divides the one above, by three where the metre does.

    Args:
        tick: ticks from the start of the bar; reduced to one bar.
        meter: the metre of that bar.
    """
    tick %= meter.bar_ticks
    if tick == 0:
        return 0
    level, span = 0, meter.bar_ticks
    beats = span // meter.beat_ticks
    divisors = _prime_factors(beats)
    if meter.beat_ticks == 3 * WHOLE // meter.denominator:
        divisors = (*divisors, 3)  # the three parts of a compound beat
    for divisor in divisors:
        level, span = level - 1, span // divisor
        if tick % span == 0:
            return level
    while span % 2 == 0 and span > TICKS_PER_QUARTER // 16:
        level, span = level - 1, span // 2
        if tick % span == 0:
            return level
    return level - 1


@lru_cache(maxsize=256)
def _prime_factors(number: int) -> tuple[int, ...]:
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return tuple(factors)


def share_again(intervals: Sequence[int], size: int) -> float:
    """The share of windows of `size` intervals that occurred before; NaN where there is none.

    1 - different windows / windows; they begin at every interval and may overlap.
    """
    windows = [tuple(intervals[i : i + size]) for i in range(len(intervals) - size + 1)]
    return 1 - len(set(windows)) / len(windows) if windows else math.nan
