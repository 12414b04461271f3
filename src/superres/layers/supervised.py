"""Protocol of networks with supervised intermediate outputs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Supervised(Protocol):
    """A network with several supervised outputs; its `forward` returns only the last."""

    def outputs(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return all outputs from first to last, (B, C, k*H, k*W) with k at most the scale.

        Sizes never decrease from one output to the next, and the last is `forward`'s. For a smaller
        output, the truth is downscaled.
        """
        ...


class AllOutputs(nn.Module):
    """A network whose forward returns all supervised outputs, the final one last.

    Args:
        network: One with several, or any other, whose only output is the final one.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return the network's outputs."""
        if isinstance(self.network, Supervised):
            return self.network.outputs(x_BCHW)
        return (self.network(x_BCHW),)
