"""Facts read from PNG chunks and TIFF tables set by hand, whole and damaged."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hand_tiff import block, text

from superres.containers.png_chunks import read_png_facts
from superres.containers.tiff_facts import read_tiff_facts
from superres.metadata.colour_space import SRGB

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_WORD = b"XML:com.adobe.xmp"


def chunk(name, body=b""):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def facts(*chunks) -> Any:
    return read_png_facts(io.BytesIO(SIGNATURE + b"".join(chunks)))


def test_a_bare_png_has_no_facts():
    found = facts(chunk(b"IHDR", bytes(13)), chunk(b"IDAT", b"x"), chunk(b"IEND"))
    assert (found.animated, found.profile) == (False, False)
    assert (found.dpi, found.exif, found.xmp, found.notes) == (None, None, None, ())


def test_chunks_behind_the_pixels_count_and_those_behind_the_end_do_not():
    found = facts(chunk(b"IDAT", b"x" * 99), chunk(b"eXIf", b"II*\0"), chunk(b"IEND"))
    assert found.exif == b"II*\0"
    found = facts(chunk(b"IEND"), chunk(b"eXIf", b"II*\0"), chunk(b"acTL", bytes(8)))
    assert (found.exif, found.animated) == (None, False)


def test_of_doubled_chunks_the_first_counts():
    assert facts(chunk(b"eXIf", b"first"), chunk(b"eXIf", b"second")).exif == b"first"
    packets = (chunk(b"iTXt", XMP_WORD + bytes(5) + body) for body in (b"<first/>", b"<second/>"))
    assert facts(*packets).xmp == b"<first/>"


def test_an_animation_and_a_profile_are_seen_without_their_content():
    moving = chunk(b"acTL", bytes(8)), chunk(b"fcTL", bytes(26))
    found = facts(*moving, chunk(b"iCCP", b"name\0\0zzz"))
    assert (found.animated, found.profile) == (True, True)


@pytest.mark.parametrize(
    ("body", "dpi"),
    [
        (struct.pack(">IIB", 10000, 20000, 1), (254.0, 508.0)),
        (struct.pack(">IIB", 10000, 20000, 0), None),
        (struct.pack(">IIB", 0, 20000, 1), None),
        (struct.pack(">II", 10000, 20000), None),
    ],
)
def test_pixels_a_metre_become_pixels_an_inch_and_a_mere_ratio_does_not(body, dpi):
    stated = facts(chunk(b"pHYs", body)).dpi
    assert stated == (None if dpi is None else pytest.approx(dpi))


@pytest.mark.parametrize("packed", [False, True])
def test_xmp_is_read_behind_a_language_and_a_translated_keyword(packed):
    text_bytes = zlib.compress(b"<x/>") if packed else b"<x/>"
    body = XMP_WORD + bytes([0, packed, 0]) + b"de\0Schl\xc3\xbcssel\0" + text_bytes
    assert facts(chunk(b"iTXt", body)).xmp == b"<x/>"


@pytest.mark.parametrize(
    "rest", [b"", b"\0", b"\0\0", b"\0\0\0de", b"\0\1\0\0\0not zlib", b"\0\1\0\0\0"]
)
def test_damaged_xmp_is_none_and_a_later_sound_one_counts(rest):
    damaged = chunk(b"iTXt", XMP_WORD + rest)
    assert not facts(damaged).xmp
    assert facts(damaged, chunk(b"iTXt", XMP_WORD + bytes(5) + b"<x/>")).xmp == b"<x/>"


@pytest.mark.parametrize("lost", [1, 4, 5, 40])
def test_packed_xmp_that_is_cut_off_is_damaged_and_not_returned_in_part(lost):
    packed = zlib.compress(bytes(range(256)) * 4)[:-lost]
    assert facts(chunk(b"iTXt", XMP_WORD + b"\0\1\0\0\0" + packed)).xmp is None


@pytest.mark.parametrize(("over", "kept"), [(0, True), (1, False), (2**25, False)])
def test_xmp_that_inflates_past_16_mb_is_not_read(over, kept):
    bomb = zlib.compress(b" " * (2**24 + over), 1)
    found = facts(chunk(b"iTXt", XMP_WORD + b"\0\1\0\0\0" + bomb))
    assert (found.xmp is not None) == kept


def test_lost_text_is_named_once_in_order_and_what_programs_write_idly_is_not():
    words = (b"Title", b"Author", b"Title", b"Software", b"date:create")
    found = facts(*(chunk(b"tEXt", word + b"\0value") for word in words), chunk(b"zTXt", b"B\0\0x"))
    assert found.notes == ("PNG text is not kept: Author, B, Title",)


def gamma(value):
    return chunk(b"gAMA", struct.pack(">I", value))


def space(*chunks) -> Any:
    described = facts(*chunks).colour
    return described and described.space


@pytest.mark.parametrize("value", [44999, 46000, 100000])
def test_an_unusual_gamma_is_read_unless_srgb_outranks_it(value):
    found = space(gamma(value))
    assert found.transfer != SRGB
    assert found.light(np.array([0.5])) == pytest.approx(0.5 ** (1e5 / value))
    assert space(gamma(value), chunk(b"sRGB", b"\0")).is_srgb


@pytest.mark.parametrize("value", [45000, 45455, 45999])
def test_the_usual_gamma_means_srgb(value):
    assert space(gamma(value)).is_srgb


def test_no_gamma_and_a_gamma_of_0_say_nothing():
    assert space() is None
    assert space(gamma(0)) is None


def test_code_points_outrank_all_else_and_those_of_luma_and_chroma_are_noted():
    found = facts(gamma(100000), chunk(b"sRGB", b"\0"), chunk(b"cICP", bytes((9, 16, 0, 1))))
    assert found.colour.outranks_icc
    assert (found.cicp.primaries, found.cicp.transfer, found.cicp.full) == (9, 16, True)
    assert facts(chunk(b"cICP", bytes((9, 16, 9, 1)))).notes == (
        "the PNG's cICP colour description is not one of RGB, and not kept",
    )


def test_a_png_cut_off_anywhere_is_read_as_far_as_it_goes():
    moving = chunk(b"acTL", bytes(8)) + chunk(b"fcTL", bytes(26))
    whole = SIGNATURE + moving + chunk(b"pHYs", struct.pack(">IIB", 1, 1, 1))
    for size in range(len(whole)):
        found = read_png_facts(io.BytesIO(whole[:size]))
        assert found.animated == (size >= 8 + 20 + 8), "from the first frame's name on"
        assert (found.dpi is not None) == (size >= len(whole) - 4), "from its last byte on"


def test_a_text_chunk_that_claims_4_gb_is_stepped_over():
    claim = struct.pack(">I", 2**32 - 1) + b"iTXt" + XMP_WORD
    assert facts(claim, chunk(b"acTL", bytes(8))).animated is False


def tiff(data):
    return read_tiff_facts(io.BytesIO(data))


@pytest.mark.parametrize(
    ("photometric", "samples", "extra", "alpha"),
    [
        (2, 3, None, "none"),
        (2, 4, 2, "straight"),
        (2, 4, 1, "premultiplied"),
        (2, 4, 0, "unlabelled"),
        (2, 4, 77, "unlabelled"),
        (2, 4, None, "unlabelled"),
        (1, 1, None, "none"),
        (1, 2, 2, "straight"),
        (5, 4, 2, "none"),
        (5, 5, 1, "premultiplied"),
        (None, None, None, "none"),
    ],
)
def test_channels_after_the_colours_are_what_the_tags_say(photometric, samples, extra, alpha):
    stated = ((0x0106, photometric), (0x0115, samples), (0x0152, extra))
    entries = [(tag, 3, (value,)) for tag, value in stated if value is not None]
    assert tiff(block([(0x0100, 3, (8,)), *entries])).alpha == alpha


def test_places_on_earth_are_noted_and_the_record_is_read():
    found = tiff(block([(0x83BB, 7, text(b"record")), (0x8482, 5, (1, 1))]))
    assert found.iptc == b"record"
    assert found.notes == ("the TIFF's geographic tags are not kept",)


def test_damaged_exif_is_noted_with_its_reason_and_the_pixels_stay_readable():
    found = tiff(block([(0x0100, 3, (8,)), (0x8769, 4, (10**6,))]))
    assert found.exif is None
    assert found.notes == (
        "the TIFF's EXIF tags are damaged (it points past its end) and not kept",
    )


def test_a_layout_in_the_description_is_noted():
    found = tiff(block([(0x010E, 2, text(b"ImageJ=1.54f\nimages=9\0"))]))
    assert found.exif is None
    assert "lays out pixels of the old size" in found.notes[0]
