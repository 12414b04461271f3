"""Muon: steps of matrices along their orthogonalised momentum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from superres.optim.matrix_optimizer import MatrixOptimizer

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_MOMENTUM = 0.95


class Muon(MatrixOptimizer):
    """Steps matrices along their orthogonalised momentum.

    A matrix's Nesterov momentum U S V' is replaced by about U V', so that all directions are learnt
    at the same rate; the factor 0.2 sqrt(max(out, in * height * width)) gives its step the size of
    an Adam step, so that both can share one rate. K. Jordan et al., "Muon", 2024; the
    factor: Liu et al., arXiv:2502.16982. In equal time it ends half a dB above AdamW here
    (docs/training.md).

    Without weight decay matrices grow, and equal steps rotate them less and less; with it they
    settle near a root mean square of 0.2 sqrt(rate / (2 decay)).
    """

    @staticmethod
    def move_matrix(weight: Tensor, gradient: Tensor, state: dict[str, Any], rate: float) -> None:
        """Take one step along the orthogonalised momentum."""
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1.0 - _MOMENTUM)
        nesterov = gradient.lerp(momentum, _MOMENTUM).flatten(1)
        step = orthogonalise(nesterov).reshape(weight.shape)
        weight.add_(step, alpha=-rate * 0.2 * max(nesterov.shape) ** 0.5)


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return approximately U V' of a matrix U S V', with singular values of 0.7 to 1.2.

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
