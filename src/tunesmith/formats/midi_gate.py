"""Notation programs let notes sound a little shorter than written; this undoes it.

Logic, Finale and others export each note with about 95 % of its length, or a tick or two
less than all of it. Taken at their word, such files have a tiny rest after every note.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise

Sounds = list[tuple[int, int, int]]

_STEPS = 24  # a quarter: thirty-seconds and triplets
_GATE = Fraction(8, 100)
"""Most of a written length that may be missing at its end."""
_GRIDS = [Fraction(q) for q in (4, 2, 1, "1/2", "1/3", "1/4", "1/6", "1/8", "1/12", "1/24")]


def without_gate(sounds: Sounds, resolution: int, remarks: Counter[str]) -> Sounds:
    """Notes with their written lengths, where the file shows that it shortened them.

    It does if at least nine onsets in ten lie on the grid of 24 steps a quarter and
    more than half of the ends do not, and if at least four in five of these ends
    have a place at which they were meant: the next onset, or else a multiple of the
    coarsest note value, at most 8 % of the whole length later. Then those ends move
    there and are counted; otherwise nothing changes.

    Args:
        sounds: (onset, end, pitch) by onset, in ticks of the file.
        resolution: its ticks a quarter.
        remarks: where the moves are counted.
    """

    def on_grid(tick: int) -> bool:
        return tick * _STEPS % resolution == 0

    loose = [not on_grid(end) for _, end, _ in sounds]
    steady = sum(on_grid(onset) for onset, _, _ in sounds)
    if 10 * steady < 9 * len(sounds) or 2 * sum(loose) <= len(sounds):
        return sounds
    nexts = [b[0] if b[0] > a[0] else None for a, b in pairwise(sounds)] + [None]
    meant = [
        _meant_end(onset, end, following, resolution) if is_loose else None
        for (onset, end, _), following, is_loose in zip(sounds, nexts, loose, strict=True)
    ]
    moved = sum(m is not None for m in meant)
    if 5 * moved < 4 * sum(loose):
        return sounds
    remarks["ends shortened on export moved back"] += moved
    return [
        (onset, end if to is None else to, pitch)
        for (onset, end, pitch), to in zip(sounds, meant, strict=True)
    ]


def _meant_end(onset: int, end: int, following: int | None, resolution: int) -> int | None:
    """Where a note was meant to end, in ticks of the file; None if no place is near."""

    def is_near(place: int) -> bool:
        return 0 <= place - end <= max(_GATE * (place - onset), Fraction(1))

    if following is not None and is_near(following):
        return following
    for grid in _GRIDS:
        step = grid * resolution
        if step.denominator == 1:
            place = onset + -(-(end - onset) // int(step)) * int(step)
            if is_near(place) and (following is None or place <= following):
                return place
    return None
