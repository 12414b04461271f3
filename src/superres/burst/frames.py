"""Frames of a burst, of one size and kind, with masks of valid pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError
from superres.frame import Values, to_unit
from superres.imaging.planes import blurred
from superres.imaging.sampler import Floats

MAX_BURST_PIXELS = 2**26  # of all frames together; each takes about 100 bytes during fusion
_SMALLEST_PX = 8  # of an edge; smaller frames cannot be aligned


@dataclass(frozen=True, slots=True)
class Burst:
    """A burst's frames as planes.

    Attributes:
        planes: (C, h, w) unit pixels per frame, without alpha; finite everywhere.
        valid: (h, w) per frame, 1 where a pixel may be used, 0 where not.
        clipped: (h, w) per frame, whether a pixel is at black or white and may be clipped.
        values: The meaning of the frames' numbers.
        shape: Shape of each input frame.
    """

    planes: tuple[Floats, ...]
    valid: tuple[Floats, ...]
    clipped: tuple[NDArray[np.bool_], ...]
    values: Values
    shape: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self.shape[0], self.shape[1]


def read_burst(
    frames: Sequence[NDArray[np.generic]], masks: Sequence[NDArray[np.generic]] | None
) -> Burst:
    """Check frames and convert them to planes.

    Channels are as in `Bands.of`: the last of 2 or 4 is alpha, and transparent pixels are invalid.
    More than 4 channels are bands. NaN and infinite values are invalid.

    Args:
        frames: (h, w) or (h, w, C), all of one shape and dtype: uint8, uint16 or float32.
        masks: (h, w) per frame, nonzero where a pixel is valid; None means everywhere.

    Raises:
        ArgumentError: There is no frame, or frames or masks differ in shape or dtype, are too
            small, or have more pixels than `MAX_BURST_PIXELS`.
    """
    if not frames:
        raise ArgumentError("a burst needs at least one frame, got none", "pass a list of arrays")
    first = frames[0]
    if first.ndim not in (2, 3) or first.size == 0:
        raise ArgumentError(
            f"a frame must be (H, W) or (H, W, C) and not empty, got shape {first.shape}",
            "pass a list of frames, each an array of its own",
        )
    values = Values.of(first.dtype)
    for index, frame in enumerate(frames):
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise ArgumentError(
                f"frame {index} is {_in_words(frame)}, the first is {_in_words(first)}",
                "a burst has frames of one size, depth and number of channels",
            )
    if len(frames) > 1 and min(first.shape[:2]) < _SMALLEST_PX:
        raise ArgumentError(
            f"frames of a burst must be at least {_SMALLEST_PX} x {_SMALLEST_PX} px, "
            f"got {first.shape[0]} x {first.shape[1]}",
            "pass larger frames, or a single one",
        )
    if masks is not None and (
        len(masks) != len(frames) or any(mask.shape != first.shape[:2] for mask in masks)
    ):
        raise ArgumentError(
            f"{len(frames)} frames of {first.shape[0]} x {first.shape[1]} px need "
            f"{len(frames)} masks of that size, got {[mask.shape for mask in masks]}",
            "pass one (H, W) array for each frame, nonzero where it is valid",
        )
    check_total(len(frames), (first.shape[0], first.shape[1]), MAX_BURST_PIXELS)
    parts = [
        _taken_apart(frame, None if masks is None else masks[index], values)
        for index, frame in enumerate(frames)
    ]
    planes, valid, clipped = zip(*parts, strict=True)
    return Burst(planes, valid, clipped, values, first.shape)


def check_total(count: int, size: tuple[int, int], most: int) -> None:
    """Check that a burst fits in memory, before it is read.

    Raises:
        ArgumentError: All frames together have more than `most` pixels.
    """
    total = count * size[0] * size[1]
    if total > most:
        raise ArgumentError(
            f"{count} frames of {size[0]} x {size[1]} px (height x width) are {total:,} pixels; "
            f"the limit is {most:,}",
            "fuse fewer frames: 8 to 16 give most of the gain; or fuse the picture in parts",
        )


def copies(frames: Sequence[NDArray[np.generic]], first: int) -> dict[int, int]:
    """Return the original's index of each frame that is a copy, and so adds no information.

    Args:
        frames: All of one shape and dtype.
        first: Index of the frame that is never counted as a copy.
    """
    seen: dict[bytes, int] = {}
    found: dict[int, int] = {}
    for index in (first, *(i for i in range(len(frames)) if i != first)):
        digest = hashlib.blake2b(np.ascontiguousarray(frames[index]).tobytes()).digest()
        if seen.setdefault(digest, index) != index:
            found[index] = seen[digest]
    return found


def filled(planes: Floats, valid: Floats) -> Floats:
    """Return planes (C, h, w) with invalid pixels filled from the valid ones around them.

    Pixels farther from the nearest of them than the picture's longer edge get the mean.
    """
    if (valid > 0.5).all() or not (valid > 0.5).any():
        return planes
    result = planes.copy()
    missing = valid < 0.5
    sigma = 1.0
    while missing.any():
        if sigma > max(missing.shape):  # the blur equals the mean, and may stay below its floor
            result[:, missing] = result[:, valid > 0.5].mean(axis=1, keepdims=True)
            break
        weight = blurred(valid, sigma)
        reached = missing & (weight > 1e-3)
        for plane, known in zip(result, planes, strict=True):
            plane[reached] = blurred(known * valid, sigma)[reached] / weight[reached]
        missing &= ~reached
        sigma *= 2.0
    return result


def _taken_apart(
    frame: NDArray[np.generic], mask: NDArray[np.generic] | None, values: Values
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    block = frame[..., None] if frame.ndim == 2 else frame
    unit = to_unit(block)
    valid = np.ones(block.shape[:2], bool) if mask is None else mask.astype(bool)
    if block.shape[2] in (2, 4):
        valid &= unit[..., -1] > 0.0
        block, unit = block[..., :-1], unit[..., :-1]
    finite = np.isfinite(unit).all(axis=2)
    valid &= finite
    clipped = np.zeros(block.shape[:2], bool)
    if values.whole:
        clipped = (block == values.black).any(axis=2) | (block == values.white).any(axis=2)
    planes = np.ascontiguousarray(
        np.nan_to_num(unit, nan=0.0, posinf=0.0, neginf=0.0).transpose(2, 0, 1)
    )
    valid_weights = valid.astype(np.float32)
    return filled(planes, valid_weights), valid_weights, clipped


def _in_words(frame: NDArray[np.generic]) -> str:
    return f"{' x '.join(map(str, frame.shape))} {frame.dtype.name}"
