"""FSRCNN: a narrow body at the small size, then one deconvolution that upscales.

Dong et al., ECCV 2016, arXiv:1608.00367, FSRCNN(56, 12, 4), on luma alone. Departs from it: the
deconvolution is centred as closely as an odd kernel allows.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from superres.layers.config import NetworkConfig
from superres.layers.initialisation import init_detail
from superres.layers.luma import luma_only

_DECONVOLUTION = 9  # kernel size of the last layer, in output pixels


class FsrcnnConfig(NetworkConfig):
    """Shape of an FSRCNN, in the paper's letters: d, s and m.

    Attributes:
        features: Channels of the first and last stages (d).
        shrunk: Channels of the mapping stage (s).
        mappings: 3x3 convolutions of the mapping stage (m).
    """

    features: int = 56
    shrunk: int = 12
    mappings: int = 4

    @property
    def padding(self) -> int:
        """Output pixels that the deconvolution drops at the top left to be centred."""
        return (_DECONVOLUTION - self.scale + 1) // 2

    @property
    def halo(self) -> int:
        """Two pixels for the 5x5, one for each mapping, and the deconvolution's radius."""
        before = (self.scale - 1 + self.padding) // self.scale
        after = (_DECONVOLUTION - 1 - self.padding) // self.scale
        return 2 + self.mappings + max(before, after)

    def build(self) -> nn.Module:
        """Return the network with initial weights."""
        return luma_only(self, Fsrcnn)


class Fsrcnn(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: FsrcnnConfig) -> None:
        super().__init__()
        wide, narrow, scale = config.features, config.shrunk, config.scale
        mappings = (
            (nn.Conv2d(narrow, narrow, 3, padding=1), nn.PReLU(narrow))
            for _ in range(config.mappings)
        )
        first = nn.Conv2d(config.channels, wide, 5, padding=2)
        self.extract = nn.Sequential(first, nn.PReLU(wide))
        self.shrink = nn.Sequential(nn.Conv2d(wide, narrow, 1), nn.PReLU(narrow))
        self.map = nn.Sequential(*chain.from_iterable(mappings))
        self.expand = nn.Sequential(nn.Conv2d(narrow, wide, 1), nn.PReLU(wide))
        self.enlarge = nn.ConvTranspose2d(
            wide,
            config.channels,
            _DECONVOLUTION,
            stride=scale,
            padding=config.padding,
            output_padding=2 * config.padding + scale - _DECONVOLUTION,
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)  # 0.25: where PReLU starts
                nn.init.zeros_(torch.as_tensor(layer.bias))
        init_detail(first, gain=5.0)
        nn.init.normal_(self.enlarge.weight, std=0.003)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = self.map(self.shrink(self.extract(x_BCHW)))
        return self.enlarge(self.expand(f_BFHW))
