"""Several models as one, for table B2 (`benchmarks/mixing.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import mixing


def models(rng, count=3, symbols=400, alphabet=5):
    return np.log(rng.dirichlet(np.ones(alphabet), (count, symbols)))


def test_means_by_hand():
    logs = np.log([[[0.5, 0.25, 0.25]], [[0.1, 0.1, 0.8]]])
    assert np.exp(mixing.arithmetic(logs)) == pytest.approx(np.array([[0.3, 0.175, 0.525]]))
    # Powers 1 and 2: 0.5 x 0.01, 0.25 x 0.01, 0.25 x 0.64.
    parts = np.array([0.005, 0.0025, 0.16])
    found = np.exp(mixing.geometric(logs, np.array([1.0, 2.0])))
    assert found == pytest.approx((parts / parts.sum())[None])
    taken_away = np.array([0.5 / 0.1, 0.25 / 0.1, 0.25 / 0.8])
    found = np.exp(mixing.geometric(logs, np.array([1.0, -1.0])))
    assert found == pytest.approx((taken_away / taken_away.sum())[None])


def test_weights_are_found_again():
    rng = np.random.default_rng(0)
    logs = models(rng, symbols=40_000)
    true = np.array([0.9, -0.15, 0.3])
    chances = np.exp(mixing.geometric(logs, true))
    came = (chances.cumsum(axis=1) < rng.random((len(chances), 1))).sum(axis=1)
    assert mixing.settle(logs, came) == pytest.approx(true, abs=0.03)


def test_no_weights_near_those_found_have_a_shorter_code():
    rng = np.random.default_rng(1)
    logs = models(rng)
    came = rng.integers(5, size=400)

    def code(weights):
        return -mixing.geometric(logs, weights)[np.arange(400), came].mean()

    best = mixing.settle(logs, came)
    assert all(code(best) <= code(best + rng.normal(0, 0.01, 3)) for _ in range(50))


def test_models_that_are_alike_have_no_weights():
    logs = models(np.random.default_rng(2), count=1).repeat(2, axis=0)
    with pytest.raises((ValueError, np.linalg.LinAlgError)):
        mixing.settle(logs, np.zeros(400, np.int64))


def test_powers_follow_what_comes_and_never_look_ahead():
    rng = np.random.default_rng(3)
    logs = models(rng, symbols=600)
    chances = np.exp(mixing.geometric(logs, np.array([0.0, 1.2, 0.0])))
    came = (chances.cumsum(axis=1) < rng.random((len(chances), 1))).sum(axis=1)
    begun = np.full(3, 1 / 3)
    fixed, found = mixing.geometric(logs, begun), mixing.following(logs, came, begun, 10.0)
    assert np.exp(found).sum(axis=1) == pytest.approx(1)
    assert found[0] == pytest.approx(fixed[0])
    assert mixing.following(logs, came, begun, 1e12) == pytest.approx(fixed, abs=1e-6)
    late = np.arange(300, 600)
    assert found[late, came[late]].mean() > fixed[late, came[late]].mean() + 0.2
    other = came.copy()
    other[300:] = (other[300:] + 1) % 5
    assert (mixing.following(logs, other, begun, 10.0)[:301] == found[:301]).all()


def test_the_first_step_of_powers_by_hand():
    logs = np.log(np.array([[[0.75, 0.25]] * 2]))
    # Of the first symbol 3/4 and 1/4 are expected; ln 3 = 1.0986 lies between their logarithms.
    curvature = 2.0 + np.log(3) ** 2 * 0.75 * 0.25
    power = 1.0 + 0.25 * np.log(3) / curvature
    found = np.exp(mixing.following(logs, np.zeros(2, np.int64), np.ones(1), 2.0))
    assert found[0] == pytest.approx([0.75, 0.25])
    assert found[1, 0] == pytest.approx(3**power / (1 + 3**power))
