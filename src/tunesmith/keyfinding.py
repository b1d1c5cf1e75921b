"""The key of a melody that does not name one: tonic, mode and signature, with confidences.

Each of 72 keys (twelve tonics in the six modes of `KEY_MODES`) gets a score that is a
sum of table entries, and the softmax of the scores says how likely each is: a
conditional logit, in the place of the correlation with which Krumhansl (Cognitive
Foundations of Musical Pitch, 1990, ch. 4) compares pitch profiles. Pitches are seen
from the tonic of the candidate, and the profile of durations also from the major tonic
of its signature, so that a transposed tune has its estimate transposed.

The tables were fitted on one half of the traditional tunes of the default corpus, whole
and cut after 8 bars, by `benchmarks/keys.py --fit`, which measures them on the
other half. Spellings, chord symbols and the key that a melody has are not looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from tunesmith.melody import TICKS_PER_QUARTER, Key, Melody

KEY_MODES = ("major", "minor", "dorian", "mixolydian", "phrygian", "lydian")
"""The modes among which is chosen."""

THRESHOLD = 0.5
"""`with_estimates` sets a key that is at least this likely: more likely right than wrong."""

PRIOR_QUARTERS = 4
"""Quarter notes of nothing, added to the durations so that few notes prove little."""

# BEGIN TABLES printed by benchmarks/keys.py --fit
# Twelve entries each, by semitones above the tonic (of the signature: its major tonic).
SIGNATURE_SHARES = (5.6, -6.4, 2.3, -4.1, 5.7, 3.3, -8.5, 4.3, 0.1, 3.2, -8.7, 3.2)
TONIC_SHARES = {
    "major": (8.6, -0.9, -1.9, -3.0, 0.9, 0.4, -1.3, 3.1, -1.7, -4.7, -0.5, -0.2),
    "minor": (9.4, -1.5, -0.2, -0.5, -2.8, -0.8, -1.5, 3.4, -3.2, -1.7, -1.2, 1.8),
}
LAST = (1.2, -0.6, 0.3, -0.6, 0.1, -0.2, 0.2, 0.1, -0.6, 0.3, -0.3, 0.1)
FIRST = (0.1, -0.4, 0.3, -0.3, 0.9, -0.7, -0.7, 0.8, -0.6, 0.1, 0.1, 0.3)
DOWNBEAT = (0.9, -0.5, -0.1, 0.2, 1.3, -0.8, -0.6, 1.1, -0.8, 0.7, -0.6, -0.6)
MODE = {
    "major": 0.0,
    "minor": -1.2,
    "dorian": -3.0,
    "mixolydian": -2.2,
    "phrygian": -4.3,
    "lydian": -4.4,
}
# END TABLES

_MAJOR_TONIC = {m: Key("C", m).sharps * 7 % 12 for m in KEY_MODES}
"""Semitones from a mode's tonic up to the tonic of the major mode with its signature."""

_CANDIDATES = tuple((tonic, mode) for tonic in range(12) for mode in KEY_MODES)


@dataclass(frozen=True, slots=True)
class KeyEstimate:
    """The likeliest key of a melody.

    Attributes:
        key: spelled so that its signature is the smallest.
        confidence: the probability of this tonic and mode, 0 to 1.
        sharps: the likeliest signature, -6 to 5; sharps, flats negative. It is summed
            over the modes, so that in rare cases it is not the one of `key`.
        signature_confidence: the probability of that signature, 0 to 1.
    """

    key: Key
    confidence: float
    sharps: int
    signature_confidence: float


@dataclass(frozen=True, slots=True)
class KeyEvidence:
    """What of a melody the estimate looks at; pitch classes are 0 (C) to 11 (B).

    Attributes:
        shares: for each pitch class, the square root of its share of the sounding time.
        last: pitch class of the last note.
        first: pitch class of the first note.
        downbeat: pitch class of the first note after the pickup.
    """

    shares: tuple[float, ...]
    last: int
    first: int
    downbeat: int


def key_evidence(melody: Melody) -> KeyEvidence:
    """The evidence of a melody."""
    ticks = [0] * 12
    for note in melody.notes:
        ticks[note.pitch % 12] += note.duration
    total = sum(ticks) + PRIOR_QUARTERS * TICKS_PER_QUARTER
    notes = melody.notes
    downbeat = next((n for n in notes if n.onset >= melody.pickup), notes[0])
    return KeyEvidence(
        tuple(math.sqrt(t / total) for t in ticks),
        notes[-1].pitch % 12,
        notes[0].pitch % 12,
        downbeat.pitch % 12,
    )


def key_probabilities(melody: Melody) -> dict[tuple[int, str], float]:
    """The probability of each key, as pitch class of the tonic and mode; they sum to 1."""
    evidence = key_evidence(melody)
    # In one or two notes the same note is first, last and downbeat at once: without this,
    # one note is 64 % sure and 25 % right on the tunes fitted on. From four on, it is nothing.
    trust = 1 - 0.5 ** len(melody.notes)
    scores = {c: trust * _score(evidence, *c) for c in _CANDIDATES}
    top = max(scores.values())
    weights = {c: math.exp(s - top) for c, s in scores.items()}
    total = sum(weights.values())
    return {c: w / total for c, w in weights.items()}


def estimate_key(melody: Melody) -> KeyEstimate:
    """The likeliest key of a melody, from its pitches, durations, first and last notes.

    Its own key, if it has one, is not looked at.
    """
    probabilities = key_probabilities(melody)
    tonic, mode = max(probabilities, key=probabilities.__getitem__)
    signatures = [0.0] * 12
    for (candidate, its_mode), p in probabilities.items():
        signatures[(candidate + _MAJOR_TONIC[its_mode]) % 12] += p
    major = max(range(12), key=signatures.__getitem__)
    return KeyEstimate(
        Key.from_pitch_class(tonic, mode),
        probabilities[tonic, mode],
        Key.from_pitch_class(major).sharps,
        min(1.0, signatures[major]),
    )


def with_estimates(melody: Melody, threshold: float = THRESHOLD) -> Melody:
    """The melody with its estimated key, marked as estimated, where it names none.

    It comes back unchanged if it has a key or the estimate's confidence is under
    `threshold`, 0 to 1.
    """
    if melody.key:
        return melody
    estimate = estimate_key(melody)
    if estimate.confidence < threshold:
        return melody
    return replace(melody, key=estimate.key, key_is_estimated=True)


def _score(evidence: KeyEvidence, tonic: int, mode: str) -> float:
    major = tonic + _MAJOR_TONIC[mode]
    above_tonic = TONIC_SHARES["minor" if Key("C", mode).sharps < -1 else "major"]
    score = (
        MODE[mode]
        + LAST[(evidence.last - tonic) % 12]
        + FIRST[(evidence.first - tonic) % 12]
        + DOWNBEAT[(evidence.downbeat - tonic) % 12]
    )
    for pitch, share in enumerate(evidence.shares):
        score += share * (
            SIGNATURE_SHARES[(pitch - major) % 12] + above_tonic[(pitch - tonic) % 12]
        )
    return score
