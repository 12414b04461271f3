"""A burst made of one large picture, whose truth and motions are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.images.resize import resize
from superres.imaging.motion import Motion, similarity
from superres.imaging.sampler import Floats, Matrix, Sampler


@dataclass(frozen=True, slots=True)
class Shaking:
    """How the frames of a made burst differ.

    Attributes:
        shift_px: Largest shift, in small pixels, drawn evenly along each axis.
        turn_degrees: Largest rotation, drawn evenly.
        noise: Standard deviation of Gaussian noise, of 255.
        exposure: Largest relative difference of brightness, drawn evenly.
    """

    shift_px: float = 2.0
    turn_degrees: float = 1.0
    noise: float = 2.0
    exposure: float = 0.0


@dataclass(frozen=True, slots=True)
class MadeBurst:
    """Frames with their truth.

    Attributes:
        frames: (h, w, C) uint8; the first lies still.
        truth: (scale * h, scale * w, C) uint8, in register with the first frame.
        motions: One matrix a frame, as in `Motion`.
        gains: One factor a frame.
    """

    frames: tuple[NDArray[np.uint8], ...]
    truth: NDArray[np.uint8]
    motions: tuple[Matrix, ...]
    gains: tuple[float, ...]


def make_burst(
    large: NDArray[np.uint8], *, count: int, scale: int, seed: int, shaking: Shaking
) -> MadeBurst:
    """Make a burst: the large picture is shifted, downscaled, brightened, noised and rounded.

    Cubic interpolation shifts it, and MATLAB's antialiased bicubic downscales it. All frames
    and the truth are cut from within, so that no frame shows what lies beyond the picture. The same
    arguments give the same burst, and a smaller count the first frames of it.

    Args:
        large: (H, W, C).
        count: Frames.
        scale: Large size over small size.
        seed: Draws another burst.
        shaking: How frames differ.

    Raises:
        ArgumentError: The picture is too small for that much shaking.
    """
    random = np.random.default_rng(seed)
    reach = np.hypot(*large.shape[:2]) / 2 * np.radians(shaking.turn_degrees)
    margin = int(np.ceil((shaking.shift_px * scale + reach) / scale + 3)) * scale
    size = tuple((length - 2 * margin) // scale * scale for length in large.shape[:2])
    if min(size) < 8 * scale:
        raise ArgumentError(
            f"a picture of {large.shape[0]} x {large.shape[1]} px leaves nothing of frames that "
            f"shake by {shaking.shift_px} px and {shaking.turn_degrees} degrees",
            "take a larger picture, or shake less",
        )
    inner = tuple(slice(margin, margin + length) for length in size)
    canvas = (size[0] + 2 * margin, size[1] + 2 * margin)
    whole = np.ascontiguousarray(
        large[: canvas[0], : canvas[1]].transpose(2, 0, 1), dtype=np.float32
    )
    cut = tuple(slice(margin // scale, (margin + length) // scale) for length in size)
    frames: list[NDArray[np.uint8]] = []
    motions: list[Matrix] = []
    gains: list[float] = []
    for index in range(count):
        row, column, turn, bright = random.uniform(-1.0, 1.0, 4) * float(index > 0)
        matrix = similarity(
            row * shaking.shift_px, column * shaking.shift_px, turn * shaking.turn_degrees
        )
        gain = 1.0 + bright * shaking.exposure
        moved = whole
        if index:
            moved = _moved(whole, matrix, scale)
        small: Floats = resize(moved.transpose(1, 2, 0), scale=1.0 / scale)[cut] * gain
        small += random.normal(0.0, shaking.noise, small.shape)
        frames.append(np.floor(np.clip(small, 0.0, 255.0) + 0.5).astype(np.uint8))
        motions.append(matrix)
        gains.append(gain)
    return MadeBurst(tuple(frames), large[inner], tuple(motions), tuple(gains))


def _moved(planes: Floats, matrix: Matrix, scale: int) -> Floats:
    """Return large planes (C, H, W) as a frame that moved sees them."""
    size = (planes.shape[1], planes.shape[2])
    large = matrix.copy()
    large[:2, 2] *= scale
    centre = (np.array(size, np.float32) - 1.0) / 2.0
    sampler = Sampler(Motion(large).places(size) + centre[:, None, None], size)
    return np.stack([sampler.gather(plane) for plane in planes])
