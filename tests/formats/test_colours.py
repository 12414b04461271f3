"""Colours that files describe by numbers: kept, converted or told, in and out of each format."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
import pyvips
from carried_files import (
    PIXELS,
    carried,
    chunk,
    exif_segment,
    jpeg,
    png,
    upscaled,
    xmp_packet,
    xmp_segment,
)
from picture_files import encoded, exif_block, exif_values, profile

from superres.containers.iso_boxes import read_iso_facts
from superres.containers.png_chunks import read_png_facts
from superres.media import WriteOptions, open_picture, read_pixels
from superres.metadata.colour_space import Cicp, srgb
from superres.metadata.icc import build_profile

KINDS = ["png", "jpeg", "webp", "tiff", "avif"]
ADOBE_CHRM = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
ADOBE_PNG = (chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", ADOBE_CHRM))
P3, PQ, HLG = (12, 13), (9, 16), (9, 18)
# XYZ (D65) of linear RGB, from the spaces' own standards.
SRGB_TO_XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
P3_TO_XYZ = [[0.4866, 0.2657, 0.1982], [0.2290, 0.6917, 0.0793], [0.0, 0.0451, 1.0439]]
ADOBE_TO_XYZ = [[0.5767, 0.1856, 0.1882], [0.2973, 0.6274, 0.0753], [0.0270, 0.0707, 0.9911]]


def srgb_light(codes):
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def srgb_codes(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def as_srgb(pixels, matrix, light):
    """What colours of another space are in sRGB, 0 to 255, by the standards' matrices."""
    xyz = light(pixels / 255) @ np.array(matrix).T
    return srgb_codes(xyz @ np.linalg.inv(SRGB_TO_XYZ).T) * 255


def avif(primaries, transfer, *, bits=8):
    """A lossless AVIF with code points in nclx, set by hand."""
    pixels = PIXELS if bits == 8 else PIXELS.astype("uint16") * 257
    data = bytearray(encoded(pixels, "avif", lossless=True, keep=0, bitdepth=bits))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


def shown(data):
    """What a colour-managed viewer shows in sRGB, through the file's own profile."""
    image = pyvips.Image.new_from_buffer(data, "")
    return image.icc_transform("srgb", embedded=True, intent="relative").numpy()[..., :3]


def codes(data):
    reader = read_png_facts if data.startswith(b"\x89PNG") else read_iso_facts
    cicp = reader(io.BytesIO(data)).cicp
    return cicp and (cicp.primaries, cicp.transfer)


@pytest.mark.parametrize("kind", KINDS)
def test_p3_in_nclx_is_shown_as_p3_whatever_format_comes_out(kind):
    data, notes = upscaled(avif(*P3), kind, scale=1)
    assert any("nclx" in note and "Display P3" in note for note in notes)
    expected = as_srgb(PIXELS.astype(float), P3_TO_XYZ, srgb_light)
    near = 1.2 if kind in ("png", "tiff") else 6
    assert np.abs(shown(data) - expected).mean() < near / 2
    assert np.abs(shown(encoded(PIXELS, "png", fields=[("icc-profile-data", profile("p3"))]))
                  - expected).mean() < 0.6, "the yardstick"  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_adobe_rgb_in_chunks_is_shown_as_adobe_rgb_whatever_format_comes_out(kind):
    data, notes = upscaled(png(*ADOBE_PNG), kind, scale=1)
    assert any("gAMA and cHRM" in note and "Adobe RGB" in note for note in notes)
    expected = as_srgb(PIXELS.astype(float), ADOBE_TO_XYZ, lambda codes: codes**2.2)
    assert np.abs(shown(data) - expected).mean() < (0.6 if kind in ("png", "tiff") else 3)


@pytest.mark.parametrize(("data", "matrix", "light"), [
    (avif(*P3), P3_TO_XYZ, srgb_light),
    (png(*ADOBE_PNG), ADOBE_TO_XYZ, lambda codes: codes**2.2),
    (png(chunk(b"cICP", bytes((12, 13, 0, 1)))), P3_TO_XYZ, srgb_light),
    (png(chunk(b"gAMA", struct.pack(">I", 100_000))), SRGB_TO_XYZ, lambda codes: codes),
])  # fmt: skip
def test_what_numbers_describe_can_be_converted_to_srgb(data, matrix, light):
    large, notes = upscaled(data, "png", scale=1, profile="srgb")
    assert any(note.startswith("converted to sRGB from ") for note in notes)
    expected = as_srgb(PIXELS.astype(float), matrix, light)
    found = read_pixels(open_picture(large))
    assert np.abs(found - expected).mean() < 0.6
    assert codes(large) is None


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("points", [PQ, HLG])
@pytest.mark.parametrize("lossless", [False, True])
def test_hdr_comes_out_of_an_avif_as_it_went_in(points, bits, lossless):
    options = WriteOptions(lossless=lossless, quality=None if lossless else 98)
    data, notes = upscaled(avif(*points, bits=bits), "avif", scale=1, options=options)
    assert any("BT.2020 with" in note for note in notes)
    assert codes(data) == points
    assert carried(data).icc is None, "a profile would count before the code points"
    again = read_pixels(open_picture(data)).astype(float) / 257
    assert np.abs(again - PIXELS).mean() < (0.3 if lossless else 1.5)
    assert pyvips.Image.new_from_buffer(data, "").get("bits-per-sample") == 12


