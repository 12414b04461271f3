"""Measures of flaws in a picture: JPEG block edges, noise and blur, each as one number.

Noise is read off the finest diagonal Haar band, as Donoho and Johnstone do (Biometrika 81, 1994).
Texture stands in that band too, so here only the flattest blocks are used, and the next band tells
whether what is there is noise: noise is as strong in both, while detail is 2 to 3 times weaker in
the finest. Blur, and noise that was blurred, have next to nothing at the highest frequencies, which
fourth differences along both axes let through alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from superres.frame import LUMA_WEIGHTS, to_unit
from superres.metadata.picture import Picture

Luma = NDArray[np.float32]  # (h, w) in 8-bit levels

_WINDOW_PX = 64  # a multiple of JPEG's 8
_WINDOWS_AN_AXIS = 8  # a quarter of a megapixel in all, however large the picture is
_BLOCK_PX = 8
_SMALLEST_PX = 5  # edge of a window that has fourth differences
_MOST_BANDS = 8  # of a raster; a window of each is held in memory
_LUMA_OF_RGB = np.array(LUMA_WEIGHTS, np.float32) * np.float32(255.0 / sum(LUMA_WEIGHTS))

_SMOOTH_LEVELS = 3.0  # block edges show where pixels beside them differ by no more than this
_LARGEST_STEP = 12.0  # in levels; larger ones belong to the picture
_FEWEST_STEPS = 16  # in one phase of eight, before it is used
_SURE = 2.0  # standard errors by which one phase must stand out
_FLATTEST, _BUSIEST = 0.1, 0.75  # quantiles: noise is looked for below, sharpness above
_FEWEST_BLOCKS = 10
_WHITEST = (
    0.7  # finest band over next, from which on flat blocks hold noise; detail has 0.3 to 0.55
)
_UNCLIPPED_LEVELS = (6.0, 249.0)  # a block's mean outside has lost noise to black or white
_ROUNDING = 1 / 12  # variance of 8-bit rounding, in squared levels
_NOTHING = 1e-2  # squared levels; keeps ratios of nothing near 1


@dataclass(frozen=True, slots=True)
class Flaws:
    """What was found in a picture's luma.

    Attributes:
        block_edges: How much larger steps between blocks of 8x8 are than steps elsewhere, on
            average where the picture is smooth, in 8-bit levels; 0 if no grid stands out.
        noise: Standard deviation in the flattest parts, in 8-bit levels; 0 if they hold detail.
        sharpness: Fourth differences over the next to finest Haar band in the busiest parts, root
            mean squares of equal gain for noise: 0.1 to 0.4 of sharp photographs, 0.03 of blurred
            ones, 1 of white noise, and 1 if the picture is flat.
    """

    block_edges: float
    noise: float
    sharpness: float


def measure_flaws(picture: Picture) -> Flaws:
    """Look at up to 64 windows of 64x64 px that are spread evenly over a picture.

    The picture is decoded once from top to bottom, so memory is bounded. Parts that are transparent
    or not finite are passed over. Of bands that are no colours, up to 8 are looked at one by one,
    as networks see them, and each flaw is that of the middle band.

    Raises:
        PictureError: The file is damaged.
    """
    if picture.bands.colour != "bands":
        return flaws_of(window[0] for window in _windows(picture))
    found = [flaws_of(iter(windows)) for windows in zip(*_windows(picture), strict=True)]
    if not found:
        return flaws_of(iter(()))
    edges, noise, sharpness = np.median(
        [(one.block_edges, one.noise, one.sharpness) for one in found], axis=0
    ).tolist()
    return Flaws(edges, noise, sharpness)


def flaws_of(windows: Iterator[Luma]) -> Flaws:
    """Measure the flaws that some windows of one picture share; each begins on a multiple of 8."""
    steps = (_Steps(), _Steps())
    blocks: list[Luma] = []
    for y in windows:
        steps[0].add(y)
        steps[1].add(y.T)
        if min(y.shape) >= _SMALLEST_PX:
            blocks.append(_block_means(_bands(y)))
    noise, sharpness = _noise_and_sharpness(*np.concatenate(blocks, 1)) if blocks else (0.0, 1.0)
    return Flaws(min(one.excess() for one in steps), noise, sharpness)


class _Steps:
    """Sums over the steps between columns, by their place modulo 8."""

    def __init__(self) -> None:
        self._sums = np.zeros((3, 8))  # of ones, steps, squared steps

    def add(self, y: Luma) -> None:
        """Count the steps of a window that stand in smooth surroundings.

        A step is the difference of two neighbours over what the slopes on both sides foretell
        (Minami and Zakhor, IEEE Transactions on Circuits and Systems for Video Technology 5, 1995).
        """
        slopes = np.diff(y)
        before, here, after = slopes[:, :-2], slopes[:, 1:-1], slopes[:, 2:]
        steps = np.abs(here - (before + after) / 2)
        smooth = np.maximum(np.abs(before), np.abs(after)) <= _SMOOTH_LEVELS
        smooth &= steps <= _LARGEST_STEP
        for phase in range(8):
            # Column j of these arrays is the step into column j + 2.
            chosen = steps[:, (phase - 2) % 8 :: 8][smooth[:, (phase - 2) % 8 :: 8]]
            self._sums[:, phase] += chosen.size, chosen.sum(), np.square(chosen).sum()

    def excess(self) -> float:
        """Return by how much the phase that stands out most is above the others; 0 if none does."""
        found = 0.0
        for phase in range(8):
            own, others = self._sums[:, phase], np.delete(self._sums, phase, axis=1).sum(axis=1)
            if min(own[0], others[0]) < _FEWEST_STEPS:
                continue
            (mean, error), (usual, its_error) = _mean_and_error(own), _mean_and_error(others)
            if mean - usual > _SURE * math.hypot(error, its_error):
                found = max(found, mean - usual)
        return found


def _mean_and_error(sums: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and its standard error from a count, a sum and a sum of squares."""
    count, total, squares = (float(value) for value in sums)
    mean = total / count
    return mean, math.sqrt(max(0.0, squares / count - mean * mean) / count)


