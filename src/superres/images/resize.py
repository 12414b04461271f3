"""How a picture is resized by a fixed kernel: MATLAB's imresize, whole or row by row.

`axis_weights` is the one description of a resize along one axis; the functions here and the
batched one for tensors in `degrade.downscale` only apply it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError, unknown_name

Kernel = Literal["nearest", "bilinear", "bicubic", "lanczos3"]
Border = Literal["mirror", "clamp"]
Rounding = Literal["none", "uint8-each-pass"]
Floats = NDArray[np.float64]

_GATHER_BYTES = 1 << 19  # a pass works on pieces of about this size, so that they stay in the cache
# OpenBLAS starts its threads for products of more multiplications than this. For products as thin
# as ours that never pays, and where a network keeps the cores busy it costs tenfold.
_PRODUCT_LIMIT = 1 << 18


def _nearest(x: Floats) -> Floats:
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


def _bilinear(x: Floats) -> Floats:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _bicubic(x: Floats) -> Floats:
    # R. G. Keys, "Cubic convolution interpolation for digital image processing", 1981, a = -0.5.
    d = np.abs(x)
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d <= 1.0, near, np.where(d <= 2.0, far, 0.0))


def _lanczos3(x: Floats) -> Floats:
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


_KERNELS: dict[str, tuple[Callable[[Floats], Floats], float]] = {  # the kernel, its whole width
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
    """Describe a resize along one axis: which input samples make an output sample, in what parts.

    Pixel centres lie at half-integers, so both pictures cover the same area.

    Args:
        in_length: Samples of the input.
        out_length: Samples of the output.
        scale: Output samples over input samples. It need not be `out_length / in_length`: when a
            picture of 7 is halved, 4 samples are made at a scale of 0.5.
        kernel: The interpolation kernel.
        antialias: Whether the kernel is widened by 1/scale when the picture shrinks. `nearest`
            never is: it would no longer take one sample.
        border: What lies beyond the edge: the picture mirrored, or its last sample.

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
    # One-based as in MATLAB's floor(u - width / 2), so that ties fall on the same side.
    first = np.floor(centres + 1.0 - width / 2.0).astype(np.int64) - 1
    indices = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = shape((centres[:, None] - indices) * shrink)
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    indices, weights = indices[:, used], weights[:, used]
    if border == "mirror":
        folded = indices % (2 * in_length)
        indices = np.minimum(folded, 2 * in_length - 1 - folded)
    else:
        indices = np.clip(indices, 0, in_length - 1)
    return indices, weights


def resize(
    image: NDArray[np.generic],
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
    antialias: bool = True,
    border: Border = "mirror",
    rounding: Rounding = "none",
) -> NDArray[np.float64]:
    """Resize a picture as MATLAB's imresize does, in double precision.

    The axis that shrinks most goes first; at equal scales the rows do (height, then width).

    Args:
        image: (H, W) or (H, W, C), of any real dtype; values keep their range.
        scale: Output over input, along both axes; the size is `ceil(H * scale), ceil(W * scale)`.
        size: (height, width) of the output, in place of `scale`.
        kernel: The interpolation kernel.
        antialias: Whether the kernel is widened when an axis shrinks.
        border: Mirrored as in today's MATLAB, or clamped as in older ones.
        rounding: `uint8-each-pass` rounds and clips to 0..255 after each of the two passes, as
            older MATLABs do with 8-bit pictures; the literature's published small pictures need
            that and `border="clamp"`.

    Returns:
        (height, width) or (height, width, C). It overshoots at edges and is not clipped, unless
        `rounding` says so.

    Raises:
        ArgumentError: The picture is empty or not of two or three axes, not exactly one of
            `scale` and `size` is given, or one is not positive, or a name is unknown.
    """
    if image.ndim not in (2, 3) or image.size == 0:
        raise ArgumentError(
            f"only pictures (H, W) or (H, W, C) can be resized, got shape {image.shape}",
            "resize the pictures of a batch one at a time, and check for empty ones",
        )
    if rounding not in ("none", "uint8-each-pass"):
        raise unknown_name("rounding", rounding, ("none", "uint8-each-pass"))
    in_size = (image.shape[0], image.shape[1])
    out_size, scales = _target(in_size, scale, size)
    result = image.astype(np.float64)
    for axis in sorted((0, 1), key=lambda axis: scales[axis]):
        indices, weights = axis_weights(
            in_size[axis],
            out_size[axis],
            scale=scales[axis],
            kernel=kernel,
            antialias=antialias,
            border=border,
        )
        if not (scales[axis] == 1.0 and in_size[axis] == out_size[axis]):
            result = _gather(result.swapaxes(0, axis), indices, weights).swapaxes(0, axis)
        if rounding == "uint8-each-pass":
            result = np.clip(np.floor(result + 0.5), 0.0, 255.0)
    return np.ascontiguousarray(result)


