"""Networks for luma only, with chroma upscaled by bicubic, as in their papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig

Config = TypeVar("Config", bound=NetworkConfig)

_BT601 = (0.299, 0.587, 0.114)  # weights of R, G, B in luma, ITU-R BT.601


def luma_only(config: Config, network: Callable[[Config], nn.Module]) -> nn.Module:
    """Return a network that applies the one of a config to luma only.

    Args:
        config: Of 3 channels; with 1 the network itself is returned.
        network: Builds the network of a config.
    """
    if config.channels != len(_BT601):
        return network(config)
    return LumaOnly(network(config.model_copy(update={"channels": 1})), config.scale)


class LumaOnly(nn.Module):
    """RGB upscaled by a network for luma, and by bicubic for colour differences."""

    weights: Tensor

    def __init__(self, network: nn.Module, scale: int) -> None:
        super().__init__()
        self.network = network
        self.enlarge = BicubicUpsample(len(_BT601), scale)
        self.register_buffer("weights", torch.tensor(_BT601).view(1, -1, 1, 1), persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, 3, H, W) in [0, 1] to (B, 3, scale*H, scale*W), unclamped."""
        large_BCHW = self.enlarge(x_BCHW)
        return large_BCHW + (self.network(self._luma(x_BCHW)) - self._luma(large_BCHW))

    def _luma(self, x_BCHW: Tensor) -> Tensor:
        return (x_BCHW * self.weights).sum(1, keepdim=True)
