"""What a file holds is what is read: pixels, depth, layout and the way up."""

from __future__ import annotations

import os
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
from carried_files import xmp_packet
from picture_files import (
    EXACT,
    encoded,
    exif_block,
    grey_profile,
    noise,
    profile,
    ramp,
    raw_tiff,
    vips_image,
    with_jpeg_exif,
    with_jpeg_profile,
    with_png_chunks,
)

from superres.errors import ArgumentError, PictureError
from superres.frame import UINT16, Bands
from superres.media import open_picture, read_pixels

HELD = {
    "png": {"uint8": (1, 2, 3, 4), "uint16": (1, 2, 3, 4)},
    "tiff": {"uint8": (1, 2, 3, 4), "uint16": (1, 2, 3, 4), "float32": (1, 2, 3, 4)},
    "webp": {"uint8": (3, 4)},
    "avif": {"uint8": (3, 4)},
}
CASES = [
    (kind, depth, channels)
    for kind, depths in HELD.items()
    for depth, counts in depths.items()
    for channels in counts
]
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize(("kind", "depth", "channels"), CASES)
def test_lossless_files_are_read_bit_for_bit(kind, depth, channels):
    pixels = noise(13, 17, channels, depth)
    options = {"compression": "deflate"} if kind == "tiff" else EXACT[kind]
    picture = open_picture(encoded(pixels, kind, **options))
    assert (picture.height, picture.width) == (13, 17)
    assert picture.bands == Bands.of(channels)
    assert picture.values.dtype == depth
    assert picture.format == kind
    read = read_pixels(picture)
    assert read.dtype == np.dtype(depth)
    assert np.array_equal(read, pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_read_close_to_what_was_written(channels):
    pixels = ramp(40, 56, channels)
    picture = open_picture(encoded(pixels, "jpeg", Q=100, subsample_mode="off"))
    assert picture.bands == Bands.of(channels)
    assert np.abs(read_pixels(picture).astype(int) - pixels).max() <= 5


def test_a_dark_16_bit_picture_stays_16_bit():
    pixels = noise(8, 8, 3, "uint16") // 1024
    picture = open_picture(encoded(pixels, "png"))
    assert picture.values == UINT16
    assert np.array_equal(read_pixels(picture), pixels)


@pytest.mark.parametrize("bits", [10, 12])
def test_white_in_10_and_12_bit_avif_is_65535(bits):
    levels = np.linspace(0, 2**bits - 1, 64).astype(np.uint16).reshape(8, 8, 1).repeat(3, axis=2)
    data = encoded(levels << (16 - bits), "avif", lossless=True, bitdepth=bits)
    picture = open_picture(data)
    assert picture.values == UINT16
    read = read_pixels(picture)
    assert (read.min(), read.max()) == (0, 65535)
    assert np.array_equal(read, np.rint(levels * (65535 / (2**bits - 1))).astype(np.uint16))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "jpeg"])
def test_orientation_is_applied_once_and_reset(kind, orientation):
    pixels = ramp(16, 24, 3)
    block = exif_block({0x0112: (3, orientation)}, order=">" if orientation % 2 else "<")
    if kind == "jpeg":
        data = with_jpeg_exif(encoded(pixels, "jpeg", Q=100, subsample_mode="off"), block)
    elif kind == "png":
        data = with_png_chunks(encoded(pixels, "png"), (b"eXIf", block))
    elif kind == "tiff":
        data = encoded(pixels, "tiff", fields=[("orientation", orientation)])
    else:
        fields = [("exif-data", b"Exif\0\0" + block), ("orientation", orientation)]
        data = encoded(pixels, "webp", lossless=True, fields=fields)
    picture = open_picture(data)
    expected = UPRIGHT[orientation](pixels)
    read = read_pixels(picture)
    assert (picture.height, picture.width, 3) == read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= (3 if kind == "jpeg" else 0)
    if picture.metadata.exif:
        again = with_png_chunks(encoded(pixels, "png"), (b"eXIf", picture.metadata.exif))
        assert np.array_equal(read_pixels(open_picture(again)), pixels)


