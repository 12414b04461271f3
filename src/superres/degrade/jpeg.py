"""JPEG of tensors: batched, on any device, and differentiable.

The baseline codec of ITU-T T.81 with the tables of its Annex K scaled by quality as libjpeg scales
them; colour as in JFIF. It has all of JPEG's losses (8-bit input, rounded luma and chroma, halved
chroma, quantised DCT coefficients, rounded output); the lossless entropy coding is left out.
Gradients pass straight through rounding (Bengio et al. 2013, arXiv:1308.3432).
"""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from superres.errors import ArgumentError

Subsampling = Literal["420", "444"]

# ITU-T T.81, tables K.1 and K.2, row by row.
_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_TO_YCC = (  # JFIF 1.02
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
# libjpeg's biases in even and odd columns before it truncates chroma, when it halves and when it
# doubles its size.
_HALVING = (1 / 4, 2 / 4)
_DOUBLING = (8 / 16, 7 / 16)
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136286, -0.714136286), (1.0, 1.772, 0.0))


def jpeg_batch(x_BCHW: Tensor, quality_B: Tensor, *, subsampling: Subsampling = "420") -> Tensor:
    """Return a batch after JPEG compression.

    Args:
        x_BCHW: (B, C, H, W), nominally in [0, 1], of 1 (grey) or 3 (RGB) channels, any H and W.
        quality_B: (B,) whole numbers from 1 to 100, on any device.
        subsampling: Whether chroma is halved along both axes (420) or kept (444).

    Returns:
        (B, C, H, W) in [0, 1], float32, multiples of 1/255.

    Raises:
        ArgumentError: There are not 1 or 3 channels, or not one quality for each sample.
    """
    batch, channels, height, width = x_BCHW.shape
    if channels not in (1, 3) or quality_B.shape != (batch,):
        raise ArgumentError(
            f"JPEG takes (B, 1 or 3, H, W) and B qualities, "
            f"got {tuple(x_BCHW.shape)} and {tuple(quality_B.shape)}",
            "pass grey or RGB pictures, and a quality for each",
        )
    with torch.autocast(x_BCHW.device.type, enabled=False):
        levels_BCHW = _rounded(x_BCHW.float().clamp(0.0, 1.0) * 255.0)
        luma_B64, chroma_B64 = _tables(quality_B.to(x_BCHW.device))
        if channels == 1:
            planes_BCHW = _through_dct(levels_BCHW - 128.0, luma_B64[:, None])
            return _rounded(planes_BCHW + 128.0) / 255.0
        ycc_BCHW = _rounded(_colours(levels_BCHW, _TO_YCC))
        luma_B1HW, chroma_B2HW = ycc_BCHW[:, :1] - 128.0, ycc_BCHW[:, 1:]
        if subsampling == "420":
            even_B2HW = _padded(chroma_B2HW, 2)
            chroma_B2HW = _rounded(functional.avg_pool2d(even_B2HW, 2), _HALVING)
        luma_B1HW = _through_dct(luma_B1HW, luma_B64[:, None])
        chroma_B2HW = _through_dct(chroma_B2HW, chroma_B64[:, None])
        if subsampling == "420":
            # libjpeg's "fancy" upsampling weighs the nearest chroma 9, 3, 3 and 1: bilinear.
            chroma_B2HW = functional.interpolate(chroma_B2HW, scale_factor=2.0, mode="bilinear")
            chroma_B2HW = _rounded(chroma_B2HW[..., :height, :width], _DOUBLING)
        ycc_BCHW = torch.cat((luma_B1HW + 128.0, chroma_B2HW), 1)
        return _rounded(_colours(ycc_BCHW, _TO_RGB).clamp(0.0, 255.0)) / 255.0


def _rounded(x: Tensor, bias: tuple[float, float] | None = None) -> Tensor:
    """Return x rounded to nearest, or as floor(x + bias) of even and odd columns.

    Its gradient is that of x.
    """
    if bias is None:
        rounded = x.round()
    else:
        columns = torch.tensor(bias, device=x.device).repeat(-(-x.shape[-1] // 2))
        rounded = (x + columns[: x.shape[-1]]).floor()
    return rounded + (x - x.detach()) if x.requires_grad else rounded


def _rounded_away(x: Tensor) -> Tensor:
    """Return x rounded to nearest, halves away from zero; its gradient is that of x."""
    rounded = (x + 0.5 * x.sign()).trunc()
    return rounded + (x - x.detach()) if x.requires_grad else rounded


def _padded(x_BCHW: Tensor, multiple: int) -> Tensor:
    """Pad height and width to multiples by repeating the last row and column."""
    down, right = -x_BCHW.shape[2] % multiple, -x_BCHW.shape[3] % multiple
    if not down and not right:
        return x_BCHW
    return functional.pad(x_BCHW, (0, right, 0, down), mode="replicate")


def _colours(x_BCHW: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """Return the channels in another colour space, all centred at 0."""
    weights_33 = torch.tensor(matrix, device=x_BCHW.device)
    return (weights_33 @ x_BCHW.flatten(2)).view_as(x_BCHW)


def _through_dct(planes_BCHW: Tensor, tables_BC64: Tensor) -> Tensor:
    """Quantise planes centred at 0 in 8x8 blocks; return whole levels from -128 to 127."""
    height, width = planes_BCHW.shape[2:]
    padded_BCHW = _padded(planes_BCHW, 8)
    batch, planes, high, wide = padded_BCHW.shape
    grid = (batch, planes, high // 8, 8, wide // 8, 8)
    blocks = padded_BCHW.view(grid).transpose(3, 4).reshape(batch, planes, -1, 64)
    transform_6464 = _transform(planes_BCHW.device)
    tables_BC164 = tables_BC64[:, :, None]
    # libjpeg's DCT ends in whole eighths, so halves are frequent, and are rounded away from zero.
    eighths = _rounded(blocks @ (8.0 * transform_6464.T))
    steps = eighths / (8.0 * tables_BC164)
    coefficients = _rounded_away(steps) * tables_BC164
    blocks = _rounded((coefficients @ transform_6464).clamp(-128.0, 127.0))
    rows = blocks.view(batch, planes, high // 8, wide // 8, 8, 8).transpose(3, 4)
    return rows.reshape(padded_BCHW.shape)[..., :height, :width]


def _tables(quality_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return the quantisation tables (B, 64) of luma and chroma, scaled as libjpeg scales them."""
    quality_B1 = quality_B.long().clamp(1, 100)[:, None]
    percent_B1 = torch.where(quality_B1 < 50, 5000 // quality_B1, 200 - 2 * quality_B1)
    luma_B64, chroma_B64 = (
        ((table.to(quality_B.device) * percent_B1 + 50) // 100).clamp(1, 255).float()
        for table in (torch.tensor(_LUMA_TABLE).view(64), torch.tensor(_CHROMA_TABLE).view(64))
    )
    return luma_B64, chroma_B64


@functools.lru_cache(maxsize=4)
def _transform(device: torch.device) -> Tensor:
    """Return the orthogonal DCT of an 8x8 block as a matrix (64, 64), T.81 A.3.3."""
    rows = torch.arange(8, dtype=torch.float64)
    matrix_88 = torch.cos((2 * rows + 1) * rows[:, None] * math.pi / 16) / 2
    matrix_88[0] /= math.sqrt(2)
    with torch.inference_mode(False):  # a tensor born in inference could never be differentiated
        return torch.kron(matrix_88, matrix_88).float().to(device)
