"""SMFANet: features weighted by their surroundings at an eighth of the size, with local detail.

Zheng et al., ECCV 2024. The default is the authors' small network, `SMFANET_PLUS` the larger one.
Module names follow the authors' checkpoints. Adaptive pooling and its upsampling are written as
pooling at every pixel and gathers, which every runtime supports at dynamic sizes; the positions are
integers, so that runtimes agree on them at every size.

No halo makes tiles equal the whole frame: each block takes the variance of all its input pixels
and pools them over windows that depend on the frame's size. The halo bounds what the convolutions
miss, which see two windows far; docs/networks.md has the remaining difference.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.config import NetworkConfig

_WINDOW = 8  # frame pixels per pooled pixel along each axis
_ENOUGH = 32  # the halo, in input pixels


class SmfanetConfig(NetworkConfig):
    """Shape of an SMFANet; the defaults are the paper's.

    Attributes:
        features: Channels of the body, an even number.
        blocks: Blocks of an aggregation and a perceptron.
    """

    features: int = Field(default=36, ge=2, multiple_of=2)
    blocks: int = Field(default=8, ge=1)

    @property
    def halo(self) -> int:
        """Enough in practice; see the module's docstring."""
        return _ENOUGH

    @property
    def exact_halo(self) -> bool:
        """False: variance and pooling see the whole frame."""
        return False

    @property
    def minimum(self) -> int:
        """One window."""
        return _WINDOW

    def build(self) -> Smfanet:
        """Return the network with initial weights."""
        return Smfanet(self)


SMFANET_PLUS = {"features": 48, "blocks": 12}


class _LocalDetail(nn.Module):
    """A depthwise 3x3 convolution, followed by pointwise ones."""

    def __init__(self, features: int) -> None:
        super().__init__()
        wide = 2 * features
        self.conv_0 = nn.Sequential(
            nn.Conv2d(features, wide, 3, padding=1, groups=features), nn.Conv2d(wide, wide, 1)
        )
        self.conv_1 = nn.Conv2d(wide, features, 1)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return self.conv_1(functional.gelu(self.conv_0(f_BFHW)))


class _Aggregation(nn.Module):
    """Features weighted by their surroundings and the frame's variance, plus local detail."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.linear_0 = nn.Conv2d(features, 2 * features, 1)
        self.linear_1 = nn.Conv2d(features, features, 1)
        self.linear_2 = nn.Conv2d(features, features, 1)
        self.lde = _LocalDetail(features)
        self.dw_conv = nn.Conv2d(features, features, 3, padding=1, groups=features)
        self.alpha = nn.Parameter(torch.ones(1, features, 1, 1))
        self.belt = nn.Parameter(torch.zeros(1, features, 1, 1))

    def forward(self, f_BFHW: Tensor) -> Tensor:
        local_BFHW, far_BFHW = self.linear_0(f_BFHW).chunk(2, 1)
        around_BFhw = self.dw_conv(pooled(far_BFHW))
        variance_BF11 = far_BFHW.var((2, 3), keepdim=True)
        weights_BFhw = functional.gelu(
            self.linear_1(around_BFhw * self.alpha + variance_BF11 * self.belt)
        )
        weighed_BFHW = far_BFHW * repeated_to(weights_BFhw, f_BFHW)
        return self.linear_2(weighed_BFHW + self.lde(local_BFHW))


class _Perceptron(nn.Module):
    """Expands each pixel's features, convolves a quarter of them 3x3, and projects them back."""

    def __init__(self, features: int) -> None:
        super().__init__()
        wide = 2 * features
        self.mixed = wide // 4
        self.conv_0 = nn.Conv2d(features, wide, 1)
        self.conv_1 = nn.Conv2d(self.mixed, self.mixed, 3, padding=1)
        self.conv_2 = nn.Conv2d(wide, features, 1)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        wide_BGHW = functional.gelu(self.conv_0(f_BFHW))
        mixed_BMHW = functional.gelu(self.conv_1(wide_BGHW[:, : self.mixed]))
        return self.conv_2(torch.cat((mixed_BMHW, wide_BGHW[:, self.mixed :]), 1))


class _Block(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.smfa = _Aggregation(features)
        self.pcfn = _Perceptron(features)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        f_BFHW = f_BFHW + self.smfa(functional.normalize(f_BFHW))
        return f_BFHW + self.pcfn(functional.normalize(f_BFHW))


class Smfanet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: SmfanetConfig) -> None:
        super().__init__()
        features, channels = config.features, config.channels
        self.to_feat = nn.Conv2d(channels, features, 3, padding=1)
        self.feats = nn.Sequential(*(_Block(features) for _ in range(config.blocks)))
        last = nn.Conv2d(features, channels * config.scale**2, 3, padding=1)
        self.to_img = nn.Sequential(last, nn.PixelShuffle(config.scale))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = self.to_feat(x_BCHW)
        return self.to_img(f_BFHW + self.feats(f_BFHW))


def pooled(f_BFHW: Tensor) -> Tensor:
    """Return the maxima (H // 8, W // 8) of windows that cover a frame.

    Equals torch's `adaptive_max_pool2d`. Windows have 8 to 15 pixels, so that the first 8 and the
    last 8 cover each.
    """
    for axis in (2, 3):
        length = f_BFHW.shape[axis]
        count = length // _WINDOW
        window = torch.arange(count, device=f_BFHW.device)
        first = window * length // count
        # Start of the last 8, rounded up without negative numbers, on which runtimes differ.
        last = ((window + 1) * length + count - 1) // count - _WINDOW
        edges = (_WINDOW, 1) if axis == 2 else (1, _WINDOW)
        maxima = functional.max_pool2d(f_BFHW, edges, stride=1)
        f_BFHW = torch.maximum(maxima.index_select(axis, first), maxima.index_select(axis, last))
    return f_BFHW


def repeated_to(f_BFhw: Tensor, like_BFHW: Tensor) -> Tensor:
    """Repeat pixels until a frame is as large as another."""
    for axis in (2, 3):
        few, many = f_BFhw.shape[axis], like_BFHW.shape[axis]
        place = torch.arange(many, device=f_BFhw.device) * few // many
        f_BFhw = f_BFhw.index_select(axis, place)
    return f_BFhw
