"""Budgets and learning rates."""

import pytest

from superres.errors import ArgumentError
from superres.optim.schedule import Budget, rate_factor


def test_a_budget_of_steps_does_not_look_at_the_clock():
    assert Budget(steps=100).done(25, 1e9) == 0.25


def test_a_budget_of_minutes_does_not_look_at_the_steps():
    assert Budget(minutes=2).done(10**9, 60.0) == 0.5


@pytest.mark.parametrize(("steps", "minutes"), [(None, None), (1, 1.0), (0, None), (None, -1.0)])
def test_a_budget_is_steps_or_minutes_and_above_nothing(steps, minutes):
    with pytest.raises(ArgumentError):
        Budget(steps=steps, minutes=minutes)


def test_the_rate_warms_up_is_full_once_and_ends_at_zero():
    factors = [rate_factor(step / 1000, step, 50) for step in range(1001)]
    assert factors[0] == pytest.approx(1 / 50)
    assert max(factors) == pytest.approx(1.0, abs=0.01)
    assert factors.index(max(factors)) in range(45, 55)
    assert factors[500] == pytest.approx(0.5)
    assert factors[1000] == pytest.approx(0.0, abs=1e-12)
