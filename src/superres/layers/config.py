"""Base of network configs: scale, channels, and the requirements on a card."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from superres.errors import ArgumentError
from superres.layers.graphs import Graph, InputKind, image_graphs


class NetworkConfig(BaseModel):
    """Shape of a network; subclasses add their own fields and the network's needs.

    Attributes:
        scale: Output size over input size, along each axis.
        channels: Channels of input and output: 1 (grey), 3 (RGB) or 4 (RGB and alpha).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    scale: int = Field(default=4, ge=1, le=16)
    channels: int = Field(default=3, ge=1, le=4)

    @property
    def halo(self) -> int:
        """Input pixels that one output pixel sees beyond its own on each side."""
        raise AssertionError(f"{type(self).__name__} must state its halo")

    @property
    def multiple_of(self) -> int:
        """Input height and width must be multiples of this."""
        return 1

    @property
    def minimum(self) -> int:
        """Smallest input height and width."""
        return 1

    @property
    def exact_halo(self) -> bool:
        """Whether no pixel beyond the halo has any influence.

        If False (pooling over the whole frame, long chains of windows or blocks), the halo is
        enough in practice, and the tiled result is near the whole frame's, not equal.
        """
        return True

    @property
    def input(self) -> InputKind:
        """Whether the network takes a picture, a burst (a `BurstNetwork`) or a video."""
        return "image"

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """The graphs of the network that a runtime can compute."""
        return image_graphs(self.channels, self.scale)

    def build(self) -> nn.Module:
        """Return the network with initial weights."""
        raise AssertionError(f"{type(self).__name__} must build its network")


def check_network_scale(architecture: str, scale: int, allowed: tuple[int, ...]) -> None:
    """Raise ArgumentError if an architecture does not have a scale."""
    if scale not in allowed:
        raise ArgumentError(
            f"{architecture} upscales by {', '.join(map(str, allowed))}, got scale {scale}",
            f"choose one of {', '.join(map(str, allowed))}",
        )
