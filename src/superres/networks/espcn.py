"""ESPCN: every convolution at the small size, then one pixel shuffle.

Shi et al., CVPR 2016, arXiv:1609.05158, on luma alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from superres.layers.config import NetworkConfig
from superres.layers.initialisation import init_detail
from superres.layers.luma import luma_only


class EspcnConfig(NetworkConfig):
    """Shape of an ESPCN.

    Attributes:
        features: Channels after the 5x5 convolution.
        refined: Channels after the 3x3 convolution.
    """

    features: int = 64
    refined: int = 32

    @property
    def halo(self) -> int:
        """Two pixels for the 5x5, one for each of the two 3x3."""
        return 4

    def build(self) -> nn.Module:
        """Return the network with initial weights."""
        return luma_only(self, Espcn)


class Espcn(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: EspcnConfig) -> None:
        super().__init__()
        out = config.channels * config.scale**2
        self.extract = nn.Conv2d(config.channels, config.features, 5, padding=2)
        self.refine = nn.Conv2d(config.features, config.refined, 3, padding=1)
        self.expand = nn.Conv2d(config.refined, out, 3, padding=1)
        self.shuffle = nn.PixelShuffle(config.scale)
        init_detail(self.extract, gain=5.0)
        with torch.no_grad():
            self.expand.weight.mul_(0.5)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = torch.tanh(self.extract(x_BCHW))
        f_BFHW = torch.tanh(self.refine(f_BFHW))
        return self.shuffle(self.expand(f_BFHW))
