"""Training budget, its clock and the learning-rate schedule."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from superres.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Budget:
    """Training budget in steps or minutes, exactly one of them.

    A run of steps can be repeated exactly; the steps of a run of minutes depend on the machine.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.steps, self.minutes) if value is not None]
        if len(given) != 1 or given[0] <= 0:
            raise ArgumentError(
                f"a run takes steps or minutes, one of them and above 0, got {self.steps} steps "
                f"and {self.minutes} minutes",
                "pass --minutes 90, or --steps 20000",
            )

    def done(self, step: int, elapsed_s: float) -> float:
        """Return the spent fraction of the budget: 0 at the start, 1 or more at the end."""
        if self.steps is not None:
            return step / self.steps
        assert self.minutes is not None
        return elapsed_s / (60.0 * self.minutes)


class Clock:
    """Wall time of training, and the part of it that waiting for patches took.

    Args:
        before_s: Seconds that earlier lives of the run took.
    """

    def __init__(self, before_s: float) -> None:
        self._start = time.monotonic() - before_s
        self.data_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self._start


def rate_factor(done: float, step: int, warm_up_steps: int) -> float:
    """Return the factor on the learning rate: a linear warm-up, then half a cosine down to 0.

    Args:
        done: Spent fraction of the budget.
        step: Steps taken so far.
        warm_up_steps: Steps until the full rate is reached.
    """
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    return cosine * min(1.0, (step + 1) / max(1, warm_up_steps))
