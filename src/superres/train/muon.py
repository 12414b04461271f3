"""Muon: matrices step along their orthogonalised momentum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from superres.train.adam import adam_step

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_MOMENTUM = 0.95


class Muon(torch.optim.Optimizer):
    """Steps matrices along their orthogonalised momentum, and the rest by Adam.

    A convolution is taken as the matrix (out, in * height * width). Its Nesterov momentum U S V'
    is replaced by about U V', so that each direction is learnt at one rate; the factor
    0.2 sqrt(max(out, in * height * width)) gives its step the size of an Adam step, so that one
    rate serves both. K. Jordan et al., "Muon", 2024; the factor: Liu et al., arXiv:2502.16982.
    In equal time it ends half a dB above AdamW here (docs/training.md).

    Args:
        matrices: Parameters of two or more axes to be orthogonalised.
        others: All other parameters.
        rate: Learning rate of the matrices.
        other_rate: Learning rate of the others.
        decay: Weight decay of the matrices, as a part of their rate: a step first takes
            rate * decay off them. Without it they grow, and equal steps turn them less and less;
            with it they settle near a root mean square of 0.2 sqrt(rate / (2 decay)).
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
            move = _step_orthogonal if group["matrices"] else adam_step
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1.0 - group["lr"] * group["decay"])
                    move(parameter, parameter.grad, self.state[parameter], group["lr"])


# The state's values are tensors and Adam's step count; torch types them as Any.
def _step_orthogonal(weight: Tensor, gradient: Tensor, state: dict[str, Any], rate: float) -> None:
    if not state:
        state["momentum"] = torch.zeros_like(weight)
    momentum: Tensor = state["momentum"]
    momentum.lerp_(gradient, 1.0 - _MOMENTUM)
    nesterov = gradient.lerp(momentum, _MOMENTUM).flatten(1)
    step = orthogonalise(nesterov).reshape(weight.shape)
    weight.add_(step, alpha=-rate * 0.2 * max(nesterov.shape) ** 0.5)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return about U V' of a matrix U S V': its singular values become 0.7 to 1.2.

    Five Newton-Schulz steps of a quintic in bf16, which matrix units run fast.
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.t() if tall else matrix).bfloat16()
    x = x / (x.square().sum().sqrt() + 1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.t()
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.t() if tall else x).to(matrix.dtype)
