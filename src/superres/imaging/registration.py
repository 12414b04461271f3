"""Coarse-to-fine registration of a frame to the reference, to a few hundredths of a pixel.

Phase correlation finds whole pixels (C. Kuglin, D. Hines, 1975). On a pyramid, least squares then
move the frame until only noise remains (B. Lucas, T. Kanade, 1981), with gradients of both pictures
(S. Benhimane, E. Malis, 2004), robust weights, and brightness fitted jointly.

Small frames are aliased, and aliasing moves with the sensor, not with the scene: frames are blurred
before they are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from superres.imaging.motion import MODELS, Motion, MotionModel, mapped
from superres.imaging.planes import blurred, detail, halved, slopes, without_brightness
from superres.imaging.sampler import Floats, Matrix, Places, Plane, Sampler, inside

BLUR_PX = 1.0  # 0.7 leaves aliasing that costs up to 0.05 px, 1.4 begins to cost detail
_COARSEST_PX = 24  # of the shorter edge; fewer do not determine a rotation
_ROUNDS = 12  # of least squares on each level
_STILL_PX = 0.002  # a smaller step ends a level
_SPREADS = 3.0  # residuals of this many standard deviations get half the weight


@dataclass(frozen=True, slots=True)
class Level:
    """One picture of a pyramid, at 1 / `factor` of the frame's size.

    Attributes:
        plane: (h, w).
        down: Its gradient along rows, in values per pixel of the frame.
        right: Its gradient along columns.
        valid: (h, w) 1 where the pixels may be used, 0 where not.
        factor: 1, 2, 4 ...
    """

    plane: Plane
    down: Plane
    right: Plane
    valid: Plane
    factor: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a frame fits.

    Attributes:
        motion: Its motion.
        residual: The robust standard deviation of the blurred frames' difference after motion and
            brightness, in unit pixels.
        likeness: Correlation of the detail of frame and reference where they overlap, -1 to 1.
        overlap: Fraction of the frame that covers the reference.
    """

    motion: Motion
    residual: float
    likeness: float
    overlap: float


def pyramid(plane: Plane, valid: Plane | None = None) -> list[Level]:
    """Return a frame at its own size, half of it and so on, the coarsest last.

    Args:
        plane: (H, W), one plane of a frame.
        valid: (H, W), 1 where it may be used; None means everywhere.
    """
    valid = np.ones_like(plane) if valid is None else valid
    plane, factor, levels = blurred(plane, BLUR_PX), 1, list[Level]()
    while True:
        down, right = slopes(plane)
        levels.append(Level(plane, down / factor, right / factor, valid, factor))
        if min(plane.shape) < 2 * _COARSEST_PX:
            return levels
        plane, valid, factor = halved(plane), np.floor(halved(valid) + 0.01), 2 * factor


def register(reference: Sequence[Level], frame: Sequence[Level], model: MotionModel) -> Fit:
    """Register a frame to the reference.

    Args:
        reference: Pyramid of the reference.
        frame: Pyramid of the frame, of the same sizes.
        model: The motion model; coarser levels use simpler ones.
    """
    size = frame[0].plane.shape
    matrix = _start(reference[-1], frame[-1], (size[0], size[1]))
    for level in reversed(range(len(frame))):
        # On few pixels many parameters overfit, and far from the solution only a shift converges.
        allowed = MODELS.index(model) if level <= 1 else min(1, MODELS.index(model))
        first = 0 if level == len(frame) - 1 else allowed
        for name in dict.fromkeys((MODELS[first], MODELS[allowed])):
            matrix = _fit_level(reference[level], frame[level], matrix, name, (size[0], size[1]))
    return judge(reference[0], frame[0], Motion(matrix))


def judge(reference: Level, frame: Level, motion: Motion) -> Fit:
    """Return how well a registered frame fits."""
    size = (frame.plane.shape[0], frame.plane.shape[1])
    places = on_level(motion.places(size), frame, size)
    within = inside(places, size, 0.0) & (frame.valid > 0.5)
    overlap = float(np.mean(within))
    if overlap * within.size < 16:
        return Fit(motion, np.inf, 0.0, overlap)
    sampler = Sampler(places, size)
    seen, shown = sampler.gather(reference.plane)[within], frame.plane[within]
    gain, offset = np.polyfit(seen, shown, 1) if np.ptp(seen) > 0.0 else (1.0, 0.0)
    residual = spread(shown - gain * seen - offset)
    a = sampler.gather(without_brightness(reference.plane))[within]
    b = without_brightness(frame.plane)[within]
    return Fit(motion, residual, _correlation(a, b), overlap)


def _correlation(a: Plane, b: Plane) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0.0 else 0.0


