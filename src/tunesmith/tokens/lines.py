"""What vocabularies of plain lines share: a token a note, all of one length, no attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError, UsageError
from tunesmith.melody import TICKS_PER_QUARTER, Melody, Note
from tunesmith.tokens.base import Grammar, Ids, State, Vocabulary
from tunesmith.tokens.recall import LineRecall


class LineVocabulary(Vocabulary):
    """A line of notes, and maybe rests, between its start and its end.

    Decoding gives each a quarter.

    Attributes:
        notes: how many ids are notes; they come first.
        rest: the id of a rest, which then follows them, or None.
        lowest: the MIDI number of the first id.
        octave: semitones after which the notes begin again, or None.
    """

    notes: ClassVar[int]
    rest: ClassVar[int | None]
    lowest: ClassVar[int]
    octave: ClassVar[int | None] = None

    def decode(self, ids: Sequence[int] | Ids) -> Melody:  # noqa: D102
        state: State = (grammar := self.grammar()).start()
        notes: list[Note] = []
        length = 0
        for token in map(int, ids):
            state = grammar.advance(state, token)
            if token < self.notes:
                onset = length * TICKS_PER_QUARTER
                notes.append(Note(onset, TICKS_PER_QUARTER, self.lowest + token))
            length += token < self.notes or token == self.rest
        if not grammar.ended(state):
            raise InputError(f"the tune breaks off after {length} {self.kind}")
        return Melody(tuple(notes), duration=length * TICKS_PER_QUARTER)

    def unconditional(self, ids: Ids) -> Ids:  # noqa: D102
        return ids

    def charged(self, ids: Ids) -> NDArray[np.bool_]:  # noqa: D102
        charged = np.ones(len(ids), bool)
        charged[:1] = False
        return charged

    def note_count(self, ids: Ids) -> int:  # noqa: D102
        return int((np.asarray(ids) < self.notes).sum())

    def cut(self, ids: Ids, length: int) -> Ids:  # noqa: D102
        return ids[:length]

    def recall(self, batch: int) -> LineRecall:  # noqa: D102
        return LineRecall(batch, self.size, self.notes, self.octave)

    def grammar(self, wishes: Mapping[str, Any] | None = None) -> LineGrammar:
        """The grammar of a line; `bars` of four tokens each is the only wish it can keep.

        Raises:
            UsageError: for any other wish.
        """
        wishes = wishes or {}
        others = {k for k, v in wishes.items() if v is not None} - {"bars"}
        if others:
            raise UsageError(
                f"a model of {self.kind} knows nothing of {', '.join(sorted(others))}",
                remedy="leave that out, or use a model trained with --tokens notes",
            )
        bars = wishes.get("bars")
        return LineGrammar(self, None if bars is None else 4 * bars)


class _LineState(NamedTuple):
    length: int  # -1 before the first token
    sounded: bool
    ended: bool


class LineGrammar(Grammar):
    """Notes and rests with at least one note, then the end; `count` of them if given."""

    def __init__(self, vocabulary: LineVocabulary, count: int | None) -> None:
        self.vocabulary, self.count = vocabulary, count

    def start(self) -> State:  # noqa: D102
        return _LineState(-1, False, False)

    def allowed(self, state: State) -> NDArray[np.bool_]:  # noqa: D102
        assert isinstance(state, _LineState)
        v = self.vocabulary
        mask = np.zeros(v.size, bool)
        if state.ended:
            return mask
        if state.length < 0:
            mask[v.bos] = True
            return mask
        full = self.count is not None and state.length == self.count
        mask[: v.notes] = not full
        if v.rest is not None:
            last_chance = self.count is not None and state.length == self.count - 1
            mask[v.rest] = not full and (state.sounded or not last_chance)
        mask[v.end] = state.sounded and (self.count is None or full)
        return mask

    def advance(self, state: State, token: int) -> State:  # noqa: D102
        assert isinstance(state, _LineState)
        v = self.vocabulary
        if not (0 <= token < v.size and self.allowed(state)[token]):
            length = max(0, state.length)
            raise InputError(f"token {token} after {length} {v.kind} breaks the grammar")
        if state.length < 0:
            return _LineState(0, False, False)
        if token == v.end:
            return state._replace(ended=True)
        return _LineState(state.length + 1, state.sounded or token < v.notes, False)

    def ended(self, state: State) -> bool:  # noqa: D102
        assert isinstance(state, _LineState)
        return state.ended
