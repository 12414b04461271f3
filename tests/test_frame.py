"""Pixels to unit pixels and back."""

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.frame import Layout, depth_of, from_unit, luma, to_unit


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_every_level_survives_the_way_through_unit_pixels(dtype, top):
    levels = np.arange(top + 1, dtype=dtype)
    np.testing.assert_array_equal(from_unit(to_unit(levels), depth_of(levels)), levels)


def test_white_is_white_and_overshoot_is_clamped_for_integers_only():
    unit = np.array([-0.5, 0.0, 0.5, 1.0, 1.5], np.float32)
    assert from_unit(unit, "uint8").tolist() == [0, 0, 128, 255, 255]
    assert from_unit(unit, "float32").tolist() == unit.tolist()


def test_a_dark_16_bit_picture_stays_16_bit():
    dark = np.array([[3, 200]], np.uint16)
    assert depth_of(dark) == "uint16"
    assert to_unit(dark).max() < 0.01


@pytest.mark.parametrize("dtype", [np.int32, np.float64, bool])
def test_other_dtypes_are_refused_by_name(dtype):
    with pytest.raises(ArgumentError, match=np.dtype(dtype).name):
        to_unit(np.zeros(3, dtype))


def test_luma_of_white_and_black_is_the_studio_range():
    assert luma(np.full((1, 1, 3), 255)).item() == pytest.approx(235.0, abs=0.01)
    assert luma(np.zeros((1, 1, 3))).item() == 16.0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_layout_has_as_many_channels_as_it_was_made_for(channels):
    layout = Layout.of(channels)
    assert layout.channels == channels
    assert layout.alpha == (channels in (2, 4))


@pytest.mark.parametrize("channels", [0, 5])
def test_a_picture_of_other_channels_is_refused(channels):
    with pytest.raises(ArgumentError, match=f"got {channels}"):
        Layout.of(channels)
