"""The sum of losses that a recipe asks for."""

from __future__ import annotations

from torch import Tensor

from superres.errors import BackendError
from superres.losses.frequency import fourier_l1
from superres.losses.pixel import charbonnier, l1, l2
from superres.train.recipe import LossSection

_TERMS = {"l1": l1, "l2": l2, "charbonnier": charbonnier, "fourier": fourier_l1}


def loss_terms(
    restored_BCHW: Tensor, truth_BCHW: Tensor, section: LossSection
) -> dict[str, Tensor]:
    """Return the terms with a weight above 0, each already times its weight, by name."""
    weights: dict[str, float] = section.model_dump()
    return {
        name: weight * _TERMS[name](restored_BCHW, truth_BCHW)
        for name, weight in weights.items()
        if weight > 0
    }


def refuse_nan(terms: dict[str, float], step: int) -> None:
    """Raise, naming the loss and the step, if a term is NaN or Inf.

    Raises:
        BackendError: A term is not finite.
    """
    for name, value in terms.items():
        if not value - value == 0:  # False for NaN and Inf alone
            raise BackendError(
                f"the loss {name} became {value} at step {step}",
                "lower optimizer.rate and matrix_rate, or set precision to fp32; "
                "--resume goes on from the last checkpoint",
            )
