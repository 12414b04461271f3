"""Animated WebP, PNG and GIF become videos: their frames as they are shown, and their times."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from superres.errors import ArgumentError, PictureError
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
    assert any("2 frames request 10 ms or less" in note for note in report.notes)


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
    assert any("2 frames are composited on white" in note for note in report.notes)


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
