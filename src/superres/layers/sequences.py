"""Protocols of networks for several frames: of a burst, or of a video.

A frame of a burst is (B, C + 3, H, W) on the reference's small pixels: the frame's own sample
nearest to where that pixel lies in it, never interpolated; how far the sample lies from the pixel
in rows and in columns, -0.5 to 0.5 small pixels; and 1 where it is valid, 0 where it is to be
ignored. The first frame is the reference itself. Where the reference is not valid its colours are a
guess.

A network of videos is in two halves. `align` looks at whole frames, in fp32, and brings what is
known of the frame before to where the frame shows it. `restore` looks at tiles, in any number
format, like a network of single pictures that takes more channels: the frame, and behind it all
that `align` adds. A frame without history has zeros there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class BurstNetwork(Protocol):
    """A network of bursts of any length; its `forward` takes (B, T, C + 3, H, W).

    What it keeps between frames are `states` tensors (B, channels, H, W), which begin as zeros.
    """

    @property
    def states(self) -> dict[str, int]:
        """The names and channels of what it keeps."""
        ...

    def fuse(self, frames: Iterable[Tensor]) -> Tensor:
        """Make (B, C, scale*H, scale*W), unclamped, of frames that are requested one by one."""
        ...

    def step(self, reference: Tensor, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the states after one more frame."""
        ...

    def finish(self, reference: Tensor, *states: Tensor) -> Tensor:
        """Return the picture after as many frames as have been seen."""
        ...


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
