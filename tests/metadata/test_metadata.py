"""ICC, EXIF, XMP, DPI and IPTC go through every format that holds them, and stay true."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import pyvips
from picture_files import (
    encoded,
    exif_block,
    exif_values,
    grey_profile,
    png_chunks,
    profile,
    ramp,
    raw_tiff,
    with_jpeg_exif,
    with_jpeg_profile,
    with_png_chunks,
)

from superres.frame import UINT8, Bands, Values
from superres.media import open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata

KINDS = ["png", "jpeg", "webp", "tiff", "avif"]
RGB = Bands("rgb", 3, False)
XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:Description tiff:Orientation="6" exif:PixelXDimension="30" tiff:ImageLength='20'
 dc:title="\xc3\xbcber alles"><exif:PixelYDimension>20</exif:PixelYDimension>
<tiff:Orientation>6</tiff:Orientation></rdf:Description></x:xmpmeta><?xpacket end="w"?>"""
XMP += b" " * 200  # as real packets have, for editing in place
NOTE = b"Nikon\0\x02\x10\0\0MM\0*\0\0\0\x08\0\1\xff\xff\xff\xff" + bytes(range(60))
CAMERA = {
    0x010E: (2, b"a t\xc3\xbcr\0"),
    0x010F: (2, b"Maker\0"),
    0x0112: (3, 6),
    0x011A: (5, (72, 1)),
    0x011B: (5, (72, 1)),
    0x0128: (3, 2),
    0x9C9B: (1, "Титул\0".encode("utf-16-le")),
    0xC4A5: (7, b"PrintIM\x000300\0\0\0\0"),
}
SHOT = {
    0x829A: (5, (1, 125)),
    0x927C: (7, NOTE),
    0xA002: (3, 30),
    0xA003: (3, 20),
    0xFDE8: (2, b"private\0"),
}
PLACE = {0x0001: (2, b"N\0"), 0x0002: (5, (48, 1))}


def written(kind, metadata, *, bands=RGB, height=20, width=30, values=UINT8):
    """The bytes and notes of a small picture with metadata."""
    stream = io.BytesIO()
    pixels = ramp(height, width, bands.channels, values.dtype)
    notes = write_picture(
        stream,
        [pixels],
        height=height,
        width=width,
        bands=bands,
        values=values,
        metadata=metadata,
        format=kind,
    )
    return stream.getvalue(), notes


def settled_exif(**changes):
    """What reading makes of a camera's block: the block as Metadata holds it."""
    block = exif_block(CAMERA | changes.get("main", {}), SHOT, gps=PLACE, **changes.get("how", {}))
    data = with_jpeg_exif(encoded(ramp(20, 30, 3), "jpeg"), block)
    exif = open_picture(data).metadata.exif
    assert exif is not None
    return exif


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
def test_exif_comes_through_byte_for_byte_but_for_what_must_change(kind, order):
    exif = settled_exif(how={"order": order})
    data, notes = written(kind, Metadata(exif=exif, dpi=(72.0, 72.0)), height=22, width=33)
    assert notes == ()
    again = open_picture(data).metadata.exif
    assert again is not None
    assert len(again) == len(exif)
    values = exif_values(again)
    assert values["main", 0x0112] == 1
    assert (values["exif", 0xA003], values["exif", 0xA002]) == (22, 33)
    assert values["exif", 0x927C] == NOTE
    assert values["exif", 0xFDE8] == b"private\0"
    assert values["gps", 0x0002] == 48
    changed = [at for at in range(len(exif)) if exif[at] != again[at]]
    assert len(changed) <= 4, "only the numbers of two sizes differ"


def test_exif_goes_into_a_tiff_and_back_out():
    data, notes = written("tiff", Metadata(exif=settled_exif(), dpi=(72.0, 72.0)), height=22)
    assert notes == ()
    picture = open_picture(data)
    values = exif_values(picture.metadata.exif)
    assert values["main", 0x010E] == b"a t\xc3\xbcr\0"
    assert values["main", 0x9C9B] == "Титул\0".encode("utf-16-le")
    assert values["exif", 0x927C] == NOTE
    assert values["exif", 0xA003] == 22
    assert values["gps", 0x0001] == b"N\0"
    assert np.array_equal(read_pixels(picture), ramp(22, 30, 3))


