"""A curve fitted to a run's validation losses, and what it says of the steps to come.

    L(s) = F + a ((S(s) / S(N))^-p - 1) + b r(s)

s is the step, N the last one, r(s) the share of the full learning rate and S(s) its sum
so far. F is the loss at the end of the run, a the fall that more steps of the same kind
would still bring (a power law in the summed rate, and F - a the loss at no end), and b
what the height of the rate costs, which its fall to zero gives back. The form is that of
Tissue et al. (2024), 'Scaling law with learning rate annealing', with the rate itself in
the place of their annealing term, since momentum is short beside the runs here.

For each p of a grid the curve is linear, so that its posterior under normal priors is
exact; the grid is weighed by the evidence. Priors are wide but not flat: their scale is the
fall seen so far.

The first half of a schedule cannot tell a from b, and on runs cut at half this curve alone
covered five of ten final losses. The end of a run that still goes on is therefore foretold
by what such runs have done (`Ending`), and the curve is led through that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import InputError

Floats = NDArray[np.float64]

LEAST = 4
"""Points that a fit needs."""

LEVEL = 0.80
"""Of the interval of a forecast."""

_FALL, _FALL_SCALE, _FALL_SPREAD = 2.23, 0.366, 0.24
"""How runs went on from their half: least squares on the first runs of benchmarks/forecast.py."""
_LEAST_FALL = 0.01  # of the loss: a run that no longer falls is given that

_POWERS = np.array([0.15, 0.25, 0.4, 0.6, 0.85, 1.2])
# In units of the fall so far.
_A_MEAN, _A_SD = 0.35, 0.35
_B_MEAN, _B_SD = 0.35, 0.35
_NOISE = 0.04
_EARLY = 0.25  # noise grows with what was still to fall: the curve is wrong early on
_NOISE_WEIGHT = 3.0  # as many points as the prior of the noise counts for


@dataclass(frozen=True)
class Schedule:
    """The learning rate of a run, as `training.optimiser.rate` has it: up, then linearly to 0.

    Attributes:
        steps: of the whole run.
    """

    steps: int

    @property
    def warm_up(self) -> int:
        """Steps until the full rate."""
        return max(1, min(100, self.steps // 20))

    def rate(self, step: int) -> float:
        """The share of the full rate at step 0 to `steps` - 1; 0 at `steps`."""
        down = (self.steps - step) / max(1, self.steps - self.warm_up)
        return min((step + 1) / self.warm_up, down)

    def summed(self, steps: int) -> float:
        """The sum of the shares over the first `steps` steps."""
        return math.fsum(self.rate(s) for s in range(steps))


class Forecast(NamedTuple):
    """A loss to come: the median of its distribution, and the ends of its 80 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Ending:
    """What the loss at the end of a run that goes on will be: log-normal in the fall to come.

    With u the share of the steps that are done and d = L(0.4 u) - L(u) the fall of late, in
    nats, the fall to come has the median 2.23 d exp(-d / 0.366) (1 - u) / u: in proportion to
    the late fall where that is small, less where the steep part lies behind. Its logarithm
    has the standard deviation 0.24. Fitted at u = 0.5, the only place it was tested at.

    Attributes:
        now: the last loss measured.
        fall: median of the fall to come, nats.
    """

    now: float
    fall: float

    @classmethod
    def of(cls, steps: Sequence[int], losses: Sequence[float], total: int) -> Ending:
        """The ending of a run from its records so far; see `fit`."""
        done = steps[-1] / total
        late = float(np.interp(0.4 * steps[-1], steps, losses)) - losses[-1]
        late = max(late, _LEAST_FALL * abs(losses[-1]))
        fall = _FALL * late * math.exp(-late / _FALL_SCALE) * (1 - done) / done
        return cls(losses[-1], fall)

    @property
    def forecast(self) -> Forecast:
        """The loss at the end, with its 80 % interval."""
        z = NormalDist().inv_cdf((1 + LEVEL) / 2) * _FALL_SPREAD
        ends = (self.now - self.fall * math.exp(x) for x in (0.0, z, -z))
        return Forecast(*ends)


