"""Refusal of broken files by the strict readers."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
from strict_readers import CorruptError, read_strictly

KINDS = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif", "avif": ".avif"}
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"  # of an odd length


def picture(kind, *, alpha=False, **options):
    """A file by libvips alone, with a profile and XMP."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3 + alpha)).astype(np.uint8)
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb")
    image.set_type(
        pyvips.GValue.blob_type,
        "icc-profile-data",
        pyvips.Operation.call("profile_load", "srgb"),
    )
    image.set_type(pyvips.GValue.blob_type, "xmp-data", XMP)  # pyright: ignore[reportArgumentType]  # a blob
    keep = 8 if kind == "png" else 10  # libvips puts XMP into the wrong chunk of a PNG
    return bytes(image.write_to_buffer(KINDS[kind], keep=keep, **options))


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read_with_what_they_carry(kind, alpha):
    found = read_strictly(picture(kind, alpha=alpha))
    assert (found.format, found.height, found.width) == (kind, 9, 13)
    assert found.icc == pyvips.Operation.call("profile_load", "srgb")
    assert found.xmp == (None if kind == "png" else XMP)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_off_is_refused_wherever_it_is_cut(kind):
    data = picture(kind)
    # A TIFF's tags are at its end, and the rest of these files is counted from the front.
    for size in range(1, len(data)):
        with pytest.raises(CorruptError):
            read_strictly(data[:size])


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "avif"])
@pytest.mark.parametrize("extra", [b"\0", b"\0\0", b"xyz1"])
def test_bytes_behind_the_end_are_refused(kind, extra):
    with pytest.raises(CorruptError):
        read_strictly(picture(kind) + extra)


