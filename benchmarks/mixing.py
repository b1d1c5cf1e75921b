"""Several models of the same symbols as one, for table B2 (`pop.py`).

A product of powers of what they expect; the powers are settled on songs kept apart (`settle`) and
from there follow each song (`following`).

Shapes: M models, N symbols, V of the alphabet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def arithmetic(logs: Floats) -> Floats:
    """(N, V) natural log-probabilities of the mean of (M, N, V) distributions."""
    mean: Floats = np.logaddexp.reduce(logs) - np.log(len(logs))
    return mean


def geometric(logs: Floats, weights: Floats) -> Floats:
    """(N, V) natural log-probabilities of a product of powers, scaled to sum to one.

        p(x) = p1(x)^w1 p2(x)^w2 … / Z

    Weights need not sum to one: more sharpens, less flattens. One below zero takes away what
    its model expects and the others need not (contrastive, as Li et al. 2023 decode).

    Args:
        logs: (M, N, V) natural log-probabilities, none of them of zero.
        weights: (M,).
    """
    scores = np.tensordot(weights, logs, axes=1)
    whole: Floats = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    return whole


def following(logs: Floats, symbols: NDArray[np.int64], powers: Floats, inertia: float) -> Floats:
    """As `geometric`, with powers that follow what comes, by Newton steps (Hazan et al. 2007).

    Each symbol moves the powers against its gradient, by as much as the curvature of all symbols
    so far allows. What is expected of a symbol depends on those before it alone.

    Args:
        logs: (M, N, V) natural log-probabilities.
        symbols: (N,) what came.
        powers: (M,) to begin with.
        inertia: how strongly the powers stay where they are, as curvature before the first symbol.
    """
    powers, curvature = powers.copy(), inertia * np.eye(len(logs))
    whole = np.empty(logs.shape[1:])
    for place, symbol in enumerate(symbols):
        said = logs[:, place]
        scores = powers @ said
        whole[place] = scores - np.logaddexp.reduce(scores)
        chances = np.exp(whole[place])
        expected = said @ chances
        apart = said - expected[:, None]
        curvature += (apart * chances) @ apart.T
        powers -= np.linalg.solve(curvature, expected - said[:, symbol])
    return whole


def settle(logs: Floats, symbols: NDArray[np.int64]) -> Floats:
    """(M,) weights with which `geometric` has the shortest code for what came, by Newton's method.

    The code length is convex in the weights, so there is one such place. Its gradient is what a
    model's log-probability is expected to be, less what it was; its curvature is how the models'
    log-probabilities vary together.

    Args:
        logs: (M, N, V) natural log-probabilities.
        symbols: (N,) what came.

    Raises:
        ValueError: if it is not found in 50 steps, as where two models are alike.
    """
    models, places = len(logs), np.arange(len(symbols))
    weights = np.full(models, 1 / models)
    came = logs[:, places, symbols]
    code = -geometric(logs, weights)[places, symbols].mean()
    for _ in range(50):
        chances = np.exp(geometric(logs, weights))
        expected = (chances * logs).sum(axis=2)
        gradient = (expected - came).mean(axis=1)
        apart = (logs - expected[:, :, None]) * np.sqrt(chances)
        apart = apart.reshape(models, -1)
        step = np.linalg.solve(apart @ apart.T / len(symbols), gradient)
        if gradient @ step < 1e-12:
            return weights
        for share in 0.5 ** np.arange(20):
            tried = weights - share * step
            shorter = -geometric(logs, tried)[places, symbols].mean()
            if shorter <= code:
                weights, code = tried, shorter
                break
        else:
            break
    raise ValueError("no weights were found")
