"""SRCNN: bicubic upsampling, then three convolutions at the large size.

Dong et al., TPAMI 2016, arXiv:1501.00092, the 9-5-5 form of its tables (57 K parameters), on
luma alone. Departs from it: the upsampling is part of the network, as a fixed convolution per
phase, and each convolution replicates the edge's pixels, as the authors' test code does.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from superres.layers.bicubic_upsample import BicubicUpsample, bicubic_radius
from superres.layers.config import NetworkConfig
from superres.layers.initialisation import init_detail, init_identity
from superres.layers.luma import luma_only


class SrcnnConfig(NetworkConfig):
    """Shape of an SRCNN; kernel sizes are in output pixels.

    Attributes:
        features: Channels after the first and the second convolution.
        kernels: Sizes of the three kernels, odd.
    """

    features: tuple[int, int] = (64, 32)
    kernels: tuple[int, int, int] = (9, 5, 5)

    @property
    def halo(self) -> int:
        """The farthest input pixel over all phases of an output pixel."""
        radius = sum(size // 2 for size in self.kernels)
        seen = (divmod(p, self.scale) for p in range(-radius, self.scale + radius))
        return max(
            max(-(pixel - behind), pixel + ahead)
            for pixel, phase in seen
            for behind, ahead in [bicubic_radius(phase, self.scale)]
        )

    def build(self) -> nn.Module:
        """Return the network with initial weights."""
        return luma_only(self, Srcnn)


class Srcnn(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: SrcnnConfig) -> None:
        super().__init__()
        (wide, narrow), (first, second, third) = config.features, config.kernels
        self.enlarge = BicubicUpsample(config.channels, config.scale)
        self.extract = _convolution(config.channels, wide, first)
        self.map = _convolution(wide, narrow, second)
        self.reconstruct = _convolution(narrow, config.channels, third)
        init_detail(self.extract, gain=2.0)
        init_detail(self.map, gain=4.0)
        init_identity((self.extract, self.map, self.reconstruct))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        large_BCHW = self.enlarge(x_BCHW)
        f_BFHW = functional.relu(self.extract(large_BCHW))
        return self.reconstruct(functional.relu(self.map(f_BFHW)))


def _convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, padding_mode="replicate")
