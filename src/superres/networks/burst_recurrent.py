"""Recurrent burst network: a state updated by every frame, decoded by Lean's body.

After Wu et al., "RBSR: Efficient and Flexible Recurrent Network for Burst Super-Resolution", PRCV
2023, arXiv:2306.17595: h_t = h_{t-1} + B([reference, frame_t, h_{t-1}]) from zero, decoded with the
reference, in training also after half of the frames. Departures from it:

- Frames are aligned to whole pixels beforehand, with their residual shift and a mask as channels
  (see `layers.sequences`), so the network warps nothing.
- Each sample is first distributed among the nodes of a grid finer than a pixel, by its position.
  Positions are then channels to the convolutions, which need not learn to multiply values by
  shifts.
- A second state holds the sums of the distributed samples, each weighted by the network's
  confidence in it. Sums over weights are the classical mean of the samples near a node (Fruchter
  and Hook, "Drizzle", PASP 2002, arXiv:astro-ph/9808087), so that averaging out noise over any
  number of frames need not be learnt.
- The update of h is divided by the frames seen so far, and is 0 where a frame is masked. So h does
  not grow with the burst, depends little on its order, and a fully masked frame changes nothing.
- B sees neighbours in the reference and the frame, but only the pixel itself in the state. So the
  halo is the same for any number of frames.
- The decoder is all of Lean: its features of the reference, plus those of the state. Initially it
  is a single-frame network, and may start from a trained one's weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.frame import BURST_EXTRAS
from superres.layers.config import NetworkConfig
from superres.layers.graphs import Graph, InputKind, burst_graphs
from superres.networks.lean import ResidualBlock

_CONTRAST = 8.0  # scales differences of neighbouring samples to the range of the other features
_DAMPING = 0.1  # weight of a zero difference in a mean: samples far from a node count little


class BurstRecurrentConfig(NetworkConfig):
    """Shape of a recurrent burst network.

    Attributes:
        features: Channels of the body and of the state; a multiple of 32 runs fastest.
        blocks: Residual blocks of the decoder; names and shapes are those of `lean`.
        frame_blocks: Residual blocks for each frame.
        nodes: Nodes per pixel along each axis, among which samples are distributed.
    """

    features: int = 64
    blocks: int = 14
    frame_blocks: int = 4
    nodes: int = Field(default=4, ge=2, le=8)

    @property
    def input(self) -> InputKind:
        """The kind of input: bursts."""
        return "burst"

    @property
    def placed(self) -> int:
        """Channels of a frame whose samples are distributed among the nodes."""
        return (self.channels + 1) * self.nodes**2

    @property
    def states(self) -> dict[str, int]:
        """The names and channels of the recurrent states."""
        return {"merged": self.features, "sums": self.placed}

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """A step for each frame, and the decoder."""
        return burst_graphs(self.channels, self.scale, self.states)

    @property
    def halo(self) -> int:
        """One pixel for each 3x3 convolution: place or head, the blocks, means, tail."""
        return 2 * (self.frame_blocks + self.blocks) + 3

    def build(self) -> BurstRecurrent:
        """Return the network with initial weights."""
        return BurstRecurrent(self)


class _Fusion(nn.Module):
    """The update of the state by a frame, and its merging into the reference's features."""

    def __init__(self, config: BurstRecurrentConfig) -> None:
        super().__init__()
        features, placed = config.features, config.placed
        self.place = nn.Conv2d(placed, features, 3, padding=1)
        self.guide = nn.Conv2d(features, features, 1)
        self.look = nn.Sequential(*(ResidualBlock(features) for _ in range(config.frame_blocks)))
        self.fresh = nn.Conv2d(features, features, 1)
        self.known = nn.Conv2d(features, features, 1, bias=False)
        self.change = nn.Conv2d(features, features, 1)
        self.trust = nn.Conv2d(features, 1, 1)
        self.join = nn.Conv2d(features, features, 1, bias=False)
        self.means = nn.Conv2d(placed, features, 3, padding=1, bias=False)
        with torch.no_grad():  # initially nearly a single-frame network
            self.join.weight.mul_(0.1)
            self.means.weight.mul_(0.1)


