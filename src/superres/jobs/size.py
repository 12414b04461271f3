"""Requested sizes: width and height or one of them, and what becomes of the shape."""

from __future__ import annotations

from typing import Literal

from superres.errors import ArgumentError
from superres.infer.route import Size

RequestedSize = tuple[int | None, int | None]
"""(height, width) in pixels; None for what follows from the other one."""

Shape = Literal["keep", "fit", "stretch"]
"""What becomes of the shape: it must be the source's; the size is a box that the result fits
inside; or the result has exactly this size."""

_ROUNDING_PX = 1  # an edge may be so far off in either size: halved chroma needs even ones


def settle_size(requested: RequestedSize, source: Size, shape: Shape) -> Size:
    """Return the size of a result.

    Args:
        requested: What was requested; at least one of the two is given.
        source: (height, width) of the picture, as it is shown.
        shape: What becomes of the picture's shape where both are given.

    Raises:
        ArgumentError: The shape is to be kept, and the size has another one.
    """
    height, width = requested
    if height is None and width is None:
        raise ArgumentError("the size names neither width nor height", "such as 1920x1080 or 1920x")
    if height is None or width is None or shape == "fit":
        factor = min(
            wanted / given for wanted, given in zip(requested, source, strict=True) if wanted
        )
        return (
            height if width is None and height else max(1, round(source[0] * factor)),
            width if height is None and width else max(1, round(source[1] * factor)),
        )
    if shape == "keep" and not _same_shape((height, width), source):
        by_width = max(1, round(source[0] * width / source[1]))
        by_height = max(1, round(source[1] * height / source[0]))
        raise ArgumentError(
            f"{width}x{height} would distort a picture of {source[1]}x{source[0]}",
            f"use --size {width}x{by_width} or {by_height}x{height}, --fit, or --stretch",
        )
    return height, width


def size_in_words(requested: RequestedSize) -> str:
    """Return a requested size as it is written: `1920x1080`, `1920x` or `x1080`."""
    height, width = requested
    return f"{width or ''}x{height or ''}"


def _same_shape(size: Size, source: Size) -> bool:
    height, width = size
    off = abs(height - source[0] * width / source[1])
    return off <= _ROUNDING_PX * (1 + width / source[1])
