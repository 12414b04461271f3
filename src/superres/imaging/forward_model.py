"""Forward model of small frames: motion, blur and sampling of the large picture.

Each pixel of a frame has a position on the reference (`motion`). Its value is the large picture
there, weighted by the blur. For translations that equals what the benchmark and training do, in a
camera's order: the large picture is shifted by cubic interpolation, then downscaled by MATLAB's
antialiased bicubic, which is the default blur. For rotations it is as exact as the blur is
isotropic.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from superres.images.kernels import mirrored
from superres.imaging.sampler import Floats, Places, Planes, Sampler, keys

Blur = Literal["bicubic"] | float  # or the sigma of a Gaussian, in small pixels

_MARGIN = 2  # around the blurred plane, for cubic interpolation at the edge
_BAND = 48  # blurred samples per matrix product
_SIGMAS = 3.0  # where a Gaussian is truncated


class ForwardModel:
    """The blur between a large picture and all the small frames, and its transpose.

    Args:
        small: (height, width) of the frames.
        large: (height, width) of the large picture.
        blur: The point spread of a small pixel on the large picture.
    """

    def __init__(self, small: tuple[int, int], large: tuple[int, int], blur: Blur) -> None:
        self.small, self.large = small, large
        self.kind: Blur = blur
        self._scales = (large[0] / small[0], large[1] / small[1])
        # Samples of the blurred plane are a large pixel apart and include the positions of the
        # reference's pixels, so that the reference needs no interpolation.
        self._starts = tuple((s / 2 - 0.5) % 1.0 - _MARGIN for s in self._scales)
        self._bands = tuple(
            _bands(length, start, scale, blur)
            for length, start, scale in zip(large, self._starts, self._scales, strict=True)
        )
        self.shape = (large[0] + 2 * _MARGIN, large[1] + 2 * _MARGIN)

    def sampler(self, places: Places) -> Sampler:
        """Return the sampler that reads a frame from the blurred plane.

        Args:
            places: (2, h, w) positions of the frame's pixels on the reference, in pixels from its
                centre.
        """
        on_plane = [
            (place + small / 2) * scale - 0.5 - start
            for place, small, scale, start in zip(
                places, self.small, self._scales, self._starts, strict=True
            )
        ]
        return Sampler(np.stack(on_plane).astype(np.float32), self.shape)

    def blur(self, large: Planes) -> Planes:
        """Return the blurred planes (C, *shape) of a large picture (C, *large)."""
        rows = np.concatenate([m @ large[:, a:b] for a, b, m in self._bands[0]], axis=1)
        return np.concatenate([rows[..., a:b] @ m.T for a, b, m in self._bands[1]], axis=2)

    def unblur(self, blurred: Planes) -> Planes:
        """Apply the transpose of `blur` to blurred planes: not an inverse, and no sharpening."""
        rows = np.zeros((len(blurred), self.shape[0], self.large[1]), np.float32)
        done = 0
        for a, b, m in self._bands[1]:
            rows[..., a:b] += blurred[..., done : done + len(m)] @ m
            done += len(m)
        large = np.zeros((len(blurred), *self.large), np.float32)
        done = 0
        for a, b, m in self._bands[0]:
            large[:, a:b] += m.T @ rows[:, done : done + len(m)]
            done += len(m)
        return large


def _bands(length: int, start: float, scale: float, blur: Blur) -> list[tuple[int, int, Floats]]:
    """Return the blur along an axis as (first, end, matrix) for each group of outputs."""
    if blur == "bicubic":
        stretch = max(1.0, scale)
        radius = 2.0 * stretch
    else:
        stretch = max(blur * scale, 1e-3)
        radius = max(_SIGMAS * stretch, 1.0)
    first = int(np.ceil(start - radius))
    taps = np.arange(first, int(np.floor(start + radius)) + 1)
    distances = (taps - start) / stretch
    weights = keys(distances) if blur == "bicubic" else np.exp(-0.5 * distances**2)
    weights /= weights.sum()
    bands: list[tuple[int, int, Floats]] = []
    outputs = length + 2 * _MARGIN
    for top in range(0, outputs, _BAND):
        count = min(_BAND, outputs - top)
        reach = (top + np.arange(count))[:, None] + taps
        folded = mirrored(reach, length)
        low, high = int(folded.min()), int(folded.max()) + 1
        matrix = np.zeros((count, high - low), np.float32)
        np.add.at(matrix, (np.arange(count)[:, None], folded - low), weights.astype(np.float32))
        bands.append((low, high, matrix))
    return bands
