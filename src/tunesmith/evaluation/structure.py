"""Features of form: what of a tune occurs in it again, its phrases and their shapes."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from tunesmith.evaluation.lines import Ints, Line
from tunesmith.theory import share_again

Floats = NDArray[np.float64]
NAN = math.nan

# -- repetition -----------------------------------------------------------------


def repetition(line: Line, size: int) -> float:
    """The share of windows of `size` intervals that occurred earlier in the tune.

    1 - different windows / windows; they are taken at every note and may overlap.
    Intervals are in semitones, so that a transposed repeat counts, and rhythm does not.
    Range: 0 to below 1; undefined for fewer than `size` intervals. Source: the m-types
    of Müllensiefen, FANTASTIC (2009), of which it is one less types over tokens.
    """
    return share_again(line.melody.intervals, size)


def repetition_4(line: Line) -> float:
    """`repetition` of 4 intervals."""
    return repetition(line, 4)


def repetition_8(line: Line) -> float:
    """`repetition` of 8 intervals."""
    return repetition(line, 8)


def repetition_10(line: Line) -> float:
    """`repetition` of 10 intervals."""
    return repetition(line, 10)


def repetition_16(line: Line) -> float:
    """`repetition` of 16 intervals."""
    return repetition(line, 16)


# -- bars -----------------------------------------------------------------------

LONGEST_ROUND = 16
"""Bars that `rounds` looks for again, at most."""
PHRASE_BARS = 4
"""Bars of the windows in `phrases_repeated`."""


def _bar_names(line: Line, *, with_pitches: bool) -> list[Hashable]:
    """What each full bar holds, None for one in which no note begins."""
    names: list[Hashable] = [None] * len(line.bar_starts)
    for bar, meter, places, lengths, pitches in line.bar_contents():
        held = (pitches.tobytes(),) if with_pitches else ()
        names[bar] = (meter.bar_ticks, places.tobytes(), lengths.tobytes(), *held)
    return names


def _share_seen(names: Sequence[Hashable]) -> float:
    """The share of the names (None left out) that stood earlier."""
    named = [n for n in names if n is not None]
    return 1 - len(set(named)) / len(named) if named else NAN


def bars_repeated(line: Line) -> float:
    """The share of full bars that equal an earlier one in pitches, places and lengths.

    Bars in which no note begins are left out. Range: 0 to below 1; undefined if no full
    bar has a note. Source: the exact repeats of Meredith and others, SIA (2002), by bar.
    """
    return _share_seen(_bar_names(line, with_pitches=True))


def rhythms_repeated(line: Line) -> float:
    """`bars_repeated`, places and lengths alone."""
    return _share_seen(_bar_names(line, with_pitches=False))


def rounds(line: Line) -> int:
    """How often the same 2 to 16 full bars are said in direct succession, at most; at least 1.

    Bars in which no note begins equal each other. A single bar that is repeated does not count.
    """
    names, most = _bar_names(line, with_pitches=True), 1
    for size in range(2, LONGEST_ROUND + 1):
        alike = 0  # so many bars in a row are as the one `size` bars before
        for i in range(size, len(names)):
            alike = alike + 1 if names[i] == names[i - size] else 0
            if alike >= size and len(set(names[i - size + 1 : i + 1])) > 1:
                most = max(most, alike // size + 1)
    return most


def phrases_repeated(line: Line) -> float:
    """The share of windows of 4 full bars that equal an earlier window, bar by bar.

    Windows begin at every bar; those with a bar in which no note begins are left out.
    Range: 0 to below 1; undefined without such a window. Source: as `bars_repeated`.
    """
    names = _bar_names(line, with_pitches=True)
    windows = [tuple(names[i : i + PHRASE_BARS]) for i in range(len(names) - PHRASE_BARS + 1)]
    return _share_seen([w for w in windows if None not in w])


LAGS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17)
"""Bars back at which the bins of `repeat_lags` begin; the last is open."""


def repeat_lags(line: Line) -> Floats:
    """How many bars back the latest equal bar is, over the bars that have one.

    Bins begin at `LAGS`; equal is as in `bars_repeated`. Range: 12 shares; undefined if
    no bar occurs again. Source: the structureness over lags of Wu and Yang (2020), for
    exact repeats in the score.
    """
    latest: dict[Hashable, int] = {}
    lags = []
    for bar, name in enumerate(_bar_names(line, with_pitches=True)):
        if name is None:
            continue
        if name in latest:
            lags.append(bar - latest[name])
        latest[name] = bar
    if not lags:
        return np.full(len(LAGS), NAN)
    bins = np.searchsorted(LAGS, lags, "right") - 1
    return np.bincount(bins, minlength=len(LAGS)) / len(lags)


# -- phrases --------------------------------------------------------------------

PHRASE_BINS = 12
"""Bins of `phrase_length_histogram`: 1 or 2 notes, 3 or 4, …, 23 and more."""


def phrase_ends(line: Line) -> Ints:
    """The notes after which a phrase ends, the last note among them.

    After note i stands a gap G = (onset to next onset) + (end to next onset). A phrase
    ends where G is at least twice the tune's mean gap, not smaller than the one before
    it and larger than the one after it (of equal gaps in a row the last), or where the
    rest lasts a quarter note or more. Source: the gap score of Temperley, The Cognition
    of Basic Musical Structures (2001), ch. 3; the peak condition of Tenney and
    Polansky (1980); the threshold is ours.
    """
    last = len(line.onsets) - 1
    rests = np.maximum(line.gaps - line.lengths[:-1], 0)
    gap = line.gaps + rests
    if not len(gap):
        return np.array([last])
    before = np.concatenate(([0], gap[:-1]))
    after = np.concatenate((gap[1:], [0]))
    peak = (gap >= 2 * gap.mean()) & (gap >= before) & (gap > after)
    return np.append(np.flatnonzero(peak | (rests >= 24)), last)


def _phrase_sizes(line: Line) -> Ints:
    return np.diff(phrase_ends(line), prepend=-1)


def phrase_length(line: Line) -> float:
    """The mean number of notes in a phrase; see `phrase_ends`.

    Range: 1 up; never undefined.
    """
    return float(_phrase_sizes(line).mean())


def phrase_length_histogram(line: Line) -> Floats:
    """The share of phrases of 1-2, 3-4, …, 21-22 and 23 or more notes; see `phrase_ends`.

    Range: 12 shares; never undefined.
    """
    sizes = _phrase_sizes(line)
    bins = np.minimum((sizes - 1) // 2, PHRASE_BINS - 1)
    return np.bincount(bins, minlength=PHRASE_BINS) / len(sizes)


CONTOURS = (
    "descending", "descending-horizontal", "concave",
    "horizontal-descending", "horizontal", "horizontal-ascending",
    "convex", "ascending-horizontal", "ascending",
)  # fmt: skip
"""Huron's nine classes."""

