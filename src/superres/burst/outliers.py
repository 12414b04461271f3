"""Outlier pixels, contradicted by the majority of frames: of the sensor, and in the reference.

A hot or dead pixel has one position on the sensor in all frames, while the scene moves: if it is
not found, frames are registered by it, as it never moves, and each frame adds its own ghost of it.
An event in a single frame, such as a cosmic ray, is outvoted later (`robust_weights`), unless that
frame is the reference, which all others are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from superres.burst.alignment import FrameReport
from superres.burst.frames import Burst, filled
from superres.imaging.aligned import Aligned
from superres.imaging.motion import centre_of
from superres.imaging.registration import spread
from superres.imaging.sampler import Plane, inside
from superres.watch import Watch

MOVED_PX = 1.0  # if a scene moves less, a pixel of it stays where it was
_STILL_PX, _STILL_DEGREES = 0.05, 0.05
_FEWEST = 3  # frames: two cannot outvote each other
_OF_FRAMES = 0.25  # quantile: what three in four frames show is of the sensor
_NOISES = 6.0  # standard deviations by which an outlier differs
_SLACKS = 2.0  # of the usual range of 3 x 3 pixels
_THICKEST_PX = 4  # anything this thick in both directions is an object, and objects move

Mask = NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True, slots=True)
class Registered:
    """Registered frames, without the pixels that their majority contradicts.

    Attributes:
        burst: The frames.
        chosen: Index of the reference.
        aligned: The frames that fit, the reference first.
        reports: One per frame, of all frames.
    """

    burst: Burst
    chosen: int
    aligned: list[Aligned]
    reports: list[FrameReport]


def register_by_majority(
    burst: Burst,
    voters: Sequence[int],
    choose: Callable[[Burst], int],
    align: Callable[[Burst, int, Callable[[], None]], tuple[list[Aligned], list[FrameReport]]],
    step: Callable[[], None],
    watch: Watch,
) -> Registered:
    """Register frames without hot pixels and without outliers of the reference.

    Args:
        burst: The frames as captured.
        voters: Indices of the frames that are not copies and not blank.
        choose: Returns the index of the reference.
        align: Aligns the frames to the reference, and calls its last argument before each.
        step: Called before each frame, once.
        watch: Notified of the number of excluded pixels, and if no frame moved.
    """
    standing = standing_pixels(burst, voters)
    if standing.any():
        clean = without_pixels(burst, standing)
        first, _ = align(clean, choose(clean), watch.check)
        sensor = sensor_pixels(standing, burst, clean, first)
        if sensor.any():
            watch.note(f"left out of all frames: {sensor.sum()} hot or dead pixels of the sensor")
            burst = without_pixels(burst, sensor)
    chosen = choose(burst)
    aligned, reports = align(burst, chosen, step)
    if len(aligned) > 1 and all(_stands(frame) for frame in aligned):
        watch.note(
            f"no frame moved against frame {chosen}, the reference: all shifts are below "
            f"{_STILL_PX} px, so that frames add less noise, but no detail"
        )
    struck = struck_pixels(burst, aligned)
    if struck.any():
        watch.note(
            f"left out of frame {chosen}, the reference: {struck.sum()} pixels that most other "
            "frames contradict"
        )
        free = (~struck).astype(np.float32)
        valid = tuple(one * free if i == chosen else one for i, one in enumerate(burst.valid))
        burst = replace(burst, valid=valid)
        aligned[0] = replace(aligned[0], usable=aligned[0].usable * free)
    return Registered(burst, chosen, aligned, reports)


def _stands(frame: Aligned) -> bool:
    motion = frame.motion
    return float(np.hypot(*motion.shift)) < _STILL_PX and abs(motion.turn_degrees) < _STILL_DEGREES


def standing_pixels(burst: Burst, voters: Sequence[int]) -> Mask:
    """Return the pixels that differ from their neighbours in the same way in most frames.

    They are of the sensor, or of a scene that does not move.

    Args:
        burst: The frames.
        voters: Indices of the frames with information of their own.
    """
    found = np.zeros(burst.size, bool)
    if len(voters) < _FEWEST:
        return found
    for channel in range(len(burst.planes[0])):
        voiced = (burst.planes[index][channel] for index in voters)
        off = np.stack([plane - _median_of_nine(plane) for plane in voiced])
        noise = float(np.median([spread(one) for one in off])) + _rounding(burst)
        low, high = np.quantile(off, (_OF_FRAMES, 1.0 - _OF_FRAMES), axis=0)
        found |= (low > _NOISES * noise) | (high < -_NOISES * noise)
    return found


def without_pixels(burst: Burst, mask: Mask) -> Burst:
    """Return a burst in which some positions of the sensor are invalid in all frames."""
    if not mask.any():
        return burst
    valid = tuple((one * ~mask).astype(np.float32) for one in burst.valid)
    planes = tuple(filled(one, seen) for one, seen in zip(burst.planes, valid, strict=True))
    return replace(burst, planes=planes, valid=valid)


def has_moved(frame: Aligned) -> bool:
    """Return whether a frame has moved so far that its pixels see other parts of the scene."""
    return float(np.hypot(*frame.motion.shift)) >= MOVED_PX


def sensor_pixels(standing: Mask, burst: Burst, clean: Burst, aligned: Sequence[Aligned]) -> Mask:
    """Return the standing pixels that moved frames do not show at that position of the scene.

    Args:
        standing: The result of `standing_pixels`, which includes lines along the motion.
        burst: The frames as captured.
        clean: The same without those pixels.
        aligned: The clean frames, registered, the reference first.
    """
    found = np.zeros_like(standing)
    moved = [frame for frame in aligned[1:] if has_moved(frame)]
    if len(moved) < _FEWEST - 1:
        return found
    views = [_View(frame, burst.valid[frame.index]) for frame in moved]
    taken = burst.planes[aligned[0].index]
    for channel, plane in enumerate(aligned[0].planes):
        shown: list[Plane] = []
        for view in views:
            index = view.frame.index
            removed = burst.planes[index][channel] - clean.planes[index][channel]
            shown.append(view.shown(view.frame.planes[channel] + removed, taken[channel]))
        expected = np.median(np.stack(shown), axis=0)
        low, high = _range_of(views, channel, plane)
        found |= _is_off(taken[channel], expected, expected, high - low, burst)
    return standing & found


def struck_pixels(burst: Burst, aligned: Sequence[Aligned]) -> Mask:
    """Return the pixels of the reference that most other frames contradict.

    They form small groups: larger ones may be an object that moved, and the result shows the scene
    as the reference does.

    Args:
        burst: The frames.
        aligned: The aligned frames, the reference first.
    """
    found = np.zeros(burst.size, bool)
    if len(aligned) < _FEWEST:
        return found
    views = [_View(frame, frame.usable) for frame in aligned[1:]]
    for channel, plane in enumerate(aligned[0].planes):
        low, high = _range_of(views, channel, plane)
        found |= _is_off(plane, low, high, high - low, burst)
    found &= aligned[0].usable > 0.5
    return found & ~_thick(found)


class _View:
    """One frame as seen from the reference, by nearest neighbour.

    Args:
        frame: The frame.
        valid: (h, w) 1 where its pixels may be used.
    """

    def __init__(self, frame: Aligned, valid: Plane) -> None:
        size = (valid.shape[0], valid.shape[1])
        self.frame = frame
        # Interpolation would leave the range of the neighbouring values next to a bright point.
        places = np.rint(frame.motion.inverse(size) + centre_of(size))
        rows, columns = (
            axis.clip(0, length - 1).astype(np.intp)
            for axis, length in zip(places, size, strict=True)
        )
        self._at = rows, columns
        self._seen = inside(places, size, 0.0) & (valid[rows, columns] > 0.5)

    def shown(self, plane: Plane, otherwise: Plane) -> Plane:
        """Return a plane of the frame on the reference; `otherwise` where it has no pixel."""
        return np.where(self._seen, plane[self._at], otherwise)


def _range_of(views: Sequence[_View], channel: int, plane: Plane) -> tuple[Plane, Plane]:
    """Return the minimum and maximum that most frames show around each pixel of the reference."""
    lows: list[Plane] = []
    highs: list[Plane] = []
    for view in views:
        own = view.frame.planes[channel]
        lows.append(view.shown(_extreme(own, np.minimum), plane))
        highs.append(view.shown(_extreme(own, np.maximum), plane))
    return np.median(np.stack(lows), axis=0), np.median(np.stack(highs), axis=0)


def _is_off(plane: Plane, low: Plane, high: Plane, slack: Plane, burst: Burst) -> Mask:
    """Return where a plane exceeds a range by more than noise and sampling explain."""
    beyond = np.maximum(plane - high, low - plane)
    # Neighbours in a flat area differ by about three standard deviations of the noise.
    return beyond > slack + _SLACKS * float(np.median(slack)) + _NOISES * _rounding(burst)


def _rounding(burst: Burst) -> float:
    """Return half a quantisation step of the frames, in unit pixels."""
    values = burst.values
    return 0.5 / (values.white - values.black) if values.whole else 1e-5


def _median_of_nine(plane: Plane) -> Plane:
    """Return the median of each 3 x 3 pixels; edges are repeated.

    With sorted columns of three: the median of the maximum of the minima, the median of the medians
    and the minimum of the maxima (J. L. Smith, "Implementing median filters in XC4000E FPGAs",
    1996).
    """
    high, wide = plane.shape
    padded = np.pad(plane, 1, mode="edge")
    above, here, below = padded[:high], padded[1 : high + 1], padded[2:]
    low, top = np.minimum(above, here), np.maximum(above, here)
    middle = np.maximum(low, np.minimum(top, below))
    low, top = np.minimum(low, below), np.maximum(top, below)
    left, right = slice(0, wide), slice(2, wide + 2)
    centre = slice(1, wide + 1)
    largest_low = np.maximum(np.maximum(low[:, left], low[:, centre]), low[:, right])
    least_top = np.minimum(np.minimum(top[:, left], top[:, centre]), top[:, right])
    of_middles = _middle(middle[:, left], middle[:, centre], middle[:, right])
    return _middle(largest_low, of_middles, least_top)


def _middle(a: Plane, b: Plane, c: Plane) -> Plane:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _extreme(plane: Plane, of: np.ufunc) -> Plane:
    """Return the minimum or maximum of each 3 x 3 pixels; edges are repeated."""
    padded = np.pad(plane, 1, mode="edge")
    rows: Plane = of(of(padded[:-2], padded[1:-1]), padded[2:])
    return of(of(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _thick(mask: Mask) -> Mask:
    """Return a mask's parts that contain a full square of `_THICKEST_PX` pixels (an opening)."""
    edge = _THICKEST_PX
    padded = np.pad(mask, edge)
    squares = np.ones((padded.shape[0] - edge + 1, padded.shape[1] - edge + 1), bool)
    for row in range(edge):
        for column in range(edge):
            squares &= padded[row : row + squares.shape[0], column : column + squares.shape[1]]
    spread_out = np.zeros_like(padded)
    for row in range(edge):
        for column in range(edge):
            spread_out[row : row + squares.shape[0], column : column + squares.shape[1]] |= squares
    return spread_out[edge:-edge, edge:-edge]
