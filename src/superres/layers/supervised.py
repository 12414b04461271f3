"""Protocol of networks with supervised intermediate outputs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Supervised(Protocol):
    """A network with several supervised outputs; its `forward` returns only the last."""

    def outputs(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return all outputs from first to last, (B, C, k*H, k*W) with k at most the scale.

        Sizes never decrease from one output to the next, and the last is `forward`'s. For a smaller
        output, the truth is downscaled.
        """
        ...
