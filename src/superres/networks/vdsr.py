"""VDSR: twenty 3x3 convolutions at the large size learn the residual of bicubic upsampling.

Kim et al., CVPR 2016, arXiv:1511.04587. Departs from it: RGB, where the paper trains luma alone;
one scale per network, where the paper mixes three; the upsampling is part of the network; the last
layer is initialised near zero, for Adam, where the paper clips the gradients of a large SGD step.
"""

from __future__ import annotations

from itertools import chain

from pydantic import Field
from torch import Tensor, nn

from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.initialisation import QUIET, init_rectified


class VdsrConfig(NetworkConfig):
    """Shape of a VDSR.

    Attributes:
        features: Channels between the layers.
        layers: Total number of convolutions.
    """

    features: int = 64
    layers: int = Field(default=20, ge=2)

    @property
    def halo(self) -> int:
        """One output pixel for each layer, and the bicubic kernel's radius."""
        path = (receptive_field.bicubic(self.scale), receptive_field.convolution(self.layers))
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Vdsr:
        """Return the network with initial weights."""
        return Vdsr(self)


class Vdsr(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: VdsrConfig) -> None:
        super().__init__()
        features, between = config.features, config.layers - 2
        body = ((nn.Conv2d(features, features, 3, padding=1), nn.ReLU()) for _ in range(between))
        self.enlarge = BicubicUpsample(config.channels, config.scale)
        self.residual = nn.Sequential(
            nn.Conv2d(config.channels, features, 3, padding=1),
            nn.ReLU(),
            *chain.from_iterable(body),
        )
        self.tail = nn.Conv2d(features, config.channels, 3, padding=1)
        init_rectified(self)
        init_rectified(self.tail, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        large_BCHW = self.enlarge(x_BCHW)
        return large_BCHW + self.tail(self.residual(large_BCHW))
