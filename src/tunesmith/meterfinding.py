"""The metre and pickup of notes whose metre is unknown, with a confidence.

Each metre of `METERS`, with each pickup that lets a note begin the first bar, is scored
by the sum of weighted features (`meter_features`), and the softmax of the scores says
how likely each is. The features are those of the literature: onsets and long notes fall
on strong places (Lerdahl and Jackendoff, A Generative Theory of Tonal Music, 1983,
ch. 4), the rhythm of a bar comes back (autocorrelation; Brown, JASA 94, 1993), the last
note begins on a strong place, and every metre has its usual note values.

The weights were fitted on halves of the traditional tunes of the default corpus and of
the Essen songs by `benchmarks/meters.py --fit`, which measures them on the other halves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tunesmith.errors import InputError
from tunesmith.melody import TICKS_PER_QUARTER, Meter, Note
from tunesmith.theory import metrical_weight

METERS = tuple(
    Meter(0, n, d) for n, d in ((2, 4), (3, 4), (4, 4), (2, 2), (3, 8), (6, 8), (9, 8), (12, 8))
)
"""The metres among which is chosen."""

LEVELS = 5
"""Metrical levels told apart: downbeat, half bar or beat, and so on; the last is the rest."""

VALUES = tuple(TICKS_PER_QUARTER * n // 12 for n in (3, 4, 6, 9, 12, 18, 24, 36, 48))
"""The note values told apart, from a sixteenth to a whole note, in ticks."""

# BEGIN TABLES printed by benchmarks/meters.py --fit
# fmt: off
# As `meter_features` gives them; for a metre: its own, then as `value_shares`.
FIT = (
    6.0, -3.8, 6.8, -5.6, -3.5,
    17.7, 4.4, -11.3, -7.7, -3.1,
    -0.3, 1.0, 0.0, -0.4, -0.3,
    -13.2, -0.1, 3.2, 5.6, 9.1, -0.0, 0.2,
)
HABITS = {
    "2/4": (-3.9, 9.1, -4.7, -0.5, -6.6, -1.0, -1.3, -2.6, 0.3, -0.0, 3.5),
    "3/4": (2.2, -1.4, 0.7, -4.9, 0.2, 1.1, 4.5, 2.4, -0.0, 0.1, -0.4),
    "4/4": (4.8, -2.5, -3.4, 0.1, 0.6, 5.0, 5.9, 2.0, 0.3, -0.1, -3.1),
    "2/2": (3.7, -5.7, 8.0, 2.8, 6.5, -1.3, -4.3, 0.4, -0.4, 0.1, -2.4),
    "3/8": (-7.3, 2.9, -0.0, -3.9, -3.5, -3.6, -2.0, 0.1, 0.2, -0.0, 2.5),
    "6/8": (-0.6, 0.5, -0.5, 1.6, 3.2, -1.1, -2.1, -2.1, -0.3, -0.0, 0.2),
    "9/8": (-1.2, -2.4, -0.0, 2.8, -0.4, 0.4, -1.0, -0.2, -0.1, -0.0, -0.3),
    "12/8": (2.2, -0.5, -0.0, 2.0, 0.1, 0.4, 0.3, -0.0, -0.0, -0.0, -0.0),
}
# fmt: on
# END TABLES


@dataclass(frozen=True, slots=True)
class MeterEstimate:
    """The likeliest metre of some notes.

    Attributes:
        meter: from tick 0 on.
        pickup: ticks before the first full bar; less than a bar.
        confidence: the probability of this metre, with any pickup, 0 to 1.
        pickup_confidence: the probability of this pickup if the metre is right, 0 to 1.
    """

    meter: Meter
    pickup: int
    confidence: float
    pickup_confidence: float


def estimate_meter(notes: Sequence[Note]) -> MeterEstimate:
    """The likeliest metre of notes, from their onsets and durations.

    Args:
        notes: one voice by onset, as `Melody.notes`, quantised; ticks.

    Raises:
        InputError: if there are no notes.
    """
    if not notes:
        raise InputError("no notes, so no metre")
    values = value_shares(notes)
    scores: dict[tuple[Meter, int], float] = {}
    for meter in METERS:
        habit = HABITS[str(meter)]
        base = sum(w * x for w, x in zip(habit, (1.0, *values), strict=True))
        for pickup in pickups(notes, meter):
            features = meter_features(notes, meter, pickup)
            fit = sum(w * x for w, x in zip(FIT, features, strict=True))
            scores[meter, pickup] = base + fit
    top = max(scores.values())
    weights = {c: math.exp(s - top) for c, s in scores.items()}
    by_meter = {m: sum(w for c, w in weights.items() if c[0] == m) for m in METERS}
    meter = max(METERS, key=by_meter.__getitem__)
    pickup = max(pickups(notes, meter), key=lambda p: weights[meter, p])
    return MeterEstimate(
        meter,
        pickup,
        min(1.0, by_meter[meter] / sum(by_meter.values())),
        min(1.0, weights[meter, pickup] / by_meter[meter]),
    )


def pickups(notes: Sequence[Note], meter: Meter) -> tuple[int, ...]:
    """The pickups that let a note of the first bar begin a full bar, in ticks."""
    start, bar = notes[0].onset, meter.bar_ticks
    return tuple(dict.fromkeys(n.onset % bar for n in notes if n.onset < start + bar))


def value_shares(notes: Sequence[Note]) -> tuple[float, ...]:
    """The share of the notes that has each of `VALUES`, and last of those that have none."""
    counts = [0] * (len(VALUES) + 1)
    for note in notes:
        counts[VALUES.index(note.duration) if note.duration in VALUES else -1] += 1
    return tuple(c / len(notes) for c in counts)


def meter_features(notes: Sequence[Note], meter: Meter, pickup: int) -> list[float]:
    """How well notes lie in a metre, as shares from 0 to 1.

    Returns:
        By metrical level: the share of the onsets (5), of the time of the notes that
        begin there (5) and whether the last note does (5); the share of downbeats on
        which no note begins; the share of bars whose rhythm is that of the bar before,
        of two before, of four before, and whose pitches are those of some bar before;
        whether the notes end at a barline, or so that the last bar and the pickup are
        one bar.
    """
    bar = meter.bar_ticks
    onsets, times = [0.0] * LEVELS, [0.0] * LEVELS
    rhythms: dict[int, list[int]] = {}
    melodies: dict[int, list[int]] = {}
    for note in notes:
        place, tick = divmod(note.onset - pickup, bar)
        level = _level(tick, meter)
        onsets[level] += 1
        times[level] += note.duration
        rhythms.setdefault(place, []).append(tick)
        melodies.setdefault(place, []).append(tick * 128 + note.pitch)
    sounding = sum(times)
    last = [0.0] * LEVELS
    last[_level((notes[-1].onset - pickup) % bar, meter)] = 1.0
    # Only bars with notes are walked through: a file may hold a silence of a million bars.
    bars = [b for b in rhythms if b >= 0]
    count = max(1, max(rhythms) + 1 - max(0, min(rhythms)))
    empty = 1 - sum(1 for b in bars if rhythms[b][0] == 0) / count
    again = [sum(1 for b in bars if rhythms[b] == rhythms.get(b - k)) for k in (1, 2, 4)]
    seen: set[tuple[int, ...]] = set()
    repeated = 0
    for b in bars:
        tune = tuple(melodies[b])
        repeated += tune in seen
        seen.add(tune)
    rest = (notes[-1].end - pickup) % bar
    return [
        *(x / len(notes) for x in onsets),
        *(x / sounding for x in times),
        *last,
        empty,
        *(x / count for x in again),
        repeated / count,
        float(rest == 0),
        float(pickup > 0 and rest + pickup == bar),
    ]


@lru_cache(maxsize=4096)
def _level(tick: int, meter: Meter) -> int:
    return min(LEVELS - 1, -metrical_weight(tick, meter))
