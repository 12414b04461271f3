"""Scene cuts, detected from the frames before each frame.

A frame is looked at through 18 x 32 blocks of luma (25 samples each), less the mean of the 9 x 9
blocks around. It is alike another one as far as their blocks correlate, at the best of all shifts
that keep two thirds of them in view: pans move blocks, flashes and fades change their mean and
contrast, and noise is averaged away, so all of these stay alike. A frame begins a scene if it is
less than half as alike as frames lately were, to each of the last three: one flash is not two cuts.
Frames with next to no contrast (black, or a flash that whitens all) begin no scene, and none is
told by them; the first frame does begin one.

Of photographs, unrelated ones are alike by 0.33 at most; pans by a sixth of the width, flashes
and zooms of 8 % by 0.61 at least.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.frame import LUMA_WEIGHTS

Floats = NDArray[np.float64]

_BLOCKS = (18, 32)
_SAMPLES = 5  # of a block, along each axis
_AROUND = 4  # blocks on each side, whose mean is taken away
_KEPT = 3  # frames that a new one is compared with
_SHARE = 2 / 3  # of the blocks that two shifted frames must share
_LEAST_CONTRAST = 0.004  # standard deviation of blocks; 1 is from black to white
_UNLIKE = 0.5  # of what is usual
_MEMORY = 0.8  # how much of what is usual is carried from frame to frame
_WEIGHTS = (np.array(LUMA_WEIGHTS) / sum(LUMA_WEIGHTS)).astype(np.float32)
_SPECTRUM = (2 * _BLOCKS[0], 2 * _BLOCKS[1])  # so large that shifted blocks do not come round again


@dataclass(frozen=True, slots=True)
class _Look:
    """What a frame looks like, ready to be compared at all shifts.

    Attributes:
        values: Spectrum of the blocks, which surround 0.
        squares: Spectrum of their squares.
    """

    values: NDArray[np.complex128]
    squares: NDArray[np.complex128]


class SceneCuts:
    """Finds where scenes begin, in frames that come one by one; made once for a video."""

    def __init__(self) -> None:
        self._last: deque[_Look] = deque(maxlen=_KEPT)
        self._usual = 1.0
        self._begun = False

    def begins_scene(self, frame_HWC: NDArray[np.float32]) -> bool:
        """Say whether a frame begins a new scene; takes under a millisecond at any size.

        Args:
            frame_HWC: (H, W, 3) in [0, 1], the next frame of the video.
        """
        first, self._begun = not self._begun, True
        blocks = _blocks(frame_HWC)
        if blocks.std() < _LEAST_CONTRAST:
            return first
        look = _Look(np.fft.rfft2(blocks, _SPECTRUM), np.fft.rfft2(blocks**2, _SPECTRUM))
        alike = 0.0 if self._last else 1.0
        for kept in reversed(self._last):
            alike = max(alike, _likeness(look, kept))
            if alike >= _UNLIKE * self._usual:
                break
        self._last.append(look)
        if alike < _UNLIKE * self._usual:
            return True
        self._usual = _MEMORY * self._usual + (1.0 - _MEMORY) * alike
        return first


def _blocks(frame_HWC: NDArray[np.float32]) -> Floats:
    """Return the luma of blocks of a frame, less the mean around each."""
    rows, columns = (
        ((np.arange(count * _SAMPLES) + 0.5) * (length / (count * _SAMPLES))).astype(np.intp)
        for count, length in zip(_BLOCKS, frame_HWC.shape, strict=False)
    )
    samples = frame_HWC[rows][:, columns] @ _WEIGHTS
    height, width = _BLOCKS
    blocks = samples.reshape(height, _SAMPLES, width, _SAMPLES).mean(axis=(1, 3), dtype=np.float64)
    around = np.pad(blocks, _AROUND, mode="edge")
    steps = range(2 * _AROUND + 1)
    tall = sum((around[step : step + height] for step in steps), start=np.zeros(1))
    whole = sum((tall[:, step : step + width] for step in steps), start=np.zeros(1))
    return blocks - whole / len(steps) ** 2


def _likeness(one: _Look, other: _Look) -> float:
    """Return the largest correlation of two frames, over the shifts that count; at least -1."""
    ones = _ONES.conj()
    sums = np.fft.irfft2(
        np.stack((
            one.values * other.values.conj(),
            one.values * ones,
            _ONES * other.values.conj(),
            one.squares * ones,
            _ONES * other.squares.conj(),
        )),
        _SPECTRUM,
    )  # fmt: skip
    product, first, second, squares, others = sums[:, _COUNTED] / _SHARED[_COUNTED]
    floor = _LEAST_CONTRAST**2
    spread = np.maximum(squares - first**2, floor) * np.maximum(others - second**2, floor)
    return float(((product - first * second) / np.sqrt(spread)).max())


_ONES = np.fft.rfft2(np.ones(_BLOCKS), _SPECTRUM)
_SHARED = np.fft.irfft2(_ONES * _ONES.conj(), _SPECTRUM)  # blocks in common, by the shift
_COUNTED = _SHARED / _ONES[0, 0].real >= _SHARE
