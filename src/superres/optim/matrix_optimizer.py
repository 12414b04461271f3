"""Base of matrix optimisers: parameter groups, weight decay, and Adam for the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from superres.optim.adam import adam_step


class MatrixOptimizer(torch.optim.Optimizer, ABC):
    """Base class with a subclass's step for matrices, and Adam for all other parameters.

    A group's `matrices` says which of the two it is.

    Args:
        matrices: Parameters of two or more axes; a convolution is treated as the matrix
            (out, in * height * width).
        others: All other parameters.
        rate: Learning rate of the matrices.
        other_rate: Learning rate of the others.
        decay: Weight decay of the matrices, relative to their rate: a step first multiplies them
            by 1 - rate * decay.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        *,
        rate: float,
        other_rate: float,
        decay: float = 0.0,
    ) -> None:
        groups = [
            {"params": list(matrices), "lr": rate, "matrices": True, "decay": decay},
            {"params": list(others), "lr": other_rate, "matrices": False, "decay": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient one step.

        Raises:
            AssertionError: A closure was given; the loss is never evaluated again here.
        """
        assert closure is None
        for group in self.param_groups:
            move = self.move_matrix if group["matrices"] else adam_step
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1.0 - group["lr"] * group["decay"])
                    move(parameter, parameter.grad, self.state[parameter], group["lr"])

    # The state's values are tensors and Adam's step count; torch types them as Any.
    @staticmethod
    @abstractmethod
    def move_matrix(weight: Tensor, gradient: Tensor, state: dict[str, Any], rate: float) -> None:
        """Move a matrix one step in place; its state is empty at first."""
