"""Recurrent video network: each frame enlarged with what was made of the frames before it.

After Sajjadi, Vemulapalli and Brown, "Frame-Recurrent Video Super-Resolution", CVPR 2018,
arXiv:1801.04590: the larger frame before is brought along by the flow and read at the small size,
with its pixels dealt out among channels. So detail that several frames have shown is kept, and does
not flicker. Departures from it:

- The flow is `motion`'s, which needs no weights, not a network's.
- Features are brought along too, as in Chan et al., "BasicVSR", CVPR 2021, arXiv:2012.02181:
  pixels alone do not say how well they are known. They go forward in time only.
- Where the frame before, brought along, does not look like the frame, all history is taken away:
  behind what moved there is none.
- What is made is Lean's answer, whole, plus a learnt part of what the history differs by. It begins
  as a single-frame network, and may start from a trained one's weights.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.models.config import NetworkConfig
from superres.models.lean import ResidualBlock
from superres.models.motion import MULTIPLE, enlarge_flow, flow_between, places, warp

_CONTRAST = 8.0  # brings differences of frames to the size of the other features
_UNLIKE = 0.25  # mean difference of a pixel's surroundings at which history is worth nothing


class VideoRecurrentConfig(NetworkConfig):
    """Shape of a recurrent video network.

    Attributes:
        features: Channels of the body; a multiple of 32 runs fastest.
        blocks: Residual blocks of the body; names and shapes are those of `lean`.
        history_blocks: Residual blocks that look at the history.
        memory: Channels that go from a frame to the next beside the larger frame.
    """

    features: int = 64
    blocks: int = 14
    history_blocks: int = 2
    memory: int = Field(default=32, ge=1, le=256)

    @property
    def frames(self) -> Literal["one", "many", "video"]:
        """It takes videos."""
        return "video"

    @property
    def halo(self) -> int:
        """One pixel for each 3x3 convolution of `restore`: look, the blocks, join, tail."""
        return 2 * (self.history_blocks + self.blocks) + 3

    @property
    def aligned(self) -> int:
        """Channels of what `restore` takes."""
        return self.channels * (self.scale**2 + 2) + self.memory + 1

    def build(self) -> VideoRecurrent:
        """Return the network with fresh weights."""
        return VideoRecurrent(self)


class _History(nn.Module):
    """How history joins the frame's features, and what goes on to the next frame."""

    def __init__(self, config: VideoRecurrentConfig) -> None:
        super().__init__()
        features, channels = config.features, config.channels
        self.look = nn.Conv2d(config.aligned - channels, features, 3, padding=1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(features) for _ in range(config.history_blocks))
        )
        self.join = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.part = nn.Conv2d(features, channels * config.scale**2, 3, padding=1)
        self.keep = nn.Conv2d(features, config.memory, 3, padding=1)
        with torch.no_grad():  # it begins as a single-frame network, exactly
            self.join.weight.zero_()
            self.part.weight.zero_()
            assert self.part.bias is not None
            self.part.bias.zero_()