def test_a_tiff_with_exif_is_a_sound_tiff_for_others():
    data, _ = written("tiff", Metadata(exif=settled_exif(), icc=profile("p3"), xmp=XMP))
    image = pyvips.Image.new_from_buffer(data, "", fail_on="warning")
    assert np.array_equal(image.numpy(), ramp(20, 30, 3))
    assert image.get("icc-profile-data") == profile("p3")
    assert image.get("n-pages") == 1
    assert struct.unpack_from("<I", data, 4)[0] % 2 == 0, "directories begin at even offsets"


def test_exif_of_a_big_endian_block_goes_into_a_little_endian_tiff():
    data, _ = written("tiff", Metadata(exif=settled_exif(how={"order": ">"})))
    values = exif_values(open_picture(data).metadata.exif)
    assert values["exif", 0x829A] == 1 / 125
    assert values["gps", 0x0002] == 48
    assert values["main", 0x010F] == b"Maker\0"


@pytest.mark.parametrize("order", ["<", ">"])
def test_texts_without_their_zero_get_one_in_a_tiff(order):
    exif = exif_block(
        {0x010F: (2, b"Maker"), 0x0110: (2, b"abc")}, {0x9003: (2, b"2024")}, order=order
    )
    data, notes = written("tiff", Metadata(exif=exif))
    assert notes == ()
    values = exif_values(open_picture(data).metadata.exif)
    assert (values["main", 0x010F], values["main", 0x0110]) == (b"Maker\0", b"abc\0")
    assert values["exif", 0x9003] == b"2024\0"


def test_tags_of_a_tiff_become_exif_in_a_jpeg():
    tiff, _ = written("tiff", Metadata(exif=settled_exif(), dpi=(300.0, 300.0)))
    jpeg, _ = written("jpeg", open_picture(tiff).metadata)
    values = exif_values(open_picture(jpeg).metadata.exif)
    assert values["exif", 0x829A] == 1 / 125
    assert values["main", 0x011A] == 300


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
def test_a_turned_picture_is_written_upright_once(kind, orientation):
    block = exif_block(CAMERA | {0x0112: (3, orientation)}, SHOT)
    pixels = ramp(20, 30, 3)
    source = open_picture(with_png_chunks(encoded(pixels, "png"), (b"eXIf", block)))
    upright = read_pixels(source)
    stream = io.BytesIO()
    write_picture(
        stream,
        source.rows(),
        height=source.height,
        width=source.width,
        bands=source.bands,
        values=source.values,
        metadata=source.metadata,
        format=kind,
    )
    image = pyvips.Image.new_from_buffer(stream.getvalue(), "")
    stated = image.get("orientation") if image.get_typeof("orientation") else 1
    assert stated == 1
    again = open_picture(stream.getvalue())
    assert (again.height, again.width) == upright.shape[:2]
    assert np.abs(read_pixels(again).astype(int) - upright).mean() < 3
    values = exif_values(again.metadata.exif)
    assert values["exif", 0xA002], values["exif", 0xA003] == (again.width, again.height)


def test_the_thumbnail_is_gone_with_all_its_bytes():
    thumbnail = b"\xff\xd8THUMBNAIL\xff\xd9" * 20
    exif = settled_exif(how={"thumbnail": thumbnail})
    assert b"THUMBNAIL" not in exif
    assert exif_values(exif)["main", "next"] == 0


def test_a_thumbnail_in_the_middle_is_wiped_out():
    block = exif_block(CAMERA, SHOT, thumbnail=b"THUMBNAIL") + b"what comes behind"
    data = with_jpeg_exif(encoded(ramp(20, 30, 3), "jpeg"), block)
    exif = open_picture(data).metadata.exif
    assert exif is not None
    assert b"THUMBNAIL" not in exif
    assert exif.endswith(b"what comes behind")


