"""The trial of a result before any work, with everything that will be in it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import pytest
from clips import has_encoder, jpeg, read_clip, with_picture_stream, write_clip

from superres.errors import ArgumentError
from superres.video import trial
from superres.video.encode import encode
from superres.video.trial import try_out
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.encoding import choose_encoding
from superres.videofiles.probe import probe

MPEG4 = CodecOptions("mpeg4")
needs_x265 = pytest.mark.skipif(not has_encoder("libx265"), reason="this av has no libx265")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(
        tmp_path_factory.mktemp("clip") / "a.mkv", frames=5, sound=True, subtitles="subrip",
        attachment=b"FONT" * 9,
    )  # fmt: skip


def tried(source, container, options=MPEG4, **more):
    facts = probe(source)
    encoding = choose_encoding(facts, (48, 64), container, options)
    return try_out(source, facts, container, encoding, **more)


def test_all_streams_that_fit_go_along(clip):
    rest = tried(clip, "matroska")
    assert (rest.tracks, rest.refused) == ((1, 2, 3), {})


def test_a_stream_that_does_not_fit_is_left_out_with_the_reason_and_no_other(clip):
    rest = tried(clip, "mp4")
    assert rest.tracks == (1,)
    assert set(rest.refused) == {2, 3}
    assert all(rest.refused.values())


def test_rates_and_times_that_are_no_whole_numbers_are_taken(clip):
    odd = replace(probe(clip), rate=Fraction(24000, 1001), time_base=Fraction(1001, 24000))
    try_out(clip, odd, "mp4", choose_encoding(odd, (48, 64), "mp4", MPEG4))


def test_what_a_container_cannot_hold_is_known_before_any_work(clip):
    with pytest.raises(ArgumentError, match="webm cannot hold the output of ffv1"):
        tried(clip, "webm", CodecOptions("ffv1"))


def test_a_container_that_must_go_back_cannot_go_into_a_pipe(clip):
    with pytest.raises(ArgumentError, match="mp4 cannot hold the output of mpeg4"):
        tried(clip, "mp4", piped=True)
    assert tried(clip, "matroska", piped=True).tracks == (1, 2, 3)


def test_a_cover_fits_where_the_container_has_covers(clip, tmp_path):
    source = with_picture_stream(
        write_clip(tmp_path / "a.mp4", codec="mpeg4"), tmp_path / "cover.mp4"
    )
    assert tried(source, "mp4").tracks == tried(source, "matroska").tracks == (1,)
    assert tried(source, "mov").refused == {1: "mov has no cover pictures"}


def test_an_output_that_cannot_be_read_back_is_rejected(clip):
    with pytest.raises(ArgumentError, match="cannot hold the output of mpeg4: it cannot be read"):
        tried(clip, "mpegts")  # which has no place for the head of MPEG-4 part 2


def test_streams_that_fit_alone_but_not_together_are_tried_together(clip, monkeypatch):
    real = trial.join

    def join(*args, **more):
        if len(args[4].tracks) > 2:
            raise ValueError("no more than two")
        real(*args, **more)

    monkeypatch.setattr(trial, "join", join)
    rest = tried(clip, "matroska")
    assert (rest.tracks, rest.refused) == ((1, 2), {3: "no more than two"})


def test_a_time_code_that_the_container_rejects_is_left_out_and_all_else_goes_along(
    tmp_path, monkeypatch
):
    source = write_clip(
        tmp_path / "a.mov", codec="mpeg4", sound=True, metadata={"timecode": "01:00:00:00"}
    )
    assert tried(source, "mov").timecode
    real = trial.join

    def join(*args, **more):
        if args[4].timecode:
            raise ValueError("no time code")
        real(*args, **more)

    monkeypatch.setattr(trial, "join", join)
    rest = tried(source, "mov")
    assert (rest.timecode, rest.tracks, rest.refused) == (False, (1,), {})


@needs_x265
@pytest.mark.parametrize("frames", [1, 2])
def test_streams_of_one_or_two_frames_get_times_that_a_muxer_takes(tmp_path, frames):
    """libx265 leaves theirs uninitialised, which is seen in about 9 of 10 runs."""
    source = write_clip(tmp_path / "a.mkv", frames=frames, time_base=Fraction(1, 90_000))
    for _ in range(10):
        with av.open(str(tmp_path / "b.mkv"), "w") as copy:
            stream = copy.add_stream("libx265", rate=25, options={"x265-params": "log-level=error"})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = 64, 48
            stream.codec_context.time_base = stream.time_base = Fraction(1, 90_000)
            made = []
            for number in range(frames):
                frame = av.VideoFrame(64, 48, "yuv420p")
                frame.pts, frame.time_base = 900_000 + 3600 * number, Fraction(1, 90_000)
                made.append(frame)
            packets = list(encode(stream, made))
        times = [(packet.dts or 0, packet.pts or 0) for packet in packets]
        assert len({decoded for decoded, _ in times}) == frames
        assert times == sorted(times)
        assert all(890_000 < decoded <= shown for decoded, shown in times)
    assert len(read_clip(source)[0]) == frames


def test_the_pictures_of_these_tests_are_jpegs():
    assert jpeg()[:2] == b"\xff\xd8"
