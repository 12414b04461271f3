"""SOAP: Adam in the eigenbasis of a layer's gradients."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from superres.optim.matrix_optimizer import MatrixOptimizer

_BETA1 = 0.95
_BETA2 = 0.97
_TINY = 1e-8
_REFRESH = 25  # steps between updates of the directions; each costs two QR decompositions
_WIDEST = 4096  # a side with more rows keeps its own axes: decomposing it would cost minutes


class Soap(MatrixOptimizer):
    """Takes Adam's steps along the eigenvectors of each matrix's gradient covariances.

    Vyas et al., ICLR 2025, arXiv:2409.11321. If neighbouring inputs are nearly equal, as pixels of
    an upscaled picture are, so are their gradients, and Adam, which treats each weight
    separately, learns slowly in the directions that distinguish them; along the eigenvectors every
    direction has its own rate. With it SRCNN, whose 9x9 filters see such pixels, gets as far in
    700 steps as with Muon in 19,000 (docs/training.md).
    """

    @staticmethod
    def move_matrices(
        weights: Tensor, gradients: Tensor, state: dict[str, Any], rate: float
    ) -> None:
        """Take one step; the first one only finds the directions."""
        matrices = gradients.flatten(2)
        if not state:
            state["count"] = 0.0
            state["first"] = torch.zeros_like(matrices)
            state["second"] = torch.zeros_like(matrices)
            for side, seen in _sides(matrices):
                state[f"covariance_{side}"] = seen
                # NaN is left to the training loop, which names the loss that it came from.
                state[f"turn_{side}"] = _eigenvectors(seen.nan_to_num(0.0, 0.0, 0.0))
            return
        state["count"] += 1.0
        count: float = state["count"]
        first: Tensor = state["first"]
        second: Tensor = state["second"]
        first.lerp_(matrices, 1.0 - _BETA1)
        second.lerp_(_turned(matrices, state).square(), 1.0 - _BETA2)
        spread = (second / (1.0 - _BETA2**count)).sqrt_().add_(_TINY)
        step = _turned_back(_turned(first, state) / spread, state)
        weights.add_(step.reshape(weights.shape), alpha=-rate / (1.0 - _BETA1**count))
        for side, seen in _sides(matrices):
            state[f"covariance_{side}"].lerp_(seen, 1.0 - _BETA2)
            if count % _REFRESH == 0:
                _refresh(state, side)


def _sides(matrices: Tensor) -> list[tuple[str, Tensor]]:
    """Return the covariances of gradients' rows and columns, by the side's name."""
    tall, wide = matrices.shape[1:]
    sides = [("rows", matrices @ matrices.mT)] if tall <= _WIDEST else []
    return [*sides, ("columns", matrices.mT @ matrices)] if wide <= _WIDEST else sides


def _turned(matrices: Tensor, state: dict[str, Any]) -> Tensor:
    """Return matrices in the bases of their sides."""
    rows: Tensor | None = state.get("turn_rows")
    columns: Tensor | None = state.get("turn_columns")
    turned = matrices if rows is None else rows.mT @ matrices
    return turned if columns is None else turned @ columns


def _turned_back(turned: Tensor, state: dict[str, Any]) -> Tensor:
    """Undo `_turned`."""
    rows: Tensor | None = state.get("turn_rows")
    columns: Tensor | None = state.get("turn_columns")
    matrices = turned if rows is None else rows @ turned
    return matrices if columns is None else matrices @ columns.mT


def _refresh(state: dict[str, Any], side: str) -> None:
    """Update a side's directions towards its covariance's eigenvectors by one power iteration.

    They come out ordered by their variance, and the second moments are permuted accordingly.
    """
    turn: Tensor = state[f"turn_{side}"]
    moved = state[f"covariance_{side}"] @ turn
    order = (turn * moved).sum(1).argsort(descending=True)
    if side == "rows":
        state["second"] = state["second"].take_along_dim(order[:, :, None], 1)
    else:
        state["second"] = state["second"].take_along_dim(order[:, None, :], 2)
    state[f"turn_{side}"] = _orthonormal(moved.take_along_dim(order[:, None, :], 2))


# torch leaves torch.linalg's results untyped; MPS cannot decompose.


def _eigenvectors(matrices: Tensor) -> Tensor:
    # Scaled and in fp64: for a covariance of 1e-6 with rows of zeros, as units that contribute
    # nothing yet have, LAPACK's fp32 solver returned NaN eigenvectors.
    exact = _off_mps(matrices).double()
    largest = exact.abs().amax((-2, -1), keepdim=True)
    scaled = exact / largest.clamp_min(torch.finfo(torch.float64).tiny)
    return cast("Tensor", torch.linalg.eigh(scaled)[1]).to(matrices)


def _orthonormal(matrices: Tensor) -> Tensor:
    return cast("Tensor", torch.linalg.qr(_off_mps(matrices))[0]).to(matrices.device)


def _off_mps(matrices: Tensor) -> Tensor:
    return matrices.cpu() if matrices.device.type == "mps" else matrices
