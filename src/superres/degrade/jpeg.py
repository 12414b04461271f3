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

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from superres.degrade.canvas import Sizes, exact_dtype, extended, upload
from superres.errors import ArgumentError

Subsampling = Literal["420", "444"]
Matrix = tuple[tuple[float, ...], ...]

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
_TO_LUMA = ((0.299, 0.587, 0.114),)  # JFIF 1.02
_TO_CHROMA = ((-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_FROM_CHROMA = ((0.0, 1.402), (-0.344136286, -0.714136286), (1.772, 0.0))  # added to luma
# libjpeg's biases in even and odd columns before it truncates chroma, when it halves and when it
# doubles its size.
_HALVING = (1 / 4, 2 / 4)
_DOUBLING = (8 / 16, 7 / 16)
# libjpeg's DCT ends in whole eighths, so halves are frequent, and are rounded away from zero. So
# much larger, they are; other quotients differ from halves by a part in 8,000.
_AWAY = 1.0 + 2e-7


def jpeg_batch(
    x_BCHW: Tensor,
    quality_B: ArrayLike,
    *,
    subsampling: Subsampling = "420",
    sizes_B2: Sizes | None = None,
) -> Tensor:
    """Return a batch after JPEG compression.

    Args:
        x_BCHW: (B, C, H, W), nominally in [0, 1], of 1 (grey) or 3 (RGB) channels, any H and W.
        quality_B: (B,) whole numbers from 1 to 100, on the host.
        subsampling: Whether chroma is halved along both axes (420) or kept (444).
        sizes_B2: Sizes of the samples, as of `canvas`; None if each fills its canvas.

    Returns:
        (B, C, H, W) in [0, 1], float32, multiples of 1/255.

    Raises:
        ArgumentError: There are not 1 or 3 channels, or not one quality for each sample.
    """
    batch, channels, height, width = x_BCHW.shape
    qualities = np.asarray(quality_B)
    if channels not in (1, 3) or qualities.shape != (batch,):
        raise ArgumentError(
            f"JPEG takes (B, 1 or 3, H, W) and B qualities, "
            f"got {tuple(x_BCHW.shape)} and {qualities.shape}",
            "pass grey or RGB pictures, and a quality for each",
        )
    halved = channels == 3 and subsampling == "420"
    unit = 16 if halved else 8  # edge of the smallest picture of whole blocks
    size = (-(-height // unit) * unit, -(-width // unit) * unit)
    device, dtype = x_BCHW.device, exact_dtype(x_BCHW.device)
    luma_B64, chroma_B64 = _tables(qualities)
    with torch.autocast(device.type, enabled=False):
        levels_BCHW = _rounded(x_BCHW.to(dtype).clamp(0.0, 1.0) * 255.0)
        levels_BCHW = extended(levels_BCHW, sizes_B2, before=0, size=size, edge="repeat")
        if channels == 1:
            centred_BCHW = _through_dct(levels_BCHW - 128.0, luma_B64)
        else:
            middle = _constant(((-128.0,),), device, dtype)
            luma_B1HW = _rounded(_weighted(_TO_LUMA, levels_BCHW, middle))
            chroma_B2HW = _rounded(_weighted(_TO_CHROMA, levels_BCHW))
            if halved:
                chroma_B2HW = _floored(functional.avg_pool2d(chroma_B2HW, 2), _HALVING)
            luma_B1HW = _through_dct(luma_B1HW, luma_B64)
            chroma_B2HW = _through_dct(chroma_B2HW, chroma_B64)
            if halved:
                chroma_B2HW = _doubled(chroma_B2HW, sizes_B2, (height, width))
            colours_B3HW = _weighted(_FROM_CHROMA, chroma_B2HW, luma_B1HW.flatten(2))
            centred_BCHW = _rounded(colours_B3HW).clamp(-128.0, 127.0)
        if size != (height, width):
            centred_BCHW = centred_BCHW[..., :height, :width]
        return (centred_BCHW + 128.0).to(torch.float32).div_(255.0)


def _rounded(x: Tensor) -> Tensor:
    """Return x rounded to nearest; its gradient is that of x."""
    return _straight(x.round(), x)


def _floored(x_BCHW: Tensor, bias: tuple[float, float]) -> Tensor:
    """Return floor(x + bias), with the biases of even and odd columns; its gradient is that of x.

    The width is even.
    """
    biases_12 = _constant((bias,), x_BCHW.device, x_BCHW.dtype)
    pairs = x_BCHW.unflatten(3, (-1, 2)) + biases_12
    return _straight(pairs.floor().view(x_BCHW.shape), x_BCHW)


def _straight(rounded: Tensor, x: Tensor) -> Tensor:
    return rounded + (x - x.detach()) if x.requires_grad else rounded


def _weighted(weights: Matrix, x_BCHW: Tensor, added: Tensor | None = None) -> Tensor:
    """Return (B, O, H, W): sums of channels by weights (O, C), plus what broadcasts to (B, O, HW)."""
    batch, _, *size = x_BCHW.shape
    weights_BOC = _constant(weights, x_BCHW.device, x_BCHW.dtype).expand(batch, -1, -1)
    x_BCn = x_BCHW.flatten(2)
    if added is None:
        return torch.bmm(weights_BOC, x_BCn).view(batch, -1, *size)
    added = added.expand(batch, len(weights), x_BCn.shape[2])
    return torch.baddbmm(added, weights_BOC, x_BCn).view(batch, -1, *size)


def _doubled(chroma_B2hw: Tensor, sizes_B2: Sizes | None, size: tuple[int, int]) -> Tensor:
    """Return chroma at full size; beyond `size`, or a sample's own size, it has no meaning.

    libjpeg's "fancy" upsampling weighs the nearest chroma 9, 3, 3 and 1: bilinear. It does not see
    the padding of blocks.
    """
    padded = (chroma_B2hw.shape[2], chroma_B2hw.shape[3])
    halves_B2 = (np.array([size] * len(chroma_B2hw)) if sizes_B2 is None else sizes_B2) + 1
    if (halves_B2 // 2 < padded).any():
        chroma_B2hw = extended(chroma_B2hw, halves_B2 // 2, before=0, size=padded, edge="repeat")
    doubled_B2HW = functional.interpolate(chroma_B2hw, scale_factor=2.0, mode="bilinear")
    return _floored(doubled_B2HW, _DOUBLING)


def _through_dct(planes_BCHW: Tensor, table_B64: NDArray[np.float64]) -> Tensor:
    """Quantise planes centred at 0 in 8x8 blocks; return whole levels from -128 to 127.

    Height and width are multiples of 8. Blocks are never gathered: one product goes along their
    rows, one along their columns.
    """
    batch, channels, height, width = planes_BCHW.shape
    device, dtype = planes_BCHW.device, planes_BCHW.dtype
    factors = np.stack((_AWAY / table_B64, 8.0 * table_B64)) / 8.0
    if dtype != torch.float64:
        factors = factors.astype(np.float32)
    inverse, table = upload(factors.reshape(2, batch, 1, 1, 8, 1, 8), device).unbind(0)
    matrix_88, eightfold_88 = _transform(device, dtype)
    across_n8 = planes_BCHW.reshape(-1, 8) @ matrix_88.T
    strips = (batch * channels * height // 8, 8, width)  # rows of blocks
    eighths_n8W = _rounded(torch.bmm(eightfold_88.expand(strips[0], -1, -1), across_n8.view(strips)))
    blocks = eighths_n8W.view(batch, channels, height // 8, 8, width // 8, 8)
    coefficients_n8W = (_rounded(blocks * inverse) * table).view(strips)
    down_n8W = torch.bmm(matrix_88.T.expand(strips[0], -1, -1), coefficients_n8W)
    levels_n8 = _rounded((down_n8W.view(-1, 8) @ matrix_88).clamp(-128.0, 127.0))
    return levels_n8.view(planes_BCHW.shape)


def _tables(
    qualities: NDArray[np.generic],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the quantisation tables (B, 64) of luma and chroma, scaled as libjpeg scales them."""
    quality_B1 = np.clip(qualities.astype(np.int64), 1, 100)[:, None]
    percent_B1 = np.where(quality_B1 < 50, 5000 // quality_B1, 200 - 2 * quality_B1)
    luma_B64, chroma_B64 = (
        np.clip((np.array(table).reshape(64) * percent_B1 + 50) // 100, 1, 255).astype(np.float64)
        for table in (_LUMA_TABLE, _CHROMA_TABLE)
    )
    return luma_B64, chroma_B64


@functools.lru_cache(maxsize=16)
def _constant(values: Matrix, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a matrix on the device, once: a copy would make every batch wait for the host."""
    with torch.inference_mode(False):  # a tensor born in inference could never be differentiated
        return torch.tensor(values, device=device, dtype=dtype)


@functools.lru_cache(maxsize=4)
def _transform(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return the orthogonal DCT of 8 values as a matrix (8, 8), T.81 A.3.3, and 8 times it."""
    rows = torch.arange(8, dtype=torch.float64)
    matrix_88 = torch.cos((2 * rows + 1) * rows[:, None] * math.pi / 16) / 2
    matrix_88[0] /= math.sqrt(2)
    with torch.inference_mode(False):
        return matrix_88.to(device, dtype), (8.0 * matrix_88).to(device, dtype)
