"""Metadata fitted to formats: what has no room, or is not true of the pixels, is told."""

from __future__ import annotations

import pytest
import pyvips

from superres.formats.carried import held_metadata
from superres.formats.format import Holding
from superres.frame import UINT8, Bands
from superres.metadata.exif import exif_dpi, new_exif
from superres.metadata.header import Metadata
from superres.metadata.picture import Header

ALL = Holding(("uint8",), iptc_bytes=65_000)
XMP = b'<x:xmpmeta><r tiff:ImageWidth="5" tiff:ImageLength="4" tiff:Orientation="1"/></x:xmpmeta>'


def held(metadata: Metadata, holding: Holding = ALL, *, channels=3, size=(40, 50)):
    height, width = size
    header = Header(height, width, Bands.of(channels), UINT8, metadata)
    return held_metadata(holding, "F", header)


def profile(name: str) -> bytes:
    """Return one of libvips' own profiles."""
    found: object = pyvips.Image.profile_load(name)
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize(("length", "most", "note"), [
    (1200, 1200, None),
    (1200, 1199, "IPTC of 1,200 bytes is not kept: 1,199 fit"),
    (1200, 0, "IPTC is not kept: F does not hold it"),
])  # fmt: skip
def test_an_iptc_record_is_kept_to_the_last_byte_that_fits(length, most, note):
    found, notes = held(Metadata(iptc=b"i" * length), Holding(("uint8",), iptc_bytes=most))
    assert notes == (() if note is None else (note,))
    assert found.iptc == (b"i" * length if note is None else None)


def test_xmp_says_the_new_size():
    found, notes = held(Metadata(xmp=XMP), size=(400, 500))
    assert notes == ()
    assert found.xmp is not None
    assert b'tiff:ImageWidth="500"' in found.xmp
    assert b'tiff:ImageLength="400"' in found.xmp


def test_xmp_is_measured_as_it_will_be_written():
    grown = len(XMP) + 4  # 5 and 4 become 500 and 400
    for most, kept in ((grown, True), (grown - 1, False)):
        limits = Holding(("uint8",), xmp_bytes=most)
        found, notes = held(Metadata(xmp=XMP), limits, size=(400, 500))
        assert (found.xmp is not None) == kept
        told = f"XMP of {grown:,} bytes is not kept: {most:,} fit into a F"
        assert notes == (() if kept else (told,))


def test_xmp_in_sixteen_bits_is_written_in_utf_8():
    found, _ = held(Metadata(xmp=XMP.decode().encode("utf-16")))
    assert found.xmp is not None
    assert b"x:xmpmeta" in found.xmp


def test_xmp_that_is_no_text_is_told_and_not_kept():
    found, notes = held(Metadata(xmp=b"<x>\xff\xfe\xfd</x>"))
    assert found.xmp is None
    assert notes == ("XMP is damaged (it is not text) and not kept",)


@pytest.mark.parametrize(
    "exif", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"no EXIF at all", b"\0" * 99]
)
def test_damaged_exif_is_told_and_an_empty_one_is_none(exif):
    found, notes = held(Metadata(exif=exif))
    assert not found.exif
    assert len(notes) == bool(exif)
    assert all(note.startswith("EXIF is damaged (") for note in notes)


def test_exif_that_does_not_fit_is_told_and_its_resolution_is_kept_where_only_exif_holds_one():
    exif = new_exif((300.0, 300.0)) + b"\0" * 5000
    limits = Holding(("uint8",), exif_bytes=4000, dpi_in_exif=True)
    found, notes = held(Metadata(exif=exif, dpi=(300.0, 150.0)), limits)
    assert len(notes) == 1
    assert notes[0].endswith("bytes is not kept: 4,000 fit")
    assert found.exif is not None
    assert exif_dpi(found.exif) == (300.0, 150.0)


@pytest.mark.parametrize(("in_exif", "dpi", "made"), [
    (True, (96.0, 48.0), True), (True, None, False), (False, (96.0, 48.0), False),
])  # fmt: skip
def test_exif_is_made_for_a_resolution_alone_and_only_where_nothing_else_holds_it(
    in_exif, dpi, made
):
    found, notes = held(Metadata(dpi=dpi), Holding(("uint8",), dpi_in_exif=in_exif))
    assert notes == ()
    assert (found.exif is not None) == made
    if found.exif:
        assert exif_dpi(found.exif) == dpi


@pytest.mark.parametrize(("name", "channels", "grey_held", "kept"), [
    ("srgb", 3, True, True), ("srgb", 4, True, True), ("srgb", 1, True, False),
    ("srgb", 1, False, True), ("cmyk", 3, True, False),
])  # fmt: skip
def test_a_profile_is_kept_if_it_is_for_the_colours_that_the_file_will_hold(
    name, channels, grey_held, kept
):
    limits = Holding(("uint8",), grey=grey_held)
    found, notes = held(Metadata(icc=profile(name)), limits, channels=channels)
    written = "RGB" if channels > 2 else "GRAY"
    told = f"the ICC profile is not for {written} pixels, as F holds, and not kept"
    assert (found.icc is not None) == kept
    assert notes == (() if kept else (told,))


def test_a_profile_whose_length_is_a_lie_is_not_kept():
    icc = bytearray(profile("srgb"))
    icc[:4] = (len(icc) + 1).to_bytes(4, "big")
    found, notes = held(Metadata(icc=bytes(icc)))
    assert found.icc is None
    assert len(notes) == 1
