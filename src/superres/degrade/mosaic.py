"""Sensor simulation on a batch: colour mosaic, noise, and demosaicing.

Bayer's mosaic and bilinear demosaicing. A gamma of 2 replaces the camera pipelines of BSRGAN
(arXiv:2103.14006): it is near sRGB's, and a square and a root are cheap. The noise model is that
of Brooks et al., CVPR 2019, arXiv:1811.11127.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from superres.degrade.ragged import Sizes, extended, upload
from superres.errors import ArgumentError

# Parts of a neighbour's colour that a pixel takes, for red, green and blue: of those beside it, and
# of those diagonally from it. Green is seen by every other pixel, red and blue by one in four.
_BESIDE = (0.5, 0.25, 0.5)
_ACROSS = (0.25, 0.0, 0.25)


def sensor_batch(
    x_BCHW: Tensor,
    field_B1HW: Tensor,
    phase_B2: NDArray[np.int64],
    shot_B: Tensor,
    read_B: Tensor,
    sizes_B2: Sizes | None = None,
) -> Tensor:
    """Return RGB pictures in [0, 1] as seen by a noisy sensor with a mosaic.

    Args:
        x_BCHW: (B, 3, H, W) in [0, 1]; H and W are at least 2.
        field_B1HW: Normal noise, of mean 0 and variance 1.
        phase_B2: As of `mosaic_batch`.
        shot_B: Variance of the noise at white, in linear light.
        read_B: Standard deviation of the noise in darkness, in linear light.
        sizes_B2: Sizes of the samples, as of `ragged`; None if each fills its canvas.
    """
    raw_B1HW = mosaic_batch(x_BCHW.clamp(0.0, 1.0).square(), phase_B2)
    shot, read = shot_B.view(-1, 1, 1, 1), read_B.view(-1, 1, 1, 1)
    raw_B1HW = raw_B1HW + field_B1HW * (raw_B1HW * shot + read.square()).sqrt()
    return demosaic_batch(raw_B1HW.clamp(0.0, 1.0), phase_B2, sizes_B2).sqrt()


def mosaic_batch(x_BCHW: Tensor, phase_B2: NDArray[np.int64]) -> Tensor:
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


def demosaic_batch(
    raw_B1HW: Tensor, phase_B2: NDArray[np.int64], sizes_B2: Sizes | None = None
) -> Tensor:
    """Return (B, 3, H, W): each colour is the mean of the nearest pixels that saw it.

    Args:
        raw_B1HW: (B, 1, H, W), H and W at least 2.
        phase_B2: As of `mosaic_batch`.
        sizes_B2: Sizes of the samples, as of `ragged`; None if each fills its canvas.
    """
    height, width = raw_B1HW.shape[2:]
    # Mirroring about the last pixel keeps the parity of rows: no colour is missing at a border.
    size = (height + 2, width + 2)
    framed_B1HW = extended(raw_B1HW, sizes_B2, before=1, size=size, edge="mirror")
    planes_B3HW = framed_B1HW * _seen(framed_B1HW, 1 - phase_B2)
    # Sums instead of a convolution, which a GPU may compute in TF32.
    middle_B3HW = planes_B3HW[..., 1:-1]
    beside_B3HW = planes_B3HW[..., :-2] + planes_B3HW[..., 2:]
    above, across = (x[:, :, :-2] + x[:, :, 2:] for x in (middle_B3HW, beside_B3HW))
    weights = np.array((_BESIDE, _ACROSS), np.float32)
    near, far = upload(weights, raw_B1HW.device).to(raw_B1HW.dtype).view(2, 3, 1, 1).unbind(0)
    seen_B3HW = middle_B3HW[:, :, 1:-1] + near * (above + beside_B3HW[:, :, 1:-1])
    return torch.addcmul(seen_B3HW, far, across)


def _seen(like_BCHW: Tensor, phase_B2: NDArray[np.int64]) -> Tensor:
    """Return (B, 3, H, W), 1 where a pixel sees red, green or blue."""
    height, width = like_BCHW.shape[2:]
    rows_BH = np.arange(height) + phase_B2[:, :1]
    columns_BW = np.arange(width) + phase_B2[:, 1:]
    is_first = upload(np.concatenate((rows_BH, columns_BW), 1) % 2 == 0, like_BCHW.device)
    rows_BH1, columns_B1W = is_first[:, :height, None], is_first[:, None, height:]
    red, green, blue = rows_BH1 & columns_B1W, rows_BH1 ^ columns_B1W, ~(rows_BH1 | columns_B1W)
    return torch.stack((red, green, blue), 1).to(like_BCHW.dtype)
