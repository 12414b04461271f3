"""Room reserved in files: how much there is, what fills it, and what is left untouched."""

from typing import Any

import numpy as np
import pytest
import pyvips
from picture_files import encoded, png_chunks, ramp

from superres.vips import reserved
from superres.vips.reserved import fill, stand_in

PIXELS = ramp(6, 9, 3)
EXIF = b"II*\0" + bytes(range(200))
XMP_HEAD = b"XML:com.adobe.xmp\0\0\0\0\0"


def file_with_room(tmp_path, kind, size):
    path = tmp_path / f"picture.{kind}"
    path.write_bytes(encoded(PIXELS, kind, fields=[("exif-data", stand_in(size))]))
    return path


def decoded(path):
    return pyvips.Image.new_from_buffer(path.read_bytes(), "").numpy()


def exif_in(path):
    value: Any = pyvips.Image.new_from_buffer(path.read_bytes(), "").get("exif-data")
    return bytes(value).removeprefix(b"Exif\0\0")


def named(path, name):
    return [body for found, body in png_chunks(path.read_bytes()) if found == name]


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("size", [300, 301, 5000, 60_000])
def test_reserved_room_takes_a_block_of_that_size_and_the_pixels_stay(tmp_path, kind, size):
    path = file_with_room(tmp_path, kind, size)
    length, pixels = path.stat().st_size, decoded(path)
    block = b"II*\0" + (bytes(range(1, 251)) * 240)[: size - 4]
    assert fill(path, block)
    assert path.stat().st_size == length
    assert block in path.read_bytes()
    assert np.array_equal(decoded(path), pixels)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_block_shorter_than_its_room_is_followed_by_zeros(tmp_path, kind):
    path = file_with_room(tmp_path, kind, 1000)
    assert fill(path, EXIF)
    found = exif_in(path)
    assert found.startswith(EXIF)
    assert len(found) >= 1000
    assert not any(found[len(EXIF) :])


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_a_block_larger_than_its_room_is_refused_and_changes_no_byte(tmp_path, kind):
    path = file_with_room(tmp_path, kind, 300)
    before = path.read_bytes()
    assert not fill(path, bytes(5000))
    assert path.read_bytes() == before


def test_a_file_without_a_stand_in_has_no_room(tmp_path):
    path = tmp_path / "plain.jpg"
    path.write_bytes(encoded(PIXELS, "jpeg"))
    before = path.read_bytes()
    assert not fill(path, EXIF)
    assert path.read_bytes() == before


def test_no_two_stand_ins_of_a_process_differ_in_more_than_their_size():
    small, large = stand_in(400), stand_in(500)
    assert len(large) - len(small) == 100
    # Mark 6, header 8, table 18, then count, tag and type 6: the size of the comment. It stands
    # again behind two tables and the 32 bytes by which the stand-in is found.
    differing = {at for at in range(len(small)) if small[at] != large[at]}
    assert differing & {*range(38, 42)}
    assert differing & {*range(82, 86)}
    assert differing <= {*range(38, 42), *range(82, 86)}


@pytest.mark.parametrize("first", [0, 1, 32, 255])
def test_there_is_room_whatever_bytes_the_mark_is_drawn_as(tmp_path, monkeypatch, first):
    """libexif clears the first eight bytes of a comment that begins with a zero."""

    def forget():
        for cached in (reserved._mark, reserved._overhead):
            cached.cache_clear()

    monkeypatch.setattr(reserved.secrets, "token_bytes", lambda count: bytes([first] * count))
    forget()
    try:
        path = file_with_room(tmp_path, "jpeg", len(EXIF))
        assert fill(path, EXIF)
        assert exif_in(path).startswith(EXIF)
    finally:
        forget()
