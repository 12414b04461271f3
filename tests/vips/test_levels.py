"""Levels that libvips shifts or rounds down: white stays white, and each level its own."""

import numpy as np
import pytest

from superres.vips.levels import full_range, nearest_straight, placed_high


@pytest.mark.parametrize("bits", [10, 12])
def test_shifted_levels_span_all_of_sixteen_bits_each_rounded_to_nearest(bits):
    levels = np.arange(2**bits)
    spread = full_range((levels << (16 - bits)).astype(np.uint16), bits)
    expected = np.round(levels * (65535 / (2**bits - 1)))
    assert spread.dtype == np.uint16
    assert np.array_equal(spread, expected)
    assert (spread[0], spread[-1]) == (0, 65535)


@pytest.mark.parametrize("bits", [10, 12])
def test_what_was_spread_is_placed_where_it_came_from(bits):
    shifted = (np.arange(2**bits) << (16 - bits)).astype(np.uint16)
    assert np.array_equal(placed_high(full_range(shifted, bits), bits), shifted)


@pytest.mark.parametrize("bits", [10, 12])
def test_sixteen_bits_are_reduced_to_the_nearest_level_and_not_cut(bits):
    pixels = np.arange(65536, dtype=np.uint16)
    placed = placed_high(pixels, bits)
    assert not (placed & (2 ** (16 - bits) - 1)).any(), "the lowest bits are zeros"
    off = np.abs(full_range(placed, bits).astype(int) - pixels)
    assert off.max() <= 65535 / (2**bits - 1) / 2 + 0.5


def straight(colour, alpha, white):
    """What libvips leaves of a premultiplied colour: divided by alpha, and rounded down."""
    pixels = np.stack((colour * white // np.maximum(alpha, 1), alpha), axis=-1)
    return pixels[None].astype(np.uint8 if white == 255 else np.uint16)


def test_colours_over_each_alpha_of_eight_bits_are_rounded_to_nearest():
    alpha, stored = (grid.ravel() for grid in np.mgrid[1:256, 0:256])
    alpha, stored = alpha[stored <= alpha], stored[stored <= alpha]
    found = nearest_straight(straight(stored, alpha, 255))[0]
    exact = stored * 255 / alpha
    assert np.abs(found[:, 0] - exact).max() <= 0.5
    assert np.array_equal(found[:, 1], alpha)


def test_colours_over_sixteen_bits_of_alpha_are_rounded_to_nearest():
    rng = np.random.default_rng(0)
    alpha = rng.integers(1, 65536, 50_000)
    stored = (rng.random(50_000) * (alpha + 1)).astype(int)
    found = nearest_straight(straight(stored, alpha, 65535))[0]
    assert np.abs(found[:, 0] - stored * 65535 / alpha).max() <= 0.5


def test_colour_under_no_alpha_stays_and_the_pixels_given_are_not_written_to():
    pixels = np.array([[[7, 9, 11, 0], [200, 100, 50, 254]]], np.uint8)
    before = pixels.copy()
    assert nearest_straight(pixels)[0, 0].tolist() == [7, 9, 11, 0]
    assert np.array_equal(pixels, before)
