"""Animated WebP, PNG and GIF become videos, and videos them: frames as shown, and their times."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import write_clip
from PIL import Image

from superres.errors import ArgumentError, OutputError, PictureError
from superres.jobs.spec import VideoJob
from superres.jobs.video import upscale_video
from superres.media import open_picture, read_pixels
from superres.model_pool import ModelPool
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.probe import probe
from superres.watch import Watch

pytestmark = pytest.mark.usefixtures("repeating_network")

KINDS = ["webp", "png", "gif"]
LEVELS = (40, 90, 140, 190, 240)
LOSSLESS = CodecOptions("ffv1", pix_fmt="bgr0")


def write_animation(path: Path, delays, *, loop: int | None = 0, frames=None) -> Path:
    frames = frames or [np.full((24, 32, 3), level, np.uint8) for level in LEVELS[: len(delays)]]
    first, *rest = [Image.fromarray(frame) for frame in frames]
    kind = path.suffix[1:]
    options = {"lossless": True, "exact": True} if kind == "webp" else {"disposal": 2}
    if kind == "png":
        options = {"disposal": 1, "default_image": False}
    file = io.BytesIO()
    first.save(
        file, kind.upper(), save_all=True, append_images=rest, duration=delays, loop=loop, **options
    )
    path.write_bytes(file.getvalue())
    return path


def upscale(source: Path, target: Path, **options):
    values = {"scale": 2, "segment_frames": 2, "codec": LOSSLESS, **options}
    return upscale_video(VideoJob(source=source, target=target, **values), ModelPool(), Watch())


def shown(path: Path) -> tuple[list[float], list[int]]:
    """Return when each frame of a video is shown, and the level in its middle."""
    with av.open(str(path)) as clip:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]
    return [time for time, _ in frames if time is not None], [
        int(rgb[24, 32, 0]) for _, rgb in frames
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_is_shown_when_it_is_in_the_animation(tmp_path, kind):
    source = write_animation(tmp_path / f"a.{kind}", [50, 120, 30, 500, 250])
    report = upscale(source, tmp_path / "b.mkv")
    assert (report.frames, report.output_size) == (5, (48, 64))
    assert "time stamps" in report.kept
    times, levels = shown(tmp_path / "b.mkv")
    assert (times, levels) == (pytest.approx([0, 0.05, 0.17, 0.2, 0.7]), list(LEVELS))


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_frame_stays_as_long_as_in_the_animation(tmp_path, kind):
    source = write_animation(tmp_path / f"a.{kind}", [50, 120, 30, 500, 250])
    upscale(source, tmp_path / "b.mp4", codec=CodecOptions("mpeg4"))
    with av.open(str(tmp_path / "b.mp4")) as clip:
        assert clip.duration is not None
        assert clip.duration / av.time_base == pytest.approx(0.95, abs=0.002)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_one_length_have_a_constant_rate(tmp_path, kind):
    upscale(write_animation(tmp_path / f"a.{kind}", [40] * 5), tmp_path / "b.mkv")
    assert (probe(tmp_path / "b.mkv").rate, probe(tmp_path / "b.mkv").frames) == (25, 5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("loop", "lost"), [(0, ["repetition (endless)"]), (1, [])])
def test_repetition_is_named_as_not_kept(tmp_path, kind, loop, lost):
    if kind == "gif" and loop == 1:
        loop = None  # no extension at all: in it, 1 is one repetition
    source = write_animation(tmp_path / f"a.{kind}", [50, 50], loop=loop)
    report = upscale(source, tmp_path / "b.mkv")
    assert [thing for thing in report.not_kept if "repetition" in thing] == lost


def test_frames_that_state_no_time_are_shown_as_browsers_do_and_that_is_said(tmp_path):
    report = upscale(write_animation(tmp_path / "a.webp", [0, 10, 20]), tmp_path / "b.mkv")
    assert shown(tmp_path / "b.mkv")[0] == pytest.approx([0, 0.1, 0.2])
    assert any("2 frames with 10 ms or less are shown for 100 ms" in note for note in report.notes)


@pytest.mark.parametrize("kind", KINDS)
def test_transparent_areas_are_composited_on_white_and_named(tmp_path, kind):
    frames = [np.zeros((24, 32, 4), np.uint8) for _ in range(2)]
    for frame, colour in zip(frames, ((200, 60, 20, 255), (20, 60, 200, 255)), strict=True):
        frame[8:16, 8:24] = colour
    source = write_animation(tmp_path / f"a.{kind}", [50, 80], frames=frames)
    report = upscale(source, tmp_path / "out", form="folder", codec=CodecOptions())
    large = read_pixels(open_picture(tmp_path / "out" / "00000002.png"))
    assert (large[:16] == 255).all()
    assert (large[16:32, 16:48] == (20, 60, 200)).all()
    assert "transparency" in report.not_kept
    assert any("areas of 2 frames are composited on white" in note for note in report.notes)


def test_a_gif_whose_frames_are_opaque_loses_no_transparency(tmp_path):
    """Most GIFs say by transparent pixels which ones a frame leaves as they are."""
    frames = [np.full((24, 32, 3), 40, np.uint8) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[4:8, 4 + 6 * number : 8 + 6 * number] = 200
    file = io.BytesIO()
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(file, "GIF", save_all=True, append_images=rest, duration=40, loop=0)
    (tmp_path / "a.gif").write_bytes(file.getvalue())
    assert open_picture(tmp_path / "a.gif", max_planes=3).bands.alpha
    report = upscale(tmp_path / "a.gif", tmp_path / "b.mkv")
    assert "transparency" not in report.not_kept


def test_an_animation_becomes_a_file_that_players_take(tmp_path):
    source = write_animation(tmp_path / "a.gif", [40] * 3)
    report = upscale(source, tmp_path / "b.mp4", codec=CodecOptions())
    assert (report.codec, report.pix_fmt) == ("libx264", "yuv420p")


def test_a_stopped_run_goes_on_with_the_missing_frames(tmp_path):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    source = write_animation(tmp_path / "a.webp", [50, 120, 30, 500, 250])
    job = VideoJob(
        source=source, target=tmp_path / "b.mkv", scale=2, segment_frames=2, codec=LOSSLESS
    )
    with pytest.raises(KeyboardInterrupt):
        upscale_video(job, ModelPool(), Watch(on_progress=stop))
    assert upscale_video(job, ModelPool(), Watch()).resumed_at == 4
    times, levels = shown(tmp_path / "b.mkv")
    assert (times, levels) == (pytest.approx([0, 0.05, 0.17, 0.2, 0.7]), list(LEVELS))


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_a_damaged_animation_is_refused_by_name(tmp_path, kind):
    source = write_animation(tmp_path / f"a.{kind}", [50] * 5)
    source.write_bytes(source.read_bytes()[: -source.stat().st_size // 3])
    with pytest.raises(PictureError, match=f"a.{kind}"):
        upscale(source, tmp_path / "b.mkv")
    assert not (tmp_path / "b.mkv").exists()


def test_a_rate_or_a_stream_of_an_animation_is_refused(tmp_path):
    source = write_animation(tmp_path / "a.webp", [50, 50])
    with pytest.raises(ArgumentError, match="has its own times"):
        upscale(source, tmp_path / "b.mkv", fps=24)
    with pytest.raises(ArgumentError, match="holds pictures, not streams"):
        upscale(source, tmp_path / "b.mkv", stream=1)


def test_frames_beyond_the_limit_are_refused(tmp_path):
    source = write_animation(tmp_path / "a.webp", [50, 50])
    with pytest.raises(PictureError, match="768 in all"):
        upscale(source, tmp_path / "b.mkv", max_pixels=700)


# Animations made of videos.


def delays(path: Path) -> tuple[int, ...]:
    """Return the frames' times as Pillow reads them."""
    found = []
    with Image.open(path) as file:
        for number in range(getattr(file, "n_frames", 1)):
            file.seek(number)
            file.load()
            found.append(round(file.info["duration"]))
    return tuple(found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_becomes_an_animation_of_its_frames_at_their_times(tmp_path, kind):
    stamps = [0, 40, 120, 160, 500]
    source = write_clip(
        tmp_path / "a.mkv", frames=5, stamps=stamps, time_base=Fraction(1, 1000), sound=True
    )
    report = upscale(source, tmp_path / f"b.{kind}")
    assert (report.codec, report.frames, report.output_size) == (kind, 5, (48, 64))
    assert delays(tmp_path / f"b.{kind}")[:4] == (40, 80, 40, 340)
    assert "time stamps (to 0.001 s)" in report.kept
    assert "audio 1 (aac): an animation holds pictures only" in report.not_kept
    assert any("the codec and its options are for videos" in note for note in report.notes)
    upscale(source, tmp_path / "frames", form="folder")
    large = open_picture(tmp_path / f"b.{kind}", max_planes=5)
    assert large.metadata.animation is not None
    assert large.metadata.animation.loop == 0
    for number in range(5):
        frame = read_pixels(open_picture(tmp_path / "frames" / f"{number + 1:08}.png"))
        off = np.abs(read_pixels(large, number)[..., :3].astype(int) - frame)
        assert off.mean() < (0.01 if kind == "png" else 12 if kind == "gif" else 4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", f"b.{kind}", "frames"]


def test_times_that_gif_cannot_hold_are_rounded_without_drifting_and_noted(tmp_path):
    source = write_clip(
        tmp_path / "a.mkv", frames=10, stamps=list(range(10)), time_base=Fraction(1, 30)
    )
    report = upscale(source, tmp_path / "b.gif")
    assert sum(delays(tmp_path / "b.gif")) == 330
    assert set(delays(tmp_path / "b.gif")) == {30, 40}
    assert any("rounded to 10 ms" in note for note in report.notes)
    assert any(
        line.startswith("time stamps: frames are shown up to 0.00") for line in report.not_kept
    )


def test_a_stopped_animation_goes_on_and_is_that_of_one_run(tmp_path):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    source = write_clip(tmp_path / "a.mkv", frames=6, time_base=Fraction(1, 1000))
    upscale(source, tmp_path / "whole.png")
    job = VideoJob(source=source, target=tmp_path / "b.png", scale=2, segment_frames=2)
    with pytest.raises(KeyboardInterrupt):
        upscale_video(job, ModelPool(), Watch(on_progress=stop))
    assert upscale_video(job, ModelPool(), Watch()).resumed_at == 4
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


@pytest.mark.parametrize(("target", "message"), [
    ("b.jpg", "holds one picture, got 6 frames"), ("b.tif", "holds one picture, got 6 frames"),
])  # fmt: skip
def test_a_picture_that_holds_no_animation_is_refused_before_any_work(tmp_path, target, message):
    source = write_clip(tmp_path / "a.mkv", frames=6, time_base=Fraction(1, 1000))
    with pytest.raises(OutputError, match=message) as caught:
        upscale(source, tmp_path / target)
    assert ".webp" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