class BurstRecurrent(nn.Module):
    """The network; see the module's docstring."""

    repeated: Tensor
    nodes: Tensor

    def __init__(self, config: BurstRecurrentConfig) -> None:
        super().__init__()
        channels, features, scale = config.channels, config.features, config.scale
        self.channels, self.scale = channels, scale
        self.states = config.states
        self.head = nn.Conv2d(channels, features, 3, padding=1)
        self.fusion = _Fusion(config)
        self.body = nn.Sequential(*(ResidualBlock(features) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(features, channels * scale**2, 3, padding=1)
        repeated = torch.arange(channels).repeat_interleave(scale**2)
        self.register_buffer("repeated", repeated, persistent=False)
        self.register_buffer("nodes", torch.linspace(-0.5, 0.5, config.nodes), persistent=False)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)

    def forward(self, x_BTXHW: Tensor) -> Tensor:
        """Fuse a burst (B, T, C + 3, H, W) into (B, C, scale*H, scale*W), unclamped."""
        return self.fuse(x_BTXHW.unbind(1))

    def fuse(self, frames: Iterable[Tensor]) -> Tensor:
        """Fuse as `forward` does, from frames (B, C + 3, H, W) requested one by one."""
        frames = iter(frames)
        reference = next(frames)
        states = self._begin(reference)
        for frame in frames:
            states = self.step(reference, frame, *states)
        return self.finish(reference, *states)

    def outputs(self, x_BTXHW: Tensor) -> tuple[Tensor, ...]:
        """Return the picture after half of the frames, if there are several, and after all."""
        reference, *others = x_BTXHW.unbind(1)

        def step(states: tuple[Tensor, ...], frame: Tensor) -> tuple[Tensor, ...]:
            return self.step(reference, frame, *states)

        seen = list(accumulate(others, step, initial=self._begin(reference)))
        shown = [seen[len(seen) // 2 - 1], seen[-1]] if others else seen
        return tuple(self.finish(reference, *states) for states in shown)

    def step(self, reference: Tensor, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return both states after one more frame.

        Args:
            reference: (B, C + 3, H, W).
            frame: (B, C + 3, H, W).
            states: (B, features, H, W) the state h, and (B, (C + 1) * nodes**2, H, W) the sums, of
                the frames so far except the reference.
        """
        merged_BFHW, sums_BPHW = states
        guide_BFHW = self.head(reference[:, : self.channels])
        placed_BPHW = self._placed(reference, frame)
        seen_BFHW = self.fusion.place(placed_BPHW) + self.fusion.guide(guide_BFHW)
        seen_BFHW = self.fusion.look(seen_BFHW)
        both_BFHW = functional.relu(self.fusion.fresh(seen_BFHW) + self.fusion.known(merged_BFHW))
        trust_B1HW = torch.sigmoid(self.fusion.trust(both_BFHW))
        sums_BPHW = sums_BPHW + trust_B1HW * placed_BPHW
        seen_B1HW = self._weights(sums_BPHW).sum(1, keepdim=True) + reference[:, -1:]
        share_B1HW = trust_B1HW * frame[:, -1:] / (seen_B1HW + _DAMPING)
        return merged_BFHW + share_B1HW * self.fusion.change(both_BFHW), sums_BPHW

    def finish(self, reference: Tensor, *states: Tensor) -> Tensor:
        """Return the picture (B, C, scale*H, scale*W) decoded from reference and states."""
        merged_BFHW, sums_BPHW = states
        colours_BCHW = reference[:, : self.channels]
        sums_BPHW = sums_BPHW + self._placed(reference, reference)
        told_BFHW = self.fusion.join(merged_BFHW) + self.fusion.means(self._means(sums_BPHW))
        f_BFHW = self.head(colours_BCHW) + told_BFHW
        f_BFHW = f_BFHW + self.body(f_BFHW)
        # As in `lean`: a gather keeps the picture itself in fp32 where convolutions run in bf16.
        repeated_BCHW = colours_BCHW.index_select(1, self.repeated)
        return functional.pixel_shuffle(self.tail(f_BFHW) + repeated_BCHW, self.scale)

    def _begin(self, reference: Tensor) -> tuple[Tensor, ...]:
        """Return the states before the first frame: zeros."""
        batch, _, height, width = reference.shape
        return tuple(
            reference.new_zeros((batch, channels, height, width))
            for channels in self.states.values()
        )

    def _placed(self, reference: Tensor, frame: Tensor) -> Tensor:
        """Distribute a frame's samples among the nodes around them.

        A sample counts for the four nodes around it, by the bilinear weights of its position,
        which sum to 1. Distributed are its difference from the reference, so that brightness
        alone has no effect, and 1.

        Returns:
            (B, (C + 1) * nodes**2, H, W), all 0 where the frame is invalid.
        """
        colours, steps = self.channels, len(self.nodes) - 1
        rows_B1HW = frame[:, colours : colours + 1]
        columns_B1HW = frame[:, colours + 1 : colours + BURST_EXTRAS - 1]
        rows_BNHW, columns_BNHW = (
            functional.relu(1.0 - steps * (offset - self.nodes.view(1, -1, 1, 1)).abs())
            for offset in (rows_B1HW, columns_B1HW)
        )
        columns_BNHW = columns_BNHW * frame[:, -1:]
        weights = torch.cat(
            [rows_BNHW[:, node : node + 1] * columns_BNHW for node in range(steps + 1)], 1
        )
        differences = _CONTRAST * (frame[:, :colours] - reference[:, :colours])
        dealt = [weights * differences[:, colour : colour + 1] for colour in range(colours)]
        return torch.cat([*dealt, weights], 1)

    def _means(self, sums_BPHW: Tensor) -> Tensor:
        """Return the mean difference at each node, and its confidence, 0 to 1."""
        weights_BNHW = self._weights(sums_BPHW)
        nodes = weights_BNHW.shape[1]
        inverse_BNHW = (weights_BNHW + _DAMPING).reciprocal()
        means = [
            sums_BPHW[:, colour * nodes : (colour + 1) * nodes] * inverse_BNHW
            for colour in range(self.channels)
        ]
        return torch.cat([*means, weights_BNHW / (weights_BNHW + 1.0)], 1)

    def _weights(self, sums_BPHW: Tensor) -> Tensor:
        """Return the weights among the distributed channels, (B, nodes**2, H, W)."""
        return sums_BPHW[:, -(len(self.nodes) ** 2) :]
