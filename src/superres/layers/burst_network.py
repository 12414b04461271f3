"""What a network offers that makes one picture of a burst of frames.

A frame is (B, C + 3, H, W) on the reference's small pixels: the frame's own sample nearest to where
that pixel lies in it, never interpolated; how far the sample lies from the pixel in rows and in
columns, -0.5 to 0.5 small pixels; and 1 where it is valid, 0 where it is to be ignored. The first
frame is the reference itself. Where the reference is not valid its colours are a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class BurstNetwork(Protocol):
    """A network that reads a burst of any length; its `forward` takes (B, T, C + 3, H, W)."""

    def fuse(self, frames: Iterable[Tensor]) -> Tensor:
        """Make (B, C, scale*H, scale*W), unclamped, of frames that are asked for one by one."""
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A `BurstNetwork` whose memory is a few tensors, so that runtimes without torch can run it.

    What it keeps between frames are `states` tensors (B, channels, H, W), which begin as zeros.
    """

    @property
    def states(self) -> dict[str, int]:
        """The names and channels of what it keeps."""
        ...

    def step(self, reference: Tensor, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the states after one more frame."""
        ...

    def finish(self, reference: Tensor, *states: Tensor) -> Tensor:
        """Return the picture after as many frames as have been seen."""
        ...