def test_exif_behind_a_pngs_pixels_still_turns_it():
    pixels = ramp(5, 9, 3)
    block = exif_block({0x0112: (3, 6)})
    data = with_png_chunks(encoded(pixels, "png"), (b"eXIf", block), last=True)
    assert np.array_equal(read_pixels(open_picture(data)), np.rot90(pixels, -1))


def test_an_orientation_that_does_not_exist_is_taken_as_upright():
    pixels = ramp(5, 9, 3)
    data = with_png_chunks(encoded(pixels, "png"), (b"eXIf", exif_block({0x0112: (3, 77)})))
    assert np.array_equal(read_pixels(open_picture(data)), pixels)


def with_xmp(kind, pixels, packet, exif=None):
    """A file of pixels with an XMP packet, and with an EXIF block if there is one."""
    if kind == "png":
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + packet
        chunks = [(b"iTXt", text)] + ([(b"eXIf", exif)] if exif else [])
        return with_png_chunks(encoded(pixels, "png", keep=0), *chunks)
    fields = [("xmp-data", packet)] + ([("exif-data", b"Exif\0\0" + exif)] if exif else [])
    options = {"lossless": True} if kind == "webp" else {"Q": 100, "subsample_mode": "off"}
    return encoded(pixels, kind, fields=fields, **options)


XMP_TIFF = {"tiff": "http://ns.adobe.com/tiff/1.0/"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_orientation_in_xmp_alone_is_applied_once_and_reset(kind, orientation):
    pixels = ramp(16, 24, 3)
    packet = xmp_packet(XMP_TIFF, f'tiff:Orientation="{orientation}"')
    picture = open_picture(with_xmp(kind, pixels, packet))
    expected = UPRIGHT[orientation](pixels)
    read = read_pixels(picture)
    assert (picture.height, picture.width, 3) == read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= (3 if kind == "jpeg" else 0)
    assert picture.metadata.xmp is not None
    assert b'tiff:Orientation="1"' in picture.metadata.xmp


@pytest.mark.parametrize(("in_exif", "turned"), [
    ({0x0112: (3, 1)}, False), ({0x0112: (3, 77)}, True), ({0x010F: (2, b"Camera\0")}, True),
])  # fmt: skip
def test_orientation_in_xmp_counts_only_where_exif_states_none(in_exif, turned):
    pixels = ramp(5, 9, 3)
    packet = xmp_packet(XMP_TIFF, inner="<tiff:Orientation>6</tiff:Orientation>")
    picture = open_picture(with_xmp("png", pixels, packet, exif_block(in_exif)))
    expected = np.rot90(pixels, -1) if turned else pixels
    assert np.array_equal(read_pixels(picture), expected)


@pytest.mark.parametrize(("packet", "turned"), [
    (xmp_packet(XMP_TIFF, 'tiff:Orientation="6"').decode().encode("utf-16"), True),
    (b'<not well-formed tiff:Orientation="6"', True),
    (xmp_packet(XMP_TIFF, 'tiff:Orientation="9"'), False),
    (xmp_packet(XMP_TIFF, 'tiff:Orientation="six"'), False),
    (xmp_packet({"a": "http://example.org/"}, 'a:Orientation="6"'), False),
])  # fmt: skip
def test_an_orientation_in_xmp_is_read_from_any_text_and_only_if_it_is_one(packet, turned):
    pixels = ramp(5, 9, 3)
    read = read_pixels(open_picture(with_xmp("webp", pixels, packet)))
    assert np.array_equal(read, np.rot90(pixels, -1) if turned else pixels)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("orientation", [1, 2, 6])
def test_rows_of_any_block_size_join_to_the_whole(block, orientation):
    pixels = noise(70, 33, 3)
    picture = open_picture(encoded(pixels, "tiff", fields=[("orientation", orientation)]))
    blocks = list(picture.rows(block=block))
    assert all(len(rows) == block for rows in blocks[:-1])
    assert np.array_equal(np.concatenate(blocks), UPRIGHT[orientation](pixels))


def test_a_picture_can_be_read_twice_and_half():
    pixels = noise(90, 10, 3)
    picture = open_picture(encoded(pixels, "png"))
    assert np.array_equal(next(picture.rows(block=16)), pixels[:16])
    assert np.array_equal(read_pixels(picture), pixels)
    assert np.array_equal(read_pixels(picture), pixels)


def test_blocks_of_no_rows_are_refused():
    with pytest.raises(ArgumentError, match="got 0"):
        open_picture(encoded(noise(4, 4, 1), "png")).rows(block=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1)])
