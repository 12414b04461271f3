"""DRCN: one convolution applied sixteen times, with a weighted mean of all reconstructions.

Kim et al., CVPR 2016, arXiv:1511.04491. Departs from it: RGB, where the paper trains luma alone;
the upsampling is part of the network; the last layer has no rectifier, through which it could not
lower a pixel, and is initialised near zero. The paper's loss shifts its weight from the
intermediate outputs to the final one during training; ours is the mean over all.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.initialisation import QUIET, init_rectified


class DrcnConfig(NetworkConfig):
    """Shape of a DRCN.

    Attributes:
        features: Channels of all three parts: embedding, inference, reconstruction.
        recursions: Applications of the one inference convolution.
    """

    features: int = 256
    recursions: int = Field(default=16, ge=1)

    @property
    def halo(self) -> int:
        """Two convolutions before the recursions and two after, on top of the bicubic."""
        path = (
            receptive_field.bicubic(self.scale),
            receptive_field.convolution(2 + self.recursions + 2),
        )
        return receptive_field.halo(path, scale=self.scale)

    def build(self) -> Drcn:
        """Return the network with initial weights."""
        return Drcn(self)


class Drcn(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: DrcnConfig) -> None:
        super().__init__()
        channels, features = config.channels, config.features
        self.recursions = config.recursions
        self.enlarge = BicubicUpsample(channels, config.scale)
        self.embed = nn.Sequential(
            nn.Conv2d(channels, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
        )
        self.infer = nn.Conv2d(features, features, 3, padding=1)
        self.reconstruct = nn.Sequential(nn.Conv2d(features, features, 3, padding=1), nn.ReLU())
        self.tail = nn.Conv2d(features, channels, 3, padding=1)
        self.weights = nn.Parameter(torch.full((config.recursions,), 1 / config.recursions))
        init_rectified(self)
        init_rectified(self.tail, gain=QUIET)
        nn.init.dirac_(self.infer.weight)  # as in the paper: a recursion is initially the identity

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        return self.outputs(x_BCHW)[-1]

    def outputs(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return the output after each recursion, then their weighted sum; all of one size."""
        large_BCHW = self.enlarge(x_BCHW)
        f_BFHW = self.embed(large_BCHW)
        answers: list[Tensor] = []
        for _ in range(self.recursions):
            f_BFHW = functional.relu(self.infer(f_BFHW))
            answers.append(large_BCHW + self.tail(self.reconstruct(f_BFHW)))
        final_BCHW = torch.zeros_like(large_BCHW)
        for weight, answer_BCHW in zip(self.weights, answers, strict=True):
            final_BCHW = final_BCHW + weight * answer_BCHW
        return (*answers, final_BCHW)
