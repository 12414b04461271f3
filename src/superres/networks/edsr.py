"""EDSR: residual blocks without normalisation, then pixel shuffles; baseline and large are configs.

Lim et al., CVPR Workshops 2017, arXiv:1707.02921. Module names follow the authors' checkpoints
(head, body, tail). The mean colour that is subtracted first and added last is DIV2K's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.config import NetworkConfig, check_network_scale

_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class EdsrConfig(NetworkConfig):
    """Shape of an EDSR; the defaults are the baseline, `EDSR_LARGE` is the paper's best.

    Attributes:
        features: Channels of the body.
        blocks: Residual blocks of two convolutions.
        residual_scale: Factor on each block's branch; 0.1 keeps 256 channels stable.
        centred: Whether DIV2K's mean colour is taken off before the network, and added after it.
    """

    features: int = 64
    blocks: int = 16
    residual_scale: float = 1.0
    centred: bool = True

    @property
    def scale_steps(self) -> tuple[int, ...]:
        """The factors of the pixel shuffles: scale 4 takes two steps."""
        return {1: (), 2: (2,), 3: (3,), 4: (2, 2), 8: (2, 2, 2)}.get(self.scale, ())

    @property
    def halo(self) -> int:
        """The last convolution's pixel, downscaled stage by stage, and one for each before it."""
        radius = 1
        for factor in reversed(self.scale_steps):
            radius = -(-radius // factor) + 1
        return radius + 2 * self.blocks + 2

    def build(self) -> Edsr:
        """Return the network with initial weights.

        Raises:
            ArgumentError: The scale is not 1, 2, 3, 4 or 8.
        """
        check_network_scale("edsr", self.scale, (1, 2, 3, 4, 8))
        return Edsr(self)


EDSR_LARGE = {"features": 256, "blocks": 32, "residual_scale": 0.1}


class _ResidualBlock(nn.Module):
    def __init__(self, features: int, residual_scale: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
        )
        self.residual_scale = residual_scale

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + self.residual_scale * self.body(f_BFHW)


class _Shuffle(nn.Module):
    """One upscaling stage: a convolution to factor**2 times the channels, then a pixel shuffle."""

    def __init__(self, features: int, factor: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(features, features * factor**2, 3, padding=1)
        self.factor = factor

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.expand(f_BFHW), self.factor)


class Edsr(nn.Module):
    """The network; see the module's docstring."""

    mean: Tensor

    def __init__(self, config: EdsrConfig) -> None:
        super().__init__()
        features = config.features
        mean = _DIV2K_MEAN if config.channels == 3 else (sum(_DIV2K_MEAN) / 3,) * config.channels
        mean = mean if config.centred else (0.0,) * config.channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.head = nn.Conv2d(config.channels, features, 3, padding=1)
        blocks = [_ResidualBlock(features, config.residual_scale) for _ in range(config.blocks)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(features, features, 3, padding=1))
        stages = [_Shuffle(features, factor) for factor in config.scale_steps]
        self.tail = nn.Sequential(*stages, nn.Conv2d(features, config.channels, 3, padding=1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = self.head(x_BCHW - self.mean)
        f_BFHW = f_BFHW + self.body(f_BFHW)
        return self.tail(f_BFHW) + self.mean
