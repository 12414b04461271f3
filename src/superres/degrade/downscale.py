"""MATLAB's imresize for batches of tensors, on any device."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from superres.errors import ArgumentError
from superres.images.kernels import Border, Kernel, axis_bands, target_size

_BAND = 64  # outputs of an axis per matrix product: few launches, not too many zeros


def resize_batch(
    x_BCHW: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    border: Border = "mirror",
) -> Tensor:
    """Resize a batch as `images.resize.resize` does each picture, within 1e-6 of its range.

    It computes in double precision if the device has it: a training run may have allowed TF32 or
    bf16 products, which would shift the rounding of its small pictures.

    Args:
        x_BCHW: (B, C, H, W), floating, of any range.
        scale: Output over input; the size is `ceil(H * scale), ceil(W * scale)`.
        size: (height, width) of the output, instead of `scale`.
        kernel: The interpolation kernel.
        antialias: Whether the kernel is widened when an axis shrinks.
        border: Mirrored or clamped.

    Returns:
        (B, C, height, width) float32 on the same device; it overshoots and is not clipped.

    Raises:
        ArgumentError: The tensor is not floating or does not have four axes, or see `target_size`
            and `axis_weights`.
    """
    if x_BCHW.ndim != 4 or not x_BCHW.is_floating_point() or min(x_BCHW.shape[-2:]) < 1:
        raise ArgumentError(
            f"a batch of float pictures (B, C, H, W) can be resized, "
            f"got {x_BCHW.dtype} of shape {tuple(x_BCHW.shape)}",
            "8-bit pictures (H, W, C) have downscale_uint8; others go through .float() first",
        )
    in_size = (x_BCHW.shape[2], x_BCHW.shape[3])
    out_size, scales = target_size(in_size, scale, size)
    device = x_BCHW.device
    dtype = torch.float32 if device.type == "mps" else torch.float64
    result = x_BCHW.to(dtype)
    with torch.autocast(device.type, enabled=False):
        for axis in sorted((0, 1), key=lambda axis: scales[axis]):
            if scales[axis] == 1.0 and in_size[axis] == out_size[axis]:
                continue
            bands = _bands(
                in_size[axis],
                out_size[axis],
                scale=scales[axis],
                kernel=kernel,
                antialias=antialias,
                border=border,
                device=device,
                dtype=dtype,
            )
            dim = 2 + axis
            pieces = [
                matrix @ result[:, :, start:stop]
                if axis == 0
                else result[..., start:stop] @ matrix.T
                for start, stop, matrix in bands
            ]
            result = torch.cat(pieces, dim) if len(pieces) > 1 else pieces[0]
    return result.float()


@functools.lru_cache(maxsize=64)
def _bands(
    in_length: int,
    out_length: int,
    *,
    scale: float,
    kernel: Kernel,
    antialias: bool,
    border: Border,
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[tuple[int, int, Tensor], ...]:
    """Return each band as (start, stop, matrix), cached on the device, as training repeats it."""
    bands = axis_bands(
        in_length,
        out_length,
        scale=scale,
        kernel=kernel,
        antialias=antialias,
        border=border,
        length=_BAND,
    )
    with torch.inference_mode(False):  # an inference tensor could never be differentiated
        return tuple(
            (band.start, band.stop, torch.as_tensor(band.matrix, dtype=dtype, device=device))
            for band in bands
        )


def round8(unit: Tensor) -> Tensor:
    """Return unit pixels rounded to those of an 8-bit picture; shape is kept.

    It clamps to [0, 1] and rounds to a multiple of 1/255, halves up as MATLAB does.
    """
    return torch.floor(unit.clamp(0.0, 1.0) * 255.0 + 0.5) / 255.0


def downscale_uint8(large_HWC: Tensor, scale: int) -> Tensor:
    """Make the small picture of a training pair: bicubic, antialiased, rounded to 8 bits.

    Args:
        large_HWC: (H, W, C) uint8; H and W are multiples of `scale`.
        scale: Large size over small size.

    Returns:
        (H / scale, W / scale, C) uint8 on the same device.

    Raises:
        ArgumentError: The picture is not (H, W, C) uint8, or its size is not a multiple of `scale`.
    """
    if large_HWC.ndim != 3 or large_HWC.dtype != torch.uint8:
        raise ArgumentError(
            f"an 8-bit picture (H, W, C) was expected, "
            f"got {large_HWC.dtype} of shape {tuple(large_HWC.shape)}",
            "pass one uint8 picture at a time, or use resize_batch for floats",
        )
    height, width = large_HWC.shape[:2]
    if scale < 1 or min(height, width) < 1 or height % scale or width % scale:
        raise ArgumentError(
            f"a picture of {height}×{width} is not a multiple of the scale {scale}",
            "crop it to a multiple first, from the top left",
        )
    # Whole values, not unit ones: a result exactly between two levels stays exact.
    large_BCHW = large_HWC.permute(2, 0, 1)[None].float()
    small_BCHW = resize_batch(large_BCHW, scale=1.0 / scale)
    levels = torch.floor(small_BCHW + 0.5).clamp(0.0, 255.0).to(torch.uint8)
    return levels[0].permute(1, 2, 0).contiguous()
