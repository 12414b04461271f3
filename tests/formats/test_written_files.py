"""What a strict reader finds in written files, for lengths and layouts of every kind."""

from __future__ import annotations

import io
import itertools
import struct

import pytest
from picture_files import exif_block, noise, profile
from strict_readers import read_strictly

from superres.formats import tiff
from superres.frame import Bands, Values
from superres.media import WriteOptions, write_picture
from superres.metadata.header import Metadata

KINDS = ["png", "jpeg", "webp", "tiff", "avif"]
LENGTHS = (*range(1, 40), *range(300, 340))
MAKER_NOTE, EXIF_HEIGHT = 0x927C, 0xA003


def contents(kind, metadata, *, size=(2, 3), channels=3, depth="uint8", options=None):
    stream = io.BytesIO()
    height, width = size
    pixels = noise(height, width, channels, depth)
    notes = write_picture(
        stream, [pixels], height=height, width=width, bands=Bands.of(channels),
        values=Values.of(depth), metadata=metadata, format=kind, options=options or WriteOptions(),
    )  # fmt: skip
    found = read_strictly(stream.getvalue())
    assert (found.format, found.height, found.width) == (kind, *size)
    return found, notes


def maker_note(length):
    return bytes(index % 251 + 1 for index in range(length))


def exif(length, order="<"):
    entries = {0x010F: (2, b"Maker\0"), 0x0112: (3, 1)}
    inner = {MAKER_NOTE: (7, maker_note(length)), EXIF_HEIGHT: (3, 2)}
    return exif_block(entries, inner, order=order)


def icc(extra):
    longer = profile("srgb") + bytes(extra)
    return struct.pack(">I", len(longer)) + longer[4:]


def check_exif(found, length, order="<"):
    """The block is in the file as it was, with nothing but zeros behind it; in TIFF, as tags."""
    if found.format == "tiff":
        assert found.tags["exif", MAKER_NOTE] == maker_note(length)
        assert found.tags["exif", EXIF_HEIGHT] == (2,)
        assert found.tags["main", 0x010F] == b"Maker\0"
        return
    block = exif(length, order)
    assert found.exif[: len(block)] == block
    assert not found.exif[len(block) :].strip(b"\0")


@pytest.mark.parametrize("kind", KINDS)
def test_exif_of_any_length_is_in_the_file(kind):
    for length, order in itertools.product((*LENGTHS, *range(64_880, 64_900)), "<>"):
        found, notes = contents(kind, Metadata(exif=exif(length, order)))
        assert notes == (), length
        check_exif(found, length, order)
        assert found.xmp is None


@pytest.mark.parametrize("kind", KINDS)
def test_xmp_of_any_length_is_in_the_file(kind):
    for length in (*LENGTHS, *range(59_990, 60_001), *range(64_900, 64_990)):
        if kind == "jpeg" and length > 60_000:
            continue
        packet = b"x" * length
        found, notes = contents(kind, Metadata(xmp=packet))
        assert notes == (), length
        assert found.xmp is not None
        assert found.xmp == packet or (kind == "png" and found.xmp.rstrip(b" ") == packet)
        assert found.exif is None
        assert found.tags is None or ("main", 0x8769) not in found.tags


@pytest.mark.parametrize("kind", KINDS)
def test_profiles_of_any_length_are_in_the_file(kind):
    for extra in (*range(12), *range(65_000, 65_060, 3), 131_072, 200_001):
        found, notes = contents(kind, Metadata(icc=icc(extra)))
        assert notes == (), extra
        assert found.icc is not None
        assert found.icc == icc(extra) or (kind == "png" and len(found.icc) % 4 == 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dpi", [None, (300.0, 150.0)])
def test_all_metadata_of_any_lengths_stand_side_by_side(kind, dpi):
    for one, two, three, four in itertools.product(
        range(300, 304), range(300, 304), (0, 1), (0, 1)
    ):
        block, packet, record = exif(one), b"x" * two, b"\x1c\x02\x78\0\x03abc" + b"\0" * four
        iptc = record if kind in ("jpeg", "tiff") else None
        metadata = Metadata(exif=block, xmp=packet, icc=icc(three), dpi=dpi, iptc=iptc)
        found, notes = contents(kind, metadata)
        assert notes == ()
        if dpi is None:
            check_exif(found, one)
        assert found.xmp is not None
        assert found.icc is not None
        assert found.xmp.rstrip(b" ") == packet
        assert len(found.icc) >= len(icc(three))
        assert found.iptc == iptc


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_of_any_size_is_a_sound_file(kind, depth, channels):
    lossless = WriteOptions(lossless=kind in ("webp", "avif"))
    for size in ((1, 1), (1, 5), (5, 1), (7, 13), (64, 65), (300, 130)):
        stored = "none" if kind in ("png", "tiff") else "small"
        for options in (WriteOptions(), lossless, WriteOptions(compression=stored)):
            contents(
                kind, Metadata(exif=exif(31)), size=size, channels=channels, depth=depth,
                options=options,
            )  # fmt: skip


def test_a_bigtiff_is_as_sound_as_a_tiff(monkeypatch):
    monkeypatch.setattr(tiff, "_BIG_TIFF_BYTES", 1)
    for length in LENGTHS:
        found, notes = contents(
            "tiff", Metadata(exif=exif(length), xmp=b"x" * length, icc=icc(length), iptc=b"y" * 9)
        )
        assert notes == ()
        check_exif(found, length)
        assert (found.xmp, found.icc, found.iptc) == (b"x" * length, icc(length), b"y" * 9)