@dataclass(frozen=True)
class Curve:
    """A fitted curve: a mixture of Student distributions over (F, a, b), one for each power.

    Attributes:
        schedule: of the run.
        weights: (P,) of the powers, summing to 1.
        means: (P, 3).
        spreads: (P, 3, 3) scale matrices.
        freedom: degrees of freedom.
        noise: (P,) scale of a point about the curve at the end of the run, nats.
        ending: where the run still goes on, else None.
    """

    schedule: Schedule
    weights: Floats
    means: Floats
    spreads: Floats
    freedom: float
    noise: Floats
    ending: Ending | None

    def at(self, step: int) -> float:
        """The curve itself at a step, in nats: the mean over the powers."""
        rows = _rows(self.schedule, [max(1, step)])  # (P, 1, 3)
        return float(self.weights @ np.einsum("pik,pk->p", rows, self.means))

    def end(self) -> Forecast:
        """The validation loss at the end of the run, as it will be or would be measured."""
        if self.ending:
            return self.ending.forecast
        rows = np.tile([1.0, 0.0, 0.0], (len(_POWERS), 1))
        return self._forecast(rows, noisy=True)

    def longer(self, times: float) -> Forecast:
        """The loss at the end of a run of `times` as many steps under the same schedule."""
        rows = np.stack([np.ones(len(_POWERS)), times**-_POWERS - 1, 0 * _POWERS], axis=1)
        return self._forecast(rows, noisy=True)

    def gain(self, times: float) -> Forecast:
        """By how much the end of a run of `times` as many steps lies below that of this one."""
        rows = np.stack([0 * _POWERS, 1 - times**-_POWERS, 0 * _POWERS], axis=1)
        return self._forecast(rows, noisy=False)

    def _forecast(self, rows: Floats, *, noisy: bool) -> Forecast:
        centre = np.einsum("pk,pk->p", rows, self.means)
        variance = np.einsum("pk,pkl,pl->p", rows, self.spreads, rows) + noisy * self.noise**2
        draws = _student(self.freedom)
        values = (centre[:, None] + np.sqrt(variance)[:, None] * draws).ravel()
        weights = np.repeat(self.weights / len(draws), len(draws))
        order = np.argsort(values)
        reached = np.cumsum(weights[order])
        ends = np.searchsorted(reached, [0.5, (1 - LEVEL) / 2, (1 + LEVEL) / 2])
        value, low, high = values[order][np.minimum(ends, len(values) - 1)]
        return Forecast(float(value), float(low), float(high))


def fit(steps: Sequence[int], losses: Sequence[float], total: int) -> Curve:
    """Fit the curve to a run's records, or to the first of them.

    Args:
        steps: at which the loss was measured, 1 to `total`, growing.
        losses: on validation, nats a token.
        total: steps of the whole run.

    Raises:
        InputError: for fewer than `LEAST` points, or a loss that is not finite.
    """
    y = np.asarray(losses, float)
    if len(y) < LEAST or not np.isfinite(y).all():
        raise InputError(
            f"a curve needs {LEAST} validation losses, all finite, and there are {len(y)}",
            remedy="train for longer",
        )
    schedule = Schedule(total)
    ending = Ending.of(steps, losses, total) if steps[-1] < total else None
    fall = max(float(y[0] - y.min()), 0.02 * abs(float(y.min())), 1e-6)
    mean = np.array([y.min(), _A_MEAN * fall, _B_MEAN * fall])
    scale = np.diag([10 * fall, _A_SD * fall, _B_SD * fall]) ** 2
    unit = np.hypot(_NOISE * fall, _EARLY * np.maximum(y - y.min(), 0))  # (n,) relative sds
    if ending:
        y = np.append(y, ending.forecast.value)
        unit = np.append(unit, _FALL_SPREAD * ending.fall)
        steps = [*steps, total]
    rows = _rows(schedule, steps)
    results = [_posterior(r / unit[:, None], y / unit, mean, scale) for r in rows]
    evidence = np.array([r[2] for r in results])
    weights = np.exp(evidence - evidence.max())
    return Curve(
        schedule,
        weights / weights.sum(),
        np.array([r[0] for r in results]),
        np.array([r[1] * r[3] for r in results]),
        _NOISE_WEIGHT + len(y),
        np.array([_NOISE * fall * math.sqrt(r[3]) for r in results]),
        ending,
    )


def _posterior(
    x: Floats, y: Floats, mean: Floats, scale: Floats
) -> tuple[Floats, Floats, float, float]:
    """Mean, scale matrix, log evidence and noise factor of a linear model, conjugate priors.

    Bishop (2006), section 3.3 and exercise 3.12: weights given the noise are normal with
    `scale` times the noise, and the noise is inverse gamma.
    """
    prior = np.linalg.inv(scale)
    inverse = prior + x.T @ x
    spread: Floats = np.asarray(np.linalg.inv(inverse), np.float64)
    found: Floats = spread @ (prior @ mean + x.T @ y)
    misfit = y @ y + mean @ prior @ mean - found @ inverse @ found
    a = (_NOISE_WEIGHT + len(y)) / 2
    b = (_NOISE_WEIGHT + max(float(misfit), 0.0)) / 2
    evidence = 0.5 * float(np.linalg.slogdet(prior @ spread)[1]) - a * math.log(b)
    return found, spread, evidence, b / a


def _rows(schedule: Schedule, steps: Sequence[int]) -> Floats:
    """(P, n, 3) what F, a and b are multiplied by at each step, for each power."""
    whole = schedule.summed(schedule.steps)
    share = np.array([schedule.summed(s) / whole for s in steps])
    rate = np.array([schedule.rate(s) if s < schedule.steps else 0.0 for s in steps])
    rows = [np.stack([np.ones_like(rate), share**-p - 1, rate], axis=1) for p in _POWERS]
    return np.array(rows)


def _student(freedom: float, count: int = 400) -> Floats:
    """(count,) quantiles of Student's t, evenly spaced: sampled with a fixed seed."""
    chance = np.random.default_rng(0)
    draws = chance.standard_normal(200 * count) / np.sqrt(
        chance.chisquare(freedom, 200 * count) / freedom
    )
    quantiles: Floats = np.quantile(draws, (np.arange(count) + 0.5) / count)
    return (quantiles - quantiles[::-1]) / 2
