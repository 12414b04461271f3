"""MSRResNet: SRResNet without normalisation, over bilinear upsampling.

Wang et al., ECCV Workshops 2018, arXiv:1809.00219 (the PSNR-oriented baseline of ESRGAN), after
Ledig et al., CVPR 2017, arXiv:1609.04802. Module names follow BasicSR's checkpoints. Older ones
say `recon_trunk` for `body` and `HRconv` for `conv_hr`. Departs from them: initial weights are
small only in the body and the last layer, not everywhere, or a short run ends before the signal
has passed through.
"""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn
from torch.nn import functional

from superres.layers import receptive_field
from superres.layers.config import NetworkConfig, check_network_scale
from superres.layers.initialisation import QUIET, init_rectified
from superres.layers.scale_steps import scale_steps

_SLOPE = 0.1  # of the rectifiers outside the body, below 0
_START = 0.1  # gain of the residual blocks' initial weights, as in ESRGAN's training


class MsrresnetConfig(NetworkConfig):
    """Shape of an MSRResNet.

    Attributes:
        features: Channels of the body.
        blocks: Residual blocks of two convolutions.
    """

    features: int = 64
    blocks: int = 16

    @property
    def halo(self) -> int:
        """The first convolution, the body's, one before each pixel shuffle, the last two."""
        enlarge = (
            (receptive_field.convolution(1), receptive_field.repetition(factor))
            for factor in scale_steps(self.scale)
        )
        path = (
            receptive_field.convolution(1 + 2 * self.blocks),
            *chain.from_iterable(enlarge),
            receptive_field.convolution(2),
        )
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Msrresnet:
        """Return the network with initial weights.

        Raises:
            ArgumentError: The scale is not 2, 3 or 4.
        """
        check_network_scale("msrresnet", self.scale, (2, 3, 4))
        return Msrresnet(self)


class _ResidualBlock(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + self.conv2(functional.relu(self.conv1(f_BFHW)))


class Msrresnet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: MsrresnetConfig) -> None:
        super().__init__()
        channels, features = config.channels, config.features
        self.scale = config.scale
        self.factors = scale_steps(config.scale)
        self.conv_first = nn.Conv2d(channels, features, 3, padding=1)
        self.body = nn.Sequential(*(_ResidualBlock(features) for _ in range(config.blocks)))
        for number, factor in enumerate(self.factors, 1):
            expand = nn.Conv2d(features, features * factor**2, 3, padding=1)
            self.add_module(f"upconv{number}", expand)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, channels, 3, padding=1)
        init_rectified(self)
        init_rectified(self.body, gain=_START)
        init_rectified(self.conv_last, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        f_BFHW = self.body(functional.leaky_relu(self.conv_first(x_BCHW), _SLOPE))
        for number, factor in enumerate(self.factors, 1):
            expand = self.get_submodule(f"upconv{number}")
            f_BFHW = functional.pixel_shuffle(expand(f_BFHW), factor)
            f_BFHW = functional.leaky_relu(f_BFHW, _SLOPE)
        f_BFHW = functional.leaky_relu(self.conv_hr(f_BFHW), _SLOPE)
        large_BCHW = functional.interpolate(
            x_BCHW, scale_factor=self.scale, mode="bilinear", align_corners=False
        )
        return large_BCHW + self.conv_last(f_BFHW)
