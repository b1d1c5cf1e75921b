"""Bits per note: a tune's code length, note by note, pitch and timing apart."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.model.inference import Network
from tunesmith.tokens import Vocabulary
from tunesmith.tokens.base import Ids
from tunesmith.tokens.table import KEY_SLOT

Floats = NDArray[np.float64]

HEADER, END = -1, -2
"""Owners of ids that belong to no note: what precedes the notes, and what follows them."""

FEWEST_TUNES = 5
"""Tunes of which an interval is given. Resamples of fewer are too much alike: those of one tune
are all the same, as if there were no doubt."""

_PITCH = re.compile(r"pitch:\d+|[A-Ga-g]")
_RESTS = ("rest", "R")


class Interval(NamedTuple):
    """A figure and its bootstrap interval.

    Attributes:
        value: over all tunes.
        low, high: the 2.5th and 97.5th percentile over resampled tunes; NaN for fewer than
            `FEWEST_TUNES`.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Bits(NamedTuple):
    """A code length in bits, by what it tells.

    Attributes:
        pitch: which pitches, the key among them, where it is known that a note begins.
        timing: all else: metre, pickup, bars, lengths, rests, ties, the end.
    """

    pitch: float
    timing: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.pitch + self.timing


@dataclass(frozen=True)
class TuneScore:
    """The code length of a tune, by its N notes.

    Each id that is charged belongs to one note, to the header or to the end, so that all
    parts add up to the model's log-probability of the tune; see `owners`. An id that says
    a pitch says two things: that a note begins here, which is timing, with the probability
    of all pitches together; and which one, which is pitch, with the rest.

    Attributes:
        pitch, timing: (N,) bits of each note.
        header: bits before the notes: key, metre, pickup, how many bars.
        end: bits after them: rests at the end, and that it ends.
        tokens: ids that are charged.
        expected: (N,) the id of the likeliest pitch where each note begins.
        chance: (N,) the probability of that pitch there, if a note begins; 0 to 1.
    """

    pitch: Floats
    timing: Floats
    header: Bits
    end: Bits
    tokens: int
    expected: NDArray[np.int64]
    chance: Floats

    @property
    def total(self) -> Bits:
        """The code length of the whole tune."""
        return Bits(
            float(self.pitch.sum()) + self.header.pitch + self.end.pitch,
            float(self.timing.sum()) + self.header.timing + self.end.timing,
        )


def owners(vocabulary: Vocabulary, ids: Ids) -> NDArray[np.int64]:
    """(T,) the note, from 0, that each id of a tune tells of, or `HEADER` or `END`.

    A length, a barline and a rest tell of the note that comes next; before a `tie`, of
    the note that sounds on. The header are the ids before the first length, and the first
    counted bar, which says how many there are.

    Args:
        vocabulary: its ids' meaning.
        ids: a whole tune with all attributes unknown.
    """
    names = vocabulary.names
    is_pitch = pitch_ids(vocabulary)[ids]
    is_tie = np.array([n == "tie" for n in names])[ids]
    is_rest = np.array([n in _RESTS for n in names])[ids]
    is_event = is_pitch | is_tie | is_rest
    events = np.append(np.flatnonzero(is_event), len(ids))
    event = events[np.searchsorted(events, np.arange(len(ids)))]  # the one that each id leads to
    note = np.cumsum(is_pitch) - 1  # begun last
    owner: NDArray[np.int64] = np.append(note, END)[event]
    after_rest = np.append(is_rest, False)[event]
    owner[after_rest] += 1
    owner[owner > note[-1]] = END
    if vocabulary.kind == "notes":
        words = vocabulary.words(ids)
        first = next(i for i, w in enumerate(words) if w.startswith("len:"))
        owner[:first] = HEADER
        owner[next((i for i, w in enumerate(words) if w.startswith("bar:")), 0)] = HEADER
    return owner


