"""Features of a melody: one number or one histogram each.

Every function takes a `Line` and gives a float, which is NaN where the feature is
undefined, or a histogram: an array of shares that sum to 1, all NaN where undefined.
Entropies are in bits; steps are 1/24 of a quarter note. `FEATURES` is the table of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tunesmith.evaluation import structure
from tunesmith.evaluation.lines import STEPS, Line
from tunesmith.theory import SCALES

Floats = NDArray[np.float64]
NAN = math.nan


def shares(bins: NDArray[np.int64], size: int) -> Floats:
    """The share of each bin 0 … size-1; all NaN where there is nothing to count."""
    if not len(bins):
        return np.full(size, NAN)
    counted: Floats = np.bincount(bins, minlength=size) / len(bins)
    return counted


# -- pitch --------------------------------------------------------------------


def pitch_class_histogram(line: Line) -> Floats:
    """The share of notes in each pitch class, 0 (C) to 11 (B); each note counts once.

    Range: 12 shares; never undefined. Source: Yang and Lerch, On the evaluation of
    generative models in music, Neural Computing and Applications 32 (2020).
    """
    return shares(line.pitches % 12, 12)


def pitch_class_entropy(line: Line) -> float:
    """H = -sum p log2 p over the pitch-class histogram, in bits.

    Range: 0 (one pitch class) to log2 12 = 3.585; never undefined.
    Source: Wu and Yang, The Jazz Transformer on the Front Line, ISMIR 2020 (H1 over a
    whole tune).
    """
    p = pitch_class_histogram(line)
    p = p[p > 0]
    return float(abs(-(p * np.log2(p)).sum()))


def degree_histogram(line: Line) -> Floats:
    """The share of notes on each chromatic degree, semitones above the estimated tonic.

    Range: 12 shares; never undefined. Source: the pitch-class histogram of Yang and
    Lerch (2020), counted from the tonic (`keyfinding.estimate_key`).
    """
    return shares((line.pitches - line.key.key.pitch_class) % 12, 12)


def pitch_range(line: Line) -> float:
    """The highest pitch minus the lowest, in semitones. Range: 0 to 127; never undefined.

    Source: Yang and Lerch (2020).
    """
    return float(line.pitches.max() - line.pitches.min())


def mean_pitch(line: Line) -> float:
    """The mean MIDI number of the notes. Range: 0 to 127; never undefined.

    Source: Eerola and Toiviainen, MIDI Toolbox (2004).
    """
    return float(line.pitches.mean())


def interval_histogram(line: Line) -> Floats:
    """The share of each interval from note to note, -12 to 12 semitones.

    What is wider counts as an octave. Range: 25 shares; undefined for one note.
    Source: Yang and Lerch (2020, pitch-class transitions), by size and direction.
    """
    return shares(np.clip(line.intervals, -12, 12) + 12, 25)


def mean_interval(line: Line) -> float:
    """The mean of |interval| from note to note, in semitones.

    Range: 0 to 127; undefined for one note. Source: Yang and Lerch (2020, PI).
    """
    return float(np.abs(line.intervals).mean()) if len(line.intervals) else NAN


_SCALE_MASKS = np.array(
    [
        [((pitch - tonic) % 12) in SCALES[mode] for pitch in range(12)]
        for mode in ("major", "minor")
        for tonic in range(12)
    ],
    dtype=float,
)


def scale_consistency(line: Line) -> float:
    """The largest share of notes that lie in one of the 24 major and natural minor scales.

    Range: 7/12 at the least for many even pitch classes, to 1; never undefined.
    Source: Mogren, C-RNN-GAN (2016); as in MusPy (Dong and others, ISMIR 2020).
    """
    return float((_SCALE_MASKS @ pitch_class_histogram(line)).max())


def key_clarity(line: Line) -> float:
    """The probability of the likeliest of 72 keys. Range: above 1/72 to 1; never undefined.

    Source: `keyfinding.estimate_key`, in the place of the largest correlation with a
    key profile (Krumhansl 1990; the key clarity of Lartillot's MIRtoolbox).
    """
    return line.key.confidence


# -- rhythm -------------------------------------------------------------------

LENGTHS = (2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 36, 48, 60, 72, 96, 144, 192)
"""Note lengths that have a bin of their own, in steps: from half a triplet sixteenth's
length to two whole notes. Others go to the nearest in ratio."""

_LENGTH_EDGES = np.sqrt(np.array(LENGTHS[:-1]) * np.array(LENGTHS[1:]))


def length_histogram(line: Line) -> Floats:
    """The share of notes of each length in `LENGTHS`, from onset to end, rests not counted.

    Range: 18 shares; never undefined. Source: Yang and Lerch (2020, NLH), with the bins
    of the grid here.
    """
    return shares(np.searchsorted(_LENGTH_EDGES, line.lengths), len(LENGTHS))


def notes_per_quarter(line: Line) -> float:
    """Note density: notes over the quarter notes that the tune lasts, rests counted.

    Range: above 0 to 24; never undefined. Source: note density in Eerola and
    Toiviainen (2004), by the quarter instead of the second.
    """
    return len(line.pitches) * STEPS / line.duration


def rest_share(line: Line) -> float:
    """The share of the duration in which no note sounds. Range: 0 to below 1; never undefined.

    Source: the empty-beat rate of Dong and others, MuseGAN (2018), by time.
    """
    return max(0.0, 1 - float(line.lengths.sum()) / line.duration)


def onset_histogram(line: Line) -> Floats:
    """The share of onsets in each sixteenth of the bar, counted from the barline.

    The last of the 25 bins is all from the 25th sixteenth on, in bars longer than 6/4.
    A pickup counts to its barline. Range: 25 shares; never undefined.
    Source: the onset positions of Huron, Sweet Anticipation (2006), ch. 10.
    """
    return shares(np.minimum(line.places // (STEPS // 4), 24), 25)


def syncopation(line: Line) -> float:
    """The mean of max(0, R - N) over the notes but the last.

    N is the metrical weight of the note's onset, R the largest weight of a step after
    it and before the next onset, whether the note is held there or there is a rest:
    a strong place that is passed over. Weights are 0 on the downbeat, -1, -2, … below
    (`theory.metrical_weight`). Range: 0 to about 7; undefined for one note.
    Source: Longuet-Higgins and Lee, The rhythmic interpretation of monophonic music,
    Music Perception 1 (1984); summed as in Fitch and Rosenfeld (2007), then a note.
    """
    onsets, weights = line.onsets, line.weights
    held = np.flatnonzero(line.gaps > 1)
    if not len(line.gaps):
        return NAN
    if not len(held):
        return 0.0
    spans = np.column_stack((onsets[held] + 1, onsets[held + 1])).ravel()
    passed = np.maximum.reduceat(weights, spans)[::2]
    return float(np.maximum(0, passed - weights[onsets[held]]).sum()) / len(line.gaps)


POSITIONS = 16
"""Places a quarter note has in `groove_similarity`: 64 in a bar of 4/4."""


def groove_similarity(line: Line) -> float:
    """The mean over pairs of bars of 1 - (1/Q) sum_i XOR(g_i, h_i).

    g and h say at which of the Q places of the bar (16 a quarter note) a note begins.
    Pairs are of full bars of one metre. Range: 0 to 1; undefined without such a pair.
    Source: Wu and Yang (2020), GS.
    """
    total = pairs = 0.0
    for meter in set(line.bar_meters):
        bars = np.flatnonzero([m == meter for m in line.bar_meters])
        n = len(bars)
        if n < 2:
            continue
        size = meter.bar_ticks * POSITIONS // 480
        inside = np.isin(line.bar_of, bars)
        places = line.places[inside] * POSITIONS // STEPS
        begun = np.unique(line.bar_of[inside] * size + places) % size
        c = np.bincount(begun, minlength=size)
        these = n * (n - 1) / 2
        total += these - float((c * (n - c)).sum()) / size
        pairs += these
    return total / pairs if pairs else NAN


# -- the whole ----------------------------------------------------------------


def bar_count(line: Line) -> float:
    """Length in full bars, the pickup not counted. Range: 0 to 20,000; never undefined."""
    return float(len(line.bar_starts))


def note_count(line: Line) -> float:
    """Length in notes. Range: 1 up; never undefined."""
    return float(len(line.pitches))


def last_degree(line: Line) -> Floats:
    """The chromatic degree on which the tune ends, above the estimated tonic: one bin of 12.

    Never undefined. The estimate looks at the last note too. Source: Krumhansl (1990), of
    the stability of degrees.
    """
    return shares((line.pitches[-1:] - line.key.key.pitch_class) % 12, 12)


def last_length(line: Line) -> float:
    """The last note's length over the mean length of all, as log2. Range: any; never undefined.

    Source: the lengthening at ends of Huron (2006), ch. 9, as a ratio.
    """
    return float(np.log2(line.lengths[-1] / line.lengths.mean()))


@dataclass(frozen=True)
class Feature:
    """A row of the table of features.

    Attributes:
        of: gives the feature of a line.
        kind: 'scalar' or 'histogram'.
        size: how many numbers it is; 1 for a scalar.
    """

    of: Callable[[Line], float] | Callable[[Line], Floats]
    kind: Literal["scalar", "histogram"] = "scalar"
    size: int = 1

    @property
    def estimator(self) -> str:
        """How the overlap of two sets is estimated; see `realism`."""
        if self.kind == "scalar":
            return "Gaussian kernels, Scott's bandwidth of the reference"
        return "mean histograms"


FEATURES: dict[str, Feature] = {
    "pitch_class_entropy": Feature(pitch_class_entropy),
    "pitch_range": Feature(pitch_range),
    "mean_pitch": Feature(mean_pitch),
    "mean_interval": Feature(mean_interval),
    "scale_consistency": Feature(scale_consistency),
    "key_clarity": Feature(key_clarity),
    "notes_per_quarter": Feature(notes_per_quarter),
    "rest_share": Feature(rest_share),
    "syncopation": Feature(syncopation),
    "groove_similarity": Feature(groove_similarity),
    "bar_count": Feature(bar_count),
    "note_count": Feature(note_count),
    "last_length": Feature(last_length),
    "repetition_4": Feature(structure.repetition_4),
    "repetition_8": Feature(structure.repetition_8),
    "repetition_10": Feature(structure.repetition_10),
    "repetition_16": Feature(structure.repetition_16),
    "bars_repeated": Feature(structure.bars_repeated),
    "rhythms_repeated": Feature(structure.rhythms_repeated),
    "phrases_repeated": Feature(structure.phrases_repeated),
    "phrase_length": Feature(structure.phrase_length),
    "pitch_class_histogram": Feature(pitch_class_histogram, "histogram", 12),
    "degree_histogram": Feature(degree_histogram, "histogram", 12),
    "interval_histogram": Feature(interval_histogram, "histogram", 25),
    "length_histogram": Feature(length_histogram, "histogram", len(LENGTHS)),
    "onset_histogram": Feature(onset_histogram, "histogram", 25),
    "last_degree": Feature(last_degree, "histogram", 12),
    "contour": Feature(structure.contour, "histogram", len(structure.CONTOURS)),
    "repeat_lags": Feature(structure.repeat_lags, "histogram", len(structure.LAGS)),
    "phrase_lengths": Feature(
        structure.phrase_length_histogram, "histogram", structure.PHRASE_BINS
    ),
}
"""Every feature, by name. Fixed: each counts in every table."""


def measure(line: Line) -> dict[str, Floats]:
    """Every feature of a line, by name, as arrays of the feature's size."""
    return {name: np.atleast_1d(feature.of(line)) for name, feature in FEATURES.items()}
