"""Spectral normalisation of convolutions: weights divided by their largest singular value.

Miyato et al., ICLR 2018, arXiv:1802.05957, by torch's own parametrisation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class _Conv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:  # torch's name for it
        # Under autocast the norm would be measured in 8 or 11 bits.
        with torch.autocast(input.device.type, enabled=False):
            weight = self.weight
        return functional.conv2d(input, weight, self.bias, self.stride, self.padding)


def spectral_conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, bias: bool = True
) -> nn.Module:
    """Return a convolution that keeps H and W, or halves even ones with a kernel of 4 and stride 2.

    Each forward in training mode takes one step of the power iteration.
    """
    padding = (kernel - 1) // 2
    return spectral_norm(_Conv2d(inputs, outputs, kernel, stride, padding, bias=bias))