def _bands(y: Luma) -> Luma:
    """Return (4, h, w): squares of the two finest Haar bands and of fourth differences, and luma.

    All three bands have a gain of 1 for white noise, and stand at the pixel in their middle.
    """
    sums = (y[:-1, :-1] + y[1:, :-1] + y[:-1, 1:] + y[1:, 1:]) / 2
    finest = (y[:-1, :-1] - y[1:, :-1] - y[:-1, 1:] + y[1:, 1:]) / 2
    following = (sums[:-2, :-2] - sums[2:, :-2] - sums[:-2, 2:] + sums[2:, 2:]) / 2
    fourth = np.diff(np.diff(y, 4, axis=0), 4, axis=1) / 70  # 1, 4, 6, 4, 1: squares sum to 70
    squares = np.square((finest[2:-1, 2:-1], following[1:, 1:], fourth))
    return np.concatenate((squares, y[None, 2:-2, 2:-2]))


def _block_means(planes: Luma) -> Luma:
    """Return (planes, blocks): means over blocks of 8x8, or over all if the planes are smaller."""
    high, wide = planes.shape[1] // _BLOCK_PX, planes.shape[2] // _BLOCK_PX
    if not high or not wide:
        return planes.mean(axis=(1, 2))[:, None]
    whole = planes[:, : high * _BLOCK_PX, : wide * _BLOCK_PX]
    return whole.reshape(-1, high, _BLOCK_PX, wide, _BLOCK_PX).mean((2, 4)).reshape(len(planes), -1)


def _noise_and_sharpness(
    finest: Luma, following: Luma, fourth: Luma, luma: Luma
) -> tuple[float, float]:
    busy = following >= np.quantile(following, _BUSIEST)
    rounding = min(_ROUNDING, float(fourth[busy].mean()))
    sharpness = _ratio(fourth[busy] - rounding, following[busy])
    low, high = _UNCLIPPED_LEVELS
    # Blocks without any detail are drawn ones, or clipped.
    used = (luma > low) & (luma < high) & (finest + following > 0)
    finest, following = finest[used], following[used]
    if len(finest) < _FEWEST_BLOCKS:
        return 0.0, sharpness
    flat = following <= np.quantile(following, _FLATTEST)
    is_noise = _ratio(finest[flat], following[flat]) > _WHITEST
    return math.sqrt(float(finest[flat].mean())) if is_noise else 0.0, sharpness


def _ratio(above: Luma, below: Luma) -> float:
    """Return the ratio of root mean squares."""
    return math.sqrt((float(above.mean()) + _NOTHING) / (float(below.mean()) + _NOTHING))


def _windows(picture: Picture) -> Iterator[Luma]:
    """Yield (1, h, w), the luma of windows that are spread over the picture, or (bands, h, w)."""
    down, across = (
        -(-size // (_WINDOW_PX * _WINDOWS_AN_AXIS)) for size in (picture.height, picture.width)
    )
    for index, block in enumerate(picture.rows(block=_WINDOW_PX)):
        if index % down:
            continue
        for left in range(0, picture.width, across * _WINDOW_PX):
            pixels = to_unit(block[:, left : left + _WINDOW_PX], picture.values)
            if not np.isfinite(pixels).all() or (picture.bands.alpha and not pixels[..., -1].all()):
                continue
            colours = pixels[..., : picture.bands.count].clip(0.0, 1.0)
            if picture.bands.colour == "rgb":
                yield (colours @ _LUMA_OF_RGB)[None]
            else:
                step = -(-picture.bands.count // _MOST_BANDS)
                yield np.moveaxis(colours[..., ::step] * np.float32(255.0), 2, 0)
