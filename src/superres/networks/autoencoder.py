"""Autoencoder: convolution, pooling, a dense layer per pixel, deconvolution; for teaching.

The network of the field's introductory tutorials: a picture is encoded and decoded again (Masci et
al., ICANN 2011, "Stacked Convolutional Auto-Encoders"). Tutorials feed it a picture of one fixed
size, upscaled beforehand, and predict the whole picture. Here it takes a small picture of any size
and learns only the residual of bicubic upsampling, with one more deconvolution and one pooling:
pooling discards detail that upsampling needs, and two poolings took about ten times the steps to
beat bicubic. It shows why later networks do not pool; use another to upscale pictures.
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.deconvolution import deconvolution
from superres.layers.initialisation import QUIET, init_rectified


class AutoencoderConfig(NetworkConfig):
    """Shape of an autoencoder.

    Attributes:
        features: Channels of the convolutions.
        code: Channels between the two dense layers.
        poolings: Poolings by two, with two convolutions before each.
    """

    features: int = 64
    code: int = 128
    poolings: int = Field(default=1, ge=1, le=6)

    @property
    def last_kernel(self) -> int:
        """Size of the last kernel in output pixels: a multiple of the scale, centred."""
        return self.scale * (2 + self.scale % 2)

    @property
    def multiple_of(self) -> int:
        """Every pooling halves the size."""
        return 2**self.poolings

    @property
    def halo(self) -> int:
        """Convolutions and poolings down, deconvolutions up, and the upscaling."""
        down = (receptive_field.convolution(2), receptive_field.pooling(2)) * self.poolings
        up = (receptive_field.deconvolution(4, 2),) * self.poolings
        path = (*down, *up, receptive_field.deconvolution(self.last_kernel, self.scale))
        return receptive_field.halo(path, scale=self.scale, multiple_of=self.multiple_of)

    def build(self) -> Autoencoder:
        """Return the network with initial weights."""
        return Autoencoder(self)


class Autoencoder(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, features, scale = config.channels, config.features, config.scale
        self.enlarge = BicubicUpsample(channels, scale)
        widths = [channels, *[features] * (config.poolings - 1)]
        self.encode = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(width, features, 3, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(features, features, 3, padding=1),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
                for width in widths
            )
        )
        self.dense = nn.Sequential(
            nn.Conv2d(features, config.code, 1),
            nn.ReLU(),
            nn.Conv2d(config.code, features, 1),
            nn.ReLU(),
        )
        self.decode = nn.Sequential(
            *(
                nn.Sequential(deconvolution(features, features, kernel=4, factor=2), nn.ReLU())
                for _ in widths
            )
        )
        self.tail = deconvolution(features, channels, kernel=config.last_kernel, factor=scale)
        init_rectified(self)
        init_rectified(self.tail, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.

        H and W are multiples of 2**poolings.
        """
        f_BFHW = self.decode(self.dense(self.encode(x_BCHW)))
        return self.enlarge(x_BCHW) + self.tail(f_BFHW)