@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "jpeg", "avif"])
def test_the_smallest_pictures_are_read(kind, size):
    height, width = size
    picture = open_picture(encoded(ramp(height, width, 3), kind))
    assert (picture.height, picture.width) == size
    assert read_pixels(picture).shape == (*size, 3)


def test_a_palette_is_expanded():
    pixels = np.repeat(np.array([[[250, 10, 20], [0, 200, 30]]], np.uint8), 6, axis=0)
    data = encoded(pixels, "png", palette=True, dither=0.0)
    assert data[25] == 3, "the test file must have a palette"
    picture = open_picture(data)
    assert picture.bands == Bands("rgb", 3, False)
    assert np.abs(read_pixels(picture).astype(int) - pixels).max() <= 2


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_one_bit_becomes_grey_of_0_and_255(kind):
    pixels = (noise(9, 11, 1) > 127).astype(np.uint8) * 255
    picture = open_picture(encoded(pixels, kind, bitdepth=1))
    assert (picture.bands, picture.values.dtype) == (Bands("grey", 1, False), "uint8")
    assert np.array_equal(read_pixels(picture), pixels)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_white_is_zero_tiffs_are_turned_to_white_is_high(depth):
    pixels = noise(6, 7, 1, depth)
    read = read_pixels(open_picture(raw_tiff(pixels, photometric=0)))
    assert np.array_equal(read, np.iinfo(depth).max - pixels)


def test_big_endian_16_bit_is_read_in_this_machines_order():
    image = vips_image(noise(6, 7, 1, "uint16"))
    data = raw_tiff(noise(6, 7, 1, "uint16"), photometric=1)
    read = read_pixels(open_picture(data))
    assert read.dtype == np.uint16
    assert read.dtype.isnative
    assert np.array_equal(read[..., 0], image.numpy())


@pytest.mark.parametrize("kind", ["jpeg", "tiff"])
def test_cmyk_is_converted_through_its_profile(kind):
    pixels = np.full((16, 16, 3), (200, 60, 40), np.uint8)
    cmyk = vips_image(pixels).icc_transform(
        "cmyk", input_profile="srgb", intent="relative", black_point_compensation=True
    )
    data = bytes(cmyk.write_to_buffer(".jpg" if kind == "jpeg" else ".tif"))
    picture = open_picture(data)
    assert (picture.bands, picture.values.dtype) == (Bands("rgb", 3, False), "uint8")
    assert picture.notes == ("CMYK converted to sRGB through its own profile",)
    assert picture.metadata.icc == profile("srgb")
    assert np.abs(read_pixels(picture).astype(int) - pixels).max() <= 6


def test_cmyk_without_a_profile_is_converted_and_said_so():
    cmyk = np.zeros((8, 8, 4), np.uint8)
    cmyk[..., 0] = 255
    picture = open_picture(encoded(cmyk, "tiff", interpretation="cmyk"))
    red, green, blue = read_pixels(picture)[4, 4].astype(int)
    assert red < green < blue, "cyan ink is more blue than green than red"
    assert "none of its own" in picture.notes[0]
    assert picture.metadata.icc == profile("srgb")


