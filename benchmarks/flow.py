"""How one plane moves into the next: a dense flow, by least squares under a window, on a pyramid.

B. D. Lucas, T. Kanade, "An iterative image registration technique with an application to stereo
vision", 1981, for every pixel. Exactly: planes are halved (MATLAB's bicubic, antialiased) while
their shorter edge keeps 16 px; from the smallest on, the flow is upscaled bilinearly and renewed
four times by what least squares over a 15 x 15 box gives,

    (sum g g' + I) new = sum g (g' old + e) + old,    e(x) = first(x) - second(x + old(x)),

with g the central differences of `first`, and I, one squared level per px, which keeps flat places
where the coarser planes put them. A change is cut at 2 px. Beyond `second`, e = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from superres.images.resize import resize

Plane = NDArray[np.float32]  # (H, W) on a scale of 0 to 255
Flow = NDArray[np.float32]  # (2, H, W): by how many rows and columns each pixel moves

_BOX_PX = 15
_ROUNDS = 4
_LEAST_EDGE = 16
_HELD = 1.0  # squared levels per px: what rounding to 8 bits leaves of flat places
_STEP_PX = 2.0


def dense_flow(first: Plane, second: Plane) -> Flow:
    """Return where each pixel of a plane is found in the next one.

    Args:
        first: (H, W) on a scale of 0 to 255.
        second: The same shape.

    Returns:
        (2, H, W) in pixels: `second(x + flow(x))` looks like `first(x)`.
    """
    pyramid = [(first, second)]
    while min(pyramid[-1][0].shape) >= 2 * _LEAST_EDGE:
        pyramid.append((_halved(pyramid[-1][0]), _halved(pyramid[-1][1])))
    flow = np.zeros((2, *pyramid[-1][0].shape), np.float32)
    for one, other in reversed(pyramid):
        flow = _refined(one, other, _upscaled(flow, (one.shape[0], one.shape[1])))
    return flow


def followed(plane: Plane, flow: Flow) -> tuple[Plane, NDArray[np.bool_]]:
    """Return what a plane shows where a flow leads, bilinearly, and which places lie on it.

    Args:
        plane: (H, W).
        flow: (2, H, W).

    Returns:
        (H, W) values, those beyond the plane from its edge; and (H, W), false where they are.
    """
    height, width = plane.shape
    rows = np.arange(height, dtype=np.float32)[:, None] + flow[0]
    columns = np.arange(width, dtype=np.float32) + flow[1]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    np.clip(rows, 0, height - 1, out=rows)
    np.clip(columns, 0, width - 1, out=columns)
    top = np.minimum(rows.astype(np.int32), max(0, height - 2))
    left = np.minimum(columns.astype(np.int32), max(0, width - 2))
    down, right = rows - top, columns - left
    corner = top * width + left
    below, beside = width * (height > 1), int(width > 1)
    values = plane.reshape(-1)
    upper = values[corner] * (1 - right) + values[corner + beside] * right
    lower = values[corner + below] * (1 - right) + values[corner + below + beside] * right
    return upper * (1 - down) + lower * down, inside


def seen_in_both(forward: Flow, backward: Flow) -> NDArray[np.bool_]:
    """Say which pixels of the first plane are found again in the second.

    By M. Ruder, A. Dosovitskiy, T. Brox, "Artistic style transfer for videos", 2016: not those
    where there and back does not lead home, nor those at the edges of what moves.

    Args:
        forward: (2, H, W), from the first to the second.
        backward: (2, H, W), from the second to the first.
    """
    back = np.stack([followed(part, forward)[0] for part in backward])
    _, inside = followed(backward[0], forward)
    length2 = _squared(forward)
    home = _squared(forward + back) <= 0.01 * (length2 + _squared(back)) + 0.5
    bent = sum(_squared(slopes(part)) for part in forward)
    return inside & home & (bent <= 0.01 * length2 + 0.002)


def slopes(plane: Plane) -> Flow:
    """Return the central differences along rows and columns, (2, H, W); edges are repeated."""
    padded = np.pad(plane, 1, mode="edge")
    down = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    return np.stack((down, 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])))


def _refined(first: Plane, second: Plane, flow: Flow) -> Flow:
    """Return the flow after the rounds on one level."""
    down, right = slopes(first)
    dd, rr = _summed(down * down) + _HELD, _summed(right * right) + _HELD
    dr = _summed(down * right)
    area = dd * rr - dr * dr
    for _ in range(_ROUNDS):
        found, inside = followed(second, flow)
        # How far each pixel of the box is along the slope; where it is unknown, where it was.
        along = (first - found) * inside + down * flow[0] + right * flow[1]
        de = _summed(down * along) + _HELD * flow[0]
        re = _summed(right * along) + _HELD * flow[1]
        renewed = np.stack(((rr * de - dr * re) / area, (dd * re - dr * de) / area))
        flow = (flow + np.clip(renewed - flow, -_STEP_PX, _STEP_PX)).astype(np.float32)
    return flow


def _summed(plane: Plane) -> NDArray[np.float64]:
    """Return the sum over the box around each pixel; beyond the edge there is nothing."""
    return _box_along_rows(_box_along_rows(plane.astype(np.float64)).T).T


def _box_along_rows(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over the rows up to half a box above and below each."""
    reach, height = _BOX_PX // 2, len(plane)
    ends = np.zeros((height + 1, plane.shape[1]))
    np.cumsum(plane, axis=0, out=ends[1:])
    rows = np.arange(height)
    return ends[(rows + reach + 1).clip(max=height)] - ends[(rows - reach).clip(min=0)]


def _halved(plane: Plane) -> Plane:
    return resize(plane, scale=0.5).astype(np.float32)


def _upscaled(flow: Flow, size: tuple[int, int]) -> Flow:
    """Return a flow on the next finer level, where it is longer."""
    if flow.shape[1:] == size:
        return flow
    parts = (
        resize(part, size=size, kernel="bilinear") * (longer / shorter)
        for part, longer, shorter in zip(flow, size, flow.shape[1:], strict=True)
    )
    return np.stack(tuple(parts)).astype(np.float32)


def _squared(vectors: Flow) -> Plane:
    return np.square(vectors).sum(axis=0)
