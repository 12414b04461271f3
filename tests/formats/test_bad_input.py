"""Bad files end in an error that names the file and the reason, never in made-up pixels."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest
import pyvips
from picture_files import (
    encoded,
    noise,
    png_chunk,
    ramp,
    raw_tiff,
    vips_image,
    with_png_chunks,
)
from PIL import Image

from superres.errors import PictureError
from superres.media import open_picture, read_pixels

KINDS = ["png", "jpeg", "webp", "tiff", "avif"]


def failure(source):
    """The error of reading a source to its end, checked to be fit for people."""
    with pytest.raises(PictureError) as caught:
        read_pixels(open_picture(source))
    message, hint = caught.value.message, caught.value.hint
    assert "\n" not in message
    assert len(message) < 300
    assert hint
    for noise_word in ("bad seek", "unable to", "VipsForeign", "_source"):
        assert noise_word not in message
    return message


def png_of_size(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_an_error(tmp_path, kind, kept):
    data = encoded(noise(120, 160, 3), kind)
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(data[: max(20, int(len(data) * kept))])
    message = failure(path)
    assert str(path) in message
    assert kind.lower() in message.lower()


@pytest.mark.parametrize("options", [{"compression": "deflate"}, {"compression": "lzw"}, {}])
def test_a_tiff_whose_pixels_are_cut_off_is_an_error(options):
    data = bytearray(encoded(noise(64, 64, 3), "tiff", **options))
    directory = struct.unpack_from("<I", data, 4)[0]
    # The directory is at the end: bring it to the front of the loss by moving it over pixels.
    cut = bytearray(data[: directory // 2]) + bytes(directory - directory // 2) + data[directory:]
    if options:
        failure(bytes(cut))
    else:
        assert open_picture(bytes(cut)).width == 64  # uncompressed zeros look like black


@pytest.mark.parametrize("options", [{"compression": "none"}, {"compression": "jpeg", "Q": 95}])
def test_strips_beyond_the_end_of_a_tiff_are_an_error(options):
    data = bytearray(encoded(noise(64, 64, 3), "tiff", **options))
    (directory,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, directory)
    for index in range(entries):
        at = directory + 2 + 12 * index
        tag, _, count = struct.unpack_from("<HHI", data, at)
        if tag == 273:  # StripOffsets
            place = at + 8 if count == 1 else struct.unpack_from("<I", data, at + 8)[0]
            struct.pack_into("<I", data, place, len(data) + 1000)
    failure(bytes(data))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("png", {}),
        ("tiff", {"compression": "deflate"}),
        ("tiff", {"compression": "lzw"}),
        ("avif", {}),
        ("jpeg", {"interlace": True}),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_bytes_flipped_in_the_middle_are_an_error(kind, options, orientation):
    fields = [("orientation", orientation)] if kind == "tiff" else []
    data = bytearray(encoded(noise(200, 300, 3), kind, fields=fields, **options))
    middle = len(data) // 2
    for at in range(middle, middle + 60):
        data[at] ^= 0x5A
    failure(bytes(data))


def test_damage_in_the_last_rows_gives_the_first_rows_and_then_an_error():
    pixels = noise(400, 300, 3)
    data = encoded(pixels, "png")
    rows = open_picture(data[: int(len(data) * 0.95)]).rows(block=32)
    assert np.array_equal(next(rows), pixels[:32])
    with pytest.raises(PictureError):
        list(rows)


@pytest.mark.parametrize("start", KINDS)
def test_the_first_bytes_of_a_format_alone_are_an_error(start):
    failure(encoded(noise(30, 30, 3), start)[:12])


@pytest.mark.parametrize("start", ["png", "jpeg", "tiff", "avif"])  # any bits are some WebP
def test_a_right_start_and_then_rubbish_is_an_error(start):
    failure(encoded(noise(30, 30, 3), start)[:40] + noise(1, 2000, 1).tobytes())


def test_an_empty_file_is_an_error_that_says_so(tmp_path):
    path = tmp_path / "empty.png"
    path.touch()
    assert "empty.png is empty (0 bytes)" in failure(path)
    assert "empty" in failure(b"")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"Dear diary, this is a text.", "Dear dia"),
        (b"GIF89a" + bytes(60), "GIF"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><svg/>", "XML"),
        (b"BM" + bytes(60), "BMP"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"PK\3\4" + bytes(30), "zip"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "isom"),
        (b"P9 2 2 255 " + bytes(12), "P9 2 2"),
    ],
)
def test_other_files_named_png_are_refused_by_what_they_are(tmp_path, content, word):
    path = tmp_path / "holiday.png"
    path.write_bytes(content)
    message = failure(path)
    assert "holiday.png" in message
    assert word in message


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    assert "No such file" in failure(tmp_path / "missing.png")
    assert str(tmp_path) in failure(tmp_path)


def test_100000_by_100000_is_refused_by_its_header():
    message = failure(png_of_size(100_000, 100_000))
    assert "100000 x 100000" in message
    assert "10,000,000,000" in message
    assert "1,073,741,824" in message


def test_a_jpeg_bomb_is_refused_by_its_header():
    data = bytearray(encoded(ramp(16, 16, 3), "jpeg"))
    at = data.index(b"\xff\xc0") + 5
    struct.pack_into(">HH", data, at, 65500, 65500)
    assert "4,290,250,000" in failure(bytes(data))


def test_a_tiff_bomb_is_refused_by_its_header():
    data = bytearray(raw_tiff(ramp(16, 16, 3), 2))
    (directory,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<HI", data, directory + 2 + 2, 4, 1)  # ImageWidth as a long
    struct.pack_into("<I", data, directory + 2 + 8, 1_000_000)
    struct.pack_into("<HI", data, directory + 14 + 2, 4, 1)
    struct.pack_into("<I", data, directory + 14 + 8, 1_000_000)
    message = failure(bytes(data))
    assert "1000000 x 1000000" in message


def test_a_webp_bomb_is_refused_by_its_header():
    data = bytearray(encoded(np.zeros((16, 16, 3), np.uint8), "webp", lossless=True))
    at = data.index(b"VP8L") + 9
    bits = struct.unpack_from("<I", data, at)[0] & ~0xFFFFFFF
    struct.pack_into("<I", data, at, bits | 16382 | 16382 << 14)
    with pytest.raises(PictureError, match="16383 x 16383"):
        open_picture(bytes(data), max_pixels=10**8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cap_counts_pixels_and_not_edges(kind):
    data = encoded(ramp(20, 30, 3), kind)
    assert open_picture(data, max_pixels=600).width == 30
    with pytest.raises(PictureError, match="600 in all; the limit is 599"):
        open_picture(data, max_pixels=599)


def test_a_bomb_is_refused_without_decoding_it(monkeypatch):
    monkeypatch.setattr(pyvips.Region, "fetch", None)
    with pytest.raises(PictureError, match="the limit is"):
        open_picture(png_of_size(90_000, 90_000))


def test_animated_png_names_the_verb_for_animations():
    file = io.BytesIO()
    first, second = (Image.fromarray(noise(8, 8, 3, seed=seed)) for seed in (1, 2))
    first.save(file, "PNG", save_all=True, append_images=[second])
    with pytest.raises(PictureError, match="animated PNG of 2 frames") as caught:
        open_picture(file.getvalue())
    assert "`superres upscale`" in caught.value.hint


def test_a_png_that_announces_an_animation_without_frames_is_a_still():
    control = struct.pack(">II", 2, 0)
    data = with_png_chunks(encoded(ramp(8, 8, 3), "png"), (b"acTL", control))
    assert open_picture(data).planes == 1


def test_animated_webp_names_the_verb_for_animations():
    frames = vips_image(np.concatenate([ramp(16, 16, 3), ramp(16, 16, 3)[::-1]]))
    data = bytes(frames.webpsave_buffer(page_height=16))
    with pytest.raises(PictureError, match="animated WebP of 2 frames") as caught:
        open_picture(data)
    assert "`superres upscale`" in caught.value.hint


def test_an_image_sequence_names_the_verb_for_animations():
    data = b"\0\0\0\x1cftypavis\0\0\0\0avifavismif1" + bytes(64)
    with pytest.raises(PictureError, match="sequence") as caught:
        open_picture(data)
    assert "`superres video`" in caught.value.hint


def test_a_tiff_of_pages_names_the_verb_that_takes_them():
    with pytest.raises(PictureError, match=r"holds 3 pictures \(pages\)") as caught:
        open_picture(raw_tiff(ramp(8, 8, 3), 2, pages=3))
    assert "`superres upscale` takes all pages" in caught.value.hint


def test_a_tiff_whose_directories_run_in_a_circle_ends():
    data = bytearray(raw_tiff(ramp(8, 8, 3), 2, pages=2))
    (first,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, len(data) - 4, first)
    with pytest.raises(PictureError):
        open_picture(bytes(data))


@pytest.mark.parametrize(
    ("channels", "photometric", "extra", "word"),
    [
        (5, 2, [2, 0], "5 channels"),
        (9, 1, [0] * 8, "9 channels"),
        (4, 2, [0], "4 channels, and the last is not labelled"),
        (4, 2, None, "4 channels, and the last is not labelled"),
        (4, 1, [0, 0, 0], "4 channels"),
        (2, 1, [0], "2 channels, and the last is not labelled"),
        (3, 1, [0, 0], "3 channels"),
    ],
)
def test_bands_without_a_meaning_are_refused(channels, photometric, extra, word):
    assert word in failure(raw_tiff(noise(6, 7, channels), photometric, extra))


@pytest.mark.parametrize(
    ("dtype", "sample_format", "word"),
    [
        ("int8", 2, "signed 8-bit"),
        ("int16", 2, "signed 16-bit"),
        ("uint32", 1, "32-bit whole"),
        ("int32", 2, "signed 32-bit"),
        ("float64", 3, "size or kind"),
    ],
)
def test_samples_without_a_depth_of_ours_are_refused(dtype, sample_format, word):
    pixels = np.arange(42, dtype=dtype).reshape(6, 7, 1)
    assert word in failure(raw_tiff(pixels, 1, sample_format=sample_format))


def test_damaged_exif_is_dropped_and_said_so():
    pixels = ramp(8, 8, 3)
    for block in (b"nonsense", b"II*\0\xff\xff\xff\x7f", b"MM\0*\0\0\0\x08\xff\xff" + bytes(20)):
        picture = open_picture(with_png_chunks(encoded(pixels, "png"), (b"eXIf", block)))
        assert picture.metadata.exif is None
        assert "EXIF is damaged" in picture.notes[0]
        assert np.array_equal(read_pixels(picture), pixels)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are always text")
def test_a_damaged_file_whose_name_is_no_utf8_is_an_error(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.avif")
    path.write_bytes(encoded(noise(30, 30, 3), "avif")[:600])
    failure(path)
    assert open_picture(encoded(ramp(4, 4, 3), "png")).width == 4, "the next file is not affected"


def test_messages_of_libvips_that_are_no_utf8_can_be_read():
    open_picture(encoded(noise(4, 4, 3), "png"))
    message = pyvips.ffi.new("char[]", b"tag \x80 unknown")
    assert pyvips._to_string(message) == "tag \ufffd unknown"
    assert pyvips._to_string(pyvips.ffi.NULL) == ""


def test_nothing_is_printed_by_the_libraries(capfd):
    data = bytearray(encoded(noise(64, 64, 3), "tiff", compression="deflate"))
    data[3000:3100] = bytes(100)
    failure(bytes(data))
    failure(encoded(noise(64, 64, 3), "jpeg")[:2000])
    assert capfd.readouterr() == ("", "")


def test_an_avif_of_several_pictures_is_refused_without_a_hint_at_pages():
    both = pyvips.Image.black(16, 32, bands=3).copy(interpretation="srgb").copy()
    both.set_type(pyvips.GValue.gint_type, "page-height", 16)
    data = both.heifsave_buffer(compression="av1")
    with pytest.raises(PictureError, match="holds 2 pictures") as caught:
        open_picture(data)
    assert "--page" not in caught.value.hint
