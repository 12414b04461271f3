"""Videos from end to end: the streams beside the frames, as they are found in the finished file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.error import FFmpegError, InvalidDataError
from clips import has_encoder, jpeg, luma, read_clip, with_picture_stream, write_clip
from hand_mp4 import (
    add_to_user_data,
    add_to_video_entry,
    box,
    dolby_vision,
    spherical,
    stereo,
)

from superres.errors import ArgumentError, BackendError, OutputError, PictureError
from superres.infer.route import SizeRequest
from superres.jobs import video as video_job
from superres.jobs.spec import VideoJob, job_from_json, job_to_json
from superres.jobs.video import upscale_video
from superres.media import open_picture, read_pixels
from superres.model_pool import ModelPool
from superres.video import production
from superres.video.manifest import work_folder_of
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.encoding import choose_encoding
from superres.videofiles.probe import Colour, VideoFacts, probe
from superres.watch import Watch

pytestmark = pytest.mark.usefixtures("repeating_network")

MPEG4 = CodecOptions("mpeg4")
FACTS = VideoFacts(
    index=0, codec="mpeg4", size=(24, 32), pix_fmt="yuv420p", time_base=Fraction(1, 1000),
    start=Fraction(0), rate=Fraction(25), frames=6, counted=True, colour=Colour(0, 2, 2, 2),
    aspect=None, display=None, mastering=b"", light=b"", interlaced=False, tracks=(), chapters=(),
    metadata={}, video_metadata={},
)  # fmt: skip
MS = Fraction(1, 1000)
needs_x264 = pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")
needs_mp3 = pytest.mark.skipif(not has_encoder("libmp3lame"), reason="this av has no mp3")
needs_x265 = pytest.mark.skipif(not has_encoder("libx265"), reason="this av has no libx265")


def upscale(source: Path, target: Path, **options):
    # MPEG-TS has no place for the head of MPEG-4 part 2.
    codec = CodecOptions("h264" if target.suffix == ".ts" else "mpeg4")
    values = {"scale": 2, "segment_frames": 4, "codec": codec, **options}
    return upscale_video(VideoJob(source=source, target=target, **values), ModelPool(), Watch())


def covers(path) -> list[bytes]:
    with av.open(str(path)) as clip:
        streams = [s for s in clip.streams.video if int(s.disposition) & 0x400]
        return [
            bytes(next(packet for packet in clip.demux(stream) if packet.size))
            for stream in streams
        ]


# Covers.


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_a_cover_is_the_cover_of_the_result_byte_for_byte(tmp_path, name):
    clip = write_clip(tmp_path / "a.mp4", codec="mpeg4", sound=True)
    source = with_picture_stream(clip, tmp_path / "cover.mp4")
    assert covers(source) == [jpeg()]
    report = upscale(source, tmp_path / name)
    assert "cover picture 1 (mjpeg)" in report.kept
    assert covers(tmp_path / name) == [jpeg()]
    again = upscale(tmp_path / name, tmp_path / "c.mp4")
    assert "cover picture 1 (mjpeg)" in again.kept
    assert covers(tmp_path / "c.mp4") == [jpeg()]


@pytest.mark.parametrize("name", ["b.mov", pytest.param("b.ts", marks=needs_x264)])
def test_a_cover_that_the_container_has_no_place_for_is_said_to_be_lost(tmp_path, name):
    clip = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    report = upscale(with_picture_stream(clip, tmp_path / "cover.mp4"), tmp_path / name)
    assert any(line.startswith("cover picture 1 (mjpeg): ") for line in report.not_kept)
    assert not any("cover" in line for line in report.kept)


@pytest.mark.parametrize(
    "name", ["b.mp4", "b.mov", "b.mkv", pytest.param("b.ts", marks=needs_x264)]
)
@pytest.mark.parametrize("encoder", ["mp2", pytest.param("libmp3lame", marks=needs_mp3)])
def test_sound_in_another_layer_of_mpeg_is_found_in_every_container(tmp_path, encoder, name):
    """MP4 and MPEG-TS have one number for all of them, and FFmpeg reads it as the third."""
    clip = write_clip(tmp_path / "a.mkv", frames=9, codec="mpeg4", sound=encoder)
    report = upscale(clip, tmp_path / name)
    assert any(line.startswith("audio 1 (mp") for line in report.kept)
    assert not any("audio" in line for line in report.not_kept)


# Time codes.


@pytest.mark.parametrize(("name", "kept"), [
    ("b.mov", True), ("b.mp4", True), ("b.mkv", True),
    pytest.param("b.ts", False, marks=needs_x264),
])  # fmt: skip
def test_a_time_code_is_in_the_result_or_said_to_be_lost(tmp_path, name, kept):
    source = write_clip(
        tmp_path / "a.mov", codec="mpeg4", sound=True, metadata={"timecode": "01:00:00:05"}
    )
    assert probe(source).timecode == "01:00:00:05"
    report = upscale(source, tmp_path / name)
    assert ("timecode (01:00:00:05)" in report.kept) == kept
    assert ("timecode (01:00:00:05)" in report.not_kept) != kept
    assert probe(tmp_path / name).timecode == ("01:00:00:05" if kept else "")
    with av.open(str(tmp_path / name)) as clip:
        assert len(clip.streams.data) == (Path(name).suffix in (".mov", ".mp4"))


# Which stream.


@pytest.fixture
def thumbnail_first(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", frames=9, codec="mpeg4", sound=True)
    return with_picture_stream(clip, tmp_path / "t.mp4", cover=False, first=True)


def test_the_stream_that_players_show_is_upscaled_and_not_the_first(thumbnail_first, tmp_path):
    report = upscale(thumbnail_first, tmp_path / "b.mp4")
    assert report.frames == 9
    assert "video 1 (mjpeg)" in report.kept
    with av.open(str(tmp_path / "b.mp4")) as clip:
        sizes = [(s.codec_context.name, s.height) for s in clip.streams.video]
    assert sizes == [("mjpeg", 24), ("mpeg4", 48)]


def test_another_stream_is_upscaled_where_it_is_named_also_after_its_json(
    thumbnail_first, tmp_path
):
    job = VideoJob(
        source=thumbnail_first, target=tmp_path / "b.mp4", scale=2, codec=MPEG4, stream=0
    )
    assert job_from_json(job_to_json(job)) == job
    report = upscale_video(job, ModelPool(), Watch())
    assert report.frames == 1
    assert "video 1 (mpeg4)" in report.kept


@pytest.mark.parametrize("stream", [2, 9])
def test_a_stream_that_is_not_a_video_is_refused_with_those_that_are(
    thumbnail_first, tmp_path, stream
):
    with pytest.raises(ArgumentError, match=f"stream {stream} of .* is not a video") as caught:
        upscale(thumbnail_first, tmp_path / "b.mp4", stream=stream)
    assert "0 (video), 1 (video), 2 (audio)" in caught.value.message


# What no list knows.


@pytest.mark.parametrize(("name", "yaw", "kept"), [
    ("b.mp4", 0, True), ("b.mp4", 90, True), ("b.mkv", 0, True), ("b.mkv", 90, True),
    ("b.mov", 0, True), ("b.mov", 90, False),
    pytest.param("b.ts", 0, False, marks=needs_x264),
])  # fmt: skip
def test_a_projection_is_in_the_result_or_said_to_be_lost(tmp_path, name, yaw, kept):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    add_to_video_entry(source, stereo(1), spherical(yaw))
    assert len(probe(source).carried) == 2
    report = upscale(source, tmp_path / name)
    after = probe(tmp_path / name).carried
    assert ("360° projection" in report.kept, "360° projection" in report.not_kept) == (
        kept, not kept,
    )  # fmt: skip
    if not name.endswith(".ts"):  # which leaves it to the codec
        assert ("stereoscopic layout" in report.kept) == (not name.endswith(".mov"))
    if kept and "stereoscopic layout" in report.kept:
        assert {words: after[words] for words in probe(source).carried} == probe(source).carried


@pytest.mark.parametrize("codec", ["ffv1", "hevc", "h264", "vp9", "prores"])
def test_a_projection_goes_along_with_any_codec_and_no_frame_is_harmed(tmp_path, codec):
    try:
        choose_encoding(FACTS, (48, 64), "matroska", CodecOptions(codec))
    except ArgumentError:
        pytest.skip(f"this av has no encoder for {codec}")
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4", frames=6)
    plain = upscale(source, tmp_path / "plain.mkv", codec=CodecOptions(codec))
    add_to_video_entry(source, stereo(1), spherical())
    report = upscale(source, tmp_path / "b.mkv", codec=CodecOptions(codec))
    assert "360° projection" in report.kept
    assert (report.frames, report.codec) == (plain.frames, plain.codec)
    pairs = zip(read_clip(tmp_path / "plain.mkv")[1], read_clip(tmp_path / "b.mkv")[1], strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)


def test_boxes_that_nobody_knows_are_said_to_be_lost_by_their_name(tmp_path):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    add_to_video_entry(source, box(b"abcd", b"what only its maker knows"))
    add_to_user_data(source, box(b"GPMF", b"telemetry"))
    report = upscale(source, tmp_path / "b.mp4")
    assert {"abcd box of video", "user data GPMF"} <= set(report.not_kept)


@pytest.mark.parametrize("profile", [7, 8])
def test_dolby_vision_over_a_usable_base_is_upscaled_and_said_to_be_lost(tmp_path, profile):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    report = upscale(add_to_video_entry(source, dolby_vision(profile)), tmp_path / "b.mp4")
    assert "Dolby Vision configuration" in report.not_kept


def test_dolby_vision_of_profile_5_is_refused_before_any_work(tmp_path):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    add_to_video_entry(source, dolby_vision(5))
    with pytest.raises(PictureError, match="Dolby Vision of profile 5") as caught:
        upscale(source, tmp_path / "b.mp4")
    assert "HDR10" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


# FFmpeg's errors, and work that is finished.


@needs_x265
@pytest.mark.parametrize("frames", [1, 2, 8])
def test_ten_bits_in_short_segments_never_fail(tmp_path, frames):
    source = write_clip(tmp_path / "a.mkv", frames=frames, pix_fmt="yuv420p10le")
    for number in range(5):
        report = upscale(source, tmp_path / f"{number}.mp4", codec=CodecOptions(), segment_frames=3)
        assert (report.frames, report.pix_fmt) == (frames, "yuv420p10le")
        assert not any("time stamps:" in line for line in report.not_kept)


def test_a_container_that_fails_at_the_end_loses_no_frame_to_another_one(tmp_path, monkeypatch):
    source = write_clip(tmp_path / "a.mkv", frames=9, time_base=MS)
    real = production.join

    def join(*args, **more):
        raise InvalidDataError(1, "it cannot be")

    monkeypatch.setattr(production, "join", join)
    with pytest.raises(OutputError, match="it cannot be") as caught:
        upscale(source, tmp_path / "b.mp4")
    assert str(tmp_path / "b.mkv") in caught.value.hint
    assert str(work_folder_of(tmp_path / "b.mp4")) in caught.value.hint
    monkeypatch.setattr(production, "join", real)
    report = upscale(source, tmp_path / "b.mkv")
    assert (report.resumed_at, report.frames) == (9, 9)
    assert any("b.mp4.part are used" in note for note in report.notes)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "b.mkv"]
    for number, plane in enumerate(read_clip(tmp_path / "b.mkv")[1]):
        expected = luma(number).repeat(2, axis=0).repeat(2, axis=1)
        assert np.abs(plane.astype(int) - expected).mean() < 4


def test_unfinished_work_of_another_target_is_left_to_its_own_run(tmp_path):
    source = write_clip(tmp_path / "a.mkv", frames=9, time_base=MS)

    def stop(done, total):
        if done == 6:
            raise KeyboardInterrupt

    job = VideoJob(source=source, target=tmp_path / "b.mp4", scale=2, codec=MPEG4, segment_frames=4)
    with pytest.raises(KeyboardInterrupt):
        upscale_video(job, ModelPool(), Watch(on_progress=stop))
    assert upscale(source, tmp_path / "b.mkv").resumed_at == 0
    assert work_folder_of(tmp_path / "b.mp4").exists()


def test_an_error_of_ffmpeg_that_nobody_expected_is_one_of_ours(tmp_path, monkeypatch):
    source = write_clip(tmp_path / "a.mkv", frames=2)

    def findings(*args):
        raise InvalidDataError(22, "Invalid argument", str(source))

    monkeypatch.setattr(video_job, "findings", findings)
    with pytest.raises(BackendError, match="Invalid argument") as caught:
        upscale(source, tmp_path / "b.mkv")
    assert isinstance(caught.value.__cause__, FFmpegError)


# Turned pictures, and sizes as they are shown.


@pytest.mark.parametrize("size", [(128, 96), (None, 96), (128, None)])
def test_the_size_of_a_turned_clip_is_that_which_is_shown(tmp_path, size):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4", size=(48, 64), rotation=90)
    report = upscale(source, tmp_path / "b.mp4", scale=None, size=size)
    assert (report.input_size, report.output_size) == ((64, 48), (128, 96))
    after = probe(tmp_path / "b.mp4")
    assert (after.size, after.display) == ((96, 128), probe(source).display)
    assert "rotation" in report.kept


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_frames_in_a_folder_are_turned(tmp_path, rotation):
    plain = write_clip(tmp_path / "a.mp4", codec="mpeg4", frames=2)
    turned = write_clip(tmp_path / "t.mp4", codec="mpeg4", frames=2, rotation=rotation)
    upscale(plain, tmp_path / "plain", form="folder")
    report = upscale(turned, tmp_path / "turned", form="folder")
    name = "00000002.png"
    stored = read_pixels(open_picture(tmp_path / "plain" / name))
    shown = read_pixels(open_picture(tmp_path / "turned" / name))
    with av.open(str(turned)) as clip:
        told = next(clip.decode(video=0)).rotation
    assert np.array_equal(shown, np.rot90(stored, told // 90))
    assert "rotation (frames are turned)" in report.kept


def test_a_size_that_would_distort_is_refused_unless_that_is_asked_for(tmp_path):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    with pytest.raises(ArgumentError, match="64x64 was requested of a picture of 32x24"):
        upscale(source, tmp_path / "b.mp4", scale=None, size=(64, 64))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    inside, stretched = SizeRequest(64, 64, "inside"), SizeRequest(64, 64, "stretch")
    for size, expected in ((inside, (48, 64)), (stretched, (64, 64))):
        target = tmp_path / f"{size.label}{size.fit}.mp4"
        report = upscale(source, target, scale=None, size=size)
        assert report.output_size == probe(target).size == expected
        assert probe(target).aspect in (None, 1)


def test_a_requested_shape_comes_back_from_json(tmp_path):
    job = VideoJob(
        source=tmp_path / "a.mp4", target=tmp_path / "b.mp4", size=SizeRequest(None, 64, "inside")
    )
    assert job_from_json(job_to_json(job)) == job


# Folders of frames.


@pytest.fixture
def frames(tmp_path):
    source = write_clip(tmp_path / "source.mp4", codec="mpeg4", frames=9)
    upscale(source, tmp_path / "frames", form="folder", scale=1)
    return tmp_path / "frames"


def test_a_folder_of_frames_becomes_a_video_with_the_times_it_lists(frames, tmp_path):
    report = upscale(frames, tmp_path / "b.mp4")
    after = probe(tmp_path / "b.mp4")
    assert (report.frames, report.output_size, after.size) == (9, (48, 64), (48, 64))
    assert (after.rate, after.frames) == (25, 9)
    assert "time stamps" in report.kept
    for number, plane in enumerate(read_clip(tmp_path / "b.mp4")[1]):
        expected = luma(number).repeat(2, axis=0).repeat(2, axis=1)
        assert np.abs(plane.astype(int) - expected).mean() < 4


def test_a_folder_of_frames_has_the_rate_that_is_requested_and_goes_on_after_a_stop(
    frames, tmp_path
):
    def stop(done, total):
        if done == 6:
            raise KeyboardInterrupt

    values = {"source": frames, "target": tmp_path / "b.mp4", "scale": 2, "codec": MPEG4}
    job = VideoJob(**values, fps=23.976, segment_frames=4)
    assert job_from_json(job_to_json(job)) == job
    with pytest.raises(KeyboardInterrupt):
        upscale_video(job, ModelPool(), Watch(on_progress=stop))
    report = upscale_video(job, ModelPool(), Watch())
    assert (report.resumed_at, report.frames) == (4, 9)
    assert probe(tmp_path / "b.mp4").rate == Fraction(24000, 1001)


def test_work_for_frames_that_have_changed_is_not_gone_on_with(frames, tmp_path):
    def stop(done, total):
        if done == 6:
            raise KeyboardInterrupt

    values = {"source": frames, "target": tmp_path / "b.mp4", "scale": 2, "codec": MPEG4}
    job = VideoJob(**values, segment_frames=4)
    with pytest.raises(KeyboardInterrupt):
        upscale_video(job, ModelPool(), Watch(on_progress=stop))
    (frames / "00000003.png").write_bytes((frames / "00000009.png").read_bytes())
    with pytest.raises(OutputError, match="made by another command"):
        upscale_video(job, ModelPool(), Watch())


def test_frames_become_larger_frames_with_the_same_times(frames, tmp_path):
    upscale(frames, tmp_path / "larger", form="folder")
    names = sorted(path.name for path in frames.iterdir())
    assert sorted(path.name for path in (tmp_path / "larger").iterdir()) == names
    times = [(folder / "timestamps.txt").read_text() for folder in (frames, tmp_path / "larger")]
    assert times[0] == times[1]
    small, large = (
        read_pixels(open_picture(folder / "00000005.png"))
        for folder in (frames, tmp_path / "larger")
    )
    assert np.array_equal(small.repeat(2, axis=0).repeat(2, axis=1), large)


def test_a_rate_for_a_video_that_has_its_own_times_is_refused(tmp_path):
    source = write_clip(tmp_path / "a.mp4", codec="mpeg4")
    with pytest.raises(ArgumentError, match=r"has its own times, but 24 frames/s are requested"):
        upscale(source, tmp_path / "b.mp4", fps=24)
