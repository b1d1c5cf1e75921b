"""Baselines and bits per note against hand calculations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.evaluation.baselines import Interpolated, MelodyMarkov, SequenceMarkov
from tunesmith.evaluation.likelihood import bits_per_note
from tunesmith.melody import Melody, Meter, Note


def test_interpolation_by_hand():
    model = Interpolated(4)
    for context, symbol in [("a", "x"), ("a", "x"), ("a", "y"), ("b", "z")]:
        model.add([(context,), ()], symbol)
    # No context: x 2, y 1, z 1 of 4, three kinds: (2 + 3/4) / 7.
    shorter = (2 + 3 / 4) / 7
    assert model.probability([("c",), ()], "x") == pytest.approx(shorter)
    assert model.probability([("a",), ()], "x") == pytest.approx((2 + 2 * shorter) / 5)


@given(st.lists(st.integers(0, 4), min_size=3, max_size=60), st.integers(0, 4))
def test_probabilities_sum_to_one(ids, order):
    model = SequenceMarkov(order, 5).fit([ids])
    for history in ([], [0], ids[:4]):
        bits = [model.bits([4, *history, x]) - model.bits([4, *history]) for x in range(5)]
        assert sum(2**-b for b in bits) == pytest.approx(1)


def _tune(pitches, length=480, pickup=0):
    notes = tuple(Note(i * length, length, p) for i, p in enumerate(pitches))
    return Melody(notes, (Meter(0, 4, 4),), pickup=pickup)


@pytest.mark.parametrize("joint", [True, False])
def test_markov_learns_and_charges_everything(joint):
    training = [_tune([60, 62, 64, 65] * 8)] * 20
    model = MelodyMarkov(3, joint=joint).fit(training)
    same, other = model.bits(training[0]), model.bits(_tune([60, 66, 61, 70] * 8))
    assert 0 < same < 20 < other
    # Longer notes, a pickup or another metre all cost something.
    assert model.bits(_tune([60, 62, 64, 65] * 8, 240)) > same
    assert model.bits(_tune([60, 62, 64, 65] * 8, pickup=480)) > same
    waltz = Melody(training[0].notes, (Meter(0, 3, 4),))
    assert model.bits(waltz) > same


def test_bits_per_note_and_interval():
    interval = bits_per_note([10.0, 20.0, 30.0], [10, 10, 10])
    assert interval.value == pytest.approx(2.0)
    assert 1.0 <= interval.low < 2.0 < interval.high <= 3.0
    constant = bits_per_note([5.0, 10.0], [5, 10])
    assert tuple(constant) == pytest.approx((1, 1, 1))
    # Weighted by notes, not by tunes.
    assert bits_per_note([1.0, 90.0], [1, 9]).value == pytest.approx(9.1)


def test_uniform_start():
    model = SequenceMarkov(2, 8).fit([])
    assert model.bits(np.array([0, 1, 2]).tolist()) == pytest.approx(2 * math.log2(8))
