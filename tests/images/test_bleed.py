"""Colour under transparent pixels."""

import numpy as np
import pytest

from superres.images.bleed import bleed, bleed_rows


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.random((height, width, 4), dtype=np.float32)
    pixels[..., 3] *= rng.random((height, width)) > 0.9  # a tenth is visible
    return pixels


def test_visible_pixels_and_alpha_do_not_change():
    before = picture(20, 30)
    after = bleed(before, 4)
    visible = before[..., 3] > 0
    np.testing.assert_array_equal(after[visible], before[visible])
    np.testing.assert_array_equal(after[..., 3], before[..., 3])


def test_transparent_black_beside_one_colour_takes_that_colour():
    pixels = np.zeros((9, 9, 4), np.float32)
    pixels[4, 4] = (0.2, 0.4, 0.6, 1.0)
    after = bleed(pixels, 3)
    near = after[1:8, 1:8, :3]
    np.testing.assert_allclose(near, np.broadcast_to((0.2, 0.4, 0.6), near.shape), rtol=1e-6)
    assert (after[0] == 0).all()  # farther than the radius


@pytest.mark.parametrize("radius", [1, 5, 18])
@pytest.mark.parametrize("heights", [[1] * 40, [40], [3, 30, 7], [16, 16, 8]])
def test_blocks_of_rows_bleed_as_the_whole_does(heights, radius):
    whole = picture(40, 13)
    ends = np.cumsum(heights)
    blocks = np.split(whole, ends[:-1])
    streamed = list(bleed_rows(iter(blocks), radius))
    np.testing.assert_array_equal(np.concatenate(streamed), bleed(whole, radius))


def test_a_wholly_transparent_picture_is_left_alone():
    pixels = picture(5, 5)
    pixels[..., 3] = 0
    np.testing.assert_array_equal(bleed(pixels, 3), pixels)
