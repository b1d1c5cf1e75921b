"""The seed's vocabulary: twelve pitch classes, a rest and the end of a line."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tunesmith.melody import TICKS_PER_QUARTER, Melody
from tunesmith.tokens.base import Encoded, Ids
from tunesmith.tokens.lines import LineVocabulary

LETTERS = "CcDdEFfGgAaB"
REST, END = 12, 13


class LettersVocabulary(LineVocabulary):
    """One token a note or rest, whatever its length and octave, as the seed had it.

    Decoding gives each a quarter note in the octave of middle C.
    """

    kind = "letters"
    notes, rest, lowest, octave = len(LETTERS), REST, 60, 12

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        self.names = (*LETTERS, "R", "end")
        self.styles = ()
        self.bos = self.end = END  # the end of one line is the start of the next

    def encode(self, melody: Melody, style: str | None = None) -> Encoded:  # noqa: D102
        # A rest is as many letters as it has quarters, at least one; a note is one.
        events = [(n.onset, n.pitch % 12) for n in melody.notes]
        for onset, ticks in melody.rests:
            count = max(1, round(ticks / TICKS_PER_QUARTER))
            events += [(onset, REST)] * count
        ids = [self.bos, *(i for _, i in sorted(events, key=lambda e: e[0])), self.end]
        return Encoded(np.array(ids, np.uint16), 0)

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:  # noqa: D102
        moved: Ids = self.transpositions[rng.integers(12)][ids]
        return moved

    @cached_property
    def transpositions(self) -> Ids:
        """(12, V) each id moved up that many semitones."""
        table = np.tile(np.arange(14, dtype=np.uint16), (12, 1))
        for shift in range(12):
            table[shift, :12] = (np.arange(12) + shift) % 12
        return table
