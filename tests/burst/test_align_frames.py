"""Frames cut from one drawing, so that it is known by how many pixels each is off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from burst_scenes import draw_scene

from superres.burst.alignment import FrameReport, align_frames, whole_reference
from superres.burst.frames import read_burst
from superres.imaging.aligned import Aligned

SCENE = draw_scene(110, 120, seed=4)
SIZE = (80, 90)


def cut(row: int, column: int, gain: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """Return the frame that lies (row, column) pixels off the reference."""
    part = SCENE[15 + row :, 15 + column :][: SIZE[0], : SIZE[1]]
    return np.clip(np.round(part * gain + offset), 0, 255).astype(np.uint8)


def align(
    frames: Sequence[np.ndarray], chosen: int = 0, masks: list[np.ndarray] | None = None
) -> tuple[list[Aligned], list[FrameReport]]:
    return align_frames(frames, read_burst(frames, masks), chosen, "rotation", lambda: None)


def test_frames_are_found_where_they_were_cut():
    offs = [(0, 0), (3, -5), (-7, 2), (12, 13)]
    aligned, reports = align([cut(*off) for off in offs])
    assert [frame.index for frame in aligned] == [0, 1, 2, 3]
    for off, report in zip(offs, reports, strict=True):
        assert report.dropped == ""
        assert report.shift == pytest.approx(off, abs=0.05)
        assert abs(report.turn_degrees) < 0.05


def test_the_reference_comes_first_and_the_others_are_told_relative_to_it():
    aligned, reports = align([cut(0, 0), cut(3, -5), cut(-2, 4)], chosen=1)
    assert [frame.index for frame in aligned] == [1, 0, 2]
    assert [report.index for report in reports] == [0, 1, 2]
    assert reports[0].shift == pytest.approx((-3, 5), abs=0.05)
    assert reports[1].shift == (0.0, 0.0)
    assert reports[2].shift == pytest.approx((-5, 9), abs=0.05)


def test_only_pixels_that_lie_on_the_reference_are_usable():
    aligned, _ = align([cut(0, 0), cut(6, -9)])
    expected = np.zeros(SIZE)
    expected[: SIZE[0] - 7, 10:] = 1.0
    # The outermost line may fall to either side, by hundredths of a pixel.
    assert np.array_equal(aligned[1].usable[: SIZE[0] - 7, 10:], expected[: SIZE[0] - 7, 10:])
    assert not aligned[1].usable[SIZE[0] - 5 :].any()
    assert not aligned[1].usable[:, :8].any()


def test_a_darker_frame_is_made_as_bright_as_the_reference_and_its_gain_told():
    aligned, reports = align([cut(0, 0), cut(2, 3, gain=0.7, offset=20)])
    assert reports[1].gain == pytest.approx((0.7,) * 3, abs=0.02)
    assert reports[1].offset == pytest.approx((20,) * 3, abs=3)
    bright = cut(2, 3).transpose(2, 0, 1) / 255
    assert float(np.abs(aligned[1].planes - bright).mean()) < 0.01


def test_clipped_pixels_count_in_frames_of_one_exposure_and_not_in_brighter_ones():
    bright = cut(1, 2, gain=1.5)
    white = (bright == 255).any(axis=2)
    assert white[5:-5, 5:-5].any()
    aligned, _ = align([cut(0, 0), bright])
    assert not aligned[1].usable[white].any()
    aligned, _ = align([cut(0, 0, gain=1.5), bright])
    assert aligned[1].usable[5:-5, 5:-5].all()


def test_frames_that_do_not_fit_are_dropped_and_the_reason_is_told():
    other = draw_scene(*SIZE, seed=77)
    flat = np.full((*SIZE, 3), 90, np.uint8)
    aligned, reports = align([cut(0, 0), other, flat, cut(0, 0), cut(1, 1)])
    assert [frame.index for frame in aligned] == [0, 4]
    assert "0.4 is needed" in reports[1].dropped or "20% are needed" in reports[1].dropped
    assert reports[2].dropped == "it shows no detail"
    assert reports[3].dropped == "it is a copy of frame 0"
    assert reports[4].dropped == ""


def test_a_reference_without_detail_drops_all_others_and_is_named():
    flat = np.full((*SIZE, 3), 90, np.uint8)
    aligned, reports = align([cut(0, 0), flat, cut(1, 1)], chosen=1)
    assert [frame.index for frame in aligned] == [1]
    assert reports[0].dropped == "frame 1, the reference, shows no detail"
    assert reports[2].dropped == reports[0].dropped


def test_a_step_is_announced_before_each_frame_whatever_becomes_of_it():
    frames = [cut(0, 0), np.full((*SIZE, 3), 90, np.uint8), cut(1, 1)]
    steps: list[int] = []
    align_frames(frames, read_burst(frames, None), 0, "translation", lambda: steps.append(1))
    assert len(steps) == 3


def test_a_hole_of_the_reference_is_taken_from_a_frame_that_sees_it():
    mask = np.ones(SIZE, np.uint8)
    mask[30:50, 30:60] = 0
    broken = cut(0, 0)
    broken[mask == 0] = 255
    frames, masks = [broken, cut(4, 6)], [mask, np.ones(SIZE, np.uint8)]
    burst = read_burst(frames, masks)
    aligned, _ = align(frames, 0, masks)
    whole, truth = whole_reference(burst, 0, aligned), cut(0, 0).transpose(2, 0, 1) / 255
    hole = mask == 0
    guessed = float(np.abs(burst.planes[0] - truth)[:, hole].mean())
    assert float(np.abs(whole - truth)[:, hole].mean()) < 0.2 * guessed
    assert np.array_equal(whole[:, ~hole], burst.planes[0][:, ~hole])
    assert whole_reference(burst, 0, aligned[:1]) is burst.planes[0]
