"""Pixels to unit pixels and back."""

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.frame import FLOAT32, UINT8, UINT16, Bands, Values, from_unit, luma, to_unit


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_every_level_survives_the_way_through_unit_pixels(dtype, top):
    levels = np.arange(top + 1, dtype=dtype)
    np.testing.assert_array_equal(from_unit(to_unit(levels), Values.of(levels.dtype)), levels)


def test_white_is_white_and_overshoot_is_clamped_for_integers_only():
    unit = np.array([-0.5, 0.0, 0.5, 1.0, 1.5], np.float32)
    assert from_unit(unit, UINT8).tolist() == [0, 0, 128, 255, 255]
    assert from_unit(unit, FLOAT32).tolist() == unit.tolist()


def test_a_dark_16_bit_picture_stays_16_bit():
    dark = np.array([[3, 200]], np.uint16)
    assert Values.of(dark.dtype) == UINT16
    assert to_unit(dark).max() < 0.01


@pytest.mark.parametrize("dtype", [bool, np.complex64])
def test_what_is_no_number_is_refused_by_name(dtype):
    with pytest.raises(ArgumentError, match=np.dtype(dtype).name):
        to_unit(np.zeros(3, dtype))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint32, np.int32, np.float16, np.float64])
def test_numbers_of_every_dtype_survive_the_way_through_unit_pixels(dtype):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        numbers = np.array([-0.5, 0.0, 0.25, 1.0, 1.5], kind)
    else:
        limits = np.iinfo(kind)
        numbers = np.array([limits.min, limits.min // 2, 0, limits.max // 2 + 1, limits.max], kind)
    back = from_unit(to_unit(numbers), Values.of(kind))
    assert back.dtype == kind
    # A float32 keeps 24 bits.
    slack = 0 if kind.itemsize <= 2 or kind.kind == "f" else 2.0 ** (8 * kind.itemsize - 24)
    assert np.abs(back.astype(np.float64) - numbers.astype(np.float64)).max() <= slack


def test_twelve_bits_in_sixteen_use_their_own_white():
    values = Values("uint16", 0, 4095)
    numbers = np.arange(4096, dtype=np.uint16)
    unit = to_unit(numbers, values)
    assert (unit[0], unit[-1]) == (0.0, 1.0)
    np.testing.assert_array_equal(from_unit(unit, values), numbers)
    assert from_unit(np.array([1.5, -0.5], np.float32), values).tolist() == [4095, 0]


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        (Values("int16", -1000, 3000, nodata=-32768), -32768),
        (Values("uint8", 0, 255, nodata=0), 0),
        (Values("float32", 0, 1, nodata=float("nan")), float("nan")),
        (Values("float64", 0, 500, nodata=-9999), -9999),
    ],
)
def test_nodata_is_nan_for_a_network_and_nodata_again_afterwards(values, marked):
    numbers = np.array([values.white, marked, values.white / 2], values.dtype)
    unit = to_unit(numbers, values)
    assert np.isnan(unit).tolist() == [False, True, False]
    np.testing.assert_array_equal(from_unit(unit, values), numbers)


def test_no_pixel_becomes_nodata_by_rounding():
    unit = np.array([0.0, 0.001, np.nan], np.float32)
    assert from_unit(unit, Values("uint8", 0, 255, nodata=0)).tolist() == [1, 1, 0]
    assert from_unit(1 - unit, Values("uint8", 0, 255, nodata=255)).tolist() == [254, 254, 255]


@pytest.mark.parametrize(
    ("black", "white", "nodata", "message"),
    [
        (5, 5, None, "black must be below white, got 5 and 5"),
        (-1, 255, None, "-1 is not a value of uint8"),
        (0, 255, -9999, "-9999 is not a value of uint8"),
        (0.5, 255, None, "0.5 is not a value of uint8"),
    ],
)
def test_values_that_a_dtype_cannot_hold_are_refused(black, white, nodata, message):
    with pytest.raises(ArgumentError, match=message):
        Values("uint8", black, white, nodata)


def test_luma_of_white_and_black_is_the_studio_range():
    assert luma(np.full((1, 1, 3), 255)).item() == pytest.approx(235.0, abs=0.01)
    assert luma(np.zeros((1, 1, 3))).item() == 16.0


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bands_have_as_many_channels_as_they_were_made_for(channels):
    bands = Bands.of(channels)
    assert bands.channels == channels
    assert bands.alpha == (channels in (2, 4))


def test_more_channels_than_four_are_bands():
    assert Bands.of(6) == Bands("bands", 6)


@pytest.mark.parametrize(("colour", "count"), [("rgb", 4), ("grey", 3), ("bands", 0)])
def test_bands_that_contradict_themselves_are_refused(colour, count):
    with pytest.raises(ArgumentError, match=f"got {count}"):
        Bands(colour, count)


def test_a_picture_without_channels_is_refused():
    with pytest.raises(ArgumentError, match="got 0"):
        Bands.of(0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_numbers_are_written_to_any_memory_that_is_given(dtype):
    values = Values.of(dtype)
    planes = np.random.default_rng(0).random((3, 5, 8), np.float32)
    unit = planes.transpose(1, 2, 0)
    expected = np.rint(unit * np.float32(values.white)).astype(dtype)
    interleaved = np.zeros((5, 12, 3), dtype)
    planar = np.zeros((3, 5, 8), dtype).transpose(1, 2, 0)
    rgba = np.zeros((5, 8, 4), dtype)
    for out in (interleaved[:, 2:10], interleaved[:, 3:11], planar, rgba[..., :3]):
        assert from_unit(unit, values, out=out) is out
        np.testing.assert_array_equal(out, expected)
