"""Optimiser of a run, and the split of parameters into matrices and others."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

from superres.optim.muon import Muon
from superres.optim.soap import Soap
from superres.train.recipe import OptimizerSection


def optimizer_for(network: nn.Module, section: OptimizerSection) -> Optimizer:
    """Return the optimiser that a recipe requests.

    `matrices` of each parameter group selects one of the recipe's two rates.
    """
    matrices, others = _SPLIT[section.name](network)
    kind = Soap if section.name == "soap" else Muon
    return kind(
        matrices,
        others,
        rate=section.matrix_lr,
        other_rate=section.rate,
        decay=section.matrix_decay,
    )


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


_SPLIT: dict[str, Callable[[nn.Module], tuple[list[Tensor], list[Tensor]]]] = {
    "muon": inner_convolutions,
    "soap": all_matrices,
    "adam": no_matrices,
}
