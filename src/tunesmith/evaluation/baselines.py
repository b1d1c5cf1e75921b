"""Baselines that every figure of a model stands beside, trained on the same tunes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

from tunesmith.melody import TICKS_PER_QUARTER, Melody
from tunesmith.tokens.table import KEY0, METERS, STEPS_PER_QUARTER, UNKNOWN, tonic_offset

Contexts = Sequence[Hashable]

_STEP = TICKS_PER_QUARTER // STEPS_PER_QUARTER
_LENGTHS = 4096  # steps; longer notes and rests do not occur
_REST, _END = -1, -1


class Interpolated:
    """Counts of symbols in contexts, mixed from the longest context to none.

    P(x | c) = (n(x, c) + d(c) P(x | c')) / (n(c) + d(c)), where n counts, d(c) is
    how many different symbols followed c, and c' is the next shorter context; at
    the end of the chain stands 1 / alphabet. This is the interpolation of Witten
    and Bell (1991), which is also PPM's escape method C (Moffat 1990) without
    exclusion.

    Args:
        alphabet: how many symbols there are, seen or not.
    """

    def __init__(self, alphabet: int) -> None:
        self.alphabet = alphabet
        self._counts: dict[Hashable, dict[Hashable, int]] = defaultdict(dict)
        self._totals: dict[Hashable, int] = defaultdict(int)

    def add(self, contexts: Contexts, symbol: Hashable) -> None:
        """Count a symbol in each of its contexts."""
        for context in contexts:
            followers = self._counts[context]
            followers[symbol] = followers.get(symbol, 0) + 1
            self._totals[context] += 1

    def probability(self, contexts: Contexts, symbol: Hashable) -> float:
        """The probability of a symbol; contexts from the longest to the shortest, ()."""
        p = 1 / self.alphabet
        for context in reversed(contexts):
            total = self._totals.get(context)
            if total is None:
                break  # longer ones were not seen either
            followers = self._counts[context]
            p = (followers.get(symbol, 0) + len(followers) * p) / (total + len(followers))
        return p


class MelodyMarkov:
    """An interpolated Markov model of melodies: metre, pickup, lengths, pitches, end.

    It pays for what the model pays for: which metre, which pickup, every length
    and pitch of notes and rests, and where the tune ends; bars follow from these.

    Args:
        order: how many earlier events a context holds.
        joint: whether contexts hold lengths and pitches together (and a pitch also
            sees its own length), or each only its own kind.
        from_tonic: whether it pays for the key too and then counts pitches from the
            tonic, as the tokens of the `notes` vocabulary do.
    """

    def __init__(self, order: int, *, joint: bool, from_tonic: bool = False) -> None:
        self.order, self.joint, self.from_tonic = order, joint, from_tonic
        self._keys = Interpolated(13)
        self._meters = Interpolated(len(METERS))
        self._pickups = Interpolated(_LENGTHS)
        self._lengths = Interpolated(_LENGTHS)
        self._pitches = Interpolated(129)

    def fit(self, melodies: Iterable[Melody]) -> MelodyMarkov:
        """Count the melodies of a training side."""
        for melody in melodies:
            for model, contexts, symbol in self._events(melody):
                model.add(contexts, symbol)
        return self

    def bits(self, melody: Melody) -> float:
        """The code length of a whole melody in bits."""
        return -sum(
            math.log2(model.probability(contexts, symbol))
            for model, contexts, symbol in self._events(melody)
        )

    def _events(self, melody: Melody) -> Iterable[tuple[Interpolated, Contexts, Hashable]]:
        previous = None
        for meter in melody.meters:  # a change is charged where it comes: by metre alone
            yield self._meters, [(previous,), ()], str(meter)
            previous = str(meter)
        yield self._pickups, [(previous,), ()], melody.pickup // _STEP
        tonic = 0
        if self.from_tonic:
            key = KEY0 + melody.key.pitch_class if melody.key else UNKNOWN
            yield self._keys, [()], key
            tonic = tonic_offset(key)
        history: list[tuple[int, int]] = []
        for length, pitch in [*_notes_and_rests(melody), (_END, _END)]:
            recent = history[len(history) - min(self.order, len(history)) :]
            if self.joint:
                seen: list[Hashable] = list(recent)
            else:
                seen = [e[0] for e in recent]
            pitch = pitch if pitch < 0 else pitch - tonic
            yield self._lengths, _chain(seen), length
            if length == _END:
                break
            if self.joint:
                contexts = [*((*c, length) for c in _chain(seen)), ()]
            else:
                contexts = _chain([e[1] for e in recent])
            yield self._pitches, contexts, pitch
            history.append((length, pitch))


def _chain(seen: Sequence[Hashable]) -> list[tuple[Hashable, ...]]:
    """The contexts from all of `seen` down to none."""
    return [tuple(seen[i:]) for i in range(len(seen) + 1)]


def _notes_and_rests(melody: Melody) -> list[tuple[int, int]]:
    """(length in steps, pitch or -1 for a rest) in order."""
    events = [(n.onset, n.duration // _STEP, n.pitch) for n in melody.notes]
    events += [(onset, ticks // _STEP, _REST) for onset, ticks in melody.rests]
    return [(length, pitch) for _, length, pitch in sorted(events)]


class SequenceMarkov:
    """An interpolated Markov model of plain sequences of ids, such as letters.

    Args:
        order: how many earlier ids a context holds.
        alphabet: how many ids there are.
    """

    def __init__(self, order: int, alphabet: int) -> None:
        self.order = order
        self._model = Interpolated(alphabet)

    def fit(self, sequences: Iterable[Sequence[int]]) -> SequenceMarkov:
        """Count the sequences; the first id of each is given, not predicted."""
        for ids in sequences:
            for i in range(1, len(ids)):
                self._model.add(_chain(ids[max(0, i - self.order) : i]), ids[i])
        return self

    def bits(self, ids: Sequence[int]) -> float:
        """The code length of a sequence in bits, its first id given."""
        return -sum(
            math.log2(self._model.probability(_chain(ids[max(0, i - self.order) : i]), ids[i]))
            for i in range(1, len(ids))
        )