def test_16_bit_cmyk_becomes_16_bit_rgb():
    picture = open_picture(encoded(noise(8, 8, 4, "uint16"), "tiff", interpretation="cmyk"))
    assert (picture.values.dtype, picture.bands) == ("uint16", Bands("rgb", 3, False))


def test_16_bit_lab_becomes_16_bit_srgb():
    pixels = np.full((8, 8, 3), (200, 60, 40), np.uint8)
    data = bytes(vips_image(pixels).colourspace("labs").tiffsave_buffer())
    picture = open_picture(data)
    assert (picture.values.dtype, picture.metadata.icc) == ("uint16", profile("srgb"))
    assert "CIELAB" in picture.notes[0]
    assert np.abs(read_pixels(picture).astype(int) - pixels * 257.0).max() <= 300


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_premultiplied_alpha_becomes_straight(depth):
    white = {"uint8": 255, "uint16": 65535, "float32": 1.0}[depth]
    straight = ramp(12, 12, 4, depth)
    straight[..., 3] = np.linspace(0.5 * white, white, 12)
    stored = straight.astype(np.float64)
    stored[..., :3] *= stored[..., 3:] / white
    stored = stored if depth == "float32" else np.rint(stored)
    sample_format = 3 if depth == "float32" else 1
    data = raw_tiff(stored.astype(depth), 2, extra=[1], sample_format=sample_format)
    picture = open_picture(data)
    assert (picture.values.dtype, picture.bands) == (depth, Bands("rgb", 3, True))
    assert picture.notes == ("premultiplied alpha turned into straight alpha",)
    error = np.abs(read_pixels(picture).astype(float) - straight).max()
    assert error <= (1e-5 if depth == "float32" else 1)


def test_every_product_of_an_8_bit_colour_and_alpha_is_divided_to_the_nearest():
    product, alpha = np.mgrid[0:256, 0:256]
    product = np.minimum(product, alpha)
    data = raw_tiff(np.stack([product, alpha], axis=2).astype(np.uint8), 1, extra=[1])
    read = read_pixels(open_picture(data))
    assert np.array_equal(read[..., 1], alpha)
    nearest = np.floor(255 * product / np.maximum(alpha, 1) + 0.5)
    assert np.array_equal(read[..., 0], nearest)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_white_under_premultiplied_alpha_stays_white(depth):
    alpha = noise(40, 50, 1, depth) | 1
    read = read_pixels(open_picture(raw_tiff(alpha.repeat(4, axis=2), 2, extra=[1])))
    assert (read[..., :3] == np.iinfo(depth).max).all()


def test_a_profile_is_kept_with_its_pixels():
    pixels = noise(8, 8, 3)
    picture = open_picture(encoded(pixels, "png", fields=[("icc-profile-data", profile("p3"))]))
    assert picture.metadata.icc == profile("p3")
    assert np.array_equal(read_pixels(picture), pixels)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_a_profile_is_converted_to_srgb_on_request(depth):
    srgb = ramp(16, 16, 3, depth)
    bits = 8 if depth == "uint8" else 16
    p3 = vips_image(srgb).icc_transform("p3", input_profile="srgb", depth=bits)
    picture = open_picture(bytes(p3.pngsave_buffer()), profile="srgb")
    assert (picture.values.dtype, picture.metadata.icc) == (depth, profile("srgb"))
    assert picture.notes == ("converted to sRGB",)
    assert np.abs(read_pixels(picture).astype(int) - srgb).max() <= (8 if depth == "uint8" else 300)
    assert np.abs(read_pixels(open_picture(bytes(p3.pngsave_buffer()))) != srgb).any()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_grey_profile_is_converted_and_the_picture_stays_grey(channels):
    pixels = np.full((8, 8, channels), 55, np.uint8)  # linear light 0.2157 is 128 in sRGB
    fields = [("icc-profile-data", grey_profile(1.0))]
    picture = open_picture(encoded(pixels, "png", fields=fields), profile="srgb")
    assert picture.bands == Bands.of(channels)
    assert picture.metadata.icc is None
    read = read_pixels(picture)
    assert abs(int(read[0, 0, 0]) - 128) <= 1
    if channels == 2:
        assert (read[..., 1] == 55).all()


