"""HighRes-net: views fused two by two, recursively, with one set of weights.

Deudon et al., "HighRes-net: Recursive Fusion for Multi-Frame Super-Resolution of Satellite
Imagery", 2020, arXiv:2002.06460: each view is encoded together with a reference, pairs are fused
until one is left, and that one is decoded. It is here to be compared with. Departures from it:

- The reference is the burst's first frame, not the median of the views, and it is a view itself.
- Frames come aligned (`many_frames`), in place of a network that registers the output; their
  offsets and masks are channels of the encoder's input.
- Neighbours are fused, not the first half with the second, so that views can be read one by one
  and only log2 of them are kept. A view without a partner goes on to the next round, so that odd
  numbers lose none; the authors pad to a power of two with views that count for nothing.
- What a fusion adds to the first of a pair is weighted by the mask of the second, pixel by pixel.
- The decoder is a pixel shuffle over a bicubic enlargement of the reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from superres.errors import ArgumentError
from superres.frame import BURST_EXTRAS
from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.initialisation import QUIET, init_rectified

_View = tuple[Tensor, Tensor]  # features (B, F, H, W), and the mask (B, 1, H, W)
_PRELU = 0.25  # torch's slope of a fresh nn.PReLU


class HighresNetConfig(NetworkConfig):
    """Shape of a HighRes-net.

    Attributes:
        features: Channels of an encoded view.
        blocks: Residual blocks of the encoder.
        most: Most frames of a burst; each doubling is one more fusion, and more halo.
    """

    features: int = 64
    blocks: int = 2
    most: int = Field(default=32, ge=1, le=1024)

    @property
    def frames(self) -> Literal["one", "many"]:
        """It takes bursts."""
        return "many"

    @property
    def halo(self) -> int:
        """Encoder, three convolutions for each round of fusions, and the last one."""
        rounds = math.ceil(math.log2(self.most))
        network = (
            receptive_field.convolution(2 + 2 * self.blocks + 3 * rounds + 1),
            receptive_field.repetition(self.scale),
        )
        enlargement = (receptive_field.bicubic(self.scale),)
        return max(receptive_field.halo(path, scale=self.scale) for path in (network, enlargement))

    def build(self) -> HighresNet:
        """Return the network with fresh weights."""
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
        self.channels, self.most = channels, config.most
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
        """Make (B, C, scale*H, scale*W), unclamped, of a burst (B, T, C + 3, H, W)."""
        return self.fuse(x_BTXHW.unbind(1))

    def fuse(self, frames: Iterable[Tensor]) -> Tensor:
        """Do what `forward` does with frames (B, C + 3, H, W), asked for one by one.

        Raises:
            ArgumentError: The burst has more frames than the network was made for.
        """
        frames = iter(frames)
        reference = next(frames)
        # Views by how often they were fused, like the digits of a binary number that counts them.
        waiting: list[_View | None] = [self._encoded(reference, reference)]
        for index, frame in enumerate(frames, 2):
            if index > self.most:
                raise ArgumentError(
                    f"this highres_net fuses at most {self.most} frames, the burst has more",
                    "leave frames out, or train it with a larger `most`",
                )
            self._add(waiting, self._encoded(reference, frame))
        left = [view for view in waiting if view is not None]
        fused = left[0]
        for view in left[1:]:
            fused = self._fused(view, fused)
        return self.enlarge(reference[:, : self.channels]) + self.tail(fused[0])

    def _encoded(self, reference: Tensor, frame: Tensor) -> _View:
        valid_B1HW = frame[:, -1:]
        seen = torch.cat((frame * valid_B1HW, reference[:, : self.channels]), 1)
        return self.encode(seen), valid_B1HW

    def _add(self, waiting: list[_View | None], view: _View) -> None:
        """Let a view wait, after fusing it with each that was fused as often as itself."""
        for place, partner in enumerate(waiting):
            if partner is None:
                waiting[place] = view
                return
            view, waiting[place] = self._fused(partner, view), None
        waiting.append(view)

    def _fused(self, first: _View, second: _View) -> _View:
        added_BFHW = self.pair(torch.cat((first[0], second[0]), 1))
        return first[0] + second[1] * added_BFHW, torch.maximum(first[1], second[1])
