"""Notes that were played, moved to the beat.

The rule. A file is taken as played if it has at least 12 onsets and more than a third of
them lie off the grid of 24 steps a quarter; a notated file, our own above all, is never
touched. If the onsets keep to the file's beats, these hold. Else the beats are the
likeliest, where each place in a beat has odds to be struck and onsets stray by some
20 ms: of a steady tempo, or, where far likelier, of one that changes by a few per cent
a beat at most (Viterbi, as in Raphael, 'Automated rhythm transcription', 2001).
Then each onset moves to a sixteenth or a triplet, whichever fits the beat it is in, and each
end to the next onset if near, else to the nearest sixteenth or triplet. If the onsets had to
move too far on average, the file is refused: its beat was not found.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from tunesmith.errors import InputError
from tunesmith.melody import TICKS_PER_QUARTER

Sounds = list[tuple[int, int, int]]
Floats = npt.NDArray[np.float64]

_FEWEST = 12
"""Onsets below which nothing is taken as played: too few to tell."""
_STEPS = 24  # a quarter
_FARTHEST = 0.06
"""Of a quarter: the most by which onsets may move on average."""
_TOGETHER_S = 0.025
"""Onsets so near to each other are one chord."""
_LONGEST_S = 420.0
_SAMPLED = 500
"""Onsets looked at to find steady tempi; so many say as much as all. These two keep the
search within some 100 MB and 2 s."""

# Places in a beat: the odds that it is struck. 0 and 1 are the beat itself.
_ODDS = {0.0: 3.0, 1 / 4: 0.12, 1 / 3: 0.06, 1 / 2: 0.8, 2 / 3: 0.06, 3 / 4: 0.15, 1.0: 3.0}
_EMPTY = -sum(math.log1p(o) for place, o in _ODDS.items() if place < 1)
_SIXTEENTHS, _TRIPLETS = (0, 6, 12, 18, 24), (0, 8, 16, 24)
_FINER = ((0, 3, 6, 9, 12, 15, 18, 21, 24), (0, 4, 8, 12, 16, 20, 24))
_PLACE_COST = {0: 0.0, 24: 0.0, 12: 0.6, 6: 1.6, 18: 1.6, 8: 1.8, 16: 1.8}
_FINE_COST = 3.5

_HOP_S = 0.01
_FASTEST, _SLOWEST = 28, 130  # hops a beat: 214 to 46 quarters a minute
_USUAL = 57  # 105 quarters a minute
_STRAY_S = 0.02
_TURN = 4  # hops by which a beat may be longer or shorter than the one before
_STEADY = 2000.0  # a change of 2 % a beat beyond that hop costs 0.8 nats
_FREEDOM = 0.85
"""Log-odds a beat that a drifting tempo has to gain over a steady one: it fits noise, too."""


@dataclass(frozen=True, slots=True)
class Beaten:
    """Played notes on the beat.

    Attributes:
        sounds: onset, end and pitch in ticks of 480 a quarter, by onset.
        tempo: the estimated quarters a minute; None where the file's beats hold.
        detail: how far notes moved, in words.
    """

    sounds: Sounds
    tempo: float | None
    detail: str


def is_played(sounds: Sounds, resolution: int) -> bool:
    """Whether notes were played rather than notated; see the rule above.

    Args:
        sounds: (onset, end, pitch) in ticks of the file.
        resolution: its ticks a quarter.
    """
    onsets = {onset for onset, _, _ in sounds}

    def is_off(tick: int) -> bool:
        nearest = round(tick * _STEPS / resolution)
        return abs(2 * (tick * _STEPS - nearest * resolution)) > _STEPS  # more than rounding

    return len(onsets) >= _FEWEST and 3 * sum(map(is_off, onsets)) > len(onsets)


def on_the_beat(
    sounds: Sounds,
    resolution: int,
    tempo: float | None,
    remarks: Counter[str],
    *,
    is_one_voice: bool = True,
) -> Beaten:
    """Played notes moved to the beat.

    Args:
        sounds: (onset, end, pitch) by onset in ticks of the file.
        resolution: its ticks a quarter.
        tempo: what the file says in quarters a minute; 120 for None, as the standard has it.
        remarks: counts the notes moved.
        is_one_voice: whether overlaps are slips; else notes struck nearly together
            are a chord, and each lasts as long as it was held.

    Raises:
        InputError: if no beat was found to which the onsets keep, or it lasts too long.
    """
    quarter_s = 60 / (tempo or 120.0)
    near = 0.0 if is_one_voice else resolution * _TOGETHER_S / quarter_s
    heads = _chord_heads(sounds, near)
    onsets = np.array([h / resolution for h in dict.fromkeys(heads)])  # quarters of the file
    keeps = follows(onsets)
    if keeps:
        beats = None
        period_s = quarter_s
    else:
        onsets_s = onsets * quarter_s
        if onsets_s[-1] - onsets_s[0] > _LONGEST_S:
            raise InputError(
                f"it was played for more than {_LONGEST_S / 60:.0f} minutes off its beats",
                remedy="cut it into tunes, or quantise it in the program that recorded it",
            )
        (steady_odds, steady), (odds, drifting) = _steady_beats(onsets_s), _drifting_beats(onsets_s)
        drifts = odds > steady_odds + _FREEDOM * len(drifting)
        beats = (drifting if drifts else steady) / quarter_s
        period_s = float(np.median(np.diff(beats))) * quarter_s
    places = onsets if beats is None else _on_beats(onsets, beats)
    snapped = _snapped(places)
    moves = np.abs(places - np.array(snapped) / _STEPS)
    mean, most = float(moves.mean()), float(moves.max())
    if mean > _FARTHEST:
        raise InputError(
            f"it was played without a beat that could be found: its notes would move by "
            f"{mean * period_s * 1000:.0f} ms on average",
            remedy="quantise it in the program that recorded it, or record it to a click",
        )
    to = dict(zip(dict.fromkeys(heads), snapped, strict=True))
    starts = [to[h] for h in heads]
    at, lasted = (
        _places_of(np.array(times) / resolution, beats)
        for times in ([s[0] for s in sounds], [s[1] for s in sounds])
    )
    finish = _ends(starts, lasted - at, is_one_voice=is_one_voice)
    unit = TICKS_PER_QUARTER // _STEPS
    beaten = sorted(
        (a * unit, b * unit, pitch)
        for a, b, (_, _, pitch) in zip(starts, finish, sounds, strict=True)
    )
    remarks["notes moved to the beat"] += len(sounds)
    if beats is not None:
        remarks["tempo and beats estimated"] += 1
    found = "its own beats" if beats is None else f"beats estimated at {60 / period_s:.1f} a minute"
    detail = (
        f"played: moved to {found}, onsets by {mean * period_s * 1000:.0f} ms on average "
        f"and {most * period_s * 1000:.0f} ms at most"
    )
    return Beaten(beaten, None if beats is None else round(60 / period_s, 1), detail)


def _places_of(times: Floats, beats: Floats | None) -> Floats:
    """Times in quarters of the file as beats; the same where the file's own hold."""
    return times if beats is None else _on_beats(times, beats)