def test_any_changed_byte_of_a_png_is_refused():
    data = picture("png")
    for at in range(len(data)):
        with pytest.raises(CorruptError):
            read_strictly(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize(
    ("where", "stray", "words"),
    [
        (b"IDAT", b"\0", "checksum of chunk b'sIDA'|invalid chunk name"),
        (b"IEND", b"\0", "invalid chunk name"),
        (b"IEND", chunk(b"eXIf", b"II*\0\x08\0\0\0"), "belong before"),
        (b"IEND", chunk(b"pHYs", bytes(9)), "twice"),
        (b"IDAT", chunk(b"sRGB", b"\0"), "both"),
        (b"IDAT", chunk(b"IEND", b""), "twice"),
        (b"IDAT", chunk(b"quux", b""), "reserved bit"),
        (b"IDAT", chunk(b"eXIf", b"Exif\0\0II*\0\x08\0\0\0"), "EXIF block that begins"),
        (b"IDAT", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0caf\xe9"), "UTF-8"),
        (b"IDAT", chunk(b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(b"x")), "wrong chunk"),
        (b"IEND", chunk(b"IDAT", zlib.compress(b"x")), "whole zlib stream"),
    ],
)
def test_png_chunks_out_of_order_or_of_the_wrong_form_are_refused(where, stray, words):
    data = picture("png")
    at = data.index(where) - 4
    with pytest.raises(CorruptError, match=words):
        read_strictly(data[:at] + stray + data[at:])


@pytest.mark.parametrize(
    ("find", "change", "words"),
    [
        (b"\xff\xc0", b"\xff\xe5", "behind the frame|APP5"),
        (b"\xff\xdb\0C\0", b"\xff\xdb\0D\0", "bytes wanted|marker belongs|quantisers"),
        (b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0\1\2", "pieces of the ICC profile"),
        (b"\0\x09\0\x0d\x03", b"\0\0\0\x0d\x03", "0 x 13 px"),
    ],
)
def test_jpeg_segments_of_the_wrong_form_are_refused(find, change, words):
    data = picture("jpeg")
    assert data.count(find) >= 1
    with pytest.raises(CorruptError, match=words):
        read_strictly(data.replace(find, change, 1))


def test_a_segment_behind_a_jpegs_frame_is_refused():
    data = picture("jpeg")
    at = data.index(b"\xff\xda")
    segment = b"\xff\xe1\0\x0aExif\0\0II"
    with pytest.raises(CorruptError, match="behind the frame"):
        read_strictly(data[:at] + segment + data[at:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d[:4] + struct.pack("<I", len(d) - 9) + d[8:], "RIFF says"),
        (lambda d: d[:20] + bytes([d[20] ^ 0x04]) + d[21:], "VP8X announces"),
        (lambda d: d[:20] + bytes([d[20] ^ 0x10]) + d[21:], "VP8X announces"),
        (lambda d: d[:20] + bytes([d[20] ^ 0x40]) + d[21:], "reserved bits"),
        (lambda d: d[:24] + b"\x20" + d[25:], "a canvas of 9 x 33"),
        (lambda d: d[:-1] + b"\x01", "padding"),
        (lambda d: d.replace(b"XMP ", b"XMP_"), "unknown chunk"),
    ],
)
def test_webp_chunks_that_do_not_agree_are_refused(change, words):
    with pytest.raises(CorruptError, match=words):
        read_strictly(change(picture("webp")))


def entry_at(tiff, tag):
    """Return the position of a tag's entry in a little-endian TIFF."""
    (first,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, first)
    places = [first + 2 + 12 * index for index in range(count)]
    return next(at for at in places if struct.unpack_from("<H", tiff, at)[0] == tag)


@pytest.mark.parametrize(
    ("tag", "cell", "words"),
    [
        (273, 4, "strip 0: not a zlib stream"),
        (273, 10_000_000, "outside"),
        (279, 1, "whole zlib stream"),
        (279, 10_000_000, "outside"),
        (256, 14, "not"),
        (34675, 8, "overlap"),
        (282, 10_000_001, "odd offset"),
        (296, 9, "the unit 9"),
        (274, 6, "to be turned"),
    ],
)
def test_tiff_tags_that_cannot_be_are_refused(tag, cell, words):
    data = bytearray(picture("tiff", compression="deflate"))
    struct.pack_into("<I", data, entry_at(data, tag) + 8, cell)
    with pytest.raises(CorruptError, match=words):
        read_strictly(bytes(data))


def test_tiff_tags_out_of_order_or_missing_are_refused():
    data = bytearray(picture("tiff"))
    at = entry_at(data, 257)
    data[at - 12 : at + 12] = data[at : at + 12] + data[at - 12 : at]
    with pytest.raises(CorruptError, match="tag 256 behind tag 257"):
        read_strictly(bytes(data))
    struct.pack_into("<H", data, at - 12, 255)
    with pytest.raises(CorruptError, match="tags are missing"):
        read_strictly(bytes(data))


@pytest.mark.parametrize(
    ("find", "change", "words"),
    [
        (b"ftypavif", b"ftypheic", "brands"),
        (b"av1C\x81", b"av1C\x01", "av1C"),
        (b"\0\0\0\x0d\0\0\0\x09", b"\0\0\0\x0d\0\0\0\x0a", "coded size"),
        (b"pixi\0\0\0\0\x03\x08", b"pixi\0\0\0\0\x03\x0a", "pixi"),
        (b"application/rdf+xml", b"application/rdf-xml", "an item"),
        (b"cdsc", b"thmb", "refers"),
        (b"mdat", b"free", "lie in no mdat"),
        (b"pict", b"vide", "not of pictures"),
    ],
)
def test_avif_boxes_that_do_not_agree_are_refused(find, change, words):
    data = picture("avif")
    assert data.count(find) >= 1
    with pytest.raises(CorruptError, match=words):
        read_strictly(data.replace(find, change, 1))


def test_an_avif_extent_that_leaves_its_mdat_is_refused():
    data = bytearray(picture("avif"))
    at = data.index(b"iloc") + 4 + 4 + 2 + 2 + 2 + 2 + 2  # to the first item's base offset
    size = data[data.index(b"iloc") + 9] >> 4
    (start,) = struct.unpack_from(">I", data, at)
    assert size == 4
    struct.pack_into(">I", data, at, start + len(data))
    with pytest.raises(CorruptError, match="lie in no mdat"):
        read_strictly(bytes(data))


def test_a_file_of_no_known_kind_is_refused():
    for data in (b"", b"8BPS\0\1", bytes(40)):
        with pytest.raises(CorruptError, match="begins with"):
            read_strictly(data)


def test_the_writer_fails_where_its_file_would_be_broken(strictly_read, monkeypatch):
    from superres.formats import png
    from superres.frame import UINT8, Bands
    from superres.media import write_picture
    from superres.metadata.header import Metadata

    pixels = np.zeros((4, 5, 3), np.uint8)

    def save(stream):
        write_picture(
            stream, [pixels], height=4, width=5, bands=Bands.of(3), values=UINT8,
            metadata=Metadata(), format="png",
        )  # fmt: skip

    save(io.BytesIO())
    assert [(one.format, one.height, one.width) for one in strictly_read.seen] == [("png", 4, 5)]

    def spoil(path, held):
        path.write_bytes(path.read_bytes() + b"\0")
        return ()

    monkeypatch.setattr(png, "_not_found", spoil)
    stream = io.BytesIO()
    with pytest.raises(CorruptError, match="bytes wanted"):
        save(stream)
    assert stream.getvalue() == b""
    (error,) = strictly_read.broken
    strictly_read.broken.clear()  # or it would fail this test, as it must any other
    assert "bytes wanted" in str(error)
