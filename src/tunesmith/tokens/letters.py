"""The seed's vocabulary: twelve pitch classes, a rest and the end of a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError, UsageError
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note
from tunesmith.tokens.base import Encoded, Grammar, Ids, State, Vocabulary

LETTERS = "CcDdEFfGgAaB"
REST, END = 12, 13


class LettersVocabulary(Vocabulary):
    """One token a note or rest, whatever its length and octave, as the seed had it.

    Decoding gives each a quarter note in the octave of middle C.
    """

    kind = "letters"

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

    def decode(self, ids: Sequence[int] | Ids) -> Melody:  # noqa: D102
        state: State = (grammar := self.grammar()).start()
        notes: list[Note] = []
        length = 0
        for token in map(int, ids):
            state = grammar.advance(state, token)
            if token < REST:
                notes.append(Note(length * TICKS_PER_QUARTER, TICKS_PER_QUARTER, 60 + token))
            length += token <= REST
        return Melody(tuple(notes), duration=length * TICKS_PER_QUARTER)

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:  # noqa: D102
        moved: Ids = self._transpositions[rng.integers(12)][ids]
        return moved

    @cached_property
    def _transpositions(self) -> Ids:
        """(12, V) each id moved up that many semitones."""
        table = np.tile(np.arange(14, dtype=np.uint16), (12, 1))
        for shift in range(12):
            table[shift, :12] = (np.arange(12) + shift) % 12
        return table

    def unconditional(self, ids: Ids) -> Ids:  # noqa: D102
        return ids

    def charged(self, ids: Ids) -> NDArray[np.bool_]:  # noqa: D102
        charged = np.ones(len(ids), bool)
        charged[:1] = False
        return charged

    def note_count(self, ids: Ids) -> int:  # noqa: D102
        return int((np.asarray(ids) < REST).sum())

    def cut(self, ids: Ids, length: int) -> Ids:  # noqa: D102
        return ids[:length]

    def grammar(self, wishes: Mapping[str, Any] | None = None) -> LettersGrammar:
        """The grammar of a line; `bars` of four letters each is the only wish it can keep.

        Raises:
            UsageError: for any other wish.
        """
        wishes = wishes or {}
        others = {k for k, v in wishes.items() if v is not None} - {"bars"}
        if others:
            raise UsageError(
                f"a model of letters knows nothing of {', '.join(sorted(others))}",
                remedy="leave that out, or use a model trained with --tokens notes",
            )
        bars = wishes.get("bars")
        return LettersGrammar(None if bars is None else 4 * bars)


class _LineState(NamedTuple):
    letters: int  # -1 before the first token
    notes: bool
    ended: bool


class LettersGrammar(Grammar):
    """Letters and rests with at least one letter, then the end; `count` of them if given."""

    def __init__(self, count: int | None) -> None:
        self.count = count

    def start(self) -> State:  # noqa: D102
        return _LineState(-1, False, False)

    def allowed(self, state: State) -> NDArray[np.bool_]:  # noqa: D102
        assert isinstance(state, _LineState)
        mask = np.zeros(14, bool)
        if state.ended:
            return mask
        if state.letters < 0:
            mask[END] = True
            return mask
        full = self.count is not None and state.letters == self.count
        mask[:REST] = not full
        last_chance = self.count is not None and state.letters == self.count - 1
        mask[REST] = not full and (state.notes or not last_chance)
        mask[END] = state.notes and (self.count is None or full)
        return mask

    def advance(self, state: State, token: int) -> State:  # noqa: D102
        assert isinstance(state, _LineState)
        if not (0 <= token < 14 and self.allowed(state)[token]):
            raise InputError(f"token {token} after {state.letters} letters breaks the grammar")
        if state.letters < 0:
            return _LineState(0, False, False)
        if token == END:
            return state._replace(ended=True)
        return _LineState(state.letters + 1, state.notes or token < REST, False)

    def ended(self, state: State) -> bool:  # noqa: D102
        assert isinstance(state, _LineState)
        return state.ended