def test_sizes_over_65535_outgrow_the_short_they_were_in():
    data, _ = written("png", Metadata(exif=settled_exif()), height=1, width=70_000)
    values = exif_values(open_picture(data).metadata.exif)
    assert (values["exif", 0xA002], values["exif", 0xA003]) == (70_000, 1)


def test_no_exif_is_made_up_where_there_was_none():
    for kind in KINDS:
        data, notes = written(kind, Metadata())
        metadata = open_picture(data).metadata
        assert metadata.exif is None, kind
        assert metadata.dpi is None, kind
        assert notes == ()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dpi", [(300.0, 300.0), (300.0, 150.0), (72.0, 72.0)])
def test_dpi_goes_through_every_format(kind, dpi):
    data, notes = written(kind, Metadata(dpi=dpi))
    assert notes == ()
    assert open_picture(data).metadata.dpi == dpi


@pytest.mark.parametrize("kind", KINDS)
def test_dpi_outranks_what_the_exif_block_says(kind):
    data, _ = written(kind, Metadata(exif=settled_exif(), dpi=(288.0, 288.0)))
    picture = open_picture(data)
    assert picture.metadata.dpi == (288.0, 288.0)
    if kind != "tiff":
        values = exif_values(picture.metadata.exif)
        assert (values["main", 0x011A], values["main", 0x0128]) == (288, 2)


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_dpi_is_added_to_a_block_that_has_none(kind):
    exif = exif_block({0x010F: (2, b"Maker\0")}, SHOT)
    data, _ = written(kind, Metadata(exif=exif, dpi=(300.0, 150.0)))
    picture = open_picture(data)
    assert picture.metadata.dpi == (300.0, 150.0)
    assert picture.metadata.exif is not None
    values = exif_values(picture.metadata.exif)
    assert values["exif", 0x927C] == NOTE
    assert values["main", 0x010F] == b"Maker\0"
    assert picture.metadata.exif.index(NOTE) == exif.index(NOTE), "makers' notes do not move"


def test_a_resolution_in_centimetres_is_read_as_inches():
    block = exif_block({0x011A: (5, (100, 1)), 0x011B: (5, (50, 1)), 0x0128: (3, 3)})
    data = encoded(ramp(8, 8, 3), "webp", fields=[("exif-data", b"Exif\0\0" + block)])
    assert open_picture(data).metadata.dpi == (254.0, 127.0)


def test_a_png_that_counts_pixels_of_no_unit_has_no_dpi():
    data = encoded(ramp(4, 4, 3), "png")
    start = data.index(b"pHYs")
    plain = data[: start - 4] + data[start + 17 :]
    for body, expected in (
        (struct.pack(">IIB", 11811, 5906, 1), (300.0, 150.0)),
        (struct.pack(">IIB", 1, 1, 0), None),
    ):
        assert open_picture(with_png_chunks(plain, (b"pHYs", body))).metadata.dpi == expected
    assert open_picture(plain).metadata.dpi is None


@pytest.mark.parametrize("kind", KINDS)
def test_icc_goes_through_every_format(kind):
    data, notes = written(kind, Metadata(icc=profile("p3")))
    assert notes == ()
    assert open_picture(data).metadata.icc == profile("p3")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_a_grey_profile_becomes_one_of_rgb_where_grey_is_written_so(kind, depth):
    data, notes = written(
        kind, Metadata(icc=grey_profile(1.8)), bands=Bands("grey", 1), values=Values.of(depth)
    )
    icc = open_picture(data).metadata.icc
    assert icc is not None
    assert not any("ICC" in note for note in notes)
    if kind not in ("webp", "avif"):
        assert icc == grey_profile(1.8)
        return
    level = np.full((1, 1, 3), 100, np.uint8)
    image = pyvips.Image.new_from_buffer(
        encoded(level, "png", fields=[("icc-profile-data", icc)]), ""
    )
    shown = image.icc_transform("srgb", embedded=True, intent="relative").numpy()[0, 0]
    light = (100 / 255) ** 1.8
    assert shown == pytest.approx(255 * (1.055 * light ** (1 / 2.4) - 0.055), abs=1)


