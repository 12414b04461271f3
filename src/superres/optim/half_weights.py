"""Half-precision copies of a network's weights, cast in one operation a step.

Autocast casts each layer's weight and bias by itself, and their gradients back: some eight
operations for each of them. The numbers here are the same.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from superres.optim.shared_memory import SharedMemory

# Layers whose weights and biases autocast casts. A subclass may use them otherwise.
_CAST = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


class HalfWeights:
    """Copies of the weights of a network's convolutions and linear layers.

    All other parameters stay as they are, and so do those of layers that are not called, as their
    weights serve some other arithmetic.

    Args:
        layers: The layers that are called (`called_layers`).
        memory: The memory of the parameters.
        dtype: The number format of the copies.
    """

    def __init__(
        self, layers: Sequence[nn.Module], memory: SharedMemory, dtype: torch.dtype
    ) -> None:
        self._memory = memory
        self._copies = torch.empty_like(memory.values, dtype=dtype)
        self._gradients = torch.zeros_like(self._copies)
        self._places: list[tuple[nn.Module, str, nn.Parameter, nn.Parameter]] = []
        for layer in layers:
            for name, parameter in layer.named_parameters(recurse=False):
                if memory.holds(parameter):
                    copy = nn.Parameter(memory.view(parameter, self._copies))
                    copy.grad = memory.view(parameter, self._gradients)
                    self._places.append((layer, name, parameter, copy))
        self._replaced = {id(parameter): copy for _, _, parameter, copy in self._places}
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the weights as they now are."""
        self._copies.copy_(self._memory.values)

    @torch.no_grad()
    def collect(self) -> None:
        """Move the copies' gradients to those of the weights, after each backward pass."""
        self._memory.gradients.add_(self._gradients)
        self._gradients.zero_()

    def instead_of(self, parameters: Sequence[nn.Parameter]) -> list[nn.Parameter]:
        """Return the leaves of autograd's graph: parameters, or their copies if they have one."""
        return [self._replaced.get(id(parameter), parameter) for parameter in parameters]

    @contextmanager
    def applied(self) -> Generator[None]:
        """Put the copies in the places of the weights within a block."""
        for layer, name, _, copy in self._places:
            setattr(layer, name, copy)
        try:
            yield
        finally:
            for layer, name, parameter, _ in self._places:
                setattr(layer, name, parameter)


@contextmanager
def called_layers(network: nn.Module) -> Generator[list[nn.Module]]:
    """Collect the layers that are called within a block, of those whose weights autocast casts."""
    called: dict[nn.Module, None] = {}

    def note(layer: nn.Module, _inputs: tuple[Tensor, ...], _output: Tensor) -> None:
        called.setdefault(layer)

    found: list[nn.Module] = []
    handles = [
        layer.register_forward_hook(note) for layer in network.modules() if type(layer) in _CAST
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        found.extend(called)
