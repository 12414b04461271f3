"""Optimisers by name, and the split of a network's parameters into matrices and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn

from superres.optim.matrix_optimizer import MatrixOptimizer
from superres.optim.muon import Muon
from superres.optim.soap import Soap

OptimizerName = Literal["muon", "soap", "adam"]


def open_optimizer(
    name: OptimizerName, network: nn.Module, *, rate: float, matrix_rate: float, decay: float
) -> MatrixOptimizer:
    """Return an optimiser of a network's trained parameters, which it moves into shared memory.

    `matrices` of each parameter group selects one of the two rates.

    Args:
        name: `adam` is Muon without matrices.
        network: The network, on its device and in its memory layout.
        rate: Learning rate of Adam, also for the parameters that the others leave to it.
        matrix_rate: Learning rate of Muon and SOAP.
        decay: Weight decay of their parameters, relative to that rate.
    """
    matrices, others = _SPLIT[name](network)
    kind = Soap if name == "soap" else Muon
    return kind(matrices, others, rate=matrix_rate, other_rate=rate, decay=decay)


def inner_convolutions(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return (matrices, others): convolutions from features to features, and everything else.

    First and last layers see pixels, not features; Muon's steps do not suit them.
    """
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    inner = {id(layer.weight) for layer in convolutions[1:-1]}
    trained = [p for p in network.parameters() if p.requires_grad]
    return [p for p in trained if id(p) in inner], [p for p in trained if id(p) not in inner]


def all_matrices(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return (matrices, others): parameters of two or more axes, and biases and slopes."""
    trained = [p for p in network.parameters() if p.requires_grad]
    return [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]


def no_matrices(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return ([], all parameters), for Adam."""
    return [], [p for p in network.parameters() if p.requires_grad]


_SPLIT: dict[OptimizerName, Callable[[nn.Module], tuple[list[Tensor], list[Tensor]]]] = {
    "muon": inner_convolutions,
    "soap": all_matrices,
    "adam": no_matrices,
}
