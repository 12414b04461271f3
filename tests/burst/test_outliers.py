"""Hot pixels, cosmic rays and damaged frames: most frames win, in the reference too."""

from __future__ import annotations

from collections.abc import Sequence

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


def fuse(frames: Sequence[NDArray[np.generic]]) -> tuple[Fused, list[str]]:
    notes: list[str] = []
    return fuse_burst(frames, FAST, watch=Watch(on_note=notes.append)), notes


def difference(one: Fused, other: Fused) -> NDArray[np.int64]:
    return np.abs(one.pixels.astype(np.int64) - other.pixels.astype(np.int64))


def dark_places(frame: NDArray[np.uint16], count: int) -> list[tuple[int, int]]:
    """Return places in the middle of a frame that no star is near."""
    near = np.lib.stride_tricks.sliding_window_view(frame, (9, 9)).max(axis=(2, 3))
    rows, columns = np.nonzero(near[10:-10, 10:-10] < 250)
    chosen = np.linspace(0, len(rows) - 1, count).astype(int)
    return [(int(rows[i]) + 14, int(columns[i]) + 14) for i in chosen]


@pytest.fixture(scope="module")
def clean() -> Fused:
    made, notes = fuse(stars()[0])
    assert notes == []
    return made


def test_hot_pixels_of_the_sensor_leave_no_trace_and_move_no_frame(clean):
    frames, shifts = stars(hot=12)
    made, notes = fuse(frames)
    assert notes == ["left out of all frames: 12 hot or dead pixels of the sensor"]
    for report, shift in zip(made.frames, shifts, strict=True):
        assert report.shift == pytest.approx(tuple(shift), abs=0.1)
    # They are 8,000 to 19,200 above the sky. What remains is where a star lies under one.
    assert difference(made, clean).max() < 3000


def test_what_struck_the_reference_alone_is_outvoted(clean):
    frames, _ = stars()
    (row, column), (top, left) = dark_places(frames[0], 2)
    frames[0][row, column] = 30000
    frames[0][row + 1, column + 1] = 28000
    frames[0][top : top + 3, left : left + 3] = 25000
    made, notes = fuse(frames)
    assert notes == [
        "left out of frame 0, the reference: 11 pixels that most other frames contradict"
    ]
    assert difference(made, clean).max() < 1500


def test_dead_pixels_are_found_as_hot_ones_are():
    scene = draw_scene(140, 150, seed=2)
    frames = [scene[20 + d : 100 + d, 20 + r : 110 + r].copy() for d, r in OFFS]
    for frame in frames:
        frame[[10, 33, 60], [70, 20, 44]] = 0
    made, notes = fuse(frames)
    whole, quiet = fuse([scene[20 + d : 100 + d, 20 + r : 110 + r] for d, r in OFFS])
    assert quiet == []
    assert notes == ["left out of all frames: 3 hot or dead pixels of the sensor"]
    assert difference(made, whole).max() < 40


OFFS = [(0, 0), (3, -5), (-6, 2), (2, 6), (-4, -3), (5, 4)]


def test_frames_do_not_register_by_strong_hot_pixels():
    scene = 90 + 0.12 * draw_scene(140, 140, seed=3).astype(float)
    spots = np.random.default_rng(1).integers(2, EDGE - 2, (40, 2))
    frames = []
    for index, (down, right) in enumerate(OFFS):
        noise = np.random.default_rng(index).normal(0, 1, (EDGE, EDGE, 1))
        frame = scene[20 + down :, 20 + right :][:EDGE, :EDGE] + noise
        frame[spots[:, 0], spots[:, 1]] = 255
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
    made, _ = fuse(frames)
    for report, off in zip(made.frames, OFFS, strict=True):
        assert report.dropped == ""
        assert report.shift == pytest.approx(off, abs=0.2)


def test_stars_over_a_camera_that_stands_still_are_not_taken_for_hot_pixels():
    frames, _ = stars(reach=0.0)
    noisy = [frame + np.uint16(index) for index, frame in enumerate(frames)]
    made, notes = fuse(noisy)
    assert len(notes) == 1
    assert notes[0].startswith("no frame moved against frame 0, the reference: all shifts are ")
    # The brightest star, as wide as it was.
    peak = np.unravel_index(int(frames[0].argmax()), frames[0].shape)
    shown = made.pixels[2 * peak[0] : 2 * peak[0] + 2, 2 * peak[1] : 2 * peak[1] + 2]
    assert shown.max() > 0.8 * frames[0].max()


def test_a_line_along_the_motion_is_of_the_scene():
    scene = 90 + 0.3 * draw_scene(EDGE, 160, seed=5).astype(float)
    scene[40] = 250
    frames = []
    for index, right in enumerate((0, 4, -5, 8, -9, 2)):
        frame = scene[:, 30 + right :][:, :EDGE]
        frame = frame + np.random.default_rng(index).normal(0, 1, frame.shape)
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
    made, notes = fuse(frames)
    assert notes == []
    assert made.pixels[80:82, 20:-20].max(axis=0).min() > 200


def test_a_thing_that_only_the_reference_shows_stays_if_it_is_not_tiny():
    scene = draw_scene(140, 150, seed=2)
    frames = [scene[20 + d : 100 + d, 20 + r : 110 + r].copy() for d, r in OFFS]
    frames[0][30:36, 40:46] = (250, 20, 20)
    made, notes = fuse(frames)
    assert notes == []
    assert np.abs(made.pixels[62:70, 82:90].astype(int) - (250, 20, 20)).mean() < 40


def test_two_frames_do_not_outvote_each_other():
    frames, _ = stars(count=2)
    (row, column), _ = dark_places(frames[0], 2)
    frames[0][row, column] = 30000
    assert fuse(frames)[1] == []
