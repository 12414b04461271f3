"""Resize by a fixed kernel, as MATLAB's imresize: of whole pictures, or row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError, unknown_name
from superres.images.kernels import Band, Border, Kernel, axis_bands, axis_weights, target_size

Rounding = Literal["none", "uint8-each-pass"]

_GATHER_BYTES = 1 << 19  # a pass works on pieces of about this size, so that they stay in the cache
# OpenBLAS starts its threads for products of more multiplications than this. For products as thin
# as ours that never pays off, and while a network keeps the cores busy it costs tenfold.
_PRODUCT_LIMIT = 1 << 18


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
        size: (height, width) of the output, instead of `scale`.
        kernel: The interpolation kernel.
        antialias: Whether the kernel is widened when an axis shrinks.
        border: Mirrored as in current MATLAB, or clamped as in older versions.
        rounding: `uint8-each-pass` rounds and clips to 0..255 after each of the two passes, as
            older versions do with 8-bit pictures; the literature's published small pictures need
            that and `border="clamp"`.

    Returns:
        (height, width) or (height, width, C). It overshoots at edges and is not clipped, except by
        `rounding`.

    Raises:
        ArgumentError: The picture is empty or does not have two or three axes, not exactly one of
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
    out_size, scales = target_size(in_size, scale, size)
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


def _gather(
    image: NDArray[np.float64], indices: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Apply weights along the first axis, in the order of the taps, so that ties repeat."""
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


def resize_rows(
    blocks: Iterable[NDArray[np.float32]],
    *,
    in_size: tuple[int, int],
    out_size: tuple[int, int],
    kernel: Kernel = "bicubic",
    border: Border = "mirror",
) -> Iterator[NDArray[np.float32]]:
    """Resize a stream of row blocks, antialiased, in single precision.

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
    vertical = _row_bands(in_size[0], out_size[0], kernel, border)
    horizontal = _row_bands(in_size[1], out_size[1], kernel, border)
    narrows = out_size[1] <= in_size[1]  # then the width goes first: fewer samples remain
    checked = _checked(blocks, in_size)
    if narrows:
        yield from _stack(_widths(checked, horizontal, in_size, out_size), vertical)
    else:
        yield from _widths(_stack(checked, vertical), horizontal, in_size, out_size)


def _row_bands(in_length: int, out_length: int, kernel: Kernel, border: Border) -> list[Band]:
    """Return the bands of an antialiased resize of one axis to a given length."""
    return axis_bands(
        in_length,
        out_length,
        scale=out_length / in_length,
        kernel=kernel,
        antialias=True,
        border=border,
        # Longer bands mean fewer calls but more zeros. One output of a bicubic uses 4 inputs, or
        # 4 in / out for downscaling; with these lengths a band uses about three times as many.
        length=int(np.clip(8 * out_length // in_length, 8, 64)),
    )


def _checked(
    blocks: Iterable[NDArray[np.float32]], in_size: tuple[int, int]
) -> Iterator[NDArray[np.float32]]:
    """Yield blocks unchanged; raise if they do not make up a picture of `in_size`."""
    found = 0
    for block in blocks:
        found += block.shape[0]
        if block.ndim not in (2, 3) or block.shape[1] != in_size[1] or found > in_size[0]:
            raise ArgumentError(
                f"a picture of {in_size[0]}×{in_size[1]} was expected, "
                f"but a block of shape {block.shape} arrived as rows up to {found}",
                "pass in_size=(height, width) of the picture that the blocks make up",
            )
        yield np.asarray(block, dtype=np.float32)
    if found != in_size[0]:
        raise ArgumentError(
            f"a picture of {in_size[0]} rows was expected, but only {found} came",
            "pass in_size=(height, width) of the picture that the blocks make up",
        )


def _stack(
    blocks: Iterable[NDArray[np.float32]], bands: list[Band]
) -> Iterator[NDArray[np.float32]]:
    """Resize the height, holding only the rows that later bands need."""
    # Mirrored rows at the lower edge reach back, so the first row needed is a running minimum.
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
            matrix = band.matrix.astype(np.float32)
            result = np.empty((len(matrix), flat.shape[1]), dtype=np.float32)
            step = max(1, _PRODUCT_LIMIT // matrix.size)
            for left in range(0, flat.shape[1], step):
                source = flat[band.start - first : band.stop - first, left : left + step]
                np.matmul(matrix, source, out=result[:, left : left + step])
            yield result.reshape(-1, *tail)
            done += 1
        # A one-tap kernel skips rows when downscaling: the next one may not have arrived yet.
        keep = min(int(needed_from[done]), received) if done < len(bands) else received
        held = [rows[keep - first :].copy()]  # a view would keep all the rows alive
        first = keep


def _widths(
    blocks: Iterable[NDArray[np.float32]],
    bands: list[Band],
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
            matrices = [np.kron(band.matrix.T.astype(np.float32), identity) for band in bands]
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
