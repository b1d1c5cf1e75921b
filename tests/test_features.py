"""Features against answers worked out by hand, on two unlike tunes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.evaluation import features as f
from tunesmith.evaluation import structure as s
from tunesmith.evaluation.lines import Line
from tunesmith.melody import Melody, Meter, Note


def tune(spec, meter=(4, 4), pickup=0, duration=0):
    """A line from (pitch or None for a rest, quarters)."""
    now, notes = 0, []
    for pitch, quarters in spec:
        ticks = round(quarters * 480)
        if pitch is not None:
            notes.append(Note(now, ticks, pitch))
        now += ticks
    return Line(Melody(tuple(notes), (Meter(0, *meter),), pickup=pickup, duration=now))


# Two bars of quarters C E G E, twice the same.
STEADY = tune([(p, 1) for p in (60, 64, 67, 64)] * 2)
# A waltz with a pickup: G | C, a rest of an eighth, an eighth D, C# | a bar of C.
WALTZ = tune([(67, 1), (72, 1), (None, 0.5), (74, 0.5), (73, 1), (72, 3)], meter=(3, 4), pickup=480)


def at(array):
    return {i: pytest.approx(float(x)) for i, x in enumerate(array) if x}


def test_pitch():
    assert at(f.pitch_class_histogram(STEADY)) == {0: 0.25, 4: 0.5, 7: 0.25}
    assert f.pitch_class_entropy(STEADY) == pytest.approx(1.5)
    assert at(f.pitch_class_histogram(WALTZ)) == {0: 0.4, 1: 0.2, 2: 0.2, 7: 0.2}
    expected = -(0.4 * math.log2(0.4) + 3 * 0.2 * math.log2(0.2))
    assert f.pitch_class_entropy(WALTZ) == pytest.approx(expected)
    assert (f.pitch_range(STEADY), f.pitch_range(WALTZ)) == (7, 7)
    assert f.mean_pitch(STEADY) == pytest.approx(63.75)
    assert f.mean_pitch(WALTZ) == pytest.approx((67 + 72 + 74 + 73 + 72) / 5)


def test_intervals():
    # up 4, up 3, down 3, down 4, then the same without the last: seven in all.
    assert f.mean_interval(STEADY) == pytest.approx((4 + 3 + 3 + 4 + 4 + 3 + 3) / 7)
    assert at(f.interval_histogram(STEADY)) == {8: 1 / 7, 9: 2 / 7, 15: 2 / 7, 16: 2 / 7}
    assert f.mean_interval(WALTZ) == pytest.approx((5 + 2 + 1 + 1) / 4)
    assert at(f.interval_histogram(WALTZ)) == {11: 0.5, 14: 0.25, 17: 0.25}
    wide = tune([(40, 1), (70, 1)])
    assert at(f.interval_histogram(wide)) == {24: 1}


def test_scale_and_key():
    assert f.scale_consistency(STEADY) == 1
    # G C D C# C: C# is the one note out of C major; Ab major has G C C# C and not D.
    assert f.scale_consistency(WALTZ) == pytest.approx(0.8)
    assert f.scale_consistency(tune([(60 + i, 1) for i in range(12)])) == pytest.approx(7 / 12)
    assert f.key_clarity(STEADY) == pytest.approx(STEADY.key.confidence)
    assert str(STEADY.key.key) == "C major"
    assert at(f.degree_histogram(STEADY)) == {0: 0.25, 4: 0.5, 7: 0.25}
    up = Line(STEADY.melody.transpose(3))
    assert at(f.degree_histogram(up)) == at(f.degree_histogram(STEADY))
    assert at(f.last_degree(STEADY)) == {4: 1}
    assert at(f.last_degree(WALTZ)) == {(72 - WALTZ.key.key.pitch_class) % 12: 1}


def test_lengths_and_density():
    index = {length: i for i, length in enumerate(f.LENGTHS)}
    assert at(f.length_histogram(STEADY)) == {index[24]: 1}
    assert at(f.length_histogram(WALTZ)) == {index[12]: 0.2, index[24]: 0.6, index[72]: 0.2}
    assert f.notes_per_quarter(STEADY) == 1
    assert f.notes_per_quarter(WALTZ) == pytest.approx(5 / 7)
    assert f.rest_share(STEADY) == 0
    assert f.rest_share(WALTZ) == pytest.approx(0.5 / 7)
    assert f.last_length(STEADY) == 0
    assert f.last_length(WALTZ) == pytest.approx(math.log2(3 / (6.5 / 5)))
    assert (f.bar_count(STEADY), f.bar_count(WALTZ)) == (2, 2)
    assert (f.note_count(STEADY), f.note_count(WALTZ)) == (8, 5)


def test_onsets():
    assert at(f.onset_histogram(STEADY)) == {0: 0.25, 4: 0.25, 8: 0.25, 12: 0.25}
    # The pickup stands on beat 3 (eighth sixteenth); then 0, 6, 8 and 0.
    assert at(f.onset_histogram(WALTZ)) == {0: 0.4, 6: 0.2, 8: 0.4}


def test_syncopation():
    assert f.syncopation(STEADY) == 0
    # Quarter, half on beat 2 (weight -2) over beat 3 (-1): 1; quarter on beat 4, whole bar.
    assert f.syncopation(tune([(60, 1), (62, 2), (64, 1), (60, 4)])) == pytest.approx(1 / 3)
    # The last half of beat 4 (-3) is held over the downbeat (0): 3, over two gaps.
    assert f.syncopation(tune([(60, 3.5), (62, 1.5), (60, 1)])) == pytest.approx(3 / 2)
    # A rest on the strong place counts as well as a note held there.
    assert f.syncopation(tune([(60, 3.5), (62, 0.5), (None, 1), (60, 1)])) == pytest.approx(3 / 2)
    # In the waltz: pickup, downbeat over the weaker places, offbeat to the beat, beat 3.
    assert f.syncopation(WALTZ) == 0


def test_groove():
    assert f.groove_similarity(STEADY) == 1
    # Onsets {0} and {0, 8 of 16 sixteenths}: one of 64 places differs.
    assert f.groove_similarity(tune([(60, 4), (60, 2), (62, 2)])) == pytest.approx(63 / 64)
    # Three bars: pairs differ in 1, 1 and 0 places.
    three = tune([(60, 4), (60, 2), (62, 2), (60, 4)])
    assert f.groove_similarity(three) == pytest.approx(1 - (2 / 3) / 64)
    assert math.isnan(f.groove_similarity(tune([(60, 4)])))
    # Waltz bars: {0, 1.5, 2 quarters} and {0} of 48 places.
    assert f.groove_similarity(WALTZ) == pytest.approx(1 - 2 / 48)


def test_repetition():
    # Seven intervals: 4 3 -3 -4 4 3 -3; windows of 3: five, of which the last, 4 3 -3, is seen.
    assert s.repetition(STEADY, 3) == pytest.approx(1 / 5)
    assert s.repetition(STEADY, 1) == pytest.approx(1 - 4 / 7)
    assert s.repetition_4(STEADY) == 0
    assert math.isnan(s.repetition_8(STEADY))
    assert math.isnan(s.repetition_4(tune([(60, 1)])))
    assert s.repetition_4(WALTZ) == 0
    scale = tune([(60 + i, 1) for i in range(21)])  # twenty equal intervals
    found = [g(scale) for g in (s.repetition_4, s.repetition_8, s.repetition_10, s.repetition_16)]
    assert found == pytest.approx([16 / 17, 12 / 13, 10 / 11, 4 / 5])


def test_bars_and_lags():
    assert (s.bars_repeated(STEADY), s.rhythms_repeated(STEADY)) == (0.5, 0.5)
    assert at(s.repeat_lags(STEADY)) == {0: 1}
    assert (s.bars_repeated(WALTZ), s.rhythms_repeated(WALTZ)) == (0, 0)
    assert np.isnan(s.repeat_lags(WALTZ)).all()
    # Bars a b a b c d a b a b: rhythm all alike.
    bars = {x: [(60 + i, 2), (62 + i, 2)] for i, x in enumerate("abcd")}
    song = tune([note for x in "ababcdabab" for note in bars[x]])
    assert s.bars_repeated(song) == pytest.approx(6 / 10)
    assert s.rhythms_repeated(song) == pytest.approx(9 / 10)
    # Lags 2 2, then 4 4, then 2 2.
    assert at(s.repeat_lags(song)) == {1: 4 / 6, 3: 2 / 6}
    # Windows of 4: abab babc abcd bcda cdab daba abab: the last is seen.
    assert s.phrases_repeated(song) == pytest.approx(1 / 7)
    assert math.isnan(s.phrases_repeated(WALTZ))
    silent = tune([(60, 4), (None, 8), (60, 4)])
    assert s.bars_repeated(silent) == 0.5
    assert at(s.repeat_lags(silent)) == {2: 1}


def test_phrases():
    # Up, a long note, down, a rest of a quarter, one note more.
    line = tune([(60, 1), (64, 1), (67, 4), (67, 1), (64, 1), (60, 1), (None, 1), (60, 1)])
    assert s.phrase_ends(line).tolist() == [2, 5, 6]
    assert s.phrase_length(line) == pytest.approx(7 / 3)
    assert at(s.phrase_length_histogram(line)) == {0: 1 / 3, 1: 2 / 3}
    assert at(s.contour(line)) == {s.CONTOURS.index("ascending"): 0.5, 0: 0.5}
    assert s.phrase_ends(STEADY).tolist() == [7]
    assert s.phrase_length(STEADY) == 8
    # C, mean of E G E C E G = 64.33, so 64; E: up, then level.
    assert at(s.contour(STEADY)) == {s.CONTOURS.index("ascending-horizontal"): 1}
    assert np.isnan(s.contour(tune([(60, 1), (62, 1)]))).all()


@pytest.mark.parametrize(
    ("pitches", "name"),
    [
        ((60, 64, 60), "convex"), ((64, 60, 64), "concave"), ((60, 60, 60), "horizontal"),
        ((60, 60, 64), "horizontal-ascending"), ((64, 64, 60), "horizontal-descending"),
        ((64, 60, 60), "descending-horizontal"), ((60, 64, 64), "ascending-horizontal"),
        ((60, 62, 64), "ascending"), ((64, 62, 60), "descending"),
    ],
)  # fmt: skip
def test_contour_classes(pitches, name):
    assert at(s.contour(tune([(p, 1) for p in pitches]))) == {s.CONTOURS.index(name): 1}


def test_a_last_note_shorter_than_a_step_stays_in_its_bar():
    line = tune([(60, 1915 / 480), (62, 5 / 480)])
    assert line.onsets.tolist() == [0, 95] and line.lengths.tolist() == [96, 1]
    assert line.bar_of.tolist() == [0, 0] and line.places.tolist() == [0, 95]
    found = f.measure(line)
    assert found["syncopation"] == 0
    assert found["onset_histogram"][15] == 0.5
    # Where a bar comes after it, it counts as begun there, as before.
    later = tune([(60, 1915 / 480), (62, 5 / 480), (64, 1)])
    assert later.onsets.tolist() == [0, 96, 96] and later.bar_of.tolist() == [0, 1, 1]


def test_one_note():
    """What is undefined is NaN, never an error."""
    found = f.measure(tune([(60, 1)]))
    undefined = {n for n, v in found.items() if np.isnan(v).any()}
    assert undefined == {
        "mean_interval", "interval_histogram", "syncopation", "groove_similarity",
        "repetition_4", "repetition_8", "repetition_10", "repetition_16",
        "phrases_repeated", "contour", "repeat_lags",
    }  # fmt: skip


NOTES = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(20, 100)), st.integers(1, 2000)),
    min_size=1, max_size=60,
).filter(lambda spec: any(p is not None for p, _ in spec))  # fmt: skip


@given(NOTES, st.sampled_from([(4, 4), (6, 8), (5, 4), (2, 2)]), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_any_tune_has_sound_features(spec, meter, up):
    total = sum(length for _, length in spec)
    pickup = 480 if total > 480 else 0
    line = tune([(p, n / 480) for p, n in spec], meter, pickup)
    found = f.measure(line)
    for name, feature in f.FEATURES.items():
        values = found[name]
        assert values.shape == (feature.size,)
        if feature.kind == "histogram" and not np.isnan(values).any():
            assert values.sum() == pytest.approx(1)
            assert values.min() >= 0
    for name in ("scale_consistency", "key_clarity", "rest_share", "bars_repeated"):
        assert np.isnan(found[name][0]) or 0 <= found[name][0] <= 1
    moved = f.measure(Line(line.melody.transpose(up)))
    for name in found.keys() - {"mean_pitch", "pitch_class_histogram"}:
        np.testing.assert_allclose(moved[name], found[name], atol=1e-9, err_msg=name)
