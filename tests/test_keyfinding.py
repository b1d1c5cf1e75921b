"""Keys and metres estimated: the same in every transposition, sure where they may be."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.errors import InputError
from tunesmith.keyfinding import (
    KEY_MODES,
    estimate_key,
    key_evidence,
    key_probabilities,
    with_estimates,
)
from tunesmith.melody import Key, Melody, Meter, Note
from tunesmith.meterfinding import METERS, estimate_meter, meter_features, pickups

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# (note, eighths): tunes in the public domain, typed from memory.
TWINKLE = "C2 C2 G2 G2 A2 A2 G4 F2 F2 E2 E2 D2 D2 C4 " * 2
MINOR = "A2 A2 E2 E2 F2 E2 D4 C2 D2 E2 C2 B2 B2 A4 " * 2
DORIAN = "D4 A4 A2 B2 A4 D4 F4 E2 C2 D4 A2 G2 F2 E2 D4 C4 B2 A2 G2 E2 D8 "
JIG = "G2 E1 C2 E1 G2 A1 G2 E1 F2 D1 B2 D1 C2 E1 G3 " * 4  # long-short, in dotted quarters
WALTZ = "C4 E2 G4 G2 A4 F2 G6 F4 D2 E4 C2 D4 D2 C6 " * 2


def tune(text, **fields):
    notes, onset = [], 0
    for word in text.split():
        ticks = 240 * int(word[1:])
        notes.append(Note(onset, ticks, 60 + STEPS[word[0]]))
        onset += ticks
    return Melody(tuple(notes), **fields)


@pytest.mark.parametrize(
    ("text", "key"),
    [(TWINKLE, "C major"), (MINOR, "A minor"), (JIG, "C major"), (WALTZ, "C major")],
)
def test_known_keys(text, key):
    estimate = estimate_key(tune(text))
    assert str(estimate.key) == key
    assert estimate.sharps == 0
    assert estimate.confidence > 0.5
    assert estimate.signature_confidence > 0.8


def test_a_mode_is_weighed():
    p = key_probabilities(tune(DORIAN))
    assert p[2, "dorian"] > 10 * p[2, "phrygian"]
    assert estimate_key(tune(DORIAN)).key.pitch_class == 2


def test_evidence_by_hand():
    evidence = key_evidence(tune("E2 C4 G2", pickup=480))
    assert (evidence.first, evidence.downbeat, evidence.last) == (4, 0, 7)
    # 1, 2 and 1 quarters of 4, and 4 of nothing
    assert evidence.shares[4] == evidence.shares[7] == pytest.approx(math.sqrt(1 / 8))
    assert evidence.shares[0] == pytest.approx(0.5)


@given(
    st.lists(st.tuples(st.integers(48, 72), st.sampled_from([120, 240, 480, 960])), min_size=1),
    st.integers(-12, 12),
)
@settings(max_examples=60, deadline=None)
def test_transposing_transposes_the_estimate(events, semitones):
    notes, onset = [], 0
    for pitch, ticks in events:
        notes.append(Note(onset, ticks, pitch))
        onset += ticks
    melody = Melody(tuple(notes))
    before, after = key_probabilities(melody), key_probabilities(melody.transpose(semitones))
    assert sum(before.values()) == pytest.approx(1)
    for (tonic, mode), p in before.items():
        assert after[(tonic + semitones) % 12, mode] == pytest.approx(p, abs=1e-9)
    estimate = estimate_key(melody)
    assert 1 / 72 <= estimate.confidence <= estimate.signature_confidence + 1 / 2
    assert estimate.key.mode in KEY_MODES
    assert -6 <= estimate.sharps <= 5


def test_the_melodys_own_key_is_not_looked_at():
    plain = tune(TWINKLE)
    assert estimate_key(replace(plain, key=Key("F#", "dorian"))) == estimate_key(plain)


def test_with_estimates_marks_what_it_sets():
    plain = tune(TWINKLE)
    found = with_estimates(plain)
    assert found.key == Key("C")
    assert found.key_is_estimated
    assert replace(found, key=None, key_is_estimated=False) == plain


def test_with_estimates_leaves_a_key_and_what_is_unsure():
    given_key = tune(TWINKLE, key=Key("F"))
    assert with_estimates(given_key) is given_key
    one_note = tune("C4")
    assert estimate_key(one_note).confidence < 0.5
    assert with_estimates(one_note) is one_note
    assert with_estimates(one_note, threshold=0).key_is_estimated


# -- metre ----------------------------------------------------------------------


def test_known_meters():
    assert str(estimate_meter(tune(JIG).notes).meter) == "6/8"
    assert str(estimate_meter(tune(WALTZ).notes).meter) == "3/4"
    duple = estimate_meter(tune(TWINKLE).notes)
    assert str(duple.meter) in ("2/4", "4/4", "2/2")
    assert duple.pickup == 0


def test_a_pickup_is_found():
    notes = tune("G2 " + WALTZ).notes
    estimate = estimate_meter(notes)
    assert (str(estimate.meter), estimate.pickup) == ("3/4", 480)


def test_features_by_hand():
    notes = tune("C4 D2 C4 D2 E6").notes  # three bars of 3/4
    features = meter_features(notes, Meter(0, 3, 4), 0)
    onsets, times, last, rest = features[:5], features[5:10], features[10:15], features[15:]
    assert onsets == pytest.approx([3 / 5, 2 / 5, 0, 0, 0])
    assert times == pytest.approx([14 / 18, 4 / 18, 0, 0, 0])
    assert last == [1, 0, 0, 0, 0]
    # no empty downbeat; bar 2 repeats the rhythm and the pitches of bar 1; it ends on a barline
    assert rest == pytest.approx([0, 1 / 3, 0, 0, 1 / 3, 1, 0])


def test_pickups_are_onsets_within_a_bar():
    assert pickups(tune("C2 D4 E4 F2").notes, Meter(0, 3, 4)) == (0, 480)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 2000)), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_any_notes_have_a_meter(events):
    notes, onset = [], 0
    for gap, ticks in events:
        notes.append(Note(onset + gap, ticks, 60))
        onset += gap + ticks
    estimate = estimate_meter(notes)
    assert estimate.meter in METERS
    assert 0 <= estimate.pickup < estimate.meter.bar_ticks
    assert 1 / len(METERS) <= estimate.confidence + 1e-9 <= 1 + 1e-9
    assert 0 < estimate.pickup_confidence <= 1
    Melody(tuple(notes), (estimate.meter,), estimate.pickup if estimate.pickup < onset else 0)


def test_a_long_silence_costs_nothing():
    notes = tune(WALTZ).notes
    far = tuple(replace(n, onset=n.onset + 10**12) for n in notes)
    assert str(estimate_meter(notes + far).meter) in map(str, METERS)


def test_no_notes_are_refused():
    with pytest.raises(InputError, match="no notes"):
        estimate_meter(())
