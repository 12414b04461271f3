"""SRDenseNet: dense blocks at the small size, their features concatenated, then deconvolutions.

Tong et al., ICCV 2017, "Image Super-Resolution Using Dense Skip Connections", the form that the
paper calls All. Departs from it: RGB, where the paper trains luma alone. Where the paper does not
specify the wiring, a block's layers see the block's own features, the first of them its input,
which is the previous block's features; it then has 2.1 M parameters on luma, and 2.0 M in the
field's tables.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from superres.layers import receptive_field
from superres.layers.config import NetworkConfig, check_network_scale
from superres.layers.deconvolution import deconvolution
from superres.layers.initialisation import init_rectified
from superres.layers.scale_steps import scale_steps

_SCALES = (1, 2, 3, 4, 8)  # steps of at most 3, the deconvolutions' kernel size
_KERNEL = 3


class SrdensenetConfig(NetworkConfig):
    """Shape of an SRDenseNet.

    Attributes:
        growth: Channels that each layer of a block adds, and those of the first convolution.
        blocks: Dense blocks.
        layers: Convolutions in a block.
        bottleneck: Channels to which the concatenated features are reduced.
    """

    growth: int = 16
    blocks: int = Field(default=8, ge=1)
    layers: int = Field(default=8, ge=1)
    bottleneck: int = 256

    @property
    def halo(self) -> int:
        """The first convolution, all layers one after another, the deconvolutions, the last."""
        path = (
            receptive_field.convolution(1 + self.blocks * self.layers),
            *(receptive_field.deconvolution(_KERNEL, factor) for factor in scale_steps(self.scale)),
            receptive_field.convolution(1),
        )
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Srdensenet:
        """Return the network with initial weights.

        Raises:
            ArgumentError: The scale is not 1, 2, 3, 4 or 8.
        """
        check_network_scale("srdensenet", self.scale, _SCALES)
        return Srdensenet(self)


class _DenseBlock(nn.Module):
    """Layers that each see all earlier features of the block; returns all of them."""

    def __init__(self, features: int, growth: int, layers: int) -> None:
        super().__init__()
        widths = [features, *(growth * made for made in range(1, layers))]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, growth, 3, padding=1), nn.ReLU()) for width in widths
        )

    def forward(self, f_BFHW: Tensor) -> Tensor:
        made: list[Tensor] = []
        for layer in self.layers:
            made.append(layer(torch.cat(made, 1) if made else f_BFHW))
        return torch.cat(made, 1)


class Srdensenet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: SrdensenetConfig) -> None:
        super().__init__()
        growth, made, wide = config.growth, config.growth * config.layers, config.bottleneck
        widths = [growth, *[made] * (config.blocks - 1)]
        self.head = nn.Sequential(nn.Conv2d(config.channels, growth, 3, padding=1), nn.ReLU())
        self.blocks = nn.ModuleList(_DenseBlock(width, growth, config.layers) for width in widths)
        self.bottleneck = nn.Sequential(
            nn.Conv2d(growth + made * config.blocks, wide, 1), nn.ReLU()
        )
        self.enlarge = nn.Sequential(
            *(
                nn.Sequential(deconvolution(wide, wide, kernel=_KERNEL, factor=factor), nn.ReLU())
                for factor in scale_steps(config.scale)
            )
        )
        self.tail = nn.Conv2d(wide, config.channels, 3, padding=1)
        init_rectified(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        levels = [self.head(x_BCHW)]
        for block in self.blocks:
            levels.append(block(levels[-1]))
        return self.tail(self.enlarge(self.bottleneck(torch.cat(levels, 1))))