_CLASS = {
    (-1, -1): 0, (-1, 0): 1, (-1, 1): 2,
    (0, -1): 3, (0, 0): 4, (0, 1): 5,
    (1, -1): 6, (1, 0): 7, (1, 1): 8,
}  # fmt: skip


def contour(line: Line) -> Floats:
    """The share of phrases of 3 notes or more in each of Huron's nine contour classes.

    A class says how the mean pitch of a phrase's inner notes, rounded to the semitone
    (halves up), lies to its first, and its last to that: convex is up, then down.
    Range: 9 shares in the order of `CONTOURS`; undefined without such a phrase.
    Source: Huron, The melodic arch in Western folksongs (1996); phrases as in
    `phrase_ends`; the rounding is ours.
    """
    counts = np.zeros(len(CONTOURS))
    start = 0
    pitches = line.pitches.tolist()
    for end in phrase_ends(line).tolist():
        phrase = pitches[start : end + 1]
        start = end + 1
        if len(phrase) >= 3:
            first, *inner, last = phrase
            middle = math.floor(sum(inner) / len(inner) + 0.5)
            up = _sign(middle - first), _sign(last - middle)
            counts[_CLASS[up]] += 1
    return counts / counts.sum() if counts.any() else np.full(len(CONTOURS), NAN)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
