"""Baselines against hand calculations, and what may not reach their figures."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.evaluation.baselines import Copy, Markov, Uniform
from tunesmith.evaluation.melody_models import (
    BASELINES,
    MelodyModel,
    MelodyPPM,
    counted_baselines,
    ppm_baselines,
)
from tunesmith.evaluation.ppm import Predictor
from tunesmith.melody import Chord, Key, Melody, Meter, Note
from tunesmith.tokens import make_vocabulary

ALPHABET = 5
MAKERS = {
    "uniform": Uniform,
    "unigram": lambda size: Markov(size, 0),
    "markov": lambda size: Markov(size, 3),
    "copy": Copy,
    "ltm": lambda size: Predictor("ltm", size, order=2),
    "both": lambda size: Predictor("both", size, order=2),
}


def tune(pitches, length=480, pickup=0, **more):
    notes = tuple(Note(i * length, length, p) for i, p in enumerate(pitches))
    return Melody(notes, (Meter(0, 4, 4),), pickup=pickup, **more)


def study(stream, sequence):
    stream.begin()
    for i, symbol in enumerate(sequence):
        stream.study(sequence, i, symbol)
    stream.begin()
    return stream


def test_interpolation_by_hand():
    model = study(Markov(4, 1), "axaxaybz")
    # No context: a 3, x 2, y 1, b 1, z 1 of 8, five kinds: (2 + 5/4) / 13.
    shorter = (2 + 5 / 4) / 13
    assert model.predict("q", 1).probability("x") == pytest.approx(shorter)
    # After a: x 2, y 1, two kinds: (2 + 2 shorter) / 5.
    assert model.predict("a", 1).probability("x") == pytest.approx((2 + 2 * shorter) / 5)
    assert model.sharing(0).predict("a", 1).probability("x") == pytest.approx(shorter)


def test_a_copy_by_hand():
    model = study(Copy(4), "abab")
    # Before the second a stands b, which nothing had followed: no match. Before the second b
    # stands a, which b had followed: a match of one symbol, and right. So (1 + 1) / (1 + 2).
    model.learn("ca", 1, "a")
    model.learn("cac", 2, "c")
    found = model.predict("cac", 3)
    assert found.probability("a") == pytest.approx(2 / 3)
    unseen = 4 - len(found.named)
    assert sum(found.named.values()) + unseen * found.other == pytest.approx(1)
    # Without a match the Markov model speaks alone.
    model.begin()
    alone, plain = model.predict("a", 1), study(Markov(4, 1), "abab").predict("a", 1)
    assert alone.named == plain.named and alone.other == plain.other


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=40, deadline=None)
@given(
    training=st.lists(st.lists(st.integers(0, ALPHABET - 1), max_size=30), max_size=3),
    heard=st.lists(st.integers(0, ALPHABET - 1), max_size=40),
)
def test_probabilities_sum_to_one_at_every_step(name, training, heard):
    model = MAKERS[name](ALPHABET)
    for sequence in training:
        study(model, sequence)
    model.begin()
    for i, symbol in enumerate(heard):
        found = model.predict(heard, i)
        each = [found.probability(s) for s in range(ALPHABET)]
        assert min(each) > 0 and sum(each) == pytest.approx(1)
        named = found.named
        assert [named.get(s, found.other) for s in range(ALPHABET)] == pytest.approx(each)
        model.learn(heard, i, symbol)


@pytest.mark.parametrize("name", MAKERS)
def test_the_future_does_not_reach_back(name):
    """The choices before a change of the tune cost what they cost without it."""
    model = study(MAKERS[name](ALPHABET), [0, 1, 2, 3, 0, 1, 2, 3, 4])
    one, other = [0, 1, 2, 0, 1, 2, 3, 3], [0, 1, 2, 0, 1, 4, 4, 4]
    model.begin()
    costs = []
    for past in (one, other):
        model.begin()
        costs.append([])
        for i in range(5):
            costs[-1].append(model.predict(past, i).probability(past[i]))
            model.learn(past, i, past[i], lasting=False)
    assert costs[0] == costs[1]


@pytest.mark.parametrize("name", MAKERS)
def test_no_attribute_reaches_a_figure(name):
    training = [tune([60, 62, 64, 65, 67] * 4), tune([67, 65, 64, 62, 60] * 4)]
    plain = tune([60, 64, 62, 65] * 4)
    dressed = replace(
        plain, title="60 64 62 65", tempo=77.0, origin="here", key=Key("E", "minor"),
        chords=(Chord(0, "Em"),),
    )  # fmt: skip
    assert MelodyModel(MAKERS[name]).fit(training).bits(plain) == MelodyModel(MAKERS[name]).fit(
        training
    ).bits(dressed)


def test_uniform_by_hand():
    found = MelodyModel(Uniform).bits(tune([60, 62]))
    # Metre, pickup, two lengths and the end; two choices of rest or note; two notes of 128.
    from tunesmith.tokens.table import METERS

    note = math.log2(129 / 128)
    assert found.timing == pytest.approx(math.log2(len(METERS)) + 4 * 12 + 2 * note)
    assert found.pitch == pytest.approx(2 * 7)


def test_markov_learns_and_charges_everything():
    training = [tune([60, 62, 64, 65] * 8)] * 20
    model = MelodyModel(lambda size: Markov(size, 3)).fit(training)
    same, other = (model.bits(m).total for m in (training[0], tune([60, 66, 61, 70] * 8)))
    assert 0 < same < 20 < other
    # Longer notes, a pickup or another metre all cost something.
    assert model.bits(tune([60, 62, 64, 65] * 8, 240)).total > same
    assert model.bits(tune([60, 62, 64, 65] * 8, pickup=480)).total > same
    assert model.bits(Melody(training[0].notes, (Meter(0, 3, 4),))).total > same


@pytest.mark.parametrize("kind", ["notes", "letters", "pitches"])
def test_the_table_has_every_row_and_shared_counts_are_those_of_models_alone(kind):
    training = [tune([60, 62, 64, 65 + i] * 4, key=Key("C")) for i in range(4)]
    held = [tune([62, 64, 65, 60] * 4, key=Key("C")), tune([60, 62] * 8, key=Key("D"))]
    told = counted_baselines(make_vocabulary(kind), training, held)
    table = told | ppm_baselines(make_vocabulary(kind), training, held)
    assert tuple(table) == BASELINES
    assert all(len(bits) == 2 and min(b.total for b in bits) > 0 for bits in table.values())
    if kind == "notes":
        for name, order in (("unigram", 0), ("Markov, order 3", 3)):
            alone = MelodyModel(lambda size, k=order: Markov(size, k), from_tonic=True)
            assert table[name] == [alone.fit(training).bits(m) for m in held[:1]] + table[name][1:]
        for name, ppm in (
            ("PPM, order 5 (LTM)", "ltm"),
            ("PPM, order 5, learning on (LTM+)", "ltm+"),
            ("PPM* of the same tune alone (STM)", "stm"),
            ("LTM+ with STM", "both"),
        ):
            alone = MelodyPPM(ppm, 5, from_tonic=True).fit(training)
            assert table[name] == [alone.bits(m) for m in held]