def _target(
    in_size: tuple[int, int], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, int], tuple[float, float]]:
    """Return the output's size and the scales along both axes."""
    if (scale is None) == (size is None):
        raise ArgumentError(
            f"resize needs exactly one of scale and size, got scale={scale} and size={size}",
            "pass scale=0.5, or size=(height, width)",
        )
    if size is not None:
        if len(size) != 2 or min(size) < 1:
            raise ArgumentError(
                f"size must be (height, width) of at least 1 px each, got {size}",
                "pass size=(height, width)",
            )
        return (int(size[0]), int(size[1])), (size[0] / in_size[0], size[1] / in_size[1])
    assert scale is not None
    if not (scale > 0.0 and math.isfinite(scale)):
        raise ArgumentError(
            f"scale must be a positive number, got {scale}", "pass 0.5 to halve, 2 to double"
        )
    return (math.ceil(in_size[0] * scale), math.ceil(in_size[1] * scale)), (scale, scale)


def _gather(image: Floats, indices: NDArray[np.int64], weights: Floats) -> Floats:
    """Apply weights along the first axis, always in the order of the taps, so that ties repeat."""
    rows = np.ascontiguousarray(image).reshape(image.shape[0], -1)
    result = np.empty((len(indices), rows.shape[1]))
    step = max(1, _GATHER_BYTES // (8 * rows.shape[1]))
    for start in range(0, len(indices), step):
        piece = slice(start, start + step)
        total = result[piece]
        total[:] = rows[indices[piece, 0]] * weights[piece, 0, None]
        for tap in range(1, indices.shape[1]):
            total += rows[indices[piece, tap]] * weights[piece, tap, None]
    return result.reshape(len(indices), *image.shape[1:])


@dataclass(frozen=True, slots=True)
class _Band:
    """A run of neighbouring outputs: the inputs [start, stop) make them by a dense matrix."""

    start: int
    stop: int
    matrix: NDArray[np.float32]  # (outputs, stop - start)


def _bands(in_length: int, out_length: int, kernel: Kernel, border: Border) -> list[_Band]:
    """Cut an axis into bands, so that each is one small matrix product instead of a gather."""
    scale = out_length / in_length
    indices, weights = axis_weights(
        in_length, out_length, scale=scale, kernel=kernel, antialias=True, border=border
    )
    # Longer bands mean fewer calls but more zeros in the matrix; about two kernels is a balance.
    length = int(np.clip(2 * indices.shape[1] * scale, 8, 64))
    bands: list[_Band] = []
    for first in range(0, out_length, length):
        taps, parts = indices[first : first + length], weights[first : first + length]
        start, stop = int(taps.min()), int(taps.max()) + 1
        matrix = np.zeros((len(taps), stop - start))
        # add.at, because a tap beyond the border is folded onto one within
        np.add.at(matrix, (np.arange(len(taps))[:, None], taps - start), parts)
        bands.append(_Band(start, stop, matrix.astype(np.float32)))
    return bands


def resize_rows(
    blocks: Iterable[NDArray[np.float32]],
    *,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    kernel: Kernel = "bicubic",
    border: Border = "mirror",
) -> Iterator[NDArray[np.float32]]:
    """Resize a picture that comes and goes in blocks of rows, antialiased, in single precision.

    Equals `resize(image, size=out_size)` within 1e-5 for unit pixels, while only the rows under
    the kernel are held. Values must be finite.

    Args:
        blocks: (h, W, C) or (h, W) each, top to bottom, of any heights.
        in_size: (height, width) of the whole input.
        out_size: (height, width) of the whole output.
        kernel: The interpolation kernel.
        border: Mirrored or clamped.

    Yields:
        Blocks of rows (h, width, C) or (h, width), top to bottom; heights vary.

    Raises:
        ArgumentError: A size is not positive, or the blocks do not make up `in_size`.
    """
    vertical = _bands(in_size[0], out_size[0], kernel, border)
    horizontal = _bands(in_size[1], out_size[1], kernel, border)
    narrows = out_size[1] <= in_size[1]  # then the width goes first: fewer samples are left
    checked = _checked(blocks, in_size)
    if narrows:
        yield from _stack(_widths(checked, horizontal, in_size, out_size), vertical)
    else:
        yield from _widths(_stack(checked, vertical), horizontal, in_size, out_size)


def _checked(
    blocks: Iterable[NDArray[np.float32]], in_size: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Hand blocks on, and complain where they do not make up a picture of `in_size`."""
    found = 0
    for block in blocks:
        found += block.shape[0]
        if block.ndim not in (2, 3) or block.shape[1] != in_size[1] or found > in_size[0]:
            raise ArgumentError(
                f"a picture of {in_size[0]}×{in_size[1]} was announced, "
                f"then a block of shape {block.shape} came as rows up to {found}",
                "pass in_size=(height, width) of the picture that the blocks make up",
            )
        yield np.asarray(block, dtype=np.float32)
    if found != in_size[0]:
        raise ArgumentError(
            f"a picture of {in_size[0]} rows was announced, but only {found} came",
            "pass in_size=(height, width) of the picture that the blocks make up",
        )


def _stack(
    blocks: Iterable[NDArray[np.float32]], bands: list[_Band]
) -> Iterator[NDArray[np.float32]]:
    """Resize the height: hold the rows that bands still to come need, and no others."""
    # Mirrored rows at the lower edge reach back, so what a later band needs is a running minimum.
    starts = np.array([band.start for band in bands])
    needed_from = np.minimum.accumulate(starts[::-1])[::-1]
    held: list[NDArray[np.float32]] = []
    first = received = done = 0
    for block in blocks:
        held.append(block)
        received += block.shape[0]
        if done == len(bands) or bands[done].stop > received:
            continue
        rows = np.concatenate(held)
        tail = rows.shape[1:]
        flat = rows.reshape(rows.shape[0], -1)
        while done < len(bands) and bands[done].stop <= received:
            band = bands[done]
            result = np.empty((len(band.matrix), flat.shape[1]), dtype=np.float32)
            step = max(1, _PRODUCT_LIMIT // band.matrix.size)
            for left in range(0, flat.shape[1], step):
                source = flat[band.start - first : band.stop - first, left : left + step]
                np.matmul(band.matrix, source, out=result[:, left : left + step])
            yield result.reshape(-1, *tail)
            done += 1
        # A kernel of one tap skips rows when it shrinks: the next one may not have come yet.
        keep = min(int(needed_from[done]), received) if done < len(bands) else received
        held = [rows[keep - first :].copy()]  # a view would keep all the rows alive
        first = keep


def _widths(
    blocks: Iterable[NDArray[np.float32]],
    bands: list[_Band],
    in_size: tuple[int, int],
    out_size: tuple[int, int],
) -> Iterator[NDArray[np.float32]]:
    """Resize the width of each block."""
    matrices: list[NDArray[np.float32]] = []
    for block in blocks:
        rows = block.shape[0]
        channels = block.size // max(1, rows * in_size[1])
        if rows == 0:
            continue
        if not matrices:
            # Channels are interleaved: with an identity in each weight they need no copies.
            identity = np.eye(channels, dtype=np.float32)
            matrices = [np.kron(band.matrix.T, identity) for band in bands]
        flat = np.ascontiguousarray(block).reshape(rows, -1)
        result = np.empty((rows, out_size[1] * channels), dtype=np.float32)
        column = 0
        for band, matrix in zip(bands, matrices, strict=True):
            end = column + matrix.shape[1]
            step = max(1, _PRODUCT_LIMIT // matrix.size)
            for top in range(0, rows, step):
                source = flat[top : top + step, band.start * channels : band.stop * channels]
                np.matmul(source, matrix, out=result[top : top + step, column:end])
            column = end
        yield result.reshape(rows, out_size[1], *block.shape[2:])
