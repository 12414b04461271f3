"""Qualities that files tell of themselves, and files that lie or end."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from picture_files import encoded, exif_block, ramp, with_jpeg_exif, with_jpeg_profile

from superres.decoding.compression import jpeg_quality, webp_quality
from superres.media import open_picture


def coded_quality(source):
    return open_picture(source).coded_quality


def photograph(channels=3):
    """Soft noise on a ramp, so that encoders find something to leave out."""
    coarse = np.random.default_rng(0).integers(0, 60, (12, 15, channels)).repeat(8, 0).repeat(8, 1)
    return (ramp(96, 120, channels) // 2 + coarse + 40).astype(np.uint8)


def table(values, identity=0, *, wide=False):
    body = struct.pack(">64H", *values) if wide else bytes(values)
    return bytes([(wide << 4) | identity]) + body


def jpeg_with(*segments):
    """The start of a JPEG of some (marker, body) segments, up to its scan."""
    parts = (struct.pack(">BBH", 0xFF, mark, len(body) + 2) + body for mark, body in segments)
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xda\0\2"


@pytest.mark.parametrize("quality", [20, 30, 50, 60, 75, 85, 90, 92, 95, 98])
@pytest.mark.parametrize("options", [{}, {"interlace": True}, {"subsample_mode": "off"}])
def test_libjpegs_quality_is_read_from_its_tables(quality, options):
    data = encoded(photograph(), "jpeg", Q=quality, **options)
    assert coded_quality(data) == quality


def test_grey_jpegs_tell_their_quality_too():
    assert coded_quality(encoded(photograph(1), "jpeg", Q=40)) == 40


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 80, 90, 95])
@pytest.mark.parametrize("channels", [3, 4])
def test_libwebps_quality_is_read_from_its_quantiser(quality, channels):
    data = encoded(photograph(channels), "webp", Q=quality)
    assert coded_quality(data) == pytest.approx(quality, abs=12)


def test_formats_that_lose_nothing_or_do_not_tell_have_no_quality(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(photograph(), "png"))
    assert coded_quality(path) is None
    assert coded_quality(encoded(photograph(), "webp", lossless=True)) is None
    assert coded_quality(encoded(photograph(), "avif", Q=30)) is None


def test_a_file_and_its_bytes_tell_the_same(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(photograph(), "jpeg", Q=66))
    assert coded_quality(path) == coded_quality(path.read_bytes()) == 66


def test_a_thumbnails_tables_and_long_profiles_are_passed_over():
    thumbnail = encoded(photograph(), "jpeg", Q=10)
    data = encoded(photograph(), "jpeg", Q=85)
    data = with_jpeg_exif(with_jpeg_profile(data, b"\xff\xdb" * 30_000), exif_block({}, None))
    assert coded_quality(data) == 85
    data = with_jpeg_exif(data, exif_block({0x0112: (3, 1)}, thumbnail=thumbnail))
    assert coded_quality(data) == 85


def test_tables_of_16_bits_and_tables_that_come_after_chromas_are_read():
    coarse = table([300] * 64, wide=True)
    assert jpeg_quality(io.BytesIO(jpeg_with((0xDB, coarse)))) == 10
    behind = table([99] * 64, 1) + table([1] * 64)
    assert jpeg_quality(io.BytesIO(jpeg_with((0xDB, behind)))) == 99
    apart = ((0xDB, table([99] * 64, 1)), (0xE1, b"text"), (0xDB, table([1] * 64)))
    assert jpeg_quality(io.BytesIO(jpeg_with(*apart))) == 99


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8" + b"\xff" * 10_000,
        b"\xff\xd8" + b"\xff\xd0" * 10_000,
        b"\xff\xd8\xff\xdb",
        b"\xff\xd8\xff\xdb\0",
        b"\xff\xd8\xff\xdb\0\0",
        b"\xff\xd8\xff\xdb\0\1",
        b"\xff\xd8\xff\xdb\0\2" * 5000,
        b"\xff\xd8\xff\xdb\xff\xff" + bytes(10),
        b"\xff\xd8\xff\xe1\xff\xff",
        jpeg_with((0xDB, table([1] * 63))),
        jpeg_with((0xDB, table([0] * 64))),
        jpeg_with((0xDB, table([1] * 64, 3))),
        jpeg_with((0xDB, table([1] * 64, wide=True)[:-1])),
        jpeg_with(),
    ],
)
def test_a_jpeg_without_a_whole_luma_table_tells_nothing(data):
    assert jpeg_quality(io.BytesIO(data)) is None


@pytest.mark.parametrize(("kind", "read"), [("jpeg", jpeg_quality), ("webp", webp_quality)])
def test_a_file_cut_anywhere_tells_what_the_whole_file_tells_or_nothing(kind, read):
    whole = encoded(photograph(), kind, Q=70)
    expected = read(io.BytesIO(whole))
    for length in range(0, min(len(whole), 1200)):
        estimate = read(io.BytesIO(whole[:length]))
        # A WebP that is cut in its frame's header reads as if zeros followed.
        assert estimate in (None, expected) or (kind == "webp" and 0 <= estimate <= 100)


@pytest.mark.parametrize(
    "chunks",
    [
        b"",
        b"VP8X\xff\xff\xff\xff",
        b"VP8 \xff\xff\xff\xff",
        b"VP8 \x0a\0\0\0" + bytes(10),
        b"ALPH\0\0\0\0" * 5000,
        b"VP8 \x0a\0\0\0\x01\0\0\x9d\x01\x2a" + bytes(70),
    ],
)
def test_a_webp_without_a_key_frame_tells_nothing(chunks):
    assert webp_quality(io.BytesIO(b"RIFF\0\0\0\0WEBP" + chunks)) is None


def test_any_bits_in_a_webps_header_are_some_quality():
    rng = np.random.default_rng(1)
    for _ in range(200):
        frame = b"\0\0\0\x9d\x01\x2a\0\0\0\0" + rng.bytes(64)
        estimate = webp_quality(io.BytesIO(b"RIFF\0\0\0\0WEBPVP8 \x4a\0\0\0" + frame))
        assert estimate is not None
        assert 0 <= estimate <= 100