@pytest.mark.parametrize("points", [PQ, HLG])
def test_hdr_goes_into_a_png_as_code_points_with_a_profile_for_old_viewers(points):
    data, notes = upscaled(avif(*points, bits=12), "png")
    assert codes(data) == points
    assert carried(data).icc is not None
    assert not any("SDR" in note for note in notes)
    found = read_pixels(open_picture(data))[::2, ::2] / 257
    assert np.abs(found - PIXELS).max() < 0.07, "but for one step of 12 bits"


@pytest.mark.parametrize("kind", ["jpeg", "webp", "tiff"])
def test_hdr_in_other_formats_is_said_to_be_shown_as_sdr(kind):
    data, notes = upscaled(avif(*PQ, bits=12), kind)
    assert any("HDR (PQ)" in note and "SDR" in note for note in notes)
    icc = carried(data).icc
    assert icc is not None
    assert b"cicp\0\0\0\0\x09\x10\0\1" in icc, "what viewers of HDR look for"


def test_hdr_in_srgb_has_its_paper_white_near_white_and_its_mid_grey_where_it_was():
    # PQ's codes of 0, 26, 203 and 10,000 cd/m², BT.2100.
    for code, low, high in ((0.0, 0, 0), (0.3798, 100, 106), (0.5807, 240, 250), (1.0, 254, 255)):
        pixels = np.full((4, 4, 3), round(code * 65535), np.uint16)
        data = png(chunk(b"cICP", bytes((9, 16, 0, 1))), pixels=pixels)
        picture = open_picture(data, profile="srgb")
        assert "light above 162 cd/m² is compressed" in picture.notes[0]
        level = read_pixels(picture)[0, 0, 0] / 257
        assert low <= level <= high, (code, level)


@pytest.mark.parametrize("kind", KINDS)
def test_an_8_bit_code_point_picture_that_is_srgb_needs_no_profile(kind):
    data, notes = upscaled(avif(1, 13), kind)
    assert notes == ()
    assert carried(data).icc is None


@pytest.mark.parametrize("points", [P3, PQ])
def test_an_avif_without_a_colour_box_means_what_its_coded_header_says(points):
    data = encoded(PIXELS, "avif", Q=98, subsample_mode="off", keep=0)
    assert b"colr" not in data
    begin = data.index(b"mdat") + 4
    bits = "".join(f"{byte:08b}" for byte in data[begin : begin + 32])
    stated = "".join(f"{code:08b}" for code in (1, 13, 6))
    assert bits.count(stated) == 1, "libheif states sRGB, and BT.601's matrix"
    bits = bits.replace(stated, "".join(f"{code:08b}" for code in (*points, 6)))
    head = int(bits, 2).to_bytes(32, "big")
    picture = open_picture(data[:begin] + head + data[begin + 32 :])
    assert "described by the AV1 header" in picture.notes[0]
    assert picture.metadata.cicp == Cicp(*points)


def test_code_points_that_are_not_known_are_said():
    _, notes = upscaled(avif(77, 13), "png")
    assert notes == (
        "its colours by nclx (primaries 77, transfer 13) are of an unknown kind and not kept",
    )


def test_pngs_order_of_precedence():
    """cICP before iCCP before sRGB before gAMA and cHRM, and EXIF last."""
    icc = b"iCCP", b"p3\0\0" + zlib.compress(profile("p3"))
    cicp, plain = chunk(b"cICP", bytes((9, 13, 0, 1))), chunk(b"sRGB", b"\0")
    exif = chunk(b"eXIf", adobe_exif())
    picture = open_picture(png(cicp, chunk(*icc), plain, *ADOBE_PNG))
    assert "BT.2020" in picture.notes[0]
    assert open_picture(png(chunk(*icc), *ADOBE_PNG)).metadata.icc == profile("p3")
    assert open_picture(png(plain, *ADOBE_PNG, exif)).metadata.icc is None
    assert "Adobe RGB" in open_picture(png(*ADOBE_PNG)).notes[0]
    assert "by EXIF" in open_picture(png(exif)).notes[0]


def test_a_picture_of_code_points_in_pixels_of_video_s_range():
    pixels = np.full((4, 4, 3), 16, np.uint8)
    pixels[:2] = 235
    picture = open_picture(png(chunk(b"cICP", bytes((1, 13, 0, 0))), pixels=pixels), profile="srgb")
    found = read_pixels(picture)
    assert (found[0].min(), found[3].max()) == (255, 0)


