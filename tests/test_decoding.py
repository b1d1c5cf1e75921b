"""Samplers against hand calculations; baselines and bits per note likewise."""

import math

import numpy as np
import pytest

from tunesmith.decoding.sampling import Sampling, choose, keep_top_k, keep_top_p, log_softmax
from tunesmith.errors import UsageError

LOGITS = np.log(np.array([[0.5, 0.3, 0.15, 0.05], [0.25, 0.25, 0.25, 0.25]], np.float32))
ALL = np.ones((2, 4), bool)


def _kept(logits):
    return np.isfinite(logits).tolist()


def test_log_softmax_sums_to_one():
    assert np.exp(log_softmax(LOGITS * 3 + 7)).sum(axis=1) == pytest.approx([1, 1])


def test_top_k_keeps_ties():
    assert _kept(keep_top_k(LOGITS, 2)) == [[True, True, False, False], [True] * 4]
    assert _kept(keep_top_k(LOGITS, 0)) == [[True] * 4] * 2


def test_top_p_keeps_the_token_that_reaches_it():
    assert _kept(keep_top_p(LOGITS, 0.7))[0] == [True, True, False, False]
    assert _kept(keep_top_p(LOGITS, 0.85))[0] == [True, True, True, False]
    assert _kept(keep_top_p(LOGITS, 1e-9))[0] == [True, False, False, False]


def test_choosing_follows_the_distribution():
    uniforms = (np.arange(10_000) + 0.5) / 10_000
    drawn = choose(np.repeat(LOGITS[:1], 10_000, 0), np.ones((10_000, 4), bool), uniforms,
                   Sampling())  # fmt: skip
    assert np.bincount(drawn, minlength=4) / 10_000 == pytest.approx([0.5, 0.3, 0.15, 0.05])


def test_choosing_never_leaves_what_is_allowed():
    allowed = np.array([[False, False, True, False], [False, True, True, False]])
    for u in (0.0, 0.5, 1 - 2**-53):
        for how in (Sampling(), Sampling(temperature=0), Sampling(top_k=1), Sampling(top_p=0.1)):
            tokens = choose(LOGITS, allowed, np.full(2, u), how)
            assert allowed[np.arange(2), tokens].all()


def test_temperature_sharpens():
    how = Sampling(temperature=0.5)  # squares the odds: 25 : 9 : 2.25 : 0.25
    assert choose(LOGITS, ALL, np.array([25 / 36.5 - 1e-6, 0]), how)[0] == 0
    assert choose(LOGITS, ALL, np.array([25 / 36.5 + 1e-6, 0]), how)[0] == 1


@pytest.mark.parametrize("bad", [{"temperature": -1}, {"top_k": -1}, {"top_p": 0}, {"top_p": 1.1}])
def test_values_out_of_range(bad):
    with pytest.raises(UsageError):
        Sampling(**bad)


def test_hand_check_of_choice_probabilities():
    assert math.isclose(float(np.exp(log_softmax(LOGITS))[0, 1]), 0.3, rel_tol=1e-6)
