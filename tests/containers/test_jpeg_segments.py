"""What stands in a JPEG, and behind it: kept, or named."""

from __future__ import annotations

import io
import struct

import pytest
from carried_files import (
    carried,
    exif_segment,
    jpeg,
    resource,
    segment,
    upscaled,
    xmp_packet,
    xmp_segment,
)
from picture_files import exif_block

from superres.containers.jpeg_segments import read_jpeg_facts
from superres.media import open_picture

GOOGLE = {"GCamera": "http://ns.google.com/photos/1.0/camera/"}
GAIN_MAP = {"hdrgm": "http://ns.adobe.com/hdr-gain-map/1.0/"}
VIDEO = struct.pack(">I", 24) + b"ftypisom" + bytes(5012)
COPYRIGHT = resource(0x040A, b"\1")


def notes_of(*segments, tail=b""):
    return upscaled(jpeg(*segments, tail=tail), "jpeg")[1]


def test_a_plain_jpeg_has_nothing_to_name():
    assert notes_of() == ()


def test_a_motion_photo_s_video_is_named_and_nothing_points_at_it():
    packet = xmp_packet(
        GOOGLE, 'GCamera:MotionPhoto="1" GCamera:MicroVideo="1" GCamera:MicroVideoOffset="5024"'
    )
    data, notes = upscaled(jpeg(xmp_segment(packet), tail=VIDEO), "jpeg")
    assert notes == ("not kept: 5,024 bytes behind the picture (video of a motion photo)",)
    assert b"MicroVideo" not in data
    assert b"MotionPhoto" not in data


def test_a_gain_map_is_named_and_nothing_points_at_it():
    second = jpeg(xmp_segment(xmp_packet(GAIN_MAP, 'hdrgm:Version="1.0" hdrgm:GainMapMax="2"')))
    first = xmp_segment(xmp_packet(GAIN_MAP, 'hdrgm:Version="1.0"'))
    data, notes = upscaled(jpeg(first, segment(0xE2, b"MPF\0II*\0"), tail=second), "jpeg")
    assert notes == (
        "not kept: index of further pictures (MPF), "
        f"{len(second):,} bytes behind the picture (HDR gain map)",
    )
    assert b"hdrgm:Version" not in data


def test_a_second_view_is_named():
    second = jpeg()
    notes = notes_of(segment(0xE2, b"MPF\0II*\0"), tail=second)
    assert notes[0].endswith(f"{len(second):,} bytes behind the picture (further pictures)")


@pytest.mark.parametrize(("body", "number", "name"), [
    (b"JP\0\1\0\0\0\1jumb", 11, "C2PA/JUMBF"),
    (b"FPXR\0\0\1", 2, "FlashPix"),
    (b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0", 2, "HDR gain map's description"),
    (b"http://ns.adobe.com/xmp/extension/\0AB", 1, "extended XMP"),
    (b"JFXX\0\x10", 0, "JFXX thumbnail"),
    (b"Ducky\0\1", 12, "APP12 Ducky"),
    (b"Adobe_CM\0", 13, "APP13 Adobe_CM"),
    (b"\0\1\2", 5, "APP5"),
])  # fmt: skip
def test_segments_that_are_not_kept_are_named(body, number, name):
    assert notes_of(segment(0xE0 + number, body)) == (f"not kept: {name}",)


@pytest.mark.parametrize(("tail", "what"), [
    (b"note", ""), (b"abc" * 9 + b"SEFT", " (Samsung's trailer)"),
    (b"x" * (2**20 - 6) + VIDEO, " (video of a motion photo)"),
])  # fmt: skip
def test_what_stands_behind_the_picture_is_named(tail, what):
    assert notes_of(tail=tail) == (f"not kept: {len(tail):,} bytes behind the picture{what}",)


def test_zeros_behind_the_picture_are_padding():
    assert notes_of(tail=bytes(5000)) == ()


@pytest.mark.parametrize(
    "comments", [(b"negative 34a",), (b"one", b"\xff\xd8two"), (b"x" * 65_533,)]
)
def test_comments_are_kept(comments):
    source = jpeg(
        *(segment(0xFE, one) for one in comments), exif_segment(exif_block({0x0112: (3, 1)}))
    )
    data, notes = upscaled(source, "jpeg")
    assert notes == ()
    assert read_jpeg_facts(io.BytesIO(data)).comments == comments
    assert carried(data).exif is not None


def test_comments_are_said_to_be_lost_in_other_formats():
    _, notes = upscaled(jpeg(segment(0xFE, b"negative 34a")), "png")
    assert notes == ("the comment 'negative 34a' is not kept: PNG as written here holds none",)


@pytest.mark.parametrize("kind", ["jpeg", "tiff"])
def test_photoshop_s_resources_are_kept_beside_iptc(kind):
    record = b"\x1c\2\x69\0\4head"
    block = COPYRIGHT + resource(0x0404, record) + resource(0x0425, b"d" * 16)
    data, notes = upscaled(jpeg(segment(0xED, b"Photoshop 3.0\0" + block)), kind)
    assert notes == ()
    found = open_picture(data).metadata
    assert found.iptc == record
    assert found.photoshop == COPYRIGHT + resource(0x0425, b"d" * 16)
    again, notes = upscaled(data, "jpeg")
    assert notes == ()
    assert open_picture(again).metadata.photoshop == found.photoshop


def test_resources_in_several_segments_are_one_block():
    parts = [
        segment(0xED, b"Photoshop 3.0\0" + one) for one in (COPYRIGHT, resource(0x2710, b"ab"))
    ]
    data, notes = upscaled(jpeg(*parts), "jpeg")
    assert notes == ()
    assert open_picture(data).metadata.photoshop == COPYRIGHT + resource(0x2710, b"ab")


def test_resources_of_the_small_picture_are_named_and_go():
    block = resource(0x040C, bytes(40)) + resource(0x041A, bytes(9)) + COPYRIGHT
    data, notes = upscaled(jpeg(segment(0xED, b"Photoshop 3.0\0" + block)), "jpeg")
    assert notes == ("not kept: Photoshop's thumbnail, Photoshop's slices",)
    assert open_picture(data).metadata.photoshop == COPYRIGHT


@pytest.mark.parametrize("kind", ["png", "webp", "avif"])
def test_resources_are_said_to_be_lost_in_formats_without_them(kind):
    _, notes = upscaled(jpeg(segment(0xED, b"Photoshop 3.0\0" + COPYRIGHT)), kind)
    assert len(notes) == 1
    assert "0x040A" in notes[0]


def test_a_jpeg_cut_off_anywhere_is_read_as_far_as_it_goes():
    whole = jpeg(
        segment(0xFE, b"note"), xmp_segment(b"<x/>"), segment(0xED, b"Photoshop 3.0\0" + COPYRIGHT)
    )
    for size in range(2, len(whole)):
        facts = read_jpeg_facts(io.BytesIO(whole[:size]))
        assert not facts.lost or size < 200
