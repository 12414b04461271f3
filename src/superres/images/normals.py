"""Normal maps: pixels that are vectors of unit length, and not colours.

Red, green and blue are x, y and z from -1, at black, to 1, at white. What networks and kernels make
of them is no longer of unit length, and may point below the surface (z < 0) beside a steep edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from superres.errors import ArgumentError
from superres.frame import Bands, Unit

_LEAST_LENGTH = np.float32(2.0**-10)  # of a vector that still points somewhere


def check_normals(bands: Bands) -> None:
    """Check that a picture can be a normal map.

    Raises:
        ArgumentError: It is not RGB, with or without alpha.
    """
    if bands.colour != "rgb":
        found = "grey" if bands.colour == "grey" else f"of {bands.count} bands"
        raise ArgumentError(
            f"a normal map has red, green and blue as x, y and z; this picture is {found}",
            "a height map is upscaled as it is, without --normal-map",
        )


def unit_normals(
    small: Iterable[Unit], large: Iterable[Unit], *, size: tuple[int, int], target: tuple[int, int]
) -> Iterator[Unit]:
    """Make the vectors of an upscaled normal map unit length again.

    None points further below the surface than the lowest of the nine input pixels around it, and
    so none at all in a map of tangent space, whose z is never below 0.

    Args:
        small: (h, W, C) unit pixels from top to bottom, the map; channels after the third are not
            looked at.
        large: (h', W', C) the same upscaled, whose vectors are changed in place.
        size: (H, W) of the map.
        target: (H', W') of the upscaled one.

    Yields:
        The blocks of `large`.
    """
    own_row, own_column = (
        (2 * np.arange(out, dtype=np.int64) + 1) * length // (2 * out)
        for length, out in zip(size, target, strict=True)
    )
    source = iter(small)
    held = np.empty((0, size[1]), np.float32)
    first = done = 0  # rows: the first that is held, and those of `large` that are finished
    for block in large:
        own = own_row[done : done + len(block)]
        done += len(block)
        start, stop = max(0, int(own[0]) - 1), min(size[0], int(own[-1]) + 2)
        held, first = held[start - first :], start
        while first + len(held) < stop:
            held = np.concatenate([held, 2.0 * next(source)[..., 2] - 1.0])
        lowest = _lowest_around(held[: stop - start])[own - start][:, own_column]
        vectors = 2.0 * block[..., :3] - 1.0
        np.maximum(vectors[..., 2], np.minimum(lowest, 0.0), out=vectors[..., 2])
        length = np.sqrt(np.square(vectors).sum(2))
        lost = length < _LEAST_LENGTH
        vectors[lost] = (0.0, 0.0, 1.0)
        length[lost] = 1.0
        block[..., :3] = 0.5 * (vectors / length[..., None]) + 0.5
        yield block


def _lowest_around(z: Unit) -> Unit:
    """Return the least of each pixel and its eight neighbours, of those that have a value."""
    padded = np.pad(z, 1, mode="edge")
    tall = np.fmin(np.fmin(padded[:-2], padded[1:-1]), padded[2:])
    return np.fmin(np.fmin(tall[:, :-2], tall[:, 1:-1]), tall[:, 2:])
