"""How copies are encoded, where nobody says: as the source, as far as the codec can."""

from __future__ import annotations

from dataclasses import replace

import pytest
from clips import has_encoder, write_clip

from superres.errors import ArgumentError
from superres.videofiles.containers import container_of
from superres.videofiles.encoding import CodecOptions, choose_encoding, choose_pix_fmt, chroma_steps
from superres.videofiles.probe import Colour, probe

pytestmark = pytest.mark.skipif(
    not (has_encoder("libx264") and has_encoder("libx265")), reason="this av lacks an encoder"
)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return probe(write_clip(tmp_path_factory.mktemp("clip") / "a.mkv", frames=1))


@pytest.mark.parametrize(("source", "codec", "expected"), [
    ("yuv420p", "h264", "yuv420p"),
    ("yuvj420p", "h264", "yuv420p"),
    ("yuv420p10le", "h264", "yuv420p10le"),
    ("p010le", "hevc", "yuv420p10le"),
    ("yuv422p12le", "hevc", "yuv422p12le"),
    ("yuva420p", "hevc", "yuv420p"),
    ("bgr0", "h264", "yuv444p"),
    ("gray", "h264", "gray"),
    ("yuv420p", "prores", "yuv422p10le"),
])  # fmt: skip
def test_the_pixel_format_is_the_sources_or_the_one_that_loses_the_least(
    facts, source, codec, expected
):
    options = CodecOptions(codec)
    assert choose_pix_fmt(replace(facts, pix_fmt=source), "mov", options) == expected


@pytest.mark.parametrize(("pix_fmt", "container", "expected"), [
    ("yuv420p", "mp4", "libx264"), ("yuv420p10le", "mp4", "libx265"),
    ("yuv420p", "webm", "libvpx-vp9"), ("yuv420p", "matroska", "libx264"),
])  # fmt: skip
def test_the_codec_follows_the_container_and_the_depth(facts, pix_fmt, container, expected):
    chosen = choose_encoding(replace(facts, pix_fmt=pix_fmt), (48, 64), container, CodecOptions())
    assert chosen.encoder == expected
    assert "crf" in dict(chosen.options)


def test_quality_and_other_options_are_the_users(facts):
    options = CodecOptions("hevc", 12.5, None, (("preset", "slow"), ("x265-params", "aq-mode=3")))
    chosen = choose_encoding(facts, (48, 64), "matroska", options)
    assert dict(chosen.options) == {
        "crf": "12.5", "preset": "slow", "x265-params": "log-level=error:aq-mode=3",
    }  # fmt: skip


def test_a_codec_that_cannot_say_full_range_gets_limited_numbers(facts):
    full = replace(facts, colour=Colour(2, 1, 1, 1))
    assert choose_encoding(full, (48, 64), "mov", CodecOptions("h264")).numbers.full
    chosen = choose_encoding(full, (48, 64), "mov", CodecOptions("prores"))
    assert (chosen.numbers.full, chosen.colour.range) == (False, 1)


@pytest.mark.parametrize(("pix_fmt", "steps"), [
    ("yuv420p", (2, 2)), ("yuv422p10le", (1, 2)), ("yuv444p", (1, 1)), ("gray", (1, 1)),
    ("yuv411p", (1, 4)), ("nv12", (2, 2)), ("gbrp", (1, 1)),
])  # fmt: skip
def test_sizes_go_in_steps_of_what_shares_a_chroma_number(pix_fmt, steps):
    assert chroma_steps(pix_fmt) == steps


@pytest.mark.parametrize(("name", "expected"), [
    (".mkv", "matroska"), ("mkv", "matroska"), ("MP4", "mp4"), (".m2ts", "mpegts"),
    ("matroska", "matroska"),
])  # fmt: skip
def test_a_container_is_known_by_its_suffix_or_its_name(name, expected):
    assert container_of(name) == expected


def test_a_container_that_is_not_written_is_refused_with_those_that_are():
    with pytest.raises(ArgumentError, match=r"does not write \.avi files") as caught:
        container_of(".avi")
    assert ".mkv" in caught.value.hint
