"""Encoders by name, what is refused of a request, and HDR's metadata as encoders take it."""

from __future__ import annotations

import struct
from dataclasses import replace
from fractions import Fraction

import pytest
from clips import has_encoder

from superres.errors import ArgumentError
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.encoding import choose_encoding, choose_pix_fmt
from superres.videofiles.probe import Colour, VideoFacts

pytestmark = pytest.mark.skipif(
    not (has_encoder("libx264") and has_encoder("libx265")), reason="this av lacks an encoder"
)
FACTS = VideoFacts(
    index=0, codec="h264", size=(24, 32), pix_fmt="yuv420p", time_base=Fraction(1, 12800),
    start=Fraction(0), rate=Fraction(25), frames=6, counted=True, colour=Colour(1, 9, 9, 16),
    aspect=Fraction(4, 3), display=None, mastering=b"", light=b"", interlaced=False, tracks=(),
    chapters=(), metadata={}, video_metadata={},
)  # fmt: skip
# A BT.2020 display of 1,000 nits: red, green, blue, white, darkest, brightest.
DISPLAY = struct.pack(
    "=22i", 35400, 50000, 14600, 50000, 8500, 50000, 39850, 50000, 6550, 50000, 2300, 50000,
    15635, 50000, 16450, 50000, 1, 10000, 10_000_000, 10000, 1, 1,
)  # fmt: skip
AV1 = pytest.mark.skipif(not has_encoder("libsvtav1"), reason="this av lacks SVT-AV1")


def options_of(codec, *, more=(), **facts):
    chosen = choose_encoding(
        replace(FACTS, **facts), (48, 64), "matroska", CodecOptions(codec, more=more)
    )
    return dict(chosen.options)


@pytest.mark.parametrize(("codec", "name", "expected"), [
    ("h264", "x264-params",
     "mastering-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
     ":cll=1000,400"),
    ("hevc", "x265-params",
     "log-level=error"
     ":master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
     ":max-cll=1000,400"),
    pytest.param(
     "av1", "svtav1-params",
     "mastering-display=G(0.170000,0.797000)B(0.131000,0.046000)R(0.708000,0.292000)"
     "WP(0.312700,0.329000)L(1000,0.000100):content-light=1000,400", marks=AV1),
])  # fmt: skip
def test_hdr_is_told_to_each_encoder_in_its_own_units(codec, name, expected):
    found = options_of(codec, mastering=DISPLAY, light=struct.pack("=2I", 1000, 400))
    assert found[name] == expected


def test_a_display_without_its_brightness_is_not_made_up():
    half = DISPLAY[:-4] + struct.pack("=i", 0)
    assert "x264-params" not in options_of("h264", mastering=half)


def test_fractions_of_nothing_do_not_divide_by_0():
    empty = struct.pack("=22i", *([0] * 20), 1, 1)
    assert options_of("h264", mastering=empty)["x264-params"] == (
        "mastering-display=G(0,0)B(0,0)R(0,0)WP(0,0)L(0,0)"
    )


def test_longer_metadata_of_a_newer_ffmpeg_is_read_by_its_beginning():
    light = struct.pack("=2I", 7, 3)
    assert options_of("h264", light=light + b"\xff" * 8)["x264-params"] == "cll=7,3"


def test_the_users_parameters_come_after_those_of_hdr_and_plain_options_replace_ours():
    more = (("x264-params", "aq-mode=3"), ("preset", "slow"), ("tune", "film"))
    found = options_of("h264", more=more, light=struct.pack("=2I", 7, 3))
    assert found == {
        "crf": "18", "preset": "slow", "x264-params": "cll=7,3:aq-mode=3", "tune": "film",
    }  # fmt: skip


def test_an_encoder_that_knows_no_hdr_gets_no_parameters():
    assert options_of("ffv1", mastering=DISPLAY, light=struct.pack("=2I", 7, 3)) == {}


@pytest.mark.parametrize(("name", "encoder"), [
    ("AVC", "libx264"), ("H265", "libx265"), ("libx264", "libx264"), ("mpeg4", "mpeg4"),
    ("ProRes", "prores_ks"),
])  # fmt: skip
def test_a_codec_is_known_by_any_of_its_names_in_any_case(name, encoder):
    assert choose_encoding(FACTS, (48, 64), "mov", CodecOptions(name)).encoder == encoder


@pytest.mark.parametrize(("options", "message", "hint"), [
    (CodecOptions("h266x"), "has no encoder h266x", "h264, h265"),
    (CodecOptions("aac"), "the encoder aac makes audio", "--codec h264"),
    (CodecOptions("h264", pix_fmt="rgb565le"), "libx264 does not support the pixel format rgb565le",
     "yuv420p"),
    (CodecOptions("h264", pix_fmt="yuv420"), "does not support the pixel format yuv420", "yuv420p"),
])  # fmt: skip
def test_a_request_that_cannot_be_is_refused_with_one_that_can(options, message, hint):
    with pytest.raises(ArgumentError) as caught:
        choose_pix_fmt(FACTS, "matroska", options)
    assert message in caught.value.message
    assert hint in caught.value.hint.replace("avc, ", "")


def test_what_the_source_says_of_time_and_shape_goes_over_and_the_size_is_the_new_one():
    made = choose_encoding(FACTS, (48, 64), "matroska", CodecOptions("h264"))
    assert (made.size, made.time_base, made.rate) == ((48, 64), Fraction(1, 12800), Fraction(25))
    assert (made.aspect, made.colour) == (Fraction(4, 3), Colour(1, 9, 9, 16))


@pytest.mark.parametrize(("crf", "text"), [(18.0, "18"), (0.0, "0"), (22.25, "22.25")])
def test_a_quality_is_written_without_needless_digits(crf, text):
    made = choose_encoding(FACTS, (48, 64), "matroska", CodecOptions("hevc", crf))
    assert dict(made.options)["crf"] == text
