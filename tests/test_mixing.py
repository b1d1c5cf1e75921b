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
