"""Pitches alone: what Pearce and others predict, the chromatic pitch of every note."""

from __future__ import annotations

import numpy as np

from tunesmith.melody import Melody
from tunesmith.tokens.base import Encoded, Ids
from tunesmith.tokens.lines import LineVocabulary

PITCHES = 128
BOS, END = PITCHES, PITCHES + 1
SHIFTS = range(-5, 7)
"""Semitones by which training moves a tune."""


class PitchesVocabulary(LineVocabulary):
    """One token a note, its MIDI number; rests and lengths are not told, tied notes are one.

    Decoding gives each note a quarter.
    """

    kind = "pitches"
    notes, rest, lowest = PITCHES, None, 0

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        self.names = (*(f"pitch:{p}" for p in range(PITCHES)), "bos", "end")
        self.styles = ()
        self.bos, self.end = BOS, END

    def encode(self, melody: Melody, style: str | None = None) -> Encoded:  # noqa: D102
        return Encoded(np.array([BOS, *melody.pitches, END], np.uint16), 0)

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """The tune moved by one of the `SHIFTS` that keep it within 0 to 127, all alike."""
        is_pitch = ids < PITCHES
        pitches = ids[is_pitch].astype(np.int64)
        low, high = pitches.min(), pitches.max()
        shifts = [s for s in SHIFTS if low + s >= 0 and high + s < PITCHES]  # 0 is always in
        moved = ids.copy()
        moved[is_pitch] = pitches + shifts[rng.integers(len(shifts))]
        return moved
