"""What formats hold of numbers, channels and sizes, and the pixels that they are given."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from superres.errors import OutputError
from superres.formats.format import Holding
from superres.formats.holding import held_header, held_pixels
from superres.frame import UINT8, UINT16, Bands, Values
from superres.metadata.header import Metadata
from superres.metadata.picture import Header

RGB, RGBA, GREY = Bands("rgb", 3), Bands("rgb", 3, alpha=True), Bands("grey", 1)
JPEG = Holding(("uint8",), alpha=False, longest_edge=65_535)
PNG = Holding(("uint8", "uint16"))
AVIF = Holding(("uint8", "uint16"), wide_bits=12, grey=False)
TIFF = Holding(("uint8", "int16", "uint16", "float32", "float64"), ranges=True, bands=True)
FLOAT = Holding(("float32",))
TWELVE = Values("uint16", 0, 4095)


def header(values=UINT8, bands=RGB, **more) -> Header:
    fields = {"height": 4, "width": 5, "metadata": Metadata(), **more}
    return Header(bands=bands, values=values, **fields)


@pytest.mark.parametrize(("holding", "values", "held", "note"), [
    (JPEG, UINT8, "uint8", None),
    (JPEG, UINT16, "uint8", "16-bit reduced to 8-bit: F holds no more"),
    (JPEG, Values.of("float32"), "uint8",
     "32-bit float reduced to 8-bit, clamped to [0, 1]: F holds no more"),
    (JPEG, Values("uint16", 100, 355), "uint8",
     "100 to 355 of uint16 written as 0 to 255 of uint8: F as written here holds no other range"),
    (JPEG, Values("uint16", 100, 356), "uint8", "16-bit reduced to 8-bit: F holds no more"),
    (PNG, TWELVE, "uint16",
     "0 to 4095 of uint16 written as 0 to 65535 of uint16: F as written here holds no other range"),
    (PNG, Values.of("int16"), "uint16",
     "-32768 to 32767 of int16 written as 0 to 65535 of uint16: "
     "F as written here holds no other range"),
    (PNG, Values.of("uint32"), "uint16", "uint32 reduced to 16-bit: F holds no more"),
    (AVIF, UINT16, "uint16", "16-bit reduced to 12-bit: F holds no more"),
    (AVIF, TWELVE, "uint16",
     "0 to 4095 of uint16 written as 0 to 65535 of uint16: F as written here holds no other range"),
    (AVIF, Values("uint16", 0, 4096), "uint16", "16-bit reduced to 12-bit: F holds no more"),
    (TIFF, Values("uint16", 7, 4095, nodata=0), "uint16", None),
    (TIFF, Values.of("float64"), "float64", None),
    (TIFF, Values("uint32", 0, 2**24), "float64",
     "0 to 1.67772e+07 of uint32 written as 0 to 1 of float64: "
     "F as written here holds no other range"),
    (TIFF, Values("uint32", 0, 2**24 - 1), "float32",
     "0 to 1.67772e+07 of uint32 written as 0 to 1 of float32: "
     "F as written here holds no other range"),
    (FLOAT, Values.of("float64"), "float32", "float64 reduced to 32-bit float: F holds no more"),
    (FLOAT, Values.of("float16"), "float32",
     "0 to 1 of float16 written as 0 to 1 of float32: F as written here holds no other range"),
])  # fmt: skip
def test_numbers_go_into_the_smallest_type_that_tells_them_apart_and_losses_are_told(
    holding, values, held, note
):
    fitted, notes = held_header(holding, "F", header(values))
    assert fitted.values.dtype == held
    assert notes == (() if note is None else (note,))
    if note is None:
        assert fitted.values == values


@pytest.mark.parametrize(("holding", "mark"), [(PNG, "black"), (FLOAT, "NaN")])
def test_a_format_without_a_mark_for_nodata_says_what_such_pixels_become(holding, mark):
    fitted, notes = held_header(holding, "F", header(replace(TWELVE, nodata=0)))
    assert notes[-1] == f"pixels without a value written as {mark}: F has no mark for them"
    assert fitted.values.nodata is None


@pytest.mark.parametrize(("holding", "bands", "held", "note"), [
    (JPEG, RGBA, RGB, "alpha composited on white: F does not hold alpha"),
    (PNG, RGBA, RGBA, None),
    (AVIF, GREY, GREY, "grey written as RGB: F as written here does not hold grey"),
    (TIFF, Bands("bands", 7), Bands("bands", 7), None),
])  # fmt: skip
def test_channels_are_kept_where_they_are_held_and_losses_are_told(holding, bands, held, note):
    fitted, notes = held_header(holding, "F", header(bands=bands))
    assert fitted.bands == held
    assert notes == (() if note is None else (note,))


@pytest.mark.parametrize(("more", "words"), [
    ({"height": 65_536}, "at most 65535 px an edge, the picture has 65536 x 5"),
    ({"width": 65_536}, "the picture has 4 x 65536 (height x width)"),
    ({"planes": 3}, "holds one picture, got 3 planes"),
    ({"bands": Bands("bands", 5)}, "holds grey or RGB pictures, this one has 5 bands"),
])  # fmt: skip
def test_a_picture_that_cannot_be_held_is_refused_with_its_numbers(more, words):
    with pytest.raises(OutputError) as caught:
        held_header(JPEG, "F", header(**more))
    assert words in caught.value.message
    assert caught.value.hint


def test_the_longest_edge_itself_is_held():
    assert held_header(JPEG, "F", header(height=65_535))[0].height == 65_535


def naive(number: int, old: Values, new: Values) -> int:
    """Return the nearest number of another range, in exact fractions."""
    part = Fraction(number - int(old.black), int(old.white - old.black))
    clamped = min(max(part, Fraction(0)), Fraction(1))
    return round(clamped * int(new.white - new.black)) + int(new.black)


@pytest.mark.parametrize(("old", "new"), [
    (TWELVE, UINT16), (TWELVE, UINT8), (Values("int16", -100, 899), UINT16),
    (UINT8, UINT16), (Values("uint16", 64, 940), UINT8),
])  # fmt: skip
def test_each_number_becomes_the_nearest_of_the_new_range(old, new):
    numbers = np.arange(int(old.black), int(old.white) + 1)
    block = numbers.astype(old.dtype).reshape(1, -1, 1)
    made = held_pixels(block, old, bands=GREY, held=new).ravel().astype(int)
    expected = np.array([naive(int(number), old, new) for number in numbers])
    # Halves fall either way with the last bit of a float32.
    exact = (numbers - old.black) / (old.white - old.black) * (new.white - new.black) + new.black
    clear = np.abs(exact - np.floor(exact) - 0.5) > 0.01
    assert clear.sum() > 200
    assert np.array_equal(made[clear], expected[clear])


def test_what_is_held_as_it_is_comes_back_untouched():
    block = np.arange(24, dtype=np.uint16).reshape(2, 4, 3)
    assert held_pixels(block, TWELVE, bands=RGB, held=TWELVE) is block


@pytest.mark.parametrize(("alpha", "expected"), [
    (255, [0, 51, 255]), (0, [255, 255, 255]), (102, [153, 173, 255]),  # 0.4: 153, 173.4, 255
])  # fmt: skip
def test_colours_are_composited_on_white_by_their_alpha(alpha, expected):
    block = np.array([[[0, 51, 255, alpha]]], np.uint8)
    made = held_pixels(block, UINT8, bands=RGB, held=UINT8)
    assert made.tolist() == [[expected]]


@pytest.mark.parametrize(("alpha", "expected"), [(-3.0, 255), (7.0, 0)])
def test_an_alpha_beyond_its_range_counts_as_its_end(alpha, expected):
    block = np.array([[[0.0, 0.0, 0.0, alpha]]], np.float32)
    made = held_pixels(block, Values.of("float32"), bands=RGB, held=UINT8)
    assert made.tolist() == [[[expected] * 3]]


@pytest.mark.parametrize(("old", "pixel"), [
    (Values("uint16", 0, 4095, nodata=4095), 4095),
    (Values("float32", 0, 1, nodata=-9999), -9999),
    (Values("float32", 0, 1), np.nan),
])  # fmt: skip
def test_a_pixel_without_a_value_is_black_in_whole_numbers_and_nan_in_floats(old, pixel):
    block = np.array([[[pixel], [0.0]]]).astype(old.dtype)
    assert held_pixels(block, old, bands=GREY, held=UINT8)[0, 0, 0] == 0
    assert np.isnan(held_pixels(block, old, bands=GREY, held=Values.of("float64"))[0, 0, 0])


def test_infinite_measurements_are_white_and_black():
    block = np.array([[[np.inf], [-np.inf]]], np.float32)
    made = held_pixels(block, Values.of("float32"), bands=GREY, held=UINT8)
    assert made.ravel().tolist() == [255, 0]


def test_blocks_of_any_height_give_the_pixels_of_the_whole():
    block = np.random.default_rng(3).integers(0, 4096, (301, 17, 4)).astype(np.uint16)
    whole = held_pixels(block, TWELVE, bands=RGB, held=UINT16)
    parts = [
        held_pixels(block[y : y + 7], TWELVE, bands=RGB, held=UINT16) for y in range(0, 301, 7)
    ]
    assert np.array_equal(np.concatenate(parts), whole)
