"""Inputs of burst networks: against loops over single pixels, and gaps filled by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from superres.infer.burst_input import fill_reference, frame_input


def pixel_by_pixel(frame, valid, places):
    channels, height, width = frame.shape
    made = np.zeros((channels + 3, *places.shape[1:]), np.float32)
    for y, x in np.ndindex(*places.shape[1:]):
        row, column = (math.floor(float(places[axis, y, x]) + 0.5) for axis in (0, 1))
        if not (0 <= row < height and 0 <= column < width):
            continue
        if valid is not None and not valid[row, column] > 0.5:
            continue
        made[:channels, y, x] = frame[:, row, column]
        made[channels, y, x] = row - places[0, y, x]
        made[channels + 1, y, x] = column - places[1, y, x]
        made[channels + 2, y, x] = 1
    return made


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("masked", [False, True])
def test_a_frame_is_resampled_as_a_loop_over_pixels_does_it(channels, masked):
    rng = np.random.default_rng(channels)
    frame = rng.random((channels, 6, 9), np.float32)
    valid = (rng.random((6, 9)) > 0.3).astype(np.float32) if masked else None
    places = rng.uniform(-3, 12, (2, 7, 8)).astype(np.float32)
    made = frame_input(frame, valid, places)
    np.testing.assert_array_equal(made, pixel_by_pixel(frame, valid, places))
    assert 0 < made[-1].mean() < 1


def test_a_frame_on_its_own_pixels_is_itself_with_no_offset():
    frame = np.random.default_rng(1).random((3, 4, 5), np.float32)
    made = frame_input(frame, None, np.indices((4, 5)).astype(np.float32))
    np.testing.assert_array_equal(made[:3], frame)
    assert not made[3:5].any()
    assert made[5].all()


@pytest.mark.parametrize(
    ("row", "nearest"), [(-0.5, 0), (-0.51, None), (0.49, 0), (0.5, 1), (1.49, 1), (1.5, None)]
)
def test_the_edge_of_a_frame_lies_half_a_pixel_beyond_its_last_centre(row, nearest):
    frame = np.array([[[0.25], [0.75]]], np.float32)  # one channel of 2 x 1 pixels
    places = np.array([[[row]], [[0.0]]], np.float32)
    made = frame_input(frame, None, places)[:, 0, 0]
    if nearest is None:
        assert made.tolist() == [0, 0, 0, 0]
    else:
        offset = np.float32(nearest) - np.float32(row)
        assert made.tolist() == [frame[0, nearest, 0], offset, 0, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_valid_may_be_nan_and_leaves_no_trace(bad):
    frame = np.full((3, 4, 4), 0.5, np.float32)
    frame[:, 1, 2] = bad
    valid = np.ones((4, 4), np.float32)
    valid[1, 2] = 0
    made = frame_input(frame, valid, np.indices((4, 4)).astype(np.float32))
    assert np.isfinite(made).all()
    assert not made[:, 1, 2].any()
    assert made[-1].sum() == 15


def test_a_tile_of_places_gives_the_tile_of_the_whole():
    rng = np.random.default_rng(5)
    frame = rng.random((3, 8, 8), np.float32)
    places = np.indices((8, 8)).astype(np.float32) + rng.uniform(-1, 1, (2, 8, 8)).astype("f4")
    whole = frame_input(frame, None, places)
    tile = frame_input(frame, None, places[:, 2:5, 3:8])
    np.testing.assert_array_equal(tile, whole[:, 2:5, 3:8])


def seen(colour, valid):
    """Return a frame input of one channel and 1 x 3 pixels."""
    mask = np.array([valid], np.float32)
    return np.stack([np.array([colour], np.float32) * mask, 0 * mask, 0 * mask, mask])


def test_a_gap_takes_the_mean_of_the_frames_that_are_valid_there():
    reference = seen([0.5, 0.0, 0.0], [1, 0, 0])
    others = [seen([0.9, 0.25, 0.1], [1, 1, 0]), seen([0.9, 0.75, 0.3], [1, 1, 1])]
    filled = fill_reference(reference, others)
    np.testing.assert_array_equal(filled[0], np.array([[0.5, 0.5, 0.3]], np.float32))
    np.testing.assert_array_equal(filled[1:], reference[1:])
    assert reference[0].tolist() == [[0.5, 0, 0]], "the given reference was changed"


def test_a_gap_that_no_frame_sees_is_black():
    filled = fill_reference(seen([1, 1, 1], [1, 0, 1]), [seen([1, 1, 1], [1, 0, 0])] * 3)
    assert filled[0].tolist() == [[1, 0, 1]]
    assert fill_reference(seen([1, 1, 1], [0, 0, 0]), [])[0].tolist() == [[0, 0, 0]]


def test_the_other_frames_are_not_requested_where_there_is_no_gap():
    def others():
        raise AssertionError("requested")
        yield

    reference = seen([0.1, 0.2, 0.3], [1, 1, 1])
    assert fill_reference(reference, others()) is reference
