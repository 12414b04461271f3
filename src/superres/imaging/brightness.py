"""Brightness of a frame relative to the reference: gain and offset of each channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.imaging.planes import blurred
from superres.imaging.sampler import Floats, Planes, Sampler

_ROUNDS = 5
_SPREADS = 2.0
_DOUBT = 0.02  # of unit pixels: if brightness varies less, gain and offset cannot be told apart


@dataclass(frozen=True, slots=True)
class Brightness:
    """frame = gain * reference + offset, in unit pixels, one number per channel."""

    gain: Floats
    offset: Floats

    def equalised(self, planes: Planes) -> Planes:
        """Return the frame's planes (C, h, w) at the reference's brightness."""
        return (planes - self.offset[:, None, None]) / self.gain[:, None, None]


def compare_brightness(
    reference: Planes, frame: Planes, sampler: Sampler, usable: NDArray[np.bool_]
) -> Brightness:
    """Fit gain and offset by robust least squares, which discount outliers.

    Args:
        reference: (C, h, w) unit pixels.
        frame: (C, h, w) unit pixels.
        sampler: Where the frame's pixels lie on the reference.
        usable: (h, w) 1 for the frame's pixels that count, 0 for others.
    """
    gains, offsets = list[float](), list[float]()
    for one, other in zip(reference, frame, strict=True):
        seen = sampler.gather(blurred(one, 1.0))[usable].astype(np.float64)
        gain, offset = _fit(seen, blurred(other, 1.0)[usable].astype(np.float64))
        gains.append(gain)
        offsets.append(offset)
    return Brightness(np.array(gains, np.float32), np.array(offsets, np.float32))


def _fit(seen: Floats, shown: Floats) -> tuple[float, float]:
    gain, offset, weights = 1.0, 0.0, np.ones_like(seen)
    for _ in range(_ROUNDS):
        total = weights.sum()
        middle, level = (weights @ seen) / total, (weights @ shown) / total
        varies = (weights @ (seen - middle) ** 2) / total
        together = (weights @ ((seen - middle) * (shown - level))) / total
        # A ridge towards a gain of 1, so that flat frames are fitted by an offset alone
        gain = float(np.clip((together + _DOUBT**2) / (varies + _DOUBT**2), 0.05, 20.0))
        offset = float(level - gain * middle)
        error = shown - gain * seen - offset
        scale = 1.4826 * float(np.median(np.abs(error))) + 1e-6
        weights = 1.0 / np.square(1.0 + np.square(error / (_SPREADS * scale)))
    return gain, offset
