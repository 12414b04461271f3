"""Measures of flaws in a picture: JPEG block edges, noise and blur, each as one number.

Noise is measured in the finest diagonal Haar band, as by Donoho and Johnstone (Biometrika 81,
1994). That band holds texture too, so only the flattest blocks are used here, and the next band
shows whether they hold noise: noise is equally strong in both, while detail is 2 to 3 times weaker
in the finest. Blur, and blurred noise, have almost no energy at the highest frequencies, which
fourth differences along both axes isolate.
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
_WINDOWS_AN_AXIS = 8  # at most a quarter of a megapixel in total
_BLOCK_PX = 8
_SMALLEST_PX = 5  # smallest edge of a window with fourth differences
_MOST_BANDS = 8  # of a raster; one window of each is held in memory
_LUMA_OF_RGB = np.array(LUMA_WEIGHTS, np.float32) * np.float32(255.0 / sum(LUMA_WEIGHTS))

_SMOOTH_LEVELS = 3.0  # block edges are visible where neighbouring pixels differ by at most this
_LARGEST_STEP = 12.0  # in levels; larger ones belong to the picture
_FEWEST_STEPS = 16  # needed in one of the eight phases
_SURE = 2.0  # standard errors by which a phase must stand out
_FLATTEST, _BUSIEST = 0.1, 0.75  # quantiles: noise is measured below, sharpness above
_FEWEST_BLOCKS = 10
_WHITEST = 0.7  # least ratio of finest to next band in noisy flat blocks; detail has 0.3 to 0.55
_UNCLIPPED_LEVELS = (6.0, 249.0)  # outside, a block's mean has lost noise to clipping
_ROUNDING = 1 / 12  # variance of 8-bit rounding, in squared levels
_NOTHING = 1e-2  # squared levels; keeps ratios of zeros near 1


@dataclass(frozen=True, slots=True)
class Flaws:
    """Flaws of a picture's luma.

    Attributes:
        block_edges: Mean excess of steps between blocks of 8x8 over steps elsewhere, where the
            picture is smooth, in 8-bit levels; 0 if no grid stands out.
        noise: Standard deviation in the flattest parts, in 8-bit levels; 0 if they hold detail.
        sharpness: Fourth differences over the second-finest Haar band in the busiest parts, root
            mean squares of equal gain for noise: 0.1 to 0.4 for sharp photographs, 0.03 for
            blurred ones, 1 for white noise, and 1 if the picture is flat.
    """

    block_edges: float
    noise: float
    sharpness: float


def measure_flaws(picture: Picture) -> Flaws:
    """Measure up to 64 windows of 64x64 px, evenly spaced over a picture.

    The picture is decoded once from top to bottom, so memory is bounded. Transparent or non-finite
    parts are skipped. Of bands that are not colours, up to 8 are measured one by one, as networks
    see them, and each flaw is the median band's.

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
    """Measure the flaws of some windows of one picture; each starts on a multiple of 8."""
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
    """Sums over the steps between columns, by their position modulo 8."""

    def __init__(self) -> None:
        self._sums = np.zeros((3, 8))  # of ones, steps, squared steps

    def add(self, y: Luma) -> None:
        """Add the steps of a window in smooth surroundings.

        A step is the difference of two neighbours beyond that predicted by the slopes on both sides
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
        """Return the excess of the most prominent phase over the others; 0 if none stands out."""
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

    All three bands have a gain of 1 for white noise, and are centred on their pixel.
    """
    sums = (y[:-1, :-1] + y[1:, :-1] + y[:-1, 1:] + y[1:, 1:]) / 2
    finest = (y[:-1, :-1] - y[1:, :-1] - y[:-1, 1:] + y[1:, 1:]) / 2
    following = (sums[:-2, :-2] - sums[2:, :-2] - sums[:-2, 2:] + sums[2:, 2:]) / 2
    fourth = np.diff(np.diff(y, 4, axis=0), 4, axis=1) / 70  # 1, 4, 6, 4, 1: squares sum to 70
    squares = np.square((finest[2:-1, 2:-1], following[1:, 1:], fourth))
    return np.concatenate((squares, y[None, 2:-2, 2:-2]))


def _block_means(planes: Luma) -> Luma:
    """Return (planes, blocks): means over blocks of 8x8, or over the whole of smaller planes."""
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
    # Blocks without any detail are synthetic or clipped.
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
    """Yield (1, h, w), the luma of windows spaced over the picture, or (bands, h, w)."""
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