def adobe_exif(index=b"R03\0", space=0xFFFF):
    """An EXIF block as cameras write it for Adobe RGB: uncalibrated, and R03."""
    block = exif_block({0x010F: (2, b"Maker\0")}, {0xA001: (3, space), 0xA005: (4, 0)})
    inner = exif_values(block)["main", 0x8769]
    data = bytearray(block + bytes(len(block) % 2))
    struct.pack_into("<I", data, inner + 2 + 12 + 8, len(data))
    return bytes(data) + struct.pack("<HHHI4sI", 1, 1, 2, 4, index, 0)


@pytest.mark.parametrize(
    "data", [jpeg(exif_segment(adobe_exif())), png(chunk(b"eXIf", adobe_exif()))]
)
def test_adobe_rgb_by_exif_alone_is_read(data):
    picture = open_picture(data)
    assert picture.notes == ("its colours, described by EXIF, are kept: Adobe RGB (1998)",)
    assert picture.metadata.icc is not None


@pytest.mark.parametrize("block", [adobe_exif(b"R98\0"), adobe_exif(space=1)])
def test_exif_that_does_not_say_adobe_rgb_means_srgb(block):
    assert open_picture(jpeg(exif_segment(block))).metadata.icc is None


def test_exif_and_xmp_say_srgb_after_a_conversion():
    names = {
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    }
    packet = xmp_packet(names, 'exif:ColorSpace="65535" photoshop:ICCProfile="Adobe RGB (1998)"')
    photo = jpeg(exif_segment(adobe_exif()), xmp_segment(packet))
    data, _ = upscaled(photo, "jpeg", profile="srgb")
    found = carried(data)
    assert exif_values(found.exif)["exif", 0xA001] == 1
    assert b"R98\0" in found.exif
    assert b"R03" not in found.exif
    assert b'exif:ColorSpace="1"' in found.xmp
    assert b"sRGB IEC61966-2.1" in found.xmp
    kept, _ = upscaled(photo, "jpeg")
    assert exif_values(carried(kept).exif)["exif", 0xA001] == 0xFFFF


def test_a_tiff_s_primaries_and_white_point_are_read():
    plain = encoded(PIXELS, "tiff", keep=0)
    at = struct.unpack_from("<I", plain, 4)[0]
    count = struct.unpack_from("<H", plain, at)[0]
    entries = plain[at + 2 : at + 2 + 12 * count]
    begin = len(plain) + len(plain) % 2
    data = plain + bytes(len(plain) % 2)
    white = struct.pack("<4I", 3127, 10000, 3290, 10000)
    primaries = struct.pack("<12I", *(n for v in (64, 33, 21, 71, 15, 6) for n in (v, 100)))
    extra = struct.pack("<HHII", 0x013E, 5, 2, begin) + struct.pack(
        "<HHII", 0x013F, 5, 6, begin + 16
    )
    table = {
        struct.unpack_from("<H", e)[0]: e
        for e in (entries[i : i + 12] for i in range(0, len(entries), 12))
    }
    table |= {0x013E: extra[:12], 0x013F: extra[12:]}
    place = begin + len(white) + len(primaries)
    directory = (
        struct.pack("<H", len(table)) + b"".join(table[tag] for tag in sorted(table)) + bytes(4)
    )
    data = data[:4] + struct.pack("<I", place) + data[8:] + white + primaries + directory
    picture = open_picture(data)
    assert "white point and primaries" in picture.notes[0]
    assert picture.metadata.icc is not None


def test_an_rgb_jpeg_with_adobe_s_marker_is_not_taken_for_luma_and_chroma():
    gradient = np.dstack([np.full((16, 16), v, np.uint8) for v in (200, 40, 90)])
    photo = bytearray(encoded(gradient, "jpeg", Q=95, subsample_mode="off", keep=0))
    # The same three planes, named as RGB's by Adobe's marker.
    marker = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0"
    found = read_pixels(open_picture(bytes(photo[:2] + marker + photo[2:])))
    luma = 0.299 * 200 + 0.587 * 40 + 0.114 * 90
    assert abs(found[8, 8, 0] - luma) < 3, "the first plane is red now"


def test_a_made_profile_of_srgb_is_srgb():
    icc = build_profile(srgb(), grey=False)
    data = encoded(PIXELS, "png", fields=[("icc-profile-data", icc)])
    assert np.abs(shown(data).astype(int) - PIXELS).max() <= 1


@pytest.mark.parametrize("primaries", [1, 4, 5, 6, 7, 8, 9, 11, 12, 22])
@pytest.mark.parametrize("transfer", [1, 4, 5, 7, 8, 13, 16, 17, 18])
@pytest.mark.parametrize("grey", [False, True])
def test_each_made_profile_keeps_white_white_and_grey_grey(primaries, transfer, grey):
    space = Cicp(primaries, transfer).space()
    assert space is not None
    icc = build_profile(space, grey=grey)
    level = np.linspace(0, 255, 64).round().astype(np.uint8)
    pixels = np.repeat(level[None, :, None], 1 if grey else 3, axis=2)
    result = shown(encoded(pixels, "png", fields=[("icc-profile-data", icc)])).astype(int)
    assert np.ptp(result, axis=2).max() <= 2
    assert (np.diff(result[0, :, 0]) >= 0).all()
    assert result[0, -1].min() >= 253
