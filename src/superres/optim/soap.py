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
    def move_matrix(weight: Tensor, gradient: Tensor, state: dict[str, Any], rate: float) -> None:
        """Take one step; a matrix's first one only finds the directions."""
        matrix = gradient.flatten(1)
        if not state:
            state["count"] = torch.zeros((), dtype=torch.float64)
            state["first"] = torch.zeros_like(matrix)
            state["second"] = torch.zeros_like(matrix)
            for side, seen in _sides(matrix):
                state[f"covariance_{side}"] = seen
                # NaN is left to the training loop, which names the loss that it came from.
                state[f"turn_{side}"] = _eigenvectors(seen.nan_to_num(0.0, 0.0, 0.0))
            return
        state["count"] += 1
        count = float(state["count"])
        first: Tensor = state["first"]
        second: Tensor = state["second"]
        first.lerp_(matrix, 1.0 - _BETA1)
        second.lerp_(_turned(matrix, state).square(), 1.0 - _BETA2)
        spread = (second / (1.0 - _BETA2**count)).sqrt_().add_(_TINY)
        step = _turned_back(_turned(first, state) / spread, state)
        weight.add_(step.reshape(weight.shape), alpha=-rate / (1.0 - _BETA1**count))
        for side, seen in _sides(matrix):
            state[f"covariance_{side}"].lerp_(seen, 1.0 - _BETA2)
            if count % _REFRESH == 0:
                _refresh(state, side)


def _sides(matrix: Tensor) -> list[tuple[str, Tensor]]:
    """Return the covariances of a gradient's rows and columns, by the side's name."""
    tall, wide = matrix.shape
    sides = [("rows", matrix @ matrix.t())] if tall <= _WIDEST else []
    return [*sides, ("columns", matrix.t() @ matrix)] if wide <= _WIDEST else sides


def _turned(matrix: Tensor, state: dict[str, Any]) -> Tensor:
    """Return a matrix in the bases of its sides."""
    rows: Tensor | None = state.get("turn_rows")
    columns: Tensor | None = state.get("turn_columns")
    turned = matrix if rows is None else rows.t() @ matrix
    return turned if columns is None else turned @ columns


def _turned_back(turned: Tensor, state: dict[str, Any]) -> Tensor:
    """Undo `_turned`."""
    rows: Tensor | None = state.get("turn_rows")
    columns: Tensor | None = state.get("turn_columns")
    matrix = turned if rows is None else rows @ turned
    return matrix if columns is None else matrix @ columns.t()


def _refresh(state: dict[str, Any], side: str) -> None:
    """Update a side's directions towards its covariance's eigenvectors by one power iteration.

    They come out ordered by their variance, and the second moments are permuted accordingly.
    """
    turn: Tensor = state[f"turn_{side}"]
    moved = state[f"covariance_{side}"] @ turn
    order = (turn * moved).sum(0).argsort(descending=True)
    axis = 0 if side == "rows" else 1
    state["second"] = state["second"].index_select(axis, order)
    state[f"turn_{side}"] = _orthonormal(moved[:, order])


# torch leaves torch.linalg's results untyped; MPS cannot decompose.


def _eigenvectors(matrix: Tensor) -> Tensor:
    # Scaled and in fp64: for a covariance of 1e-6 with rows of zeros, as units that contribute
    # nothing yet have, LAPACK's fp32 solver returned NaN eigenvectors.
    exact = _off_mps(matrix).double()
    largest = exact.abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    return cast("Tensor", torch.linalg.eigh(exact / largest)[1]).to(matrix)


def _orthonormal(matrix: Tensor) -> Tensor:
    return cast("Tensor", torch.linalg.qr(_off_mps(matrix))[0]).to(matrix.device)


def _off_mps(matrix: Tensor) -> Tensor:
    return matrix.cpu() if matrix.device.type == "mps" else matrix
