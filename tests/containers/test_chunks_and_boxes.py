"""Blocks in PNG, WebP, AVIF and TIFF: their second homes, and what is named because it goes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from carried_files import PIXELS, carried, chunk, png, resource, upscaled
from picture_files import encoded, exif_block, exif_values, profile

from superres.containers.iso_boxes import read_iso_facts
from superres.containers.kept import not_found
from superres.containers.riff_chunks import read_webp_facts
from superres.media import open_picture, read_pixels
from superres.metadata.blocks import Facts
from superres.metadata.colour_space import Cicp
from superres.metadata.header import Metadata, set_blob

RECORD = b"\x1c\2\x69\0\4head"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def raw(kind, block, *, name=b"zTXt", columns=72, shorter=0):
    """A raw profile, as ImageMagick writes it."""
    digits = block.hex().encode()
    lines = b"\n".join(digits[at : at + columns] for at in range(0, len(digits), columns))
    text = b"\n" + kind + b"\n%8d\n" % (len(block) + shorter) + lines + b"\n"
    keyword = b"Raw profile type " + kind
    if name == b"zTXt":
        return chunk(name, keyword + b"\0\0" + zlib.compress(text))
    if name == b"iTXt":
        return chunk(name, keyword + b"\0\1\0\0\0" + zlib.compress(text))
    return chunk(name, keyword + b"\0" + text)


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("kind", [b"exif", b"APP1"])
@pytest.mark.parametrize("mark", [b"", b"Exif\0\0"])
def test_exif_in_text_turns_the_picture_and_is_kept(name, kind, mark):
    block = exif_block({0x0112: (3, 6), 0x013B: (2, b"A. Person\0")})
    data, notes = upscaled(png(raw(kind, mark + block, name=name)), "png")
    assert notes == ()
    found = carried(data)
    assert (found.height, found.width) == (2 * 96, 2 * 64)
    assert exif_values(found.exif)["main", 0x013B] == b"A. Person\0"
    assert exif_values(found.exif)["main", 0x0112] == 1
    assert b"Raw profile" not in data


def test_other_blocks_in_text_are_read_too():
    at = b"http://ns.adobe.com/xap/1.0/\0"
    assert open_picture(png(raw(b"xmp", XMP))).metadata.xmp == XMP
    assert open_picture(png(raw(b"APP1", at + XMP))).metadata.xmp == XMP
    assert open_picture(png(raw(b"iptc", RECORD))).metadata.iptc == RECORD
    block = resource(0x0404, RECORD) + resource(0x040A, b"\1")
    for start in (b"", b"Photoshop 3.0\0"):
        for kind in (b"iptc", b"8bim"):
            found = open_picture(png(raw(kind, start + block))).metadata
            assert (found.iptc, found.photoshop) == (RECORD, resource(0x040A, b"\1"))


def test_a_profile_in_text_is_kept_and_converted():
    source = png(raw(b"icc", profile("p3")))
    data, notes = upscaled(source, "png")
    assert notes == ()
    assert carried(data).icc == profile("p3")
    data, notes = upscaled(source, "png", profile="srgb", scale=1)
    assert notes == ("converted to sRGB",)
    in_chunk = encoded(PIXELS, "png", fields=[("icc-profile-data", profile("p3"))])
    expected, _ = upscaled(in_chunk, "png", profile="srgb", scale=1)
    assert np.array_equal(read_pixels(open_picture(data)), read_pixels(open_picture(expected)))
    assert not np.array_equal(read_pixels(open_picture(data)), PIXELS)


def test_a_damaged_profile_in_text_does_not_stop_the_picture():
    for damaged in (profile("p3")[:200], b"x" + profile("p3"), profile("cmyk")):
        picture = open_picture(png(raw(b"icc", damaged)), profile="srgb")
        assert picture.metadata.icc is None
        assert np.array_equal(read_pixels(picture), PIXELS)


def test_a_chunk_of_its_own_counts_before_text():
    block = exif_block({0x0112: (3, 1), 0x013B: (2, b"chunk\0")})
    other = exif_block({0x0112: (3, 6), 0x013B: (2, b"text!\0")})
    found = open_picture(png(raw(b"exif", other), chunk(b"eXIf", block)))
    assert (found.height, found.width) == (64, 96)
    assert b"chunk" in (found.metadata.exif or b"")


@pytest.mark.parametrize("damaged", [
    raw(b"exif", b"abc", shorter=1), chunk(b"zTXt", b"Raw profile type exif\0\0junk"),
    chunk(b"tEXt", b"Raw profile type exif\0no layout"), raw(b"exif", b"no block"),
    raw(b"generic", b"abc"),
])  # fmt: skip
def test_a_raw_profile_that_is_damaged_or_unknown_is_said(damaged):
    notes = open_picture(png(damaged)).notes
    assert len(notes) == 1
    assert "raw profile" in notes[0]
    assert "not kept" in notes[0]


def test_chunks_that_are_not_kept_are_named():
    source = png(chunk(b"caBX", b"x"), chunk(b"oFFs", bytes(9)), chunk(b"prVt", b"")) + b"tail"
    assert open_picture(source).notes == (
        "not kept: C2PA/JUMBF (caBX), offset on the page (oFFs), chunk 'prVt', "
        "4 bytes behind the picture",
    )


def test_chunks_of_a_webp_that_are_not_kept_are_named():
    data = encoded(PIXELS, "webp", keep=0)
    larger = data + b"C2PA\x02\0\0\0ab" + b"ABCD\x01\0\0\0a\0"
    larger = larger[:4] + struct.pack("<I", len(larger) - 8) + larger[8:]
    assert read_webp_facts(io.BytesIO(larger)).lost == ("C2PA/JUMBF", "chunk 'ABCD'")
    assert read_webp_facts(io.BytesIO(data + b"12345")).lost == ("5 bytes behind the picture",)
    assert open_picture(data + b"12345").notes == ("not kept: 5 bytes behind the picture",)


def box(name, body):
    return struct.pack(">I", len(body) + 8) + name + body


def test_boxes_of_an_avif_that_are_not_kept_are_named():
    data = encoded(PIXELS, "avif", keep=0)
    c2pa = box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + b"x")
    more = data + c2pa + box(b"mpvd", b"video") + box(b"abcd", b"") + box(b"free", bytes(9))
    expected = "not kept: C2PA/JUMBF, video of a motion photo, box 'abcd'"
    assert open_picture(more).notes == (expected,)


def test_blocks_of_an_avif_are_found_where_its_boxes_say():
    block = exif_block({0x013B: (2, b"A. Person\0")})
    data, _ = upscaled(
        png(chunk(b"eXIf", block), chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP)), "avif"
    )
    facts = read_iso_facts(io.BytesIO(data))
    assert facts.exif is not None
    assert exif_values(facts.exif)["main", 0x013B] == b"A. Person\0"
    assert facts.xmp == XMP
    assert facts.lost == ()


def test_boxes_cut_off_or_set_to_anything_do_not_stop_the_reader():
    data = bytearray(encoded(PIXELS, "avif", lossless=True, keep=0))
    for size in range(len(data)):
        read_iso_facts(io.BytesIO(data[:size]))
    for at in range(400):
        for value in (0, 1, 0x7F, 0xFF):
            changed = bytearray(data)
            changed[at] = value
            read_iso_facts(io.BytesIO(changed))


def test_tags_of_a_tiff_that_are_not_kept_are_named():
    plain = encoded(PIXELS, "tiff", keep=0)
    at = struct.unpack_from("<I", plain, 4)[0]
    count = struct.unpack_from("<H", plain, at)[0]
    entries = plain[at + 2 : at + 2 + 12 * count]
    more = (
        entries
        + struct.pack("<HHI4s", 0x935C, 7, 4, b"abcd")
        + struct.pack("<HHII", 65000, 4, 1, 7)
    )
    data = plain[:4] + struct.pack("<I", len(plain)) + plain[8:]
    data += struct.pack("<H", count + 2) + more + bytes(4)
    assert open_picture(data).notes == ("not kept: Photoshop's layers, tag 65000",)


def test_what_was_to_be_kept_is_looked_up_in_the_finished_file():
    held = Metadata(exif=b"II", xmp=b"x", icc=b"i", iptc=b"r", comments=(b"c",), cicp=Cicp(9, 16))
    note = "not kept: EXIF, XMP, ICC profile, IPTC, comments, code points of colour"
    assert not_found(held, Facts()) == (f"{note} (not found in the finished file)",)
    assert not_found(Metadata(), Facts()) == ()


def test_a_writer_that_drops_a_block_in_silence_is_found_out(monkeypatch):
    from superres.formats import saving

    def careless(image, name, data):
        if name != "xmp-data":
            set_blob(image, name, data)

    monkeypatch.setattr(saving, "set_blob", careless)
    data, notes = upscaled(png(chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP)), "webp")
    assert carried(data).xmp is None
    assert notes == ("not kept: XMP (not found in the finished file)",)