def test_floats_keep_their_profile_and_say_so():
    fields = [("icc-profile-data", profile("p3"))]
    data = encoded(noise(6, 6, 3, "float32"), "tiff", fields=fields)
    picture = open_picture(data, profile="srgb")
    assert picture.metadata.icc == profile("p3")
    assert "float" in picture.notes[0]


def test_a_profile_for_other_colours_is_dropped_and_said_so():
    jpeg = encoded(noise(6, 6, 3), "jpeg")
    picture = open_picture(with_jpeg_profile(jpeg, grey_profile()))
    assert picture.metadata.icc is None
    assert picture.notes == ("its ICC profile is for GRAY pictures and not kept",)


def test_a_damaged_profile_is_dropped_and_said_so():
    jpeg = encoded(noise(6, 6, 3), "jpeg")
    picture = open_picture(with_jpeg_profile(jpeg, b"no profile" * 30))
    assert picture.metadata.icc is None
    assert picture.notes == ("its ICC profile is damaged and not kept",)
    icc = b"icc\0\0" + zlib.compress(b"no profile" * 30)
    picture = open_picture(with_png_chunks(encoded(noise(6, 6, 3), "png"), (b"iCCP", icc)))
    assert picture.metadata.icc is None
    assert picture.notes == ("its ICC profile does not fit and is not kept",)


def test_reduced_copies_in_a_tiff_are_no_pages():
    image = vips_image(noise(64, 64, 3))
    data = bytes(image.tiffsave_buffer(pyramid=True, tile=True, tile_width=16, tile_height=16))
    picture = open_picture(data)
    assert (picture.height, picture.width) == (64, 64)
    assert "reduced copies" in picture.notes[0]


@pytest.mark.parametrize(
    "name", ["größe 漢字 🙂.png", "brackets[page=1].png", "no suffix", "-dash.png"]
)
def test_any_file_name_is_read(tmp_path, name):
    pixels = noise(5, 6, 3)
    path = tmp_path / name
    path.write_bytes(encoded(pixels, "png"))
    assert np.array_equal(read_pixels(open_picture(path)), pixels)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are always text")
def test_a_file_name_that_is_no_utf8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(encoded(noise(5, 6, 3), "png"))
    assert open_picture(path).width == 6


def test_a_relative_path_is_read(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(encoded(noise(5, 6, 3), "png"))
    monkeypatch.chdir(tmp_path)
    assert open_picture(Path("a.png")).width == 6


def test_a_file_replaced_after_opening_is_noticed(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(5, 6, 3), "png"))
    picture = open_picture(path)
    path.write_bytes(encoded(noise(7, 6, 3), "png"))
    with pytest.raises(PictureError, match="changed while it was read"):
        read_pixels(picture)


def test_a_file_rewritten_between_two_openings_gives_its_new_pixels(tmp_path):
    path = tmp_path / "a.png"
    for seed in (1, 2):
        pixels = noise(5, 6, 3, seed=seed)
        path.write_bytes(encoded(pixels, "png"))
        assert np.array_equal(read_pixels(open_picture(path)), pixels)


def test_a_rotated_file_is_not_decoded_when_it_is_opened():
    data = encoded(noise(300, 300, 3), "tiff", fields=[("orientation", 6)])
    broken = bytearray(data)
    broken[-200_000:-100_000] = bytes(100_000)
    assert open_picture(bytes(broken)).width == 300


def test_libvips_uses_no_loader_that_it_does_not_trust():
    open_picture(encoded(noise(4, 4, 3), "png"))
    with pytest.raises(pyvips.Error, match=r"not found|blocked"):
        pyvips.Image.svgload_buffer(
            b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
        )
