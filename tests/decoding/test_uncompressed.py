"""BMP and PNM are read to the number that other readers see, and damage is an error."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from picture_files import noise, profile
from PIL import Image

from superres.errors import OutputError, PictureError
from superres.media import format_for, open_picture, read_pixels

RGB, GREY = noise(13, 10, 3), noise(13, 10, 1)


def saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def pixels_of(data, block=5):
    picture = open_picture(data)
    whole = np.concatenate(list(picture.rows(block=block)))
    assert np.array_equal(whole, read_pixels(picture))
    assert whole.shape == (picture.height, picture.width, picture.bands.channels)
    return whole


def bmp(bits, rows, *, header=40, coding=0, masks=b"", palette=b"", top_down=False, tail=b""):
    """A BMP of rows of bytes, from the top one on, each padded to four bytes."""
    height, width = len(rows), rows[0][1]
    data = [row.ljust(-(-len(row) // 4) * 4, b"\0") for row, _ in rows]
    body = b"".join(data if top_down else reversed(data))
    head = struct.pack(
        "<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, coding,
        len(body), 2835, 2835, len(palette) // 4, 0,
    )  # fmt: skip
    head += (masks if header > 40 else b"").ljust(header - 40, b"\0")
    outside = masks if header == 40 else b""
    start = 14 + len(head) + len(outside) + len(palette)
    file = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    return file + head + outside + palette + body + tail


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_a_bmp_is_what_another_program_saved(tmp_path, mode):
    picture = Image.fromarray(RGB).convert(mode)
    expected = np.asarray(picture.convert("RGB" if mode in ("RGB", "P") else "L"))
    data = saved(picture, "BMP", dpi=(300, 300))
    (tmp_path / "a.bmp").write_bytes(data)
    for source in (data, tmp_path / "a.bmp"):
        assert np.array_equal(pixels_of(source), expected.reshape(13, 10, -1))
    found = open_picture(data)
    assert found.metadata.dpi is not None
    assert found.metadata.dpi[0] == pytest.approx(300, abs=0.02)


@pytest.mark.parametrize("top_down", [True, False])
def test_rows_come_from_either_end(top_down):
    rows = [(RGB[y, :, ::-1].tobytes(), 10) for y in range(13)]
    assert np.array_equal(pixels_of(bmp(24, rows, top_down=top_down)), RGB)


def test_four_bytes_without_a_mask_are_rgb_and_with_one_have_alpha():
    rgba = noise(13, 10, 4)
    rows = [(rgba[y][:, [2, 1, 0, 3]].tobytes(), 10) for y in range(13)]
    assert np.array_equal(pixels_of(bmp(32, rows)), rgba[..., :3])
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    assert np.array_equal(pixels_of(bmp(32, rows, header=108, coding=3, masks=masks)), rgba)
    assert open_picture(bmp(32, rows, header=108, coding=3, masks=masks)).bands.alpha


@pytest.mark.parametrize(
    ("masks", "most"), [(None, (31, 31, 31)), ((0xF800, 0x7E0, 0x1F), (31, 63, 31))]
)
def test_two_bytes_fill_the_whole_range(masks, most):
    rng = np.random.default_rng(0)
    fields = [rng.integers(0, m + 1, (6, 5)) for m in most]
    shifts = (10, 5, 0) if masks is None else (11, 5, 0)
    whole = np.stack([field << at for field, at in zip(fields, shifts, strict=True)]).sum(axis=0)
    rows = [(np.asarray(row, "<u2").tobytes(), 5) for row in whole]
    packed = struct.pack("<3I", *masks) if masks else b""
    data = bmp(16, rows, coding=3 if masks else 0, masks=packed)
    expected = np.stack([np.floor(f * 255 / m + 0.5) for f, m in zip(fields, most, strict=True)], 2)
    assert np.array_equal(pixels_of(data), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_any_depth_are_looked_up(bits):
    colours = noise(2**bits, 1, 3)[:, 0]
    index = np.random.default_rng(1).integers(0, 2**bits, (7, 11)).astype(np.uint8)
    unpacked = np.unpackbits(index[..., None], axis=2)[..., 8 - bits :]
    packed = np.packbits(unpacked.reshape(7, -1), axis=1)
    palette = np.pad(colours[:, ::-1], ((0, 0), (0, 1))).tobytes()
    data = bmp(bits, [(row.tobytes(), 11) for row in packed], palette=palette)
    assert np.array_equal(pixels_of(data), colours[index])


def test_a_profile_and_the_resolution_are_kept():
    icc = profile("p3")
    rows = [(RGB[y, :, ::-1].tobytes(), 10) for y in range(13)]
    plain = bmp(24, rows, header=124)
    at = 124 + sum(-(-len(row) // 4) * 4 for row, _ in rows)
    data = bytearray(plain + icc)
    struct.pack_into("<I", data, 14 + 56, 0x4D424544)
    struct.pack_into("<II", data, 14 + 112, at, len(icc))
    found = open_picture(bytes(data))
    assert found.metadata.icc == icc
    assert found.metadata.dpi == pytest.approx((72.0, 72.0), abs=0.02)


def test_kinds_of_bmp_that_are_not_read_are_named():
    rows = [(bytes(12), 10)]
    with pytest.raises(PictureError, match="8-bit run-length coding") as caught:
        open_picture(bmp(8, rows, coding=1, palette=bytes(1024)))
    assert "24-bit BMP" in caught.value.hint


@pytest.mark.parametrize("kept", [16, 30, 53, 200])
def test_a_bmp_that_is_cut_off_is_an_error(kept):
    data = saved(Image.fromarray(RGB), "BMP")[:kept]
    with pytest.raises(PictureError, match="BMP"):
        read_pixels(open_picture(data))


def test_a_bmp_of_many_pixels_is_refused_by_its_header():
    data = bytearray(saved(Image.fromarray(RGB), "BMP"))
    struct.pack_into("<ii", data, 18, 100_000, 100_000)
    with pytest.raises(PictureError, match="10,000,000,000 in all"):
        open_picture(bytes(data))


@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["ppm", "pgm"])
def test_a_pnm_is_what_another_program_saved(pixels):
    data = saved(Image.fromarray(pixels.squeeze()), "PPM")
    assert np.array_equal(pixels_of(data), pixels)


def text(kind, most, numbers, width, height):
    body = "\n".join(" ".join(map(str, row.ravel())) for row in numbers)
    return f"{kind}\n# a comment\n{width} {height} # another\n{most}\n{body}\n".encode()


@pytest.mark.parametrize(("kind", "pixels"), [("P2", GREY), ("P3", RGB)])
def test_numbers_as_text_are_read(kind, pixels):
    assert np.array_equal(pixels_of(text(kind, 255, pixels, 10, 13)), pixels)


def test_bits_are_white_on_black_with_zeroes_white():
    bits = np.random.default_rng(2).integers(0, 2, (6, 11)).astype(np.uint8)
    expected = (1 - bits)[..., None] * 255
    assert np.array_equal(pixels_of(b"P4\n11 6\n" + np.packbits(bits, axis=1).tobytes()), expected)
    loose = "\n".join("".join(map(str, row)) for row in bits).encode()
    assert np.array_equal(pixels_of(b"P1 11 6\n" + loose), expected)


@pytest.mark.parametrize("most", [1, 100, 255, 1023, 4095, 65535])
def test_any_largest_number_becomes_white(most):
    numbers = np.random.default_rng(3).integers(0, most + 1, (6, 5))
    numbers[0, 0] = most
    order, white = ("u1", 255) if most < 256 else (">u2", 65535)
    data = b"P5 5 6 %d\n" % most + numbers.astype(order).tobytes()
    expected = np.floor(numbers * white / most + 0.5)[..., None]
    assert np.array_equal(pixels_of(data), expected)
    assert open_picture(data).values.white == white


def test_a_pam_may_have_alpha():
    rgba = noise(4, 5, 4)
    head = b"P7\nWIDTH 5\nHEIGHT 4\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    assert np.array_equal(pixels_of(head + rgba.tobytes()), rgba)
    assert open_picture(head + rgba.tobytes()).bands.alpha
    with pytest.raises(PictureError, match="4 channels"):
        open_picture(head.replace(b"RGB_ALPHA", b"CMYK") + rgba.tobytes())


@pytest.mark.parametrize(("order", "scale"), [("<f4", b"-1.0"), (">f4", b"1.0")])
def test_floats_are_kept_as_they_are_and_stand_upside_down_in_the_file(order, scale):
    pixels = noise(6, 5, 3, "float32")
    data = b"PF\n5 6\n" + scale + b"\n" + pixels[::-1].astype(order).tobytes()
    assert np.array_equal(pixels_of(data), pixels)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"P6 2 2 255\n" + bytes(11), "ends too early"),
        (b"P3 2 2 255\n1 2 3 4 5", "ends too early"),
        (b"P3 1 1 255\n1 2 x", "'x' is not a number"),
        (b"P2 1 1 100\n101", "it holds 101"),
        (b"P5 1 1 100\n\xff", "it holds 255"),
        (b"P6 0 2 255\n", "its size is 2 x 0"),
        (b"P6 2 2 99999\n", "65535"),
        (b"P6 2 2\n", "header is damaged"),
        (b"P7\nWIDTH 2\nENDHDR\n", "lacks DEPTH, HEIGHT, MAXVAL"),
    ],
)
def test_a_damaged_pnm_is_an_error_that_says_why(data, word):
    with pytest.raises(PictureError, match=word):
        read_pixels(open_picture(data))


def test_memory_does_not_grow_with_a_text(tmp_path):
    import tracemalloc

    path = tmp_path / "a.pgm"
    with path.open("w") as file:
        file.write("P2 256 2048 255\n")
        for _ in range(2048):
            file.write(" ".join(["200"] * 256) + "\n")
    tracemalloc.start()
    try:
        for block in open_picture(path).rows():
            assert block[0, 0, 0] == 200
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["bmp", "ppm", "jp2", "jxl"])
def test_what_is_read_only_says_what_to_write_instead(name):
    with pytest.raises(OutputError, match="cannot be written") as caught:
        format_for(name)
    assert "PNG" in caught.value.hint


def test_a_gif_of_one_frame_is_a_picture():
    picture = Image.fromarray(RGB).convert("P")
    data = saved(picture, "GIF")
    assert np.array_equal(pixels_of(data), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize(
    ("head", "title", "library"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "OpenJPEG"),
        (b"\xff\x4f\xff\x51\0\x2f", "JPEG 2000", "OpenJPEG"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL", "libjxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "libjxl"),
    ],
)
def test_what_libvips_may_have_no_decoder_for_is_named_with_the_library(head, title, library):
    import pyvips

    from superres.vips.library import loader_named

    operation = {"OpenJPEG": "jp2kload_source", "libjxl": "jxlload_source"}[library]
    assert (loader_named(operation) is None) == (pyvips.type_find("VipsOperation", operation) == 0)
    with pytest.raises(PictureError, match=title) as caught:
        open_picture(head + bytes(60))
    if loader_named(operation) is None:
        assert library in caught.value.hint
        assert "damaged" not in caught.value.hint
