"""TIFFs with flaws in their tags are read whole; what lacks pixels is still refused."""

from __future__ import annotations

import io
import struct
import zlib

import hand_tiff
import numpy as np
import pytest
from picture_files import noise, ramp
from PIL import Image

from superres.errors import PictureError
from superres.media import open_picture, read_pixels

SHORT, LONG, ASCII = 3, 4, 2
PIXELS = noise(12, 7, 3)
ROWS = 5  # three strips, the last of which is shorter


def strips(pixels, compression):
    parts = [pixels[top : top + ROWS].tobytes() for top in range(0, len(pixels), ROWS)]
    return [zlib.compress(part) for part in parts] if compression == 8 else parts


def tiff(change=lambda tags: None, *, order="<", big=False, compression=1, pixels=PIXELS):
    """The bytes of a TIFF whose (tag, type, numbers) were changed."""
    parts = strips(pixels, compression)
    start = hand_tiff.start(order, big=big)
    at, offsets = len(start), []
    for part in parts:
        offsets.append(at)
        at += len(part)
    height, width, channels = pixels.shape
    tags = {
        256: (SHORT, (width,)),
        257: (SHORT, (height,)),
        258: (SHORT, (8,) * channels),
        259: (SHORT, (compression,)),
        262: (SHORT, (2 if channels == 3 else 1,)),
        273: (LONG, tuple(offsets)),
        277: (SHORT, (channels,)),
        278: (SHORT, (ROWS,)),
        279: (LONG, tuple(map(len, parts))),
    }
    change(tags)
    entries = [(tag, *value) for tag, value in tags.items()]
    at += at % 2
    table = hand_tiff.directory(entries, at=at, order=order, big=big)
    data = bytearray(hand_tiff.start(order, big=big, first=at) + b"".join(parts))
    return bytes(data.ljust(at, b"\0") + table)


def put(tag, kind, *numbers):
    return lambda tags: tags.update({tag: (kind, numbers)})


def without(tag):
    return lambda tags: tags.pop(tag)


def backwards(tags):
    items = list(tags.items())
    tags.clear()
    tags.update(reversed(items))


FLAWS = {
    "tags out of order": backwards,
    "no sizes of strips": without(279),
    "sizes of nothing": put(279, LONG, 0, 0, 0),
    "too few sizes": put(279, LONG, 105),
    "an orientation of 0": put(274, SHORT, 0),
    "an orientation of 9": put(274, SHORT, 9),
    "an unknown unit": put(296, SHORT, 9),
    "an unknown order of bits": put(266, SHORT, 5),
    "a text without its zero": put(305, ASCII, *b"Scan"),
    "a colour map of one": put(320, SHORT, 5),
    "a page number of one": put(297, SHORT, 0),
    "a resolution of the wrong type": put(282, SHORT, 72),
    "a tag that nobody knows": put(65000, SHORT, 1),
}


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True), (">", True)])
def test_a_flaw_that_costs_no_pixel_costs_none(tmp_path, flaw, compression, order, big):
    data = tiff(FLAWS[flaw], order=order, big=big, compression=compression)
    (tmp_path / "a.tif").write_bytes(data)
    for source in (data, tmp_path / "a.tif"):
        picture = open_picture(source)
        assert np.array_equal(read_pixels(picture), PIXELS)
        assert not [note for note in picture.notes if "in spite" in note]


def test_a_strip_without_its_number_of_rows_is_all_of_them():
    def one_strip(tags):
        del tags[278]
        tags[273] = LONG, tags[273][1][:1]
        tags[279] = LONG, (sum(tags[279][1]),)
        backwards(tags)

    assert np.array_equal(read_pixels(open_picture(tiff(one_strip))), PIXELS)


def test_the_pixels_of_a_flawed_file_are_those_that_another_reader_sees():
    data = tiff(backwards, compression=8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), PIXELS)
    data = tiff(without(279))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), PIXELS)


@pytest.mark.parametrize(("channels", "colour"), [(1, "grey"), (3, "rgb")])
def test_a_missing_colour_space_is_assumed_and_said(channels, colour):
    pixels = ramp(12, 7, channels)
    picture = open_picture(tiff(without(262), pixels=pixels))
    assert picture.bands.colour == colour
    assert np.array_equal(read_pixels(picture), pixels)
    assert picture.notes == (
        "read in spite of no colour space, taken as grey or RGB by its channels",
    )


def test_resolution_and_profile_outlive_the_flaw():
    def change(tags):
        tags[296] = SHORT, (2,)
        tags[282] = tags[283] = 5, (300, 1)
        backwards(tags)

    picture = open_picture(tiff(change))
    assert picture.metadata.dpi == (300.0, 300.0)
    assert np.array_equal(read_pixels(picture), PIXELS)


def shifted(strip, by):
    def change(tags):
        offsets = list(tags[273][1])
        offsets[strip] += by
        tags[273] = LONG, tuple(offsets)
        backwards(tags)

    return change


LACKING = {
    "a strip outside the file": shifted(2, 100_000),
    "a strip that is not compressed data": shifted(1, 3),
    "too few strips": lambda tags: (put(273, LONG, 8, 113)(tags), backwards(tags)),
    "no strips": lambda tags: (tags.pop(273), backwards(tags)),
}


@pytest.mark.parametrize("lack", LACKING)
def test_what_lacks_pixels_is_refused_in_spite_of_a_flaw(lack):
    with pytest.raises(PictureError, match="cannot be read as TIFF"):
        read_pixels(open_picture(tiff(LACKING[lack], compression=8)))


def test_a_cut_off_file_with_a_flaw_is_refused():
    data = bytearray(tiff(backwards, compression=8))
    (at,) = struct.unpack_from("<I", data, 4)
    data[at // 2 : at] = bytes(at - at // 2)
    with pytest.raises(PictureError, match="cannot be read as TIFF"):
        read_pixels(open_picture(bytes(data)))


@pytest.mark.parametrize(
    "coding", ["group3", "group4", "tiff_lzw", "packbits", "tiff_adobe_deflate"]
)
def test_each_coding_is_read_in_spite_of_a_flaw(coding):
    file = io.BytesIO()
    picture = Image.fromarray(ramp(40, 50, 1)[..., 0])
    picture = picture.convert("1") if coding.startswith("group") else picture
    picture.save(file, "TIFF", compression=coding, tiffinfo={274: 1})
    data = bytearray(file.getvalue())
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [bytes(data[at + 2 + 12 * n :][:12]) for n in range(count)]
    data[at + 2 : at + 2 + 12 * count] = b"".join(reversed(entries))
    expected = np.asarray(picture.convert("L"))[..., None]
    assert np.array_equal(read_pixels(open_picture(bytes(data))), expected)
