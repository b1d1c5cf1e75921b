"""Pitches alone: what Pearce and others predict, the chromatic pitch of every note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError, UsageError
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note
from tunesmith.tokens.base import Encoded, Grammar, Ids, State, Vocabulary

PITCHES = 128
BOS, END = PITCHES, PITCHES + 1
SIZE = PITCHES + 2
SHIFTS = range(-5, 7)
"""Semitones by which training moves a tune."""


class PitchesVocabulary(Vocabulary):
    """One token a note, its MIDI number; rests and lengths are not told, tied notes are one.

    Decoding gives each note a quarter.
    """

    kind = "pitches"

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        self.names = (*(f"pitch:{p}" for p in range(PITCHES)), "bos", "end")
        self.styles = ()
        self.bos, self.end = BOS, END

    def encode(self, melody: Melody, style: str | None = None) -> Encoded:  # noqa: D102
        return Encoded(np.array([BOS, *melody.pitches, END], np.uint16), 0)

    def decode(self, ids: Sequence[int] | Ids) -> Melody:  # noqa: D102
        grammar = self.grammar()
        state: State = grammar.start()
        pitches: list[int] = []
        for token in map(int, ids):
            state = grammar.advance(state, token)
            if token < PITCHES:
                pitches.append(token)
        if not grammar.ended(state):
            raise InputError(f"the tune breaks off after {len(pitches)} pitches")
        quarter = TICKS_PER_QUARTER
        return Melody(tuple(Note(i * quarter, quarter, p) for i, p in enumerate(pitches)))

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:
        """The tune moved by one of the `SHIFTS` that keep it within 0 to 127, all alike."""
        is_pitch = ids < PITCHES
        pitches = ids[is_pitch].astype(np.int64)
        low, high = pitches.min(), pitches.max()
        shifts = [s for s in SHIFTS if low + s >= 0 and high + s < PITCHES]  # 0 is always in
        moved = ids.copy()
        moved[is_pitch] = pitches + shifts[rng.integers(len(shifts))]
        return moved

    def unconditional(self, ids: Ids) -> Ids:  # noqa: D102
        return ids

    def charged(self, ids: Ids) -> NDArray[np.bool_]:  # noqa: D102
        charged: NDArray[np.bool_] = np.asarray(ids) != BOS
        return charged

    def note_count(self, ids: Ids) -> int:  # noqa: D102
        return int((np.asarray(ids) < PITCHES).sum())

    def cut(self, ids: Ids, length: int) -> Ids:  # noqa: D102
        return ids[:length]

    def grammar(self, wishes: Mapping[str, Any] | None = None) -> PitchesGrammar:
        """The grammar of a line; `bars` of four pitches each is the only wish it can keep.

        Raises:
            UsageError: for any other wish.
        """
        wishes = wishes or {}
        others = {k for k, v in wishes.items() if v is not None} - {"bars"}
        if others:
            raise UsageError(
                f"a model of pitches knows nothing of {', '.join(sorted(others))}",
                remedy="leave that out, or use a model trained with --tokens notes",
            )
        bars = wishes.get("bars")
        return PitchesGrammar(None if bars is None else 4 * bars)


class _LineState(NamedTuple):
    pitches: int  # -1 before `bos`
    ended: bool


class PitchesGrammar(Grammar):
    """`bos`, one pitch or more, `end`; exactly `count` pitches if given."""

    def __init__(self, count: int | None) -> None:
        self.count = count

    def start(self) -> State:  # noqa: D102
        return _LineState(-1, False)

    def allowed(self, state: State) -> NDArray[np.bool_]:  # noqa: D102
        assert isinstance(state, _LineState)
        mask = np.zeros(SIZE, bool)
        if state.ended:
            return mask
        if state.pitches < 0:
            mask[BOS] = True
            return mask
        full = state.pitches == self.count
        mask[:PITCHES] = not full
        mask[END] = full or (self.count is None and state.pitches > 0)
        return mask

    def advance(self, state: State, token: int) -> State:  # noqa: D102
        assert isinstance(state, _LineState)
        if not (0 <= token < SIZE and self.allowed(state)[token]):
            raise InputError(
                f"token {token} after {max(0, state.pitches)} pitches breaks the grammar"
            )
        if token == END:
            return state._replace(ended=True)
        return _LineState(state.pitches + 1, False)

    def ended(self, state: State) -> bool:  # noqa: D102
        assert isinstance(state, _LineState)
        return state.ended
