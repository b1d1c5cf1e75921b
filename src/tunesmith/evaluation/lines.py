"""What the features look at of a melody: arrays on a grid of 24 steps a quarter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tunesmith.keyfinding import KeyEstimate, estimate_key
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Meter
from tunesmith.theory import metrical_weight

STEPS = 24
"""Steps a quarter note."""

_TICKS = TICKS_PER_QUARTER // STEPS
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """A melody as arrays; onsets and ends are rounded to the nearest step.

    The grid is that of the tokens, so that a real tune cannot be told from a generated
    one by lengths that no token says. A note keeps one step at least.

    Attributes:
        melody: the melody.
    """

    melody: Melody

    @cached_property
    def pitches(self) -> Ints:
        """MIDI numbers, (notes,)."""
        return np.array(self.melody.pitches, dtype=np.int64)

    @cached_property
    def intervals(self) -> Ints:
        """Semitones from each note to the next, up positive, (notes - 1,)."""
        intervals: Ints = np.diff(self.pitches)
        return intervals

    @cached_property
    def onsets(self) -> Ints:
        """Steps from the start, (notes,); the last step of the last bar at most."""
        onsets = _steps([n.onset for n in self.melody.notes])
        end = int(_steps([self.melody.bars[-1].end])[0])
        return np.minimum(onsets, end - 1)  # a short last note may round to the barline after it

    @cached_property
    def lengths(self) -> Ints:
        """Steps that each note sounds, 1 or more, (notes,)."""
        ends = _steps([n.end for n in self.melody.notes])
        lengths: Ints = np.maximum(ends - self.onsets, 1)
        return lengths

    @cached_property
    def gaps(self) -> Ints:
        """Steps from each onset to the next, (notes - 1,)."""
        gaps: Ints = np.diff(self.onsets)
        return gaps

    @cached_property
    def duration(self) -> int:
        """Steps in all, 1 or more."""
        return max(1, int(_steps([self.melody.duration])[0]))

    @cached_property
    def key(self) -> KeyEstimate:
        """The estimated key; the one that the melody names is not looked at.

        What is compared is thus judged by one rule, whoever named a key or none.
        """
        return estimate_key(self.melody)

    @cached_property
    def bar_starts(self) -> Ints:
        """The step at which each full bar begins, (bars,); the pickup is none of them."""
        return _steps([b.start for b in self.melody.bars if not b.is_pickup])

    @cached_property
    def bar_meters(self) -> tuple[Meter, ...]:
        """The metre of each full bar."""
        return tuple(b.meter for b in self.melody.bars if not b.is_pickup)

    @cached_property
    def bar_of(self) -> Ints:
        """For each note, the full bar in which it begins, 0-based; -1 in the pickup; (notes,)."""
        return np.searchsorted(self.bar_starts, self.onsets, "right") - 1

    @cached_property
    def places(self) -> Ints:
        """Steps from the barline to each onset, (notes,); a pickup counts to its barline."""
        starts = self._grid_start + np.zeros(len(self.onsets), dtype=np.int64)
        inside = self.bar_of >= 0
        starts[inside] = self.bar_starts[self.bar_of[inside]]
        return self.onsets - starts

    @cached_property
    def weights(self) -> NDArray[np.int16]:
        """The metrical weight of every step from the start, (duration,); see `theory`."""
        tables = [_weights(self.melody.meters[0].numerator, self.melody.meters[0].denominator)]
        if self._grid_start < 0:
            tables = [tables[0][-self._grid_start :]]
        elif self.melody.pickup == 0:
            tables = []
        tables += [_weights(m.numerator, m.denominator) for m in self.bar_meters]
        return np.concatenate(tables)[: self.duration + STEPS]

    @cached_property
    def _grid_start(self) -> int:
        """Where the bar of the pickup would have begun: 0 or less."""
        pickup = int(_steps([self.melody.pickup])[0])
        return pickup - self.melody.meters[0].bar_ticks // _TICKS if pickup else 0

    def bar_contents(self) -> Iterator[tuple[int, Meter, Ints, Ints, Ints]]:
        """Each full bar that holds a note's beginning: number, metre, places, lengths, pitches."""
        edges = np.searchsorted(self.bar_of, np.arange(len(self.bar_starts) + 1))
        for bar, (a, b) in enumerate(pairwise(edges.tolist())):
            if b > a:
                yield (
                    bar,
                    self.bar_meters[bar],
                    self.places[a:b],
                    self.lengths[a:b],
                    self.pitches[a:b],
                )


def _steps(ticks: list[int]) -> Ints:
    """Ticks as steps, rounded to the nearest, halves up."""
    return (np.array(ticks, dtype=np.int64) + _TICKS // 2) // _TICKS


@lru_cache(maxsize=256)
def _weights(numerator: int, denominator: int) -> NDArray[np.int16]:
    """The metrical weight of each step of a bar."""
    meter = Meter(0, numerator, denominator)
    ticks = range(0, meter.bar_ticks, _TICKS)
    return np.array([metrical_weight(t, meter) for t in ticks], dtype=np.int16)
