"""The fitted curve: answers by hand, planted curves, and the schedule it must follow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import InputError
from tunesmith.evaluation.forecast import LEVEL, Ending, Schedule, fit


@pytest.mark.parametrize("steps", [1, 7, 19, 150, 569, 4000])
def test_the_schedule_is_that_of_training(steps):
    torch_side = pytest.importorskip("tunesmith.training.optimiser", reason="needs torch")
    ours = Schedule(steps)
    assert [ours.rate(s) for s in range(steps)] == [torch_side.rate(s, steps) for s in range(steps)]


def test_the_schedule_by_hand():
    s = Schedule(40)  # two steps up, then down over 38
    assert s.warm_up == 2
    assert s.rate(0) == 0.5
    assert s.rate(2) == 1.0
    assert s.rate(21) == 0.5
    assert s.summed(3) == 2.5


def planted(total, points, end, a, p, b):
    """Losses of a run that follows the curve exactly."""
    schedule = Schedule(total)
    whole = schedule.summed(total)
    steps = [total * i // points for i in range(1, points + 1)]
    rate = [schedule.rate(s) if s < total else 0.0 for s in steps]
    share = [schedule.summed(s) / whole for s in steps]
    losses = [end + a * (x**-p - 1) + b * r for x, r in zip(share, rate, strict=True)]
    return steps, losses


@pytest.mark.parametrize("p", [0.25, 0.6])
def test_a_planted_curve_is_found(p):
    steps, losses = planted(600, 10, 1.2, 0.5, p, 0.2)
    curve = fit(steps, losses, 600)
    assert curve.at(600) == pytest.approx(1.2, abs=0.05)
    assert curve.at(300) == pytest.approx(losses[4], abs=0.05)
    gain = curve.gain(2)
    true = 0.5 * (1 - 2**-p)
    assert gain.value == pytest.approx(true, abs=0.05)
    assert curve.longer(2).low < 1.2 - true + 0.03  # its noise counts too
    assert curve.longer(2).high - curve.longer(2).low > gain.high - gain.low


def test_more_noise_widens_the_interval():
    steps, losses = planted(600, 10, 1.2, 0.5, 0.4, 0.2)
    noise = np.random.default_rng(0).normal(0, 0.08, 10)
    quiet, loud = fit(steps, losses, 600).gain(2), fit(steps, np.add(losses, noise), 600).gain(2)
    assert loud.high - loud.low > quiet.high - quiet.low


def test_a_run_at_its_plateau_gains_nothing():
    steps = list(range(60, 601, 60))
    losses = [2.0, 1.5, 1.31, 1.302, 1.301, 1.3, 1.3, 1.3, 1.3, 1.3]
    gain = fit(steps, losses, 600).gain(2)
    assert -0.1 < gain.value < 0.1


def test_the_ending_by_hand():
    # Half of 200 steps: the fall of late is from step 40, 2.4, to step 100, 2.0.
    ending = Ending.of([20, 40, 60, 80, 100], [2.8, 2.4, 2.2, 2.1, 2.0], 200)
    assert ending.fall == pytest.approx(2.23 * 0.4 * math.exp(-0.4 / 0.366))
    found = ending.forecast
    assert found.value == pytest.approx(2.0 - ending.fall)
    spread = 1.2816 * 0.24
    assert found.low == pytest.approx(2.0 - ending.fall * math.exp(spread), abs=1e-4)
    assert found.high == pytest.approx(2.0 - ending.fall * math.exp(-spread), abs=1e-4)
    assert LEVEL == 0.80


def test_a_run_that_goes_on_is_led_through_its_ending():
    steps, losses = planted(400, 10, 1.4, 0.4, 0.4, 0.2)
    curve = fit(steps[:5], losses[:5], 400)
    assert curve.ending is not None
    assert curve.end() == curve.ending.forecast
    assert curve.end().low < curve.at(400) < curve.end().high
    assert fit(steps, losses, 400).ending is None


@pytest.mark.parametrize("losses", [[2.0, 1.9, 1.8], [2.0, 1.9, math.nan, 1.7]])
def test_too_little_is_refused(losses):
    with pytest.raises(InputError, match="validation losses"):
        fit(list(range(1, len(losses) + 1)), losses, 10)


@given(
    st.lists(st.floats(0.01, 20), min_size=4, max_size=10),
    st.integers(1, 50),
    st.booleans(),
)
def test_any_losses_give_an_ordered_interval(losses, every, whole):
    steps = [every * i for i in range(1, len(losses) + 1)]
    curve = fit(steps, losses, steps[-1] if whole else 2 * steps[-1])
    for found in (curve.end(), curve.longer(2), curve.gain(2)):
        assert found.low <= found.value <= found.high
        assert all(map(math.isfinite, found))
