"""Recurrent video network: each frame upscaled with the outputs of earlier ones.

After Sajjadi, Vemulapalli and Brown, "Frame-Recurrent Video Super-Resolution", CVPR 2018,
arXiv:1801.04590: the previous output is warped by the flow and read at the small size, with its
pixels moved into channels. So detail seen in several frames is kept and does not flicker.
Departures from it:

- The flow is `motion`'s, which needs no weights, not a network's.
- Features are warped too, as in Chan et al., "BasicVSR", CVPR 2021, arXiv:2012.02181: pixels alone
  do not carry their confidence. They are propagated forward in time only.
- Where the warped previous frame differs from the current one, all history is removed: what a
  moving object uncovers has none.
- The warped output is made consistent with the frame by two rounds of back-projection (Irani and
  Peleg, "Improving Resolution by Image Registration", CVGIP 1991).
- The output is a blend, at a learnt ratio, of Lean's output for the frame alone and the warped
  output. Without history it is Lean's output, and weights may start from a trained Lean's. With
  history, it is classical multi-frame super-resolution from the first training step on.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.frame import VIDEO_MULTIPLE
from superres.layers.bicubic_reduction import BicubicReduction
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.graphs import Graph, InputKind, video_graphs
from superres.layers.motion import flow_between, places, upscale_flow, warp
from superres.networks.lean import ResidualBlock

_CONTRAST = 8.0  # scales differences of frames to the range of the other features
_UNLIKE = 0.25  # mean difference of a pixel's surroundings at which history has weight 0
_ROUNDS = 2  # of back-projection
_FIRST_PART = 0.85  # before the sigmoid: a weight of 0.7 for the warped output


class VideoRecurrentConfig(NetworkConfig):
    """Shape of a recurrent video network.

    Attributes:
        features: Channels of the body; a multiple of 32 runs fastest.
        blocks: Residual blocks of the body; names and shapes are those of `lean`.
        history_blocks: Residual blocks for the history.
        memory: Channels passed from a frame to the next besides the output.
    """

    features: int = 64
    blocks: int = 14
    history_blocks: int = 2
    memory: int = Field(default=32, ge=1, le=256)

    @property
    def input(self) -> InputKind:
        """The kind of input: videos."""
        return "video"

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """Whole frames are aligned, tiles are restored."""
        return video_graphs(self.channels, self.scale, memory=self.memory, aligned=self.aligned)

    @property
    def halo(self) -> int:
        """One pixel for each 3x3 convolution of `restore`: look, the blocks, join, tail."""
        return 2 * (self.history_blocks + self.blocks) + 3

    @property
    def aligned(self) -> int:
        """Channels of the input of `restore`."""
        return self.channels * (self.scale**2 + 2) + self.memory + 1

    def build(self) -> VideoRecurrent:
        """Return the network with initial weights."""
        return VideoRecurrent(self)


class _History(nn.Module):
    """The merging of history into the frame's features, and the memory for the next frame."""

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
        with torch.no_grad():  # without history it is initially exactly a single-frame network
            self.join.weight.zero_()
            self.part.weight.zero_()
            assert self.part.bias is not None
            self.part.bias.fill_(_FIRST_PART)


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
        self.reduce = BicubicReduction(scale)
        self.enlarge = BicubicUpsample(channels, scale)
        repeated = torch.arange(channels).repeat_interleave(scale**2)
        self.register_buffer("repeated", repeated, persistent=False)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, clip_BTCHW: Tensor) -> Tensor:
        """Upscale clips (B, T, C, H, W) in [0, 1] to (B, T, C, scale*H, scale*W), unclamped."""
        height, width = clip_BTCHW.shape[3:]
        tiny = min(height, width) < VIDEO_MULTIPLE
        made: list[Tensor] = []
        before: tuple[Tensor, Tensor, Tensor] | None = None
        for frame in map(_whole, clip_BTCHW.unbind(1)):
            if before is None or tiny:
                aligned = self.begin(frame)
            else:
                with _exact(frame):
                    aligned = self.align(frame, *before)
            large, memory = self.restore(aligned)
            # Autocast leaves some in bf16, which would lose precision of positions and values.
            before = frame, large.to(frame.dtype), memory.to(frame.dtype)
            made.append(before[1])
        return torch.stack(made, 1)[..., : self.scale * height, : self.scale * width]

    def begin(self, frame_BCHW: Tensor) -> Tensor:
        """Return the input of `restore` for a frame without history."""
        batch, channels, height, width = frame_BCHW.shape
        none = frame_BCHW.new_zeros((batch, self.aligned - channels, height, width))
        return torch.cat((frame_BCHW, none), 1)

    def align(
        self, frame_BCHW: Tensor, previous_BCHW: Tensor, large_BCHW: Tensor, memory_BMHW: Tensor
    ) -> Tensor:
        """Align the previous frame's state with the frame.

        Args:
            frame_BCHW: The frame; its height and width are multiples of `VIDEO_MULTIPLE`.
            previous_BCHW: The previous frame.
            large_BCHW: (B, C, scale*H, scale*W) its output.
            memory_BMHW: Its memory.

        Returns:
            (B, aligned, H, W): the frame; the confidence of the history, 0 to 1; the difference of
            the previous frame; that of its output, channel c of output pixel (i, j) at index
            (c * scale + i) * scale + j; and the memory.
        """
        height, width = frame_BCHW.shape[2:]
        flow_B2HW = flow_between(frame_BCHW, previous_BCHW)
        rows_BHW, columns_BHW = places(flow_B2HW)
        within_BHW = (rows_BHW > -0.5) & (rows_BHW < height - 0.5)
        within_BHW &= (columns_BHW > -0.5) & (columns_BHW < width - 0.5)
        differs_BCHW = warp(previous_BCHW, flow_B2HW, kernel="bicubic") - frame_BCHW
        around_B1HW = functional.avg_pool2d(
            differs_BCHW.abs().amax(1, keepdim=True), 3, 1, 1, count_include_pad=False
        )
        believed_B1HW = (1.0 - around_B1HW / _UNLIKE).clamp(min=0.0) * within_BHW[:, None]
        flow_B2hw = self.scale * upscale_flow(flow_B2HW, self.scale)
        brought_BChw = warp(large_BCHW, flow_B2hw, kernel="bicubic")
        for _ in range(_ROUNDS):
            brought_BChw = brought_BChw + self.enlarge(frame_BCHW - self.reduce(brought_BChw))
        brought_BPHW = functional.pixel_unshuffle(brought_BChw, self.scale)
        brought_BPHW = brought_BPHW - frame_BCHW.index_select(1, self.repeated)
        history = torch.cat((differs_BCHW, brought_BPHW, warp(memory_BMHW, flow_B2HW)), 1)
        return torch.cat((frame_BCHW, believed_B1HW, believed_B1HW * history), 1)

    def restore(self, aligned_BAHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output of a frame, and the memory for the next one.

        Args:
            aligned_BAHW: The result of `begin` or `align`.

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
        alone_BPHW = self.tail(f_BFHW)
        way_BPHW = differs_BDHW[:, channels:] - believed_B1HW * alone_BPHW
        own_BPHW = alone_BPHW + torch.sigmoid(self.history.part(f_BFHW)) * way_BPHW
        large_BCHW = functional.pixel_shuffle(own_BPHW + repeated_BPHW, self.scale)
        return large_BCHW, torch.tanh(self.history.keep(f_BFHW))


def _whole(frame_BCHW: Tensor) -> Tensor:
    """Pad to a multiple by repeating the last row and column, as `infer.video` does."""
    height, width = frame_BCHW.shape[2:]
    padding = (0, -width % VIDEO_MULTIPLE, 0, -height % VIDEO_MULTIPLE)
    return functional.pad(frame_BCHW, padding, mode="replicate") if any(padding) else frame_BCHW


def _exact(tensor: Tensor) -> AbstractContextManager[object]:
    """Compute in fp32 in training too: positions in bf16 would be whole pixels."""
    if torch.is_autocast_enabled(tensor.device.type):
        return torch.autocast(tensor.device.type, enabled=False)
    return nullcontext()
