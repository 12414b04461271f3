"""HighRes-net: views fused pairwise and recursively with shared weights.

Deudon et al., "HighRes-net: Recursive Fusion for Multi-Frame Super-Resolution of Satellite
Imagery", 2020, arXiv:2002.06460: each view is encoded together with a reference, pairs are fused
until one is left, which is decoded. It serves for comparison. Departures from it:

- The reference is the burst's first frame, not the median of the views, and is also a view.
- Frames are aligned beforehand (`layers.sequences`), instead of by a network that registers the
  output; their offsets and masks are channels of the encoder's input.
- Neighbours are fused, not the first half with the second, so that views can be read one by one
  and only log2 of them are kept. A view without a partner passes on to the next round, so that odd
  numbers lose none; the authors pad to a power of two with views of zero weight.
- The second view's contribution to a fusion is weighted by its mask, pixel by pixel.
- The decoder is a pixel shuffle over the reference, upsampled by bicubic.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from pydantic import Field
from torch import Tensor, nn

from superres.errors import ArgumentError
from superres.frame import BURST_EXTRAS
from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.graphs import Graph, InputKind, burst_graphs
from superres.layers.initialisation import QUIET, init_rectified

_View = tuple[Tensor, Tensor]  # features (B, F, H, W), and the mask (B, 1, H, W)
_PRELU = 0.25  # torch's initial slope of nn.PReLU


class HighresNetConfig(NetworkConfig):
    """Shape of a HighRes-net.

    Attributes:
        features: Channels of an encoded view.
        blocks: Residual blocks of the encoder.
        most: Maximum frames of a burst; each doubling adds a fusion and halo.
    """

    features: int = 64
    blocks: int = 2
    most: int = Field(default=32, ge=1, le=1024)

    @property
    def input(self) -> InputKind:
        """The kind of input: bursts."""
        return "burst"

    @property
    def states(self) -> dict[str, int]:
        """Views that wait for a partner, by their number of fusions; see `HighresNet.step`."""
        return {"waiting": self.most.bit_length() * (self.features + 2)}

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """A step for each frame, and the decoder."""
        return burst_graphs(self.channels, self.scale, self.states)

    @property
    def halo(self) -> int:
        """The encoder, three convolutions for each round of fusions, and the last one."""
        rounds = math.ceil(math.log2(self.most))
        network = (
            receptive_field.convolution(2 + 2 * self.blocks + 3 * rounds + 1),
            receptive_field.repetition(self.scale),
        )
        upsampling = (receptive_field.bicubic(self.scale),)
        return max(receptive_field.halo(path, scale=self.scale) for path in (network, upsampling))

    def build(self) -> HighresNet:
        """Return the network with initial weights."""
        return HighresNet(self)


class _Residual(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.PReLU(),
        )

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + self.body(f_BFHW)


class HighresNet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: HighresNetConfig) -> None:
        super().__init__()
        channels, features = config.channels, config.features
        self.channels, self.most, self.states = channels, config.most, config.states
        self._level = features + 2
        self.enlarge = BicubicUpsample(channels, config.scale)
        self.encode = nn.Sequential(
            nn.Conv2d(2 * channels + BURST_EXTRAS, features, 3, padding=1),
            nn.PReLU(),
            *(_Residual(features) for _ in range(config.blocks)),
            nn.Conv2d(features, features, 3, padding=1),
        )
        self.pair = nn.Sequential(
            _Residual(2 * features),
            nn.Conv2d(2 * features, features, 3, padding=1),
            nn.PReLU(),
        )
        self.tail = nn.Sequential(
            nn.Conv2d(features, channels * config.scale**2, 3, padding=1),
            nn.PixelShuffle(config.scale),
        )
        init_rectified(self, slope=_PRELU)
        init_rectified(self.tail, gain=QUIET)

    def forward(self, x_BTXHW: Tensor) -> Tensor:
        """Fuse a burst (B, T, C + 3, H, W) into (B, C, scale*H, scale*W), unclamped."""
        return self.fuse(x_BTXHW.unbind(1))

    def fuse(self, frames: Iterable[Tensor]) -> Tensor:
        """Fuse as `forward` does, from frames (B, C + 3, H, W) requested one by one.

        Raises:
            ArgumentError: The burst has more frames than the network was made for.
        """
        frames = iter(frames)
        reference = next(frames)
        waiting = self._begin(reference)
        for frame in frames:
            self._add(waiting, self._encoded(reference, frame))
        return self._decoded(reference, waiting)

    def step(self, reference: Tensor, frame: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the state after one more frame.

        Args:
            reference: (B, C + 3, H, W).
            frame: (B, C + 3, H, W).
            states: One, (B, levels * (F + 2), H, W): for each level the features of a view, its
                mask, and 1 if the level has one; all 0 before the first step.

        Raises:
            ArgumentError: The burst has more frames than the network was made for.
        """
        waiting = self._unpacked(*states) or self._begin(reference)
        self._add(waiting, self._encoded(reference, frame))
        return (self._packed(waiting),)

    def finish(self, reference: Tensor, *states: Tensor) -> Tensor:
        """Return the picture (B, C, scale*H, scale*W) decoded from reference and state."""
        return self._decoded(reference, self._unpacked(*states) or self._begin(reference))

    def _begin(self, reference: Tensor) -> list[_View | None]:
        """Return the views that wait before the first frame: only the reference.

        Views are indexed by their number of fusions, like the digits of a binary counter.
        """
        return [self._encoded(reference, reference)]

    def _decoded(self, reference: Tensor, waiting: list[_View | None]) -> Tensor:
        """Fuse all remaining views, and decode the picture."""
        left = [view for view in waiting if view is not None]
        fused = left[0]
        for view in left[1:]:
            fused = self._fused(view, fused)
        return self.enlarge(reference[:, : self.channels]) + self.tail(fused[0])

    def _packed(self, waiting: list[_View | None]) -> Tensor:
        """Return waiting views as one tensor; see `step`."""
        like = next(view[0] for view in waiting if view is not None)
        levels = [
            like.new_zeros((len(like), self._level, *like.shape[2:]))
            if view is None
            else torch.cat((*view, torch.ones_like(view[1])), 1)
            for view in waiting
        ]
        missing = self.states["waiting"] - self._level * len(levels)
        return torch.cat((*levels, like.new_zeros((len(like), missing, *like.shape[2:]))), 1)

    def _unpacked(self, state_BWHW: Tensor) -> list[_View | None]:
        """Return the views in a tensor; none before the first step."""
        found: list[_View | None] = [
            (level[:, :-2], level[:, -2:-1]) if bool(level[0, -1, 0, 0]) else None
            for level in torch.split(state_BWHW, self._level, 1)
        ]
        while found and found[-1] is None:
            found.pop()
        return found

    def _encoded(self, reference: Tensor, frame: Tensor) -> _View:
        valid_B1HW = frame[:, -1:]
        seen = torch.cat((frame * valid_B1HW, reference[:, : self.channels]), 1)
        return self.encode(seen), valid_B1HW

    def _add(self, waiting: list[_View | None], view: _View) -> None:
        """Add a waiting view, after fusing it with each of the same number of fusions."""
        seen = sum(2**place for place, partner in enumerate(waiting) if partner is not None)
        if seen >= self.most:
            raise ArgumentError(
                f"this highres_net fuses at most {self.most} frames, the burst has more",
                "leave frames out, or train it with a larger `most`",
            )
        for place, partner in enumerate(waiting):
            if partner is None:
                waiting[place] = view
                return
            view, waiting[place] = self._fused(partner, view), None
        waiting.append(view)

    def _fused(self, first: _View, second: _View) -> _View:
        added_BFHW = self.pair(torch.cat((first[0], second[0]), 1))
        return first[0] + second[1] * added_BFHW, torch.maximum(first[1], second[1])
