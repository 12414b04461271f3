"""Protocols of networks for several frames: of a burst, or of a video.

A burst's frame is (B, C + 3, H, W) on the reference's small pixels: the frame's own sample nearest
to that pixel's position in it, never interpolated; the sample's offset from the pixel in rows and
in columns, -0.5 to 0.5 small pixels; and 1 where it is valid, 0 where it must be ignored. The first
frame is the reference itself. Where the reference is invalid, its colours are a guess.

A video network has two halves. `align` takes whole frames, in fp32, and aligns the previous frame's
state with the frame. `restore` takes tiles, in any number format, like a single-frame network with
more channels: the frame, followed by all that `align` adds. Without history these are zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class BurstNetwork(Protocol):
    """A network for bursts of any length; its `forward` takes (B, T, C + 3, H, W).

    Its recurrent `states` are tensors (B, channels, H, W), initially zero.
    """

    @property
    def states(self) -> dict[str, int]:
        """The names and channels of the states."""
        ...

    def fuse(self, frames: Iterable[Tensor]) -> Tensor:
        """Fuse frames, requested one by one, into (B, C, scale*H, scale*W), unclamped."""
        ...

    def step(self, reference: Tensor, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the states after one more frame."""
        ...

    def finish(self, reference: Tensor, *states: Tensor) -> Tensor:
        """Return the picture after the frames so far."""
        ...


@runtime_checkable
class Recurrent(Protocol):
    """A network for videos; its `forward` takes clips (B, T, C, H, W)."""

    aligned: int  # input channels of `restore`
    memory: int  # channels passed from frame to frame besides the upscaled frame

    def align(self, frame: Tensor, previous: Tensor, large: Tensor, memory: Tensor) -> Tensor:
        """Return (B, aligned, H, W) from a frame, the previous one, and that one's outputs."""
        ...

    def restore(self, aligned: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, C, scale*H, scale*W), unclamped, and (B, memory, H, W)."""
        ...
