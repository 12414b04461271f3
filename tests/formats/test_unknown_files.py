"""Files of no format that is read: each is told what it is, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from superres.formats.unknown import unknown_error

READABLE = ("PNG", "JPEG", "TIFF")


def told(head: bytes, source: Path | bytes = Path("a.png")):
    return unknown_error(source, head, READABLE)


@pytest.mark.parametrize(("head", "what", "program"), [
    (b"%PDF-1.7", "a PDF", "pdftoppm"),
    (b"BM\x36\x00", "a damaged BMP", "ImageMagick"),
    (b"8BPS\0\x01", "a Photoshop document", "GIMP"),
    (b"\0\0\1\0\1\0\x20\x20", "an icon (ICO)", "GIMP"),
    (b"v/1\x01\2\0\0\0", "an OpenEXR picture", "Blender"),
    (b"#?RADIANCE\n", "a Radiance picture", "libvips"),
    (b"qoif\0\0", "a QOI picture", "GIMP"),
    (b"\x0a\x05\x01\x08", "a PCX picture", "GIMP"),
    (b"\xef\xbb\xbf\r\n\t <svg xmlns=", "an SVG drawing", "Inkscape"),
    (b"<?xml version=", "an XML text", "Inkscape"),
    (b"PK\x03\x04\x14", "a zip archive", "unpack"),
])  # fmt: skip
def test_a_known_kind_of_file_is_named_with_what_is_read_and_what_would_read_it(
    head, what, program
):
    error = told(head)
    assert error.message == f"a.png is {what}; PNG, JPEG and TIFF are read"
    assert "save it as PNG or TIFF first, with" in error.hint
    assert program in error.hint


@pytest.mark.parametrize("head", [
    b"\0\0\0\x18ftypavis\0\0\0\0avis", b"\0\0\0\x18ftyphevc",
])  # fmt: skip
def test_an_animation_is_told_the_verb_that_takes_it(head):
    error = told(head)
    assert "expected one still picture" in error.message
    assert "superres video" in error.hint


def test_a_film_is_told_the_verb_for_videos_whatever_its_brand():
    assert "(brand 'isom')" in told(b"\0\0\0\x18ftypisom\0\0\2\0isom").message
    error = told(b"\0\0\0\x18ftyp\xff\xfe\0\n\0\0\0\0")
    assert "\n" not in error.message
    assert "superres video" in error.hint


def test_an_empty_file_is_said_to_hold_nothing():
    assert told(b"").message == "a.png is empty (0 bytes)"


def test_any_other_file_is_shown_by_its_first_eight_bytes():
    error = told(b"\x00\x01\n\x1b[31mred and more", b"the bytes")
    assert error.message == (
        "the picture in memory is not a PNG, JPEG or TIFF picture: "
        r"it begins with b'\x00\x01\n\x1b[31m'"
    )


@pytest.mark.parametrize("head", [b"\0", b"P", b"\0\0\0\x0c", b"ftyp", b" \r\n\t"])
def test_a_few_bytes_are_enough_to_be_told_that_they_are_no_picture(head):
    assert f"it begins with {head!r}" in told(head).message
