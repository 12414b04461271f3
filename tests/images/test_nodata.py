"""Gaps without a value: filled for the network, and marked again at their positions."""

import numpy as np
import pytest

from superres.images.nodata import fill_nodata, mark_nodata, valid_rows

NAN = np.float32(np.nan)


def gappy(height, width, channels=3, seed=0):
    """Pixels of which a fifth, different in each channel, have no value."""
    rng = np.random.default_rng(seed)
    pixels = rng.random((height, width, channels), np.float32)
    pixels[rng.random(pixels.shape) < 0.2] = NAN
    return pixels


def cut(pixels, heights):
    """The same rows in blocks of these heights, repeatedly."""
    at, place = 0, 0
    while at < len(pixels):
        yield pixels[at : at + heights[place % len(heights)]]
        at, place = at + heights[place % len(heights)], place + 1


def joined(blocks):
    return np.concatenate(list(blocks))


def test_each_channel_is_filled_from_its_own_neighbours_alone():
    pixels = np.empty((5, 7, 3), np.float32)
    pixels[...] = (0.25, 0.5, 0.75)
    pixels[2, 3, 0] = pixels[1, 1, 1] = pixels[4, 6, 2] = NAN
    filled = joined(fill_nodata([pixels], 2))
    assert np.array_equal(
        filled, np.broadcast_to(np.array((0.25, 0.5, 0.75), np.float32), (5, 7, 3))
    )


def test_values_that_are_there_stay_and_nothing_else_is_nan():
    pixels = gappy(20, 30)
    filled = joined(fill_nodata([pixels], 3))
    there = ~np.isnan(pixels)
    assert np.array_equal(filled[there], pixels[there])
    assert np.isfinite(filled).all()


def test_what_lies_deeper_in_a_gap_than_the_radius_becomes_black():
    pixels = np.full((1, 9, 1), NAN)
    pixels[0, 0] = 0.5
    filled = joined(fill_nodata([pixels], 3))
    assert filled[0, :, 0].tolist() == [0.5] * 4 + [0.0] * 5


def test_a_channel_without_any_value_becomes_black_and_the_others_stay():
    pixels = np.random.default_rng(1).random((6, 6, 2), np.float32)
    pixels[..., 1] = NAN
    filled = joined(fill_nodata([pixels], 2))
    assert np.array_equal(filled[..., 0], pixels[..., 0])
    assert not filled[..., 1].any()


def test_pixels_given_are_not_written_to():
    pixels = gappy(8, 8)
    before = pixels.copy()
    joined(fill_nodata([pixels], 2))
    assert np.array_equal(pixels, before, equal_nan=True)


@pytest.mark.parametrize("heights", [(1,), (2, 5, 1), (7,), (3, 11), (100,)])
@pytest.mark.parametrize("radius", [1, 4])
def test_blocks_of_any_heights_are_filled_as_the_whole_is(heights, radius):
    pixels = gappy(37, 9)
    pixels[10:22, 2:8] = NAN  # deeper than either radius
    whole = joined(fill_nodata([pixels], radius))
    assert np.array_equal(joined(fill_nodata(cut(pixels, heights), radius)), whole)


@pytest.mark.parametrize("size", [(26, 36), (13, 18), (39, 18), (5, 7), (1, 1), (20, 31)])
def test_each_output_pixel_is_as_the_input_pixel_at_its_centre(size):
    pixels = gappy(13, 18)
    expected = np.empty((*size, 3), bool)
    for row in range(size[0]):
        for column in range(size[1]):
            y = int((row + 0.5) * 13 / size[0])
            x = int((column + 0.5) * 18 / size[1])
            expected[row, column] = ~np.isnan(pixels[y, x])
    for heights in ((13,), (1,), (2, 5)):
        found = joined(valid_rows(cut(pixels, heights), (13, 18), size))
        assert np.array_equal(found, expected), heights


@pytest.mark.parametrize(("of", "by"), [((4,), (4,)), ((1,), (7,)), ((5, 2), (3,)), ((26,), (1,))])
def test_gaps_are_marked_whatever_the_two_streams_blocks_are(of, by):
    pixels = np.random.default_rng(2).random((26, 5, 3), np.float32)
    valid = np.random.default_rng(3).random(pixels.shape) < 0.7
    marked = joined(mark_nodata(cut(pixels, of), cut(valid, by)))
    assert np.array_equal(marked, np.where(valid, pixels, NAN), equal_nan=True)
    assert marked.dtype == np.float32
