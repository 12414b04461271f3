"""Resize weights along one axis, as in MATLAB's imresize.

`axis_weights` is the only definition of a resize along one axis. All resizes, of arrays, of
streamed rows or of batches of tensors, apply it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError, unknown_name

Kernel = Literal["nearest", "bilinear", "bicubic", "lanczos3"]
Border = Literal["mirror", "clamp"]
_Floats = NDArray[np.float64]


def _nearest(x: _Floats) -> _Floats:
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


def _bilinear(x: _Floats) -> _Floats:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _bicubic(x: _Floats) -> _Floats:
    # R. G. Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.5.
    d = np.abs(x)
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d <= 1.0, near, np.where(d <= 2.0, far, 0.0))


def _lanczos3(x: _Floats) -> _Floats:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


_KERNELS: dict[str, tuple[Callable[[_Floats], _Floats], float]] = {  # the kernel, its whole width
    "nearest": (_nearest, 1.0),
    "bilinear": (_bilinear, 2.0),
    "bicubic": (_bicubic, 4.0),
    "lanczos3": (_lanczos3, 6.0),
}


def axis_weights(
    in_length: int,
    out_length: int,
    *,
    scale: float,
    kernel: Kernel,
    antialias: bool,
    border: Border,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the indices and weights of the input samples of each output sample along one axis.

    Pixel centres lie at half-integers, so both pictures cover the same area.

    Args:
        in_length: Samples of the input.
        out_length: Samples of the output.
        scale: Output samples over input samples. It need not be `out_length / in_length`: halving
            7 samples gives 4 at a scale of 0.5.
        kernel: The interpolation kernel.
        antialias: Whether the kernel is widened by 1/scale for downscaling. `nearest` never is: it
            would no longer take one sample.
        border: Padding beyond the edge: the picture mirrored, or its last sample.

    Returns:
        Indices and weights, both (out_length, taps); the weights of each output sum to 1.

    Raises:
        ArgumentError: A length or the scale is not positive, or a name is unknown.
    """
    if in_length < 1 or out_length < 1 or not (scale > 0.0 and math.isfinite(scale)):
        raise ArgumentError(
            f"cannot resize {in_length} samples to {out_length} at a scale of {scale}",
            "lengths must be at least 1 and the scale a positive number",
        )
    if kernel not in _KERNELS:
        raise unknown_name("kernel", kernel, _KERNELS)
    if border not in ("mirror", "clamp"):
        raise unknown_name("border", border, ("mirror", "clamp"))
    shape, width = _KERNELS[kernel]
    shrink = scale if antialias and scale < 1.0 and kernel != "nearest" else 1.0
    width /= shrink

    centres = (np.arange(out_length, dtype=np.float64) + 0.5) / scale - 0.5
    # One-based as in MATLAB's floor(u - width / 2), so that ties are resolved equally.
    first = np.floor(centres + 1.0 - width / 2.0).astype(np.int64) - 1
    indices = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = shape((centres[:, None] - indices) * shrink)
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    indices, weights = indices[:, used], weights[:, used]
    if border == "mirror":
        indices = mirrored(indices, in_length)
    else:
        indices = np.clip(indices, 0, in_length - 1)
    return indices, weights


def mirrored(indices: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return indices into an axis that is mirrored beyond its ends.

    The edge sample is repeated: … 1 0 | 0 1 2 | 2 1 0 | 0 1 …

    Args:
        indices: Any shape and range.
        length: Samples of the axis.
    """
    folded = indices % (2 * length)
    return np.minimum(folded, 2 * length - 1 - folded)


@dataclass(frozen=True, slots=True)
class Band:
    """A run of neighbouring outputs: a dense matrix times the inputs [start, stop)."""

    start: int
    stop: int
    matrix: NDArray[np.float64]  # (outputs, stop - start)


def axis_bands(
    in_length: int,
    out_length: int,
    *,
    scale: float,
    kernel: Kernel,
    antialias: bool,
    border: Border,
    length: int,
) -> list[Band]:
    """Split the resize of `axis_weights` into bands, each one small matrix product.

    Args:
        in_length: See `axis_weights`.
        out_length: Likewise.
        scale: Likewise.
        kernel: Likewise.
        antialias: Likewise.
        border: Likewise.
        length: Maximum outputs of a band.
    """
    indices, weights = axis_weights(
        in_length, out_length, scale=scale, kernel=kernel, antialias=antialias, border=border
    )
    bands: list[Band] = []
    for first in range(0, out_length, length):
        taps, parts = indices[first : first + length], weights[first : first + length]
        start, stop = int(taps.min()), int(taps.max()) + 1
        matrix = np.zeros((len(taps), stop - start))
        # add.at, because a tap beyond the border is folded onto one within
        np.add.at(matrix, (np.arange(len(taps))[:, None], taps - start), parts)
        bands.append(Band(start, stop, matrix))
    return bands


def target_size(
    in_size: tuple[int, int], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the output's (height, width) and the scales along both axes, as in MATLAB.

    Args:
        in_size: (height, width) of the input.
        scale: Used exactly along both axes, with the size rounded up; or None.
        size: (height, width) of the output, with scales of output over input; or None.

    Raises:
        ArgumentError: Not exactly one of `scale` and `size` is given, or one is not positive.
    """
    if scale is not None and size is None:
        if not (scale > 0.0 and math.isfinite(scale)):
            raise ArgumentError(
                f"scale must be a positive number, got {scale}", "pass 0.5 to halve, 2 to double"
            )
        return (math.ceil(in_size[0] * scale), math.ceil(in_size[1] * scale)), (scale, scale)
    if size is not None and scale is None:
        if len(size) != 2 or min(size) < 1:
            raise ArgumentError(
                f"size must be (height, width) of at least 1 px each, got {size}",
                "pass size=(height, width)",
            )
        return (int(size[0]), int(size[1])), (size[0] / in_size[0], size[1] / in_size[1])
    raise ArgumentError(
        f"a resize needs exactly one of scale and size, got scale={scale} and size={size}",
        "pass scale=0.5, or size=(height, width)",
    )