def follows(onsets: Floats) -> bool:
    """Whether onsets keep to the beats that whole numbers are.

    In each stretch of 24 onsets, the mean of cos 2πmx, for m = 1 to 4 parts of a beat,
    is 1 where all x are on them and about 0 where they are anywhere; see Fisher, 'Statistical
    analysis of circular data' (1993). Four stretches in five have to reach 0.25.
    """
    size = min(24, len(onsets))
    stretches = [onsets[i : i + size] for i in range(0, len(onsets) - size + 1, max(1, size // 2))]
    fits = [max(np.cos(2 * np.pi * m * x).mean() for m in (1, 2, 3, 4)) for x in stretches]
    return sum(bool(f >= 0.25) for f in fits) >= 0.8 * len(fits)


def _chord_heads(sounds: Sounds, near: float) -> list[int]:
    """The onset of the first note of the chord that each note is in."""
    heads: list[int] = []
    for onset, _, _ in sounds:
        heads.append(heads[-1] if heads and onset - heads[-1] <= near else onset)
    return heads


def _on_beats(times: Floats, beats: Floats) -> Floats:
    """Times as numbers of beats, 0 for the first beat; straight lines between and beyond."""
    at = np.clip(np.searchsorted(beats, times, side="right") - 1, 0, len(beats) - 2)
    return np.asarray(at + (times - beats[at]) / (beats[at + 1] - beats[at]))


def _steady_beats(onsets_s: Floats) -> tuple[float, Floats]:
    """Log-odds and times in seconds of the likeliest beats of a single period.

    Periods at which the onsets gather on beats or their parts are found by the sums of
    exp 2πimt/period over the onsets; the likeliest of these, and its phase, by the odds.
    """
    times = onsets_s - onsets_s[0]
    length = float(times[-1])
    finest = 0.05 * _FASTEST * _HOP_S / max(length, 1.0)  # a twentieth of a beat at the end
    count = min(20_000, math.ceil(math.log(_SLOWEST / _FASTEST) / finest))
    periods = _HOP_S * np.geomspace(_FASTEST, _SLOWEST, count)
    gathered = np.zeros(count)
    some = times[:: -(-len(times) // _SAMPLED)]
    for part in np.array_split(np.arange(count), max(1, count * len(some) // 1_000_000)):
        turn = np.exp(2j * np.pi * some / periods[part, None])
        gathered[part] = sum(abs((turn**m).mean(axis=1)) for m in (1, 2, 4))
    best, found = -math.inf, (float(periods[0]), 0.0)
    for i in np.argsort(-gathered)[:60]:
        period = float(periods[i])
        prior = _EMPTY - 0.15 * (math.log(period / (_USUAL * _HOP_S)) / 0.35) ** 2
        for phase in np.arange(0, period, _STRAY_S / 2):
            place = ((times - phase) / period) % 1.0
            score = float(np.log(_odds(place, period)).sum() + prior * (length / period + 1))
            if score > best:
                best, found = score, (period, float(phase))
    period, phase = found
    return best, np.arange(-2, length / period + 3) * period + phase + onsets_s[0]


def _odds(places: Floats, period_s: float) -> Floats:
    """The odds of onsets at places of 0 to 1 in a beat."""
    odds = np.full(places.shape, 0.002)
    for place, odd in _ODDS.items():
        odds += odd * np.exp(-0.5 * ((places - place) * period_s / _STRAY_S) ** 2)
    return odds


def _drifting_beats(onsets_s: Floats) -> tuple[float, Floats]:
    """Log-odds and times in seconds of the likeliest beats of a tempo that drifts."""
    first = onsets_s[0]
    hops = np.round((onsets_s - first) / _HOP_S).astype(int) + _SLOWEST
    total = int(hops[-1]) + _SLOWEST + 1
    periods = np.arange(_FASTEST, _SLOWEST + 1)
    gain = _gains(hops, total, periods)
    # best[t, p]: of the ways in which a beat of p hops has just ended at hop t
    best = np.full((total, len(periods)), -np.inf)
    came = np.zeros((total, len(periods)), dtype=np.int8)
    turns = np.arange(-_TURN, _TURN + 1)
    columns = np.arange(len(periods))
    before = np.clip(columns[:, None] + turns, 0, len(periods) - 1)  # (P, turns)
    # A turn of one hop is free: a true period lies between two whole numbers of hops.
    apart = np.maximum(np.abs(periods[:, None] - periods[before]) - 1, 0)
    cost = _STEADY * (apart / periods[:, None]) ** 2
    start = int(hops[0])  # the first beat begins at most one beat before the first onset
    # Where, from row t on, the rows of a beat ago are in the flat tables.
    ago = -periods * len(periods)
    ways_ago, own_ago = ago[:, None] + before, ago + columns
    row_start = columns * len(turns)
    for t in range(_SLOWEST, total):
        here = t * len(periods)
        ways = best.take(ways_ago + here) - cost
        turn = ways.argmax(axis=1)
        value = ways.take(row_start + turn)
        if t <= start + 3 + _SLOWEST:
            begin = t - periods
            begins = (begin > start - periods) & (begin <= start + 3)
            fresh = begins & ~np.isfinite(value)
            value = np.where(fresh, 0.0, value)
            turn = np.where(fresh, -1, turn)
        came[t] = turn
        best[t] = value + gain.take(own_ago + here)
    ended = range(int(hops[-1]) + 1, total)
    t, p = max(((t, int(best[t].argmax())) for t in ended), key=lambda e: float(best[e]))
    score = float(best[t, p])
    times = [t]
    while True:
        turn_taken = int(came[t, p])
        t -= int(periods[p])
        times.append(t)
        if turn_taken < 0:
            break
        p = int(before[p, turn_taken])
    return score, (np.array(times[::-1]) - _SLOWEST) * _HOP_S + first


def _gains(hops: npt.NDArray[np.int64], total: int, periods: npt.NDArray[np.int64]) -> Floats:
    """(T, P) log-odds of the onsets in a beat of each period that begins at each hop."""
    gain = np.zeros((total, len(periods)))
    gain += _EMPTY - 0.15 * (np.log(periods / _USUAL) / 0.35) ** 2
    for column, period in enumerate(periods):
        table = np.log(_odds(np.arange(period) / period, period * _HOP_S))[::-1]
        for hop in hops:
            gain[hop - period + 1 : hop + 1, column] += table
    return gain


def _snapped(places: Floats) -> list[int]:
    """Onsets in beats as 24ths, each its own: a sixteenth or triplet, chosen per beat."""
    stray = 0.05
    for _ in range(2):
        snapped = _snapped_with(places, stray)
        moves = places - np.array(snapped) / _STEPS
        stray = float(np.clip(np.sqrt((moves**2).mean()), 0.015, 0.08))
    return _snapped_with(places, stray)


def _snapped_with(places: Floats, stray: float) -> list[int]:
    snapped: list[int] = []
    beats: dict[int, list[float]] = {}
    for place in places:
        beats.setdefault(math.floor(place), []).append(float(place) - math.floor(place))
    for beat, inside in beats.items():
        taken = snapped[-1] - _STEPS * beat if snapped else -1
        snapped += [_STEPS * beat + g for g in _best_places(inside, taken, stray)]
    return snapped


def _best_places(inside: Sequence[float], taken: int, stray: float) -> tuple[int, ...]:
    """The likeliest places, in 24ths, of onsets in one beat; all after the place `taken`."""
    for grids in ((_SIXTEENTHS, _TRIPLETS), _FINER):
        ways = [
            way
            for grid in grids
            for way in combinations([g for g in grid if g > taken], len(inside))
        ]
        if ways:
            return min(ways, key=lambda way: _cost(inside, way, stray))
    # More than eight in a beat: as they come, a 24th apart at least.
    places: list[int] = []
    for x in inside:
        places.append(max(round(x * _STEPS), (places[-1] if places else taken) + 1))
    return tuple(places)


def _cost(inside: Sequence[float], way: Sequence[int], stray: float) -> float:
    far = sum(((x - g / _STEPS) / stray) ** 2 for x, g in zip(inside, way, strict=True)) / 2
    return far + sum(_PLACE_COST.get(g, _FINE_COST) for g in way)


def _ends(starts: Sequence[int], lengths: Floats, *, is_one_voice: bool) -> list[int]:
    """Where notes end, in 24ths: at the next onset if they fill most of the time to it.

    Args:
        starts: where they begin, in 24ths.
        lengths: in beats, as played.
        is_one_voice: whether none lasts beyond the next onset.
    """
    later = sorted(set(starts))
    ends: list[int] = []
    for start, length in zip(starts, lengths * _STEPS, strict=True):
        near = min((6 * round(length / 6), 8 * round(length / 8)), key=lambda g: abs(g - length))
        end = start + max(near, 3)
        i = bisect_right(later, start)
        if i < len(later):
            gap = later[i] - start
            if 0.75 * gap <= length <= gap + 0.15 * _STEPS or (is_one_voice and end > start + gap):
                end = start + gap
        ends.append(end)
    return ends
