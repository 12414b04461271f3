"""What a network offers that enlarges each frame of a video by means of those before it.

It is in two halves. `align` looks at whole frames, in fp32, and brings what is known of the frame
before to where the frame shows it. `restore` looks at tiles, in any number format, like a network
of one frame that takes more channels: the frame, and behind it all that `align` adds. A frame
without history has zeros there.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Recurrent(Protocol):
    """A network of videos; its `forward` takes clips (B, T, C, H, W)."""

    aligned: int  # channels that `restore` takes
    memory: int  # channels that go from frame to frame beside the larger frame

    def align(self, frame: Tensor, previous: Tensor, large: Tensor, memory: Tensor) -> Tensor:
        """Make (B, aligned, H, W) of a frame, the one before, and what was made of that one."""
        ...

    def restore(self, aligned: Tensor) -> tuple[Tensor, Tensor]:
        """Make (B, C, scale*H, scale*W), unclamped, and (B, memory, H, W)."""
        ...
