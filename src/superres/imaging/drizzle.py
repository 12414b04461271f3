"""Drizzle: each pixel's flux dropped, shrunk, onto the large grid.

A. S. Fruchter, R. N. Hook, "Drizzle: A Method for the Linear Reconstruction of Undersampled
Images", 2002. A drop is a square along the axes of the large grid, scaled by the frame's zoom, but
not rotated with the frame: at a burst's few degrees that cannot be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.imaging.aligned import Aligned
from superres.imaging.sampler import Floats, Planes

_POINT_PX = 1e-3  # a drop of pixfrac 0 is this small


@dataclass(frozen=True, slots=True)
class Drizzled:
    """A drizzled large picture.

    Attributes:
        planes: (C, H, W) the weighted mean of the drops on each pixel; 0 where there is none.
        weight: (H, W) the total weight on each pixel; a whole frame of weight 1 adds
            1 / (scale * scale) to each.
        context: (ceil(frames / 32), H, W) uint32; bit k % 32 of plane k // 32 is set where frame k
            contributed to the pixel.
    """

    planes: Planes
    weight: Floats
    context: NDArray[np.uint32]


def drizzle(
    frames: Sequence[Aligned],
    weights: Sequence[Floats],
    large: tuple[int, int],
    pixfrac: float,
) -> Drizzled:
    """Drop frames onto a large grid. Flux beyond its edges is lost; all other flux is conserved.

    Args:
        frames: At least one.
        weights: (h, w) per frame, 0 for pixels that do not count.
        large: (height, width) of the result.
        pixfrac: Drop edge over small pixel edge: 1 is shift-and-add, 0 interlacing.

    Raises:
        ArgumentError: `pixfrac` is not within [0, 1].
    """
    if not 0.0 <= pixfrac <= 1.0:
        raise ArgumentError(
            f"pixfrac must be between 0 and 1, got {pixfrac}", "1 is shift and add, 0 interlaces"
        )
    channels, *small = frames[0].planes.shape
    total = np.zeros((channels + 1, large[0] * large[1]), np.float32)
    context = np.zeros((-(-len(frames) // 32), large[0] * large[1]), np.uint32)
    for number, (frame, weight) in enumerate(zip(frames, weights, strict=True)):
        zoom = abs(float(np.linalg.det(frame.motion.matrix[:2, :2]))) ** 0.5
        axes = [
            _shares(place.reshape(-1), n, length, pixfrac * zoom)
            for place, n, length in zip(
                frame.motion.places((small[0], small[1])), small, large, strict=True
            )
        ]
        values = np.concatenate(
            (frame.planes.reshape(channels, -1) * weight.reshape(-1), weight.reshape(1, -1))
        )
        touched = np.zeros(large[0] * large[1], bool)
        for row, row_share in zip(*axes[0], strict=True):
            for column, column_share in zip(*axes[1], strict=True):
                share = row_share * column_share
                kept = np.flatnonzero((share > 0.0) & (weight.reshape(-1) > 0.0))
                place = row[kept] * large[1] + column[kept]
                for plane, value in zip(total, values, strict=True):
                    np.add.at(plane, place, value[kept] * share[kept])
                touched[place] = True
        context[number // 32] |= touched.astype(np.uint32) << np.uint32(number % 32)
    weight = total[-1]
    planes = np.divide(total[:-1], weight, out=np.zeros_like(total[:-1]), where=weight > 0.0)
    return Drizzled(
        planes.reshape(channels, *large),
        weight.reshape(large),
        context.reshape(-1, *large),
    )


def _shares(
    places: Floats, small: int, large: int, pixfrac: float
) -> tuple[list[NDArray[np.intp]], list[Floats]]:
    """Return the large pixels under each drop along an axis, and the drop's fraction on each."""
    scale = large / small
    centres = (places.astype(np.float64) + small / 2) * scale  # pixel i spans i to i + 1
    half = max(pixfrac * scale, _POINT_PX) / 2
    first = np.floor(centres - half).astype(np.intp)
    pixels, shares = list[NDArray[np.intp]](), list[Floats]()
    for tap in range(int(np.ceil(2 * half)) + 1):
        pixel = first + tap
        low, high = np.maximum(centres - half, pixel), np.minimum(centres + half, pixel + 1.0)
        share = np.maximum(high - low, 0.0) / (2 * half)
        on_grid = (pixel >= 0) & (pixel < large)
        pixels.append(np.clip(pixel, 0, large - 1))
        shares.append((share * on_grid).astype(np.float32))
    return pixels, shares
