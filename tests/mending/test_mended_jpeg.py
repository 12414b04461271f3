"""JPEGs with flaws that cost no pixel are read whole; what lacks pixels is still refused."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from picture_files import noise
from PIL import Image

from superres.errors import PictureError
from superres.media import open_picture, read_pixels

PIXELS = np.kron(noise(9, 12, 3, seed=1), np.ones((8, 8, 1), np.uint8))


def jpeg(**options) -> bytearray:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "JPEG", quality=95, **options)
    return bytearray(file.getvalue())


def marker(data, code, start=0) -> int:
    return bytes(data).index(bytes([0xFF, code]), start)


def inserted(data, at, new) -> bytearray:
    return data[:at] + bytearray(new) + data[at:]


def scan_zeroes(data):
    at = marker(data, 0xDA) + 11
    data[at : at + 3] = b"\0\0\0"
    return data


def adobe(transform, data):
    """Without JFIF, which would say what the channels are."""
    app0 = marker(data, 0xE0)
    size = struct.unpack_from(">H", data, app0 + 2)[0]
    data = data[:app0] + data[app0 + 2 + size :]
    return inserted(data, 2, b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform]))


def version(data):
    data[11] = 5
    return data


def without_end(data):
    return data[:-2]


HARMLESS = {
    "zeroes in the scan's parameters": scan_zeroes(jpeg()),
    "zeroes before the tables": inserted(jpeg(), marker(jpeg(), 0xDB), bytes(18)),
    "zeroes before the frame": inserted(jpeg(), marker(jpeg(), 0xC0), bytes(18)),
    "zeroes before the scan": inserted(jpeg(), marker(jpeg(), 0xDA), bytes(18)),
    "rubbish before the tables": inserted(jpeg(), marker(jpeg(), 0xDB), b"maker's note\xff\0\1"),
    "zeroes before progressive tables": inserted(
        jpeg(progressive=True), marker(jpeg(progressive=True), 0xDB), bytes(5)
    ),
    "another version of JFIF": version(jpeg()),
    "no end": without_end(jpeg()),
    "no end, progressive": without_end(jpeg(progressive=True)),
    "all at once": without_end(
        scan_zeroes(inserted(version(jpeg()), marker(jpeg(), 0xDB), bytes(18)))
    ),
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_flaw_that_costs_no_pixel_costs_none(tmp_path, data, in_memory):
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    progressive = b"\xff\xc2" in data
    picture = open_picture(bytes(data) if in_memory else path)
    expected = read_pixels(open_picture(bytes(jpeg(progressive=progressive))))
    assert np.array_equal(read_pixels(picture), expected)
    (note,) = picture.notes
    assert note.startswith("read in spite of ")
    assert picture.coded_quality == 95


def test_an_unknown_colour_transform_is_read_and_said():
    data = adobe(7, jpeg())
    picture = open_picture(bytes(data))
    assert np.array_equal(read_pixels(picture), read_pixels(open_picture(bytes(jpeg()))))
    assert picture.notes == ("read in spite of an unknown colour transform, taken as YCbCr",)


@pytest.mark.parametrize("transform", [1, 2])
def test_a_known_colour_transform_is_no_flaw(transform):
    assert open_picture(bytes(adobe(transform, jpeg()))).notes == ()


def damaged(data):
    middle = len(data) - 700
    data[middle : middle + 20] = b"\xff\xc4" * 10
    return data


def last_scan(data) -> int:
    return bytes(data).rindex(b"\xff\xc4")


LACKING = {
    "cut off": jpeg()[:-200],
    "cut off with an end": jpeg()[:-200] + b"\xff\xd9",
    "cut off, after a harmless flaw": scan_zeroes(jpeg())[:-200],
    "cut off with an end, after a harmless flaw": scan_zeroes(jpeg())[:-200] + b"\xff\xd9",
    "damaged": damaged(jpeg()),
    "damaged, after a harmless flaw": damaged(scan_zeroes(jpeg())),
    "damaged, behind stray bytes": damaged(inserted(jpeg(), marker(jpeg(), 0xDB), bytes(18))),
    "a scan of a progressive picture is missing": jpeg(progressive=True)[
        : last_scan(jpeg(progressive=True))
    ],
    "cut off inside a progressive scan": jpeg(progressive=True)[:-100] + b"\xff\xd9",
}


@pytest.mark.parametrize("data", LACKING.values(), ids=LACKING)
def test_what_lacks_pixels_is_refused(data):
    with pytest.raises(PictureError, match="cannot be read as JPEG"):
        read_pixels(open_picture(bytes(data)))


def test_a_table_that_lies_in_stray_bytes_is_not_passed_over():
    data = jpeg()
    at = marker(data, 0xDB, marker(data, 0xDB) + 2)  # the second table: that of colour
    data[at : at + 2] = b"\0\0"
    with pytest.raises(PictureError):
        read_pixels(open_picture(bytes(data)))


def test_missing_last_scans_are_said_where_the_file_claims_to_be_whole():
    data = jpeg(progressive=True)
    data = data[: last_scan(data)] + b"\xff\xd9"
    picture = open_picture(bytes(data))
    assert picture.notes == ("read in spite of missing last scans: fine detail may be lacking",)
    whole = read_pixels(open_picture(bytes(jpeg(progressive=True))))
    assert not np.array_equal(read_pixels(picture), whole)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_a_picture_without_flaws_is_read_as_it_is(options):
    picture = open_picture(bytes(jpeg(**options)))
    assert picture.notes == ()
    back = np.asarray(Image.open(io.BytesIO(jpeg(**options))))
    assert np.abs(read_pixels(picture).astype(int) - back).mean() < 1


def test_what_follows_the_end_is_not_looked_at():
    data = jpeg() + b"\xff\xdb\0\x04ab a second picture, or a film"
    assert open_picture(bytes(data)).notes == ()
