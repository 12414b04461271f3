"""Protocol of networks that run in a smaller form than in training."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Reparameterised(Protocol):
    """A network with more weights in training than its function needs."""

    def for_inference(self) -> nn.Module:
        """Return a network of fewer weights with the same output up to rounding."""
        ...


def for_inference(network: nn.Module) -> nn.Module:
    """Return the form of a network for running and export: itself, if it has only one."""
    return network.for_inference() if isinstance(network, Reparameterised) else network
