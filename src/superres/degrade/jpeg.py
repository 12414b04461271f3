"""JPEG of tensors: batched, on any device, and differentiable.

The baseline codec of ITU-T T.81 with the tables of its Annex K scaled by quality as libjpeg scales
them; colour as in JFIF. It has all of JPEG's losses (8-bit input, rounded luma and chroma, halved
chroma, quantised DCT coefficients, rounded output); the lossless entropy coding is left out.
Gradients pass straight through rounding (Bengio et al. 2013, arXiv:1308.3432).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from superres.degrade.ragged import Sizes, exact_dtype, extended, upload
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
        sizes_B2: Sizes of the samples, as of `ragged`; None if each fills its canvas.

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
    luma_table, chroma_table = _tables(qualities, device, dtype)
    # Constants lie on the device: each Python number would be converted for each operation.
    white, middle = (_constant(((value,),), device, dtype) for value in (255.0, 128.0))
    with torch.autocast(device.type, enabled=False):
        levels_BCHW = _rounded(x_BCHW.to(dtype).clamp(0.0, 1.0).mul_(white))
        levels_BCHW = extended(levels_BCHW, sizes_B2, before=0, size=size, edge="repeat")
        if channels == 1:
            centred_BCn = _through_dct(levels_BCHW.flatten(2) - middle, size[1], luma_table)
        else:
            levels_BCn = levels_BCHW.flatten(2)
            luma_B1n = _rounded(_weighted(_TO_LUMA, levels_BCn).sub_(middle))
            luma_B1n = _through_dct(luma_B1n, size[1], luma_table)
            chroma_B2n = _rounded(_weighted(_TO_CHROMA, levels_BCn))
            if halved:
                chroma_B2HW = functional.avg_pool2d(chroma_B2n.view(batch, 2, *size), 2)
                chroma_B2n = _floored(chroma_B2HW, _HALVING).flatten(2)
                chroma_B2n = _through_dct(chroma_B2n, size[1] // 2, chroma_table)
                chroma_B2hw = chroma_B2n.view(chroma_B2HW.shape)
                chroma_B2n = _doubled(chroma_B2hw, sizes_B2, (height, width)).view(batch, 2, -1)
            else:
                chroma_B2n = _through_dct(chroma_B2n, size[1], chroma_table)
            colours_B3n = _rounded(_weighted(_FROM_CHROMA, chroma_B2n).add_(luma_B1n))
            centred_BCn = colours_B3n.clamp_(-128.0, 127.0)
        result_BCHW = centred_BCn.view(batch, channels, *size)
        if size != (height, width):
            result_BCHW = result_BCHW[..., :height, :width]
        return (result_BCHW + middle).div_(white).to(torch.float32)


def _rounded(x: Tensor) -> Tensor:
    """Return x rounded to nearest, in its memory; its gradient is that of x."""
    return x.round() + (x - x.detach()) if x.requires_grad else x.round_()


def _floored(x_BCHW: Tensor, bias: tuple[float, float]) -> Tensor:
    """Return floor(x + bias), with the biases of even and odd columns; its gradient is that of x.

    The width is even.
    """
    pairs_n2 = x_BCHW.view(-1, 2) + _constant((bias,), x_BCHW.device, x_BCHW.dtype)
    if x_BCHW.requires_grad:
        return pairs_n2.floor().view(x_BCHW.shape) + (x_BCHW - x_BCHW.detach())
    return pairs_n2.floor_().view(x_BCHW.shape)


def _weighted(weights: Matrix, x_BCn: Tensor) -> Tensor:
    """Return (B, O, n): sums of channels by weights (O, C)."""
    weights_OC = _constant(weights, x_BCn.device, x_BCn.dtype)
    return torch.bmm(weights_OC.expand(len(x_BCn), -1, -1), x_BCn)


def _doubled(chroma_B2hw: Tensor, sizes_B2: Sizes | None, size: tuple[int, int]) -> Tensor:
    """Return chroma at full size; beyond `size`, or a sample's own size, it has no meaning.

    libjpeg's "fancy" upsampling weighs the nearest chroma 9, 3, 3 and 1: bilinear. It does not see
    the padding of blocks.
    """
    padded = (chroma_B2hw.shape[2], chroma_B2hw.shape[3])
    halves_B2 = (np.array([size] * len(chroma_B2hw)) if sizes_B2 is None else sizes_B2) + 1
    if (halves_B2 // 2 < padded).any():
        chroma_B2hw = extended(chroma_B2hw, halves_B2 // 2, before=0, size=padded, edge="repeat")
    planes_n1hw = chroma_B2hw.view(-1, 1, *padded)
    return _floored(
        functional.interpolate(planes_n1hw, scale_factor=2.0, mode="bilinear"), _DOUBLING
    )


def _through_dct(planes_BCn: Tensor, width: int, table: tuple[Tensor, Tensor]) -> Tensor:
    """Quantise planes centred at 0 in 8x8 blocks; return whole levels from -128 to 127.

    Blocks are never gathered: one product goes along their rows, one along their columns.

    Args:
        planes_BCn: Pixels of planes (B, C, n), row by row; height and width are multiples of 8.
        width: Width of the planes.
        table: Of `_tables`.
    """
    batch, channels, count = planes_BCn.shape
    rows = count // (8 * width)  # of blocks, in a plane
    transform = _transform(planes_BCn.device, planes_BCn.dtype)
    forward, back = (
        matrix.expand(batch * channels * rows, 8, 8)
        for matrix in (transform.eightfold, transform.transposed)
    )
    across_n8 = torch.mm(planes_BCn.view(-1, 8), transform.transposed)
    eighths_n8W = _rounded(torch.bmm(forward, across_n8.view(-1, 8, width)))
    blocks = eighths_n8W.view(batch, channels, rows, 8, width // 8, 8)
    coefficients = _rounded(blocks.mul_(table[0])).mul_(table[1])
    down_n8W = torch.bmm(back, coefficients.view(-1, 8, width))
    levels_n8 = torch.mm(down_n8W.view(-1, 8), transform.matrix).clamp_(-128.0, 127.0)
    return _rounded(levels_n8).view(planes_BCn.shape)


def _tables(
    qualities: NDArray[np.generic], device: torch.device, dtype: torch.dtype
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return the quantisation tables of luma and of chroma, scaled as libjpeg scales them.

    Each is the factor of a coefficient's eighths and that of its level, (B, 1, 1, 8, 1, 8).
    """
    quality_B11 = np.clip(qualities.astype(np.int64), 1, 100)[:, None, None]
    percent_B11 = np.where(quality_B11 < 50, 5000 // quality_B11, 200 - 2 * quality_B11)
    tables_2B88 = [
        np.clip((np.array(table) * percent_B11 + 50) // 100, 1, 255).astype(np.float64)
        for table in (_LUMA_TABLE, _CHROMA_TABLE)
    ]
    factors = np.stack([factor for table in tables_2B88 for factor in (_AWAY / (8 * table), table)])
    if dtype != torch.float64:
        factors = factors.astype(np.float32)
    shape = (4, len(qualities), 1, 1, 8, 1, 8)
    luma, luma_step, chroma, chroma_step = upload(factors.reshape(shape), device).unbind(0)
    return (luma, luma_step), (chroma, chroma_step)


@functools.lru_cache(maxsize=16)
def _constant(values: Matrix, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return a matrix on the device, once: a copy would make every batch wait for the host."""
    with torch.inference_mode(False):  # a tensor born in inference could never be differentiated
        return torch.tensor(values, device=device, dtype=dtype)


@dataclass(frozen=True, slots=True)
class _Transform:
    """The orthogonal DCT of 8 values as a matrix (8, 8), T.81 A.3.3, and what is used of it."""

    matrix: Tensor
    transposed: Tensor
    eightfold: Tensor


@functools.lru_cache(maxsize=4)
def _transform(device: torch.device, dtype: torch.dtype) -> _Transform:
    rows = torch.arange(8, dtype=torch.float64)
    matrix_88 = torch.cos((2 * rows + 1) * rows[:, None] * math.pi / 16) / 2
    matrix_88[0] /= math.sqrt(2)
    with torch.inference_mode(False):
        every = (matrix_88, matrix_88.T.contiguous(), 8.0 * matrix_88)
        return _Transform(*(one.to(device, dtype) for one in every))