def spread(values: Floats) -> float:
    """Return the standard deviation estimated from the median, robust to outliers."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) + 1e-7


def correlate_phases(a: Plane, b: Plane) -> tuple[float, tuple[int, int]]:
    """Return the correlation of a and b at the best shift, and that shift (rows, columns) of b."""
    window = np.hanning(a.shape[0] + 2)[1:-1, None] * np.hanning(a.shape[1] + 2)[None, 1:-1]
    one, other = a * window, b * window
    cross = np.fft.rfft2(one) * np.conj(np.fft.rfft2(other))
    power = np.abs(cross)
    # Frequencies of almost no energy have a phase too, of noise.
    phases = np.fft.irfft2(cross / (power + 1e-3 * power.mean() + 1e-30), s=a.shape)
    row, column = np.unravel_index(int(phases.argmax()), phases.shape)
    likeness = np.fft.irfft2(cross, s=a.shape)[row, column]
    likeness /= np.sqrt(np.square(one).sum() * np.square(other).sum()) + 1e-12
    height, width = a.shape
    shift = (
        int(row) - height * int(row > height // 2),
        int(column) - width * int(column > width // 2),
    )
    return float(likeness), shift


def _start(reference: Level, frame: Level, size: tuple[int, int]) -> Matrix:
    """Return the initial shift: that of phase correlation, or none if that fits better."""
    a, b = detail(reference.plane), detail(frame.plane)
    _, shift = correlate_phases(a, b)
    best, likeness = np.eye(3), -np.inf
    for row, column in ((0, 0), shift):
        matrix = np.eye(3)
        matrix[:2, 2] = row * frame.factor, column * frame.factor
        places = on_level(mapped(matrix, *_level_grid(frame, size)), frame, size)
        within = inside(places, (a.shape[0], a.shape[1]), 0.0)
        if within.mean() < 0.1:
            continue
        seen = Sampler(places, (a.shape[0], a.shape[1])).gather(a)[within]
        found = _correlation(seen, b[within])
        if found > likeness:
            best, likeness = matrix, found
    return best


def _level_grid(level: Level, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return rows (h, 1) and columns (1, w) of a level's pixels, in the frame's from its centre."""
    rows, columns = (
        (np.arange(count, dtype=np.float64) + 0.5) * level.factor - length / 2
        for count, length in zip(level.plane.shape, size, strict=True)
    )
    return rows[:, None], columns[None, :]


def on_level(places: Places, level: Level, size: tuple[int, int]) -> Places:
    """Convert positions, in the frame's pixels from its centre, to pixels of a level."""
    half = np.array(size, np.float32)[:, None, None] / 2
    return (places + half) / np.float32(level.factor) - np.float32(0.5)


def _fit_level(
    reference: Level, frame: Level, matrix: Matrix, model: MotionModel, size: tuple[int, int]
) -> Matrix:
    """Move a frame until its level fits the reference's."""
    shape = (frame.plane.shape[0], frame.plane.shape[1])
    unit = max(size) / 2  # coordinates of about 1 keep the equations well conditioned
    gain, offset = 1.0, 0.0
    for _ in range(_ROUNDS):
        places = mapped(matrix, *_level_grid(frame, size))
        seen_at = on_level(places, frame, size)
        sampler = Sampler(seen_at, shape)
        seen = sampler.gather(reference.plane)
        usable = inside(seen_at, shape, 0.0) * frame.valid
        if usable.mean() < 0.05:
            return matrix
        error = frame.plane - gain * seen - offset
        # The frame's gradients, rotated into the reference's axes
        turn: Floats = np.linalg.inv(matrix[:2, :2]).T
        down, right = (
            0.5 * (gain * sampler.gather(slope) + line[0] * frame.down + line[1] * frame.right)
            for slope, line in zip((reference.down, reference.right), turn, strict=True)
        )
        weights = usable / np.square(
            1.0 + np.square(error / (_SPREADS * spread(error[usable > 0.5])))
        )
        columns = (*_directions(down, right, places / unit, model), seen, np.ones_like(seen))
        step = _solve(columns, error, weights)
        gain, offset = gain + step[-2], offset + step[-1]
        matrix, moved = _stepped(matrix, step[:-2], model, unit)
        if moved < _STILL_PX:
            break
    return matrix


def _directions(down: Plane, right: Plane, places: Places, model: MotionModel) -> tuple[Plane, ...]:
    """Return the derivative of the picture by each parameter of a model."""
    row, column = places
    if model == "translation":
        return down, right
    if model == "rotation":
        return down, right, down * column - right * row
    affine = (down, right, down * row, down * column, right * row, right * column)
    if model == "affine":
        return affine
    both = down * row + right * column
    return (*affine, both * row, both * column)


def _solve(columns: Sequence[Plane], error: Plane, weights: Plane) -> Floats:
    """Return the weighted least-squares fit of an error by some columns."""
    table = np.stack([column.reshape(-1) for column in columns]).astype(np.float64)
    weighted = table * weights.reshape(-1)
    normal = weighted @ table.T
    normal[np.diag_indices_from(normal)] *= 1.0 + 1e-9
    normal[np.diag_indices_from(normal)] += 1e-9
    return np.linalg.solve(normal, weighted @ error.reshape(-1).astype(np.float64))


def _stepped(matrix: Matrix, step: Floats, model: MotionModel, unit: float) -> tuple[Matrix, float]:
    """Return the matrix after a step, and how many pixels the step moves a corner."""
    change = np.eye(3)
    change[:2, 2] = step[:2]
    if model == "rotation":
        cos, sin = np.cos(step[2] / unit), np.sin(step[2] / unit)
        change[:2, :2] = [[cos, sin], [-sin, cos]]
    elif model in ("affine", "homography"):
        change[:2, :2] += step[2:6].reshape(2, 2) / unit
    if model == "homography":
        change[2, :2] = -step[6:8] / unit**2
    moved = change @ matrix
    return moved / moved[2, 2], float(np.abs(step).sum())
