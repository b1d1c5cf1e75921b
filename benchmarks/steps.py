"""Letters told as steps from the note before, so that all keys of a song are one.

For table B2 (`pop.py`). Which key a song of letters stands in means nothing. A network of
letters has to learn that from songs in every key; here it cannot be told otherwise: each note,
what recall suggests and the notes before come as semitones above the latest note, with how
much each pitch class was heard so far, counted from that note too.

So little is left to learn that a few hundred songs are soon learnt by heart. Therefore
training hears most of them changed, and another id at the beginning says how: with the twelve
letters exchanged at random, which leaves where to copy from and nothing else; upside down,
backwards or both, which leaves keys and small steps too; and half of all songs from somewhere amid.

Shapes: B tunes, T ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.melody import Melody
from tunesmith.tokens import LettersVocabulary
from tunesmith.tokens.base import Encoded, Grammar, Ids
from tunesmith.tokens.letters import END, REST
from tunesmith.tokens.recall import Integers, LineRecall, Recall, Recalled

WHOLE = ("end", "exchanged", "backwards", "upside down", "both")
"""What begins a whole song, by how it is changed; the first, of songs as they are, ends all."""
SHARES = (0.3, 0.2, 0.5 / 3, 0.5 / 3, 0.5 / 3)
AMID = 0.5
BEFORE = 3  # notes that are told before the latest one
HEARD = (0.0, 1 / 16, 1 / 8, 1 / 4)
"""Of the notes so far, up to which a pitch class counts as heard never, a little, and so on."""
UPSIDE_DOWN = np.append(-np.arange(12) % 12, [REST, END]).astype(np.uint16)


class StepsVocabulary(LettersVocabulary):
    """As many semitones above the note before, modulo twelve; of the first note, none.

    In a song from amid on the first counts from the note that is left out before it.
    """

    kind = "steps"

    def __init__(self, styles: tuple[str, ...] = ()) -> None:
        super().__init__()
        whole = (*(f"+{i}" for i in range(12)), "R", *WHOLE)
        self.names = (*whole, *(f"amid, {way}" for way in WHOLE))

    def encode(self, melody: Melody, style: str | None = None) -> Encoded:
        found = super().encode(melody, style)
        return Encoded(steps(found.ids), found.moved)

    def augment(self, ids: Ids, rng: np.random.Generator) -> Ids:
        told, way = letters(ids), WHOLE[rng.choice(len(WHOLE), p=SHARES)]
        if way == "exchanged":
            told = np.append(rng.permutation(12), [REST, END]).astype(np.uint16)[told]
        if way in ("upside down", "both"):
            told = UPSIDE_DOWN[told]
        if way in ("backwards", "both"):
            told = told[::-1]
        amid = rng.random() < AMID
        if amid:
            told = told[rng.integers(len(told) // 2) :]
        changed = steps(told)
        changed[0] = END + WHOLE.index(way) + amid * len(WHOLE)
        return changed

    def recall(self, batch: int) -> StepsRecall:  # type: ignore[override]
        return StepsRecall(LineRecall(batch, super().size, self.notes, self.octave), batch)

    def grammar(self, wishes: Mapping[str, Any] | None = None) -> Grammar:  # type: ignore[override]
        """Nothing is composed of steps.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError


def steps(ids: Ids) -> Ids:
    """(T,) letters as steps."""
    notes = np.flatnonzero(ids < REST)
    out = ids.copy()
    out[notes] = np.diff(ids[notes].astype(np.int64), prepend=ids[notes[:1]]) % 12
    return out


def letters(ids: Ids) -> Ids:
    """(T,) steps as letters, from C on: the song's own but for the key."""
    notes = np.flatnonzero(ids < REST)
    out = ids.copy()
    out[notes] = np.cumsum(ids[notes].astype(np.int64)) % 12
    return out


def in_letters(expected: NDArray[np.float64], ids: Ids) -> NDArray[np.float64]:
    """What is expected of letters, by what is expected of steps.

    The first note may be any of the twelve with the same probability.

    Args:
        expected: (T - 1, V) log-probabilities of the steps after each but the last.
        ids: (T,) the song in letters.

    Returns:
        (T - 1, 14) log-probabilities in nats.
    """
    is_note = ids[:-1] < REST
    latest = np.maximum.accumulate(np.where(is_note, np.arange(len(ids) - 1), -1))
    note = ids[np.maximum(latest, 0)].astype(np.int64)
    out = expected[:, : END + 1].copy()
    out[:, :REST] = np.take_along_axis(expected, (np.arange(12) - note[:, None]) % 12, axis=1)
    first = latest < 0
    any_note = np.logaddexp.reduce(expected[first, :REST], axis=1, keepdims=True)
    out[first, :REST] = any_note - np.log(12)
    return out - np.logaddexp.reduce(out, axis=1, keepdims=True)


class StepsRecall(Recall):
    """What letters recall, told as steps. See the module for the places.

    Args:
        inner: the recall of letters.
        batch: B.
    """

    channels = LineRecall.channels
    places = BEFORE * (END + 1) + 12 * (len(HEARD) + 1)

    def __init__(self, inner: LineRecall, batch: int) -> None:
        self._inner = inner
        self._note = np.zeros(batch, np.int64)
        self._before = np.full((batch, BEFORE + 1), END, np.int64)  # letters, the latest first
        self._heard = np.zeros((batch, 12), np.int64)
        self._rows = np.arange(batch)

    def push(self, ids: Integers) -> Recalled:
        is_note = ids < REST
        self._note = np.where(is_note, (self._note + ids) % 12, self._note)
        letter = np.where(is_note, self._note, np.minimum(ids, END))
        self._heard[self._rows[is_note], self._note[is_note]] += 1
        self._before = np.concatenate([letter[:, None], self._before[:, :-1]], axis=1)
        told = self._inner.push(letter)
        around = (self._note[:, None] + np.arange(12)) % 12
        share = np.take_along_axis(self._heard, around, axis=1)
        share = share / np.maximum(1, self._heard.sum(axis=1, keepdims=True))
        heard = np.searchsorted(HEARD, share) + (len(HEARD) + 1) * np.arange(12)
        before = self._as_steps(self._before[:, 1:]) + (END + 1) * np.arange(BEFORE)
        return Recalled(
            self._as_steps(told.candidates),
            told.trust,
            np.concatenate([before, heard + BEFORE * (END + 1)], axis=1),
        )

    def _as_steps(self, found: Integers) -> Integers:
        return np.where(found < REST, (found - self._note[:, None]) % 12, found)

    def select(self, rows: Sequence[int]) -> StepsRecall:
        other = StepsRecall(self._inner.select(rows), len(rows))
        other._note, other._before = self._note[rows], self._before[rows]
        other._heard = self._heard[rows]
        return other
