"""How surprising each note of a melody is to a model, in words that a reader of scores uses."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import asdict, dataclass
from typing import Any

from tunesmith.evaluation.likelihood import Bits, TuneScore, score_tunes
from tunesmith.melody import Melody
from tunesmith.model.inference import Network
from tunesmith.theory import octave_of, spell
from tunesmith.tokens import Vocabulary
from tunesmith.tokens.letters import LETTERS
from tunesmith.tokens.table import KEY_SLOT, tonic_offset

MARKED_SHARE = 0.1
"""Of the notes of a tune, how many are marked as its most surprising ones; at least one."""


@dataclass(frozen=True)
class NoteSurprise:
    """A note and what it costs the model.

    Attributes:
        bar: as musicians count: 1 is the first whole bar, 0 the pickup.
        beat: 1 is the first of the bar; a fraction between beats.
        pitch: its name, as F#4.
        pitch_bits: bits of its pitch, where it is known that a note begins.
        timing_bits: bits of when and how long, rests before it and ties after it included.
        expected: the likeliest pitch there.
        chance: its probability by the model, 0 to 1.
        marked: whether the note is among the most surprising of its tune.
    """

    bar: int
    beat: float
    pitch: str
    pitch_bits: float
    timing_bits: float
    expected: str
    chance: float
    marked: bool

    @property
    def bits(self) -> float:
        """Both together."""
        return self.pitch_bits + self.timing_bits


@dataclass(frozen=True)
class Surprise:
    """The surprise of a melody, note by note.

    Attributes:
        melody: with the key that was used.
        notes: in order.
        header: bits before the notes: key, metre, pickup, how many bars.
        end: bits after them: rests at the end, and that it ends.
        moved: notes that the model's grid moved.
    """

    melody: Melody
    notes: tuple[NoteSurprise, ...]
    header: Bits
    end: Bits
    moved: int

    @property
    def bits_per_note(self) -> float:
        """The code length of the whole melody over its notes."""
        bits = sum(n.bits for n in self.notes) + self.header.total + self.end.total
        return bits / len(self.notes)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return {
            "title": self.melody.title,
            "key": str(self.melody.key) if self.melody.key else None,
            "key_is_estimated": self.melody.key_is_estimated,
            "bits_per_note": self.bits_per_note,
            "header": self.header._asdict(),
            "end": self.end._asdict(),
            "notes_moved": self.moved,
            "notes": [{**asdict(n), "bits": n.bits} for n in self.notes],
        }


def surprise_of(network: Network, vocabulary: Vocabulary, melody: Melody) -> Surprise:
    """Score a melody note by note, with nothing told to the model beforehand.

    Args:
        network: the model.
        vocabulary: the model's.
        melody: with a key, else pitches are told as they are.

    Raises:
        InputError: if no tokens can say the melody.
    """
    encoded = vocabulary.encode(melody)
    (score,) = score_tunes(network, vocabulary, [encoded.ids])
    key = int(encoded.ids[KEY_SLOT]) if vocabulary.kind == "notes" else None
    bound = _marking_bound([float(b) for b in score.pitch + score.timing])
    return Surprise(
        melody,
        tuple(
            NoteSurprise(
                *place(melody, i),
                pitch=_name(melody, note.pitch, note.spelling),
                pitch_bits=float(score.pitch[i]),
                timing_bits=float(score.timing[i]),
                expected=_expected(vocabulary, score, i, key, melody),
                chance=float(score.chance[i]),
                marked=bool(score.pitch[i] + score.timing[i] >= bound),
            )
            for i, note in enumerate(melody.notes)
        ),
        score.header,
        score.end,
        encoded.moved,
    )


def place(melody: Melody, i: int) -> tuple[int, float]:
    """Bar and beat of a melody's note, counted from 1; the bar of a pickup is 0."""
    onset = melody.notes[i].onset
    bars = melody.bars
    bar = bars[bisect_right(bars, onset, key=lambda b: b.start) - 1]
    into = onset - bar.start + (bar.meter.bar_ticks - bar.length if bar.is_pickup else 0)
    return bar.index + (not bars[0].is_pickup), 1 + into / bar.meter.beat_ticks


def _marking_bound(bits: list[float]) -> float:
    """What the most surprising notes cost at least."""
    return sorted(bits, reverse=True)[max(1, math.floor(MARKED_SHARE * len(bits))) - 1]


def _expected(
    vocabulary: Vocabulary, score: TuneScore, i: int, key: int | None, melody: Melody
) -> str:
    """The name of the likeliest pitch: without octave where the vocabulary has none."""
    word = vocabulary.names[score.expected[i]]
    if word in LETTERS:
        return spell(LETTERS.index(word), melody.key)
    pitch = int(word.removeprefix("pitch:")) + (0 if key is None else tonic_offset(key))
    return _name(melody, pitch, None)


def _name(melody: Melody, pitch: int, spelling: str | None) -> str:
    name = spelling or spell(pitch, melody.key)
    return f"{name}{octave_of(pitch, name)}"
