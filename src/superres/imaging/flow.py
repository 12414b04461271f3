"""Optical flow within a frame: local shifts.

Least squares as in `register`, but in a window around each pixel (B. Lucas, T. Kanade, 1981), on a
pyramid. A shift is accepted only where the frame differed from the large picture and matches it
much better when shifted: elsewhere the motion of the whole frame is the better estimate, and
aliasing would move static objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from superres.images.resize import resize
from superres.imaging.motion import Motion
from superres.imaging.planes import blurred
from superres.imaging.registration import Level, on_level, spread
from superres.imaging.sampler import Places, Plane, Sampler, inside

_WINDOW_PX = 4.0  # standard deviation of the window: a tile of about 16 px
_LEVELS = 3  # to find shifts of up to about 8 px
_ROUNDS = 4
_PRIOR_PX = 0.5  # limits a step to about this where the window has little structure
_MISFIT = 16.0  # times the frame's own mean squared difference: something moved
_LEFT = 0.4  # fraction of the misfit that may remain
_SPECK = 2e-3  # fraction of a frame too small to follow; it is down-weighted instead


def local_flow(
    reference: Sequence[Level],
    frame: Sequence[Level],
    motion: Motion,
    predict: Callable[[Places], Plane],
) -> Motion:
    """Find independent motion within a frame.

    Args:
        reference: Pyramid of the reference.
        frame: Pyramid of the frame, of the same sizes and brightness.
        motion: The motion of the whole frame.
        predict: Returns the large picture's values at positions (2, h, w) on the reference, in
            small pixels from its centre, under the blur of `frame[0]`.

    Returns:
        The motion with a flow, or unchanged if nothing moves.
    """
    size = (frame[0].plane.shape[0], frame[0].plane.shape[1])
    whole = motion.places(size)
    usable = _usable(frame[0], whole)
    error = frame[0].plane - predict(whole)
    if not (usable > 0.5).any():
        return motion
    floor = spread(error[usable > 0.5]) ** 2
    before = _misfit(error, usable)
    moving = before > _MISFIT * floor
    if moving.mean() < _SPECK:
        return motion
    flow = np.zeros_like(whole)
    for level in reversed(range(min(_LEVELS, len(frame)))):
        flow = _refined(reference[level], frame[level], whole, flow, floor)
    moved = whole + flow
    after = _misfit(frame[0].plane - predict(moved), _usable(frame[0], moved))
    better = (moving & (after < _LEFT * before)).astype(np.float32)
    if not better.any():
        return motion
    believed = np.clip(2.0 * blurred(better, _WINDOW_PX / 2), 0.0, 1.0)
    return Motion(motion.matrix, (flow * believed).astype(np.float32))


def _misfit(error: Plane, usable: Plane) -> Plane:
    """Return the mean squared difference around each pixel."""
    return blurred(usable * error**2, _WINDOW_PX / 2)


def _usable(frame: Level, places: Places) -> Plane:
    size = (places.shape[1], places.shape[2])
    return inside(on_level(places, frame, size), size, 0.0) * frame.valid


def _refined(reference: Level, frame: Level, whole: Places, flow: Places, floor: float) -> Places:
    """Return the flow refined on one level; all flows have the frame's own size."""
    size = (whole.shape[1], whole.shape[2])
    shape = (frame.plane.shape[0], frame.plane.shape[1])
    held = floor / (_PRIOR_PX**2 * 4.0 * np.pi * _WINDOW_PX**2)
    small_whole, small = _resized(whole, shape), _resized(flow, shape)
    for _ in range(_ROUNDS):
        places = on_level(small_whole + small, frame, size)
        sampler = Sampler(places, shape)
        error = frame.plane - sampler.gather(reference.plane)
        down = 0.5 * (sampler.gather(reference.down) + frame.down)
        right = 0.5 * (sampler.gather(reference.right) + frame.right)
        # Large errors next to moving objects must not dominate the window.
        weights = inside(places, shape, 0.0) * frame.valid / (1.0 + error**2 / (100.0 * floor))
        dd, dr, rr, de, re = (
            blurred(weights * a * b, _WINDOW_PX)
            for a, b in ((down, down), (down, right), (right, right), (down, error), (right, error))
        )
        dd, rr = dd + held, rr + held
        area = dd * rr - dr * dr
        step = np.stack(((rr * de - dr * re) / area, (dd * re - dr * de) / area))
        small = small + np.clip(step, -frame.factor, frame.factor)
    return _resized(small, size)


def _resized(planes: Places, size: tuple[int, int]) -> Places:
    if planes.shape[1:] == size:
        return planes
    return np.stack([resize(p, size=size, kernel="bilinear") for p in planes]).astype(np.float32)
