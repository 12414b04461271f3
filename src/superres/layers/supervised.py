"""Protocol of networks whose intermediate outputs are supervised too."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Supervised(Protocol):
    """A network with several supervised outputs; its `forward` gives the last of them alone."""

    def outputs(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return all outputs from first to last, (B, C, k*H, k*W) with k at most the scale.

        Sizes never fall from one output to the next, and the last is `forward`'s. Where an output
        is smaller, its truth is the truth downscaled.
        """
        ...