def pitch_ids(vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """(V,) which ids begin a note and say its pitch."""
    return np.array([bool(_PITCH.fullmatch(n)) for n in vocabulary.names])


def score_tunes(
    network: Network, vocabulary: Vocabulary, tunes: Sequence[Ids], *, given: bool = False
) -> list[TuneScore]:
    """The code length of each tune, note by note.

    Every id that carries news is charged: key, metre, pickup, bars, lengths, pitches,
    ties, rests and the end. A tune longer than the context is scored whole.

    Args:
        network: the model.
        vocabulary: the model's.
        tunes: whole tunes as ids.
        given: whether the model sees the tune's attributes (style, mode, density, range, end,
            form).
            They are not charged. Without it all are unknown: the unconditional figure.
    """
    hidden = [vocabulary.unconditional(ids) for ids in tunes]
    shown = list(tunes) if given else hidden
    is_pitch = pitch_ids(vocabulary)
    logs = [np.zeros(len(ids)) for ids in tunes]
    begins = [np.zeros(len(ids)) for ids in tunes]  # log-probability that a note begins
    likeliest = [np.zeros(len(ids), np.int64) for ids in tunes]
    chances = [np.zeros(len(ids)) for ids in tunes]
    choices = np.flatnonzero(is_pitch)
    for i, place, expected in network.distributions(shown):
        part = slice(place + 1, place + 1 + len(expected))
        logs[i][part] = expected[np.arange(len(expected)), shown[i][part].astype(np.int64)]
        at = np.flatnonzero(is_pitch[hidden[i][part]])
        among = expected[np.ix_(at, choices)]  # (notes, pitches)
        at += part.start
        begins[i][at] = np.log(np.exp(among).sum(axis=-1))
        likeliest[i][at] = choices[among.argmax(axis=-1)]
        chances[i][at] = np.exp(among.max(axis=-1) - begins[i][at])
    return [
        _tune_score(vocabulary, *parts, is_pitch)
        for parts in zip(hidden, logs, begins, likeliest, chances, strict=True)
    ]


def _tune_score(
    vocabulary: Vocabulary,
    ids: Ids,
    logs: Floats,
    begins: Floats,
    likeliest: NDArray[np.int64],
    chances: Floats,
    is_pitch: NDArray[np.bool_],
) -> TuneScore:
    """The ids' log-probabilities as bits of their owners."""
    charged = vocabulary.charged(ids)
    owner = owners(vocabulary, ids)
    notes = is_pitch[ids]
    of_pitch = np.where(notes, logs - begins, 0.0)
    if vocabulary.kind == "notes":
        of_pitch[KEY_SLOT] = logs[KEY_SLOT]
    bits = -np.stack([of_pitch, logs - of_pitch]) * charged / math.log(2)  # (2, T)
    n = int(notes.sum())
    pitch, timing = np.zeros(n), np.zeros(n)
    for into, b in zip((pitch, timing), bits, strict=True):
        np.add.at(into, owner[owner >= 0], b[owner >= 0])
    return TuneScore(
        pitch=pitch,
        timing=timing,
        header=Bits(*bits[:, owner == HEADER].sum(axis=1).tolist()),
        end=Bits(*bits[:, owner == END].sum(axis=1).tolist()),
        tokens=int(charged.sum()),
        expected=likeliest[notes],
        chance=chances[notes],
    )


def tune_bits(network: Network, vocabulary: Vocabulary, tunes: Sequence[Ids]) -> list[float]:
    """The unconditional code length of each tune in bits, whole; see `score_tunes`."""
    return [score.total.total for score in score_tunes(network, vocabulary, tunes)]


def bits_per_note(
    bits: Sequence[float] | Floats,
    notes: Sequence[int] | Floats,
    *,
    seed: int = 0,
    draws: int = 2000,
) -> Interval:
    """Total bits over total notes, with a percentile bootstrap over tunes.

    Args:
        bits: of each tune; a difference of two models' bits is as good.
        notes: sounding notes of each tune; 1 or more in at least one.
        seed: of the resampling.
        draws: how many resamples (Efron and Tibshirani 1993, ch. 13).
    """
    b, n = np.asarray(bits, float), np.asarray(notes, float)
    if (n > 0).sum() < FEWEST_TUNES:
        return Interval(float(b.sum() / n.sum()), math.nan, math.nan)
    picks = np.random.default_rng(seed).integers(len(b), size=(draws, len(b)))
    totals = n[picks].sum(axis=1)
    ratios = b[picks].sum(axis=1)[totals > 0] / totals[totals > 0]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Interval(float(b.sum() / n.sum()), float(low), float(high))
