"""Muon: steps of matrices along their orthogonalised momentum."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor

from superres.optim.matrix_optimizer import MatrixOptimizer
from superres.optim.shared_memory import in_memory_order
from superres.runtimes.precision import native_bf16

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
    def move_matrices(
        weights: Tensor, gradients: Tensor, state: dict[str, Any], rate: float
    ) -> None:
        """Take one step along the orthogonalised momentum."""
        if not state:
            state["momentum"] = torch.zeros_like(weights)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradients, 1.0 - _MOMENTUM)
        nesterov = in_memory_order(gradients).lerp(in_memory_order(momentum), _MOMENTUM)
        size = 0.2 * max(nesterov.shape[1:]) ** 0.5
        in_memory_order(weights).add_(orthogonalise(nesterov), alpha=-rate * size)


@lru_cache
def _working_dtype(kind: str) -> torch.dtype:
    return torch.float32 if kind == "cpu" and not native_bf16() else torch.bfloat16


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return approximately U V' of each matrix U S V', with singular values of 0.7 to 1.2.

    Five Newton-Schulz steps of a quintic in bf16, which matrix units run fast; in fp32 on a CPU
    that would have to emulate it.

    Args:
        matrices: (n, rows, columns).
    """
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    norm = cast("Tensor", torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True))  # untyped in torch
    x = (x / norm.clamp_min_(1e-7)).to(_working_dtype(x.device.type))
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.transpose(1, 2) if tall else x).to(matrices.dtype)
