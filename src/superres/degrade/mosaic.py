"""Sensor simulation on a batch: colour mosaic, noise, and demosaicing.

Bayer's mosaic and bilinear demosaicing. A gamma of 2 replaces the camera pipelines of BSRGAN
(arXiv:2103.14006): it is near sRGB's, and a square and a root are cheap. The noise model is that
of Brooks et al., CVPR 2019, arXiv:1811.11127.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from superres.errors import ArgumentError

# Interpolation kernels for a colour's plane, which is zero where the sensor did not see it.
_CROSS = ((0.0, 0.25, 0.0), (0.25, 1.0, 0.25), (0.0, 0.25, 0.0))  # green, on every other pixel
_SQUARE = ((0.25, 0.5, 0.25), (0.5, 1.0, 0.5), (0.25, 0.5, 0.25))  # red, blue: one pixel in four


def sensor_batch(
    x_BCHW: Tensor, field_B1HW: Tensor, phase_B2: Tensor, shot_B: Tensor, read_B: Tensor
) -> Tensor:
    """Return RGB pictures in [0, 1] as seen by a noisy sensor with a mosaic.

    Args:
        x_BCHW: (B, 3, H, W) in [0, 1]; H and W are at least 2.
        field_B1HW: Normal noise, of mean 0 and variance 1.
        phase_B2: As of `mosaic_batch`.
        shot_B: Variance of the noise at white, in linear light.
        read_B: Standard deviation of the noise in darkness, in linear light.
    """
    raw_B1HW = mosaic_batch(x_BCHW.clamp(0.0, 1.0).square(), phase_B2)
    shot, read = shot_B.view(-1, 1, 1, 1), read_B.view(-1, 1, 1, 1)
    raw_B1HW = raw_B1HW + field_B1HW * (raw_B1HW * shot + read.square()).sqrt()
    return demosaic_batch(raw_B1HW.clamp(0.0, 1.0), phase_B2).sqrt()


def mosaic_batch(x_BCHW: Tensor, phase_B2: Tensor) -> Tensor:
    """Keep one colour per pixel.

    Args:
        x_BCHW: (B, 3, H, W).
        phase_B2: (B, 2) integers: row and column, 0 or 1, of the first red pixel; blue is on the
            diagonal from it, green on the other two of four.

    Returns:
        (B, 1, H, W).

    Raises:
        ArgumentError: The pictures are not RGB, or smaller than the mosaic.
    """
    _, channels, height, width = x_BCHW.shape
    if channels != 3 or min(height, width) < 2:
        raise ArgumentError(
            f"a mosaic is made of RGB pictures of at least 2 x 2 px, got {tuple(x_BCHW.shape)}",
            "leave the sensor out of the degradation for such pictures",
        )
    return (x_BCHW * _seen(x_BCHW, phase_B2)).sum(1, keepdim=True)


def demosaic_batch(raw_B1HW: Tensor, phase_B2: Tensor) -> Tensor:
    """Return (B, 3, H, W): each colour is the mean of the nearest pixels that saw it.

    Args:
        raw_B1HW: (B, 1, H, W), H and W at least 2.
        phase_B2: As of `mosaic_batch`.
    """
    planes_B3HW = raw_B1HW * _seen(raw_B1HW, phase_B2)
    # Mirroring about the last pixel keeps the parity of rows: no colour is missing at a border.
    padded_B3HW = functional.pad(planes_B3HW, (1, 1, 1, 1), mode="reflect")
    weights_3133 = torch.tensor((_SQUARE, _CROSS, _SQUARE), dtype=raw_B1HW.dtype)[:, None]
    return functional.conv2d(padded_B3HW, weights_3133.to(raw_B1HW.device), groups=3)


def _seen(like_BCHW: Tensor, phase_B2: Tensor) -> Tensor:
    """Return (B, 3, H, W), 1 where a pixel sees red, green or blue."""
    height, width = like_BCHW.shape[2:]
    device = like_BCHW.device
    phase_B2 = phase_B2.to(device)
    rows_BH1 = (torch.arange(height, device=device) + phase_B2[:, :1])[:, :, None] % 2 == 0
    columns_B1W = (torch.arange(width, device=device) + phase_B2[:, 1:])[:, None] % 2 == 0
    red, blue = rows_BH1 & columns_B1W, ~rows_BH1 & ~columns_B1W
    return torch.stack((red, ~(red | blue), blue), 1).to(like_BCHW.dtype)