class VideoRecurrent(nn.Module):
    """The network; see the module's docstring."""

    repeated: Tensor

    def __init__(self, config: VideoRecurrentConfig) -> None:
        super().__init__()
        channels, features, scale = config.channels, config.features, config.scale
        self.channels, self.scale, self.memory = channels, scale, config.memory
        self.aligned = config.aligned
        self.head = nn.Conv2d(channels, features, 3, padding=1)
        self.history = _History(config)
        self.body = nn.Sequential(*(ResidualBlock(features) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(features, channels * scale**2, 3, padding=1)
        repeated = torch.arange(channels).repeat_interleave(scale**2)
        self.register_buffer("repeated", repeated, persistent=False)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, clip_BTCHW: Tensor) -> Tensor:
        """Enlarge clips (B, T, C, H, W) in [0, 1] to (B, T, C, scale*H, scale*W), unclamped."""
        first, *others = clip_BTCHW.unbind(1)
        large, memory = self.restore(self.begin(first))
        made, previous = [large], first
        for frame in others:
            large, memory = self.restore(self.align(frame, previous, large, memory))
            made.append(large)
            previous = frame
        return torch.stack(made, 1)

    def begin(self, frame_BCHW: Tensor) -> Tensor:
        """Return what `restore` takes for a frame without history."""
        batch, channels, height, width = frame_BCHW.shape
        none = frame_BCHW.new_zeros((batch, self.aligned - channels, height, width))
        return torch.cat((frame_BCHW, none), 1)

    def align(
        self, frame_BCHW: Tensor, previous_BCHW: Tensor, large_BCHW: Tensor, memory_BMHW: Tensor
    ) -> Tensor:
        """Bring what is known of the frame before to where the frame shows it.

        Args:
            frame_BCHW: The frame.
            previous_BCHW: The frame before.
            large_BCHW: (B, C, scale*H, scale*W) what was made of it.
            memory_BMHW: What was kept of it.

        Returns:
            (B, aligned, H, W): the frame; how far history is believed, 0 to 1; how the frame before
            differs; how its larger one differs, channel c of output pixel (i, j) at place
            (c * scale + i) * scale + j; and what was kept.
        """
        height, width = frame_BCHW.shape[2:]
        flow_B2HW = flow_between(_whole(frame_BCHW), _whole(previous_BCHW))[..., :height, :width]
        rows_BHW, columns_BHW = places(flow_B2HW)
        within_BHW = (rows_BHW > -0.5) & (rows_BHW < height - 0.5)
        within_BHW &= (columns_BHW > -0.5) & (columns_BHW < width - 0.5)
        differs_BCHW = warp(previous_BCHW, flow_B2HW, kernel="bicubic") - frame_BCHW
        around_B1HW = functional.avg_pool2d(
            differs_BCHW.abs().amax(1, keepdim=True), 3, 1, 1, count_include_pad=False
        )
        believed_B1HW = (1.0 - around_B1HW / _UNLIKE).clamp(min=0.0) * within_BHW[:, None]
        flow_B2hw = self.scale * enlarge_flow(flow_B2HW, self.scale)
        brought_BChw = warp(large_BCHW, flow_B2hw, kernel="bicubic")
        brought_BPHW = functional.pixel_unshuffle(brought_BChw, self.scale)
        brought_BPHW = brought_BPHW - frame_BCHW.index_select(1, self.repeated)
        history = torch.cat((differs_BCHW, brought_BPHW, warp(memory_BMHW, flow_B2HW)), 1)
        return torch.cat((frame_BCHW, believed_B1HW, believed_B1HW * history), 1)

    def restore(self, aligned_BAHW: Tensor) -> tuple[Tensor, Tensor]:
        """Make a larger frame, and what the next one shall know.

        Args:
            aligned_BAHW: What `begin` or `align` made.

        Returns:
            (B, C, scale*H, scale*W), unclamped, and (B, memory, H, W) in [-1, 1].
        """
        channels, parts = self.channels, len(self.repeated)
        frame_BCHW = aligned_BAHW[:, :channels]
        believed_B1HW = aligned_BAHW[:, channels : channels + 1]
        differs_BDHW = aligned_BAHW[:, channels + 1 : 2 * channels + 1 + parts]
        memory_BMHW = aligned_BAHW[:, 2 * channels + 1 + parts :]
        known = torch.cat((believed_B1HW, _CONTRAST * differs_BDHW, memory_BMHW), 1)
        seen_BFHW = self.history.blocks(functional.relu(self.history.look(known)))
        f_BFHW = self.head(frame_BCHW) + self.history.join(seen_BFHW)
        f_BFHW = f_BFHW + self.body(f_BFHW)
        # As in `lean`: a gather keeps the picture itself in fp32 where convolutions run in bf16.
        repeated_BPHW = frame_BCHW.index_select(1, self.repeated)
        taken_BPHW = self.history.part(f_BFHW) * differs_BDHW[:, channels:]
        large_BCHW = functional.pixel_shuffle(
            self.tail(f_BFHW) + taken_BPHW + repeated_BPHW, self.scale
        )
        return large_BCHW, torch.tanh(self.history.keep(f_BFHW))


def _whole(frame_BCHW: Tensor) -> Tensor:
    """Repeat the last row and column until a frame has a size that flows are found for."""
    height, width = frame_BCHW.shape[2:]
    padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
    return functional.pad(frame_BCHW, padding, mode="replicate")
