"""Losses that compare local structure: the structural similarity of `metrics.ssim`.

Wang et al., IEEE Transactions on Image Processing 2004, with its window and constants.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from superres.errors import ArgumentError

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # for pixels in [0, 1]


def ssim_loss(restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """Return 1 - SSIM, averaged over channels and all positions where the window fits.

    It computes in fp32 also under autocast: variances are small differences of large numbers.

    Args:
        restored_BCHW: (B, C, H, W) in about [0, 1].
        truth_BCHW: The same shape.

    Raises:
        ArgumentError: The pictures are smaller than the window.
    """
    channels, height, width = truth_BCHW.shape[1:]
    if min(height, width) < _WINDOW:
        raise ArgumentError(
            f"SSIM needs pictures of {_WINDOW}×{_WINDOW} px, got {height}×{width}",
            "train on larger patches, or without the ssim loss",
        )
    with torch.autocast(truth_BCHW.device.type, enabled=False):
        a_BCHW, b_BCHW = restored_BCHW.float(), truth_BCHW.float()
        products = (a_BCHW, b_BCHW, a_BCHW * a_BCHW, b_BCHW * b_BCHW, a_BCHW * b_BCHW)
        line = _gaussian(truth_BCHW.device).expand(channels, 1, -1)
        blurred = functional.conv2d(torch.cat(products), line[..., None], groups=channels)
        blurred = functional.conv2d(blurred, line[..., None, :], groups=channels)
        mean_a, mean_b, square_a, square_b, product = blurred.chunk(5)
        brightness = (2 * mean_a * mean_b + _C1) / (mean_a.square() + mean_b.square() + _C1)
        variances = square_a - mean_a.square() + square_b - mean_b.square()
        structure = (2 * (product - mean_a * mean_b) + _C2) / (variances + _C2)
        return 1 - (brightness * structure).mean()


def _gaussian(device: torch.device) -> Tensor:
    """Return the window along one axis, summing to 1."""
    distance = torch.arange(_WINDOW, device=device, dtype=torch.float32) - _WINDOW // 2
    weights = torch.exp(-distance.square() / (2 * _SIGMA**2))
    return weights / weights.sum()