def test_a_profile_of_other_colours_is_not_written():
    data, notes = written("tiff", Metadata(icc=profile("cmyk")))
    assert open_picture(data).metadata.icc is None
    assert notes == ("the ICC profile is not for RGB pixels, as TIFF holds, and not kept",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_profile_does_not_stop_the_picture(kind):
    for place, length in ((128, 72), (0, 4), (36, 4)):  # its table of tags, its size, its mark
        damaged = bytearray(profile("srgb"))
        damaged[place : place + length] = b"\xff" * length
        data, notes = written(kind, Metadata(icc=bytes(damaged)))
        assert np.abs(read_pixels(open_picture(data)).astype(int) - ramp(20, 30, 3)).mean() < 3
        assert len(notes) == 1
        assert "ICC profile" in notes[0]
        assert open_picture(data).metadata.icc is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", range(1, 5))
def test_a_profile_of_any_length_is_kept(kind, extra):
    longer = profile("p3") + bytes(extra)
    longer = struct.pack(">I", len(longer)) + longer[4:84] + b"\x11" * 16 + longer[100:]
    data, notes = written(kind, Metadata(icc=longer))
    assert notes == ()
    icc = open_picture(data).metadata.icc
    if kind != "png" or extra == 4:
        assert icc == longer
        return
    assert icc is not None
    # A PNG's encoder takes multiples of four bytes, and the sum over the old length is gone.
    assert len(icc) == int.from_bytes(icc[:4], "big") == len(profile("p3")) + 4
    assert icc[84:100] == bytes(16)
    assert (icc[4:84], icc[100:].rstrip(b"\0")) == (longer[4:84], longer[100:].rstrip(b"\0"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_that_the_encoder_would_drop_or_fail_at_is_said_to_be_lost(kind):
    for at, change in ((12, b"junk"), (8, b"\x09"), (132 + 4, b"\0\x10\0\0")):
        damaged = bytearray(profile("p3"))  # its class, its version, its first tag's place
        damaged[at : at + len(change)] = change
        data, notes = written(kind, Metadata(icc=bytes(damaged)))
        icc = open_picture(data).metadata.icc
        assert icc in (None, bytes(damaged))
        assert len(notes) == (icc is None)
        assert all("does not take" in note for note in notes)


def test_padding_behind_a_profile_is_cut_off():
    jpeg = with_jpeg_profile(encoded(ramp(8, 8, 3), "jpeg"), profile("p3") + bytes(9))
    assert open_picture(jpeg).metadata.icc == profile("p3")


@pytest.mark.parametrize("kind", KINDS)
def test_xmp_goes_through_every_format_with_its_numbers_true(kind):
    source = encoded(ramp(20, 30, 3), "tiff", fields=[("xmp-data", XMP)])
    metadata = open_picture(source).metadata
    assert metadata.xmp is not None
    assert b'tiff:Orientation="1"' in metadata.xmp
    data, notes = written(kind, metadata, height=44, width=55)
    assert notes == ()
    expected = (
        XMP.replace(b'tiff:Orientation="6"', b'tiff:Orientation="1"')
        .replace(b"<tiff:Orientation>6<", b"<tiff:Orientation>1<")
        .replace(b'PixelXDimension="30"', b'PixelXDimension="55"')
        .replace(b"ImageLength='20'", b"ImageLength='44'")
        .replace(b"PixelYDimension>20<", b"PixelYDimension>44<")
    )
    xmp = open_picture(data).metadata.xmp
    assert xmp is not None
    assert xmp.rstrip() == expected.rstrip()


def test_xmp_in_a_png_is_the_chunk_that_others_look_for():
    data, _ = written("png", Metadata(xmp=XMP, exif=settled_exif()))
    chunks = png_chunks(data)
    names = [name for name, _ in chunks]
    assert names.count(b"iTXt") == names.count(b"eXIf") == 1
    assert names.index(b"iTXt") < names.index(b"IDAT")
    assert not {b"zTXt", b"tEXt"} & set(names)
    assert dict(chunks)[b"iTXt"].startswith(b"XML:com.adobe.xmp\0\0\0\0\0<?xpacket")


@pytest.mark.parametrize("exif", [None, exif_block(CAMERA, SHOT)])
def test_a_png_is_made_of_whole_chunks_whatever_the_length_of_its_metadata(exif):
    for length in (*range(1, 140), *range(300, 340)):
        xmp = b"x" * length
        data, notes = written("png", Metadata(xmp=xmp, exif=exif), height=2, width=3)
        assert notes == ()
        chunks = dict(png_chunks(data))
        assert list(chunks)[-1] == b"IEND", length
        assert chunks[b"iTXt"].removeprefix(b"XML:com.adobe.xmp\0\0\0\0\0").rstrip() == xmp
        assert (exif is None) == (b"eXIf" not in chunks)


@pytest.mark.parametrize("exif", [None, exif_block(CAMERA, SHOT)])
def test_large_xmp_stands_before_a_pngs_pixels(exif):
    xmp = XMP + b"<!--" + b"x" * 100_000 + b"-->"
    data, notes = written("png", Metadata(xmp=xmp, exif=exif))
    assert notes == ()
    picture = open_picture(data)
    assert picture.metadata.xmp is not None
    assert b"x" * 100_000 in picture.metadata.xmp
    assert (picture.metadata.exif is None) == (exif is None)
    names = [name for name, _ in png_chunks(data)]
    assert names.index(b"iTXt") < names.index(b"IDAT")
    assert np.array_equal(read_pixels(picture), ramp(20, 30, 3))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("kind", KINDS)
def test_xmp_in_wide_characters_is_written_in_utf_8_with_its_numbers_true(kind, encoding):
    wide = XMP.decode().encode(encoding)
    metadata = open_picture(encoded(ramp(8, 8, 3), "tiff", fields=[("xmp-data", wide)])).metadata
    upright = XMP.replace(b'Orientation="6"', b'Orientation="1"').replace(b">6<", b">1<")
    assert metadata.xmp == upright
    data, notes = written(kind, Metadata(xmp=wide))
    assert notes == ()
    again = open_picture(data).metadata.xmp
    assert again is not None
    assert again.rstrip() == upright.rstrip()


@pytest.mark.parametrize("kind", KINDS)
def test_xmp_loses_the_zeros_at_its_end_and_is_not_kept_if_it_is_not_text(kind):
    data, notes = written(kind, Metadata(xmp=b"<x/>" + bytes(3)))
    xmp = open_picture(data).metadata.xmp
    assert xmp is not None
    assert (xmp.rstrip(), notes) == (b"<x/>", ())
    for broken in (b"<x>\0</x>", b"<x>caf\xe9</x>", bytes(4)):
        data, notes = written(kind, Metadata(xmp=broken))
        assert open_picture(data).metadata.xmp is None
        assert notes == ("XMP is damaged (it is not text) and not kept",)
        source = encoded(ramp(8, 8, 3), "tiff", fields=[("xmp-data", broken)])
        assert notes[0] in open_picture(source).notes


def test_the_largest_xmp_that_fits_into_a_jpeg_fits_and_any_larger_is_said_to_be_lost():
    for size in (59_999, 60_000, 60_001, 65_000, 65_502, 65_503):
        data, notes = written("jpeg", Metadata(xmp=b"x" * size))
        kept = open_picture(data).metadata.xmp
        assert (kept is None) == (size > 60_000) == bool(notes)
        assert kept in (None, b"x" * size)


def test_metadata_too_large_for_jpeg_is_said_so():
    large = XMP + b" " * 70_000
    exif = exif_block(CAMERA, SHOT | {0x9286: (7, bytes(65_200))})
    data, notes = written("jpeg", Metadata(xmp=large, exif=exif))
    assert sum("not kept" in note for note in notes) == 2
    assert open_picture(data).metadata == Metadata()


def test_the_largest_exif_that_fits_fits():
    exif = exif_block(CAMERA, SHOT | {0x9286: (7, bytes(65_000 - 600))})
    assert 64_000 < len(exif) <= 65_000
    for kind in ("png", "jpeg", "webp", "avif"):
        data, notes = written(kind, Metadata(exif=exif))
        assert notes == ()
        again = open_picture(data).metadata.exif
        assert again is not None
        assert len(again) == len(exif)


@pytest.mark.parametrize("kind", KINDS)
def test_iptc_goes_through_the_formats_that_hold_it(kind):
    iptc = b"\x1c\x02\x78\0\x0ba caption ok\0"
    data, notes = written(kind, Metadata(iptc=iptc))
    read = open_picture(data).metadata.iptc
    if kind in ("jpeg", "tiff"):
        assert read == iptc
        assert notes == ()
    else:
        assert read is None
        assert notes[0].startswith("IPTC is not kept")


def test_all_metadata_at_once_goes_from_format_to_format():
    metadata = Metadata(profile("p3"), settled_exif(), XMP, (300.0, 300.0))
    for kind in (*KINDS, *reversed(KINDS)):
        data, notes = written(kind, metadata)
        assert notes == ()
        metadata = open_picture(data).metadata
    assert metadata.icc == profile("p3")
    assert metadata.dpi == (300.0, 300.0)
    assert metadata.xmp is not None
    assert b"\xc3\xbcber alles" in metadata.xmp
    assert exif_values(metadata.exif)["exif", 0xFDE8] == b"private\0"


def test_png_text_that_will_be_lost_is_named():
    text = [(b"tEXt", b"Author\0me"), (b"tEXt", b"Software\0gimp"), (b"zTXt", b"Title\0\0x")]
    picture = open_picture(with_png_chunks(encoded(ramp(4, 4, 3), "png"), *text))
    assert picture.notes == ("PNG text is not kept: Author, Title",)


def test_a_gamma_becomes_a_profile_unless_it_is_the_usual_one():
    plain = encoded(ramp(4, 4, 3), "png")
    linear = with_png_chunks(plain, (b"gAMA", struct.pack(">I", 100_000)))
    assert "described by gAMA, are kept: linear light" in open_picture(linear).notes[0]
    assert open_picture(linear).metadata.icc is not None
    usual = with_png_chunks(plain, (b"gAMA", struct.pack(">I", 45_455)))
    assert open_picture(usual).notes == ()


def test_descriptions_that_lay_out_pixels_are_left_behind():
    fields = [("image-description", '{"shape": [20, 30, 3]}')]
    picture = open_picture(encoded(ramp(20, 30, 3), "tiff", fields=fields, keep=31))
    assert picture.metadata.exif is None
    assert "description is not kept" in picture.notes[0]
    fields = [("image-description", "the sea at night")]
    picture = open_picture(encoded(ramp(20, 30, 3), "tiff", fields=fields, keep=31))
    assert exif_values(picture.metadata.exif)["main", 0x010E] == b"the sea at night\0"


def test_an_exif_directory_that_points_at_itself_is_harmless():
    block = bytearray(exif_block({0x010F: (2, b"Maker\0")}, {0xA002: (3, 1), 0xA005: (4, 0)}))
    inner = exif_values(bytes(block))["main", 0x8769]
    struct.pack_into("<I", block, inner + 2 + 12 + 8, inner)
    data, notes = written("tiff", Metadata(exif=bytes(block)))
    assert notes == ()
    assert exif_values(open_picture(data).metadata.exif)["exif", 0xA002] == 30


def test_plain_tiff_has_no_metadata():
    assert open_picture(raw_tiff(ramp(4, 4, 3), 2)).metadata == Metadata()
