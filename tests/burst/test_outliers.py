"""Hot pixels, cosmic rays and damaged frames: most frames win, in the reference too."""

from __future__ import annotations

import numpy as np
import pytest
from burst_scenes import draw_scene
from numpy.typing import NDArray

from superres.burst.fuse import Fused, fuse_burst
from superres.burst.options import FuseOptions
from superres.watch import Watch

EDGE = 96
FAST = FuseOptions(scale=2, reference=0, model="bicubic", blur="bicubic")


def stars(
    *, hot: int = 0, count: int = 8, reach: float = 4.0, seed: int = 0
) -> tuple[list[NDArray[np.uint16]], NDArray[np.float64]]:
    """Return dithered 16-bit frames of stars, with hot pixels of the sensor, and their shifts."""
    random = np.random.default_rng(seed)
    places, flux = random.uniform(0, EDGE, (40, 2)), 10 ** random.uniform(3.2, 4.6, 40)
    shifts = np.vstack([(0.0, 0.0), random.uniform(-reach, reach, (count - 1, 2))])
    rows, columns = np.mgrid[:EDGE, :EDGE]
    spots, heat = random.integers(3, EDGE - 3, (hot, 2)), random.uniform(8000, 19200, hot)
    frames = []
    for down, right in shifts:
        frame = 150.0 + np.random.default_rng(len(frames)).normal(0, 12, (EDGE, EDGE))
        for (row, column), light in zip(places, flux, strict=True):
            far = (rows - row + down) ** 2 + (columns - column + right) ** 2
            frame += light * np.exp(-far / (2 * 0.9**2))
        frame[spots[:, 0], spots[:, 1]] += heat
        frames.append(np.clip(np.rint(frame), 0, 65535).astype(np.uint16))
    return frames, shifts


def fuse(frames: list[NDArray[np.uint16]], **more: object) -> tuple[Fused, list[str]]:
    notes: list[str] = []
    made = fuse_burst(frames, FuseOptions(**{**OPTIONS, **more}), watch=Watch(on_note=notes.append))
    return made, notes


def dark_places(frame: NDArray[np.uint16], count: int) -> list[tuple[int, int]]:
    """Return places in the middle of a frame that no star is near."""
    near = np.lib.stride_tricks.sliding_window_view(frame, (9, 9)).max(axis=(2, 3))
    rows, columns = np.nonzero(near[10:-10, 10:-10] < 250)
    chosen = np.linspace(0, len(rows) - 1, count).astype(int)
    return [(int(rows[i]) + 14, int(columns[i]) + 14) for i in chosen]
