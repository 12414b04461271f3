"""Videos from end to end: what they carry, what is refused, and what a stop leaves behind."""

from __future__ import annotations

import io
import itertools
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import AttachmentStream
from clips import INTRA, RATE, has_encoder, luma, read_clip, seconds, spoil, write_clip

from superres.errors import (
    ArgumentError,
    BackendError,
    BusyError,
    NumericalError,
    OutputError,
    PictureError,
)
from superres.infer.route import SizeRequest
from superres.jobs import video as video_job
from superres.jobs.pipes import Pipes
from superres.jobs.spec import VideoJob, job_to_json
from superres.jobs.video import upscale_video
from superres.media import open_picture, read_pixels
from superres.model_pool import ModelPool
from superres.video.manifest import work_folder_of
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.probe import probe
from superres.watch import Watch

pytestmark = pytest.mark.usefixtures("repeating_network")

LOSSLESS = {"codec": CodecOptions("ffv1")}
MS = Fraction(1, 1000)
needs_x264 = pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")
needs_x265 = pytest.mark.skipif(not has_encoder("libx265"), reason="this av has no libx265")


@pytest.fixture
def upscale():
    """Return a function that upscales a clip by 2 and returns the report."""

    def run(source, target, *, progress=None, **options):
        pipes = Pipes() if isinstance(target, Path) else Pipes(target=target)
        place = target if isinstance(target, Path) else "-"
        values = {"scale": 2, "segment_frames": 4, **options}
        job = VideoJob(source=source, target=place, **values)
        return upscale_video(job, ModelPool(), Watch(on_progress=progress), pipes)

    return run


def planes(path):
    return read_clip(path)[1]


def left_in(folder: Path, *inputs: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path not in inputs)


def test_each_frame_is_its_own_upscaled_and_none_is_swapped_or_lost(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=11, time_base=MS)
    report = upscale(source, tmp_path / "b.mkv", **LOSSLESS)
    assert (report.frames, report.output_size, report.scale) == (11, (48, 64), 2.0)
    for number, plane in enumerate(planes(tmp_path / "b.mkv")):
        expected = luma(number).repeat(2, axis=0).repeat(2, axis=1)
        assert np.abs(plane.astype(int) - expected).max() <= 1
    assert left_in(tmp_path) == ["a.mkv", "b.mkv"]


@needs_x264
def test_variable_times_are_kept_to_the_tick_over_segments_and_predicted_frames(tmp_path, upscale):
    stamps = [0, 512, 1100, 1500, 2048, 5000, 5600, 7001, 8000, 9999, 12801, 12802, 40000]
    source = write_clip(tmp_path / "a.mp4", frames=13, stamps=stamps, codec="mpeg4")
    options = CodecOptions("h264", more=(("bf", "3"), ("preset", "ultrafast")))
    report = upscale(source, tmp_path / "b.mp4", codec=options)
    assert [at * 12800 for at in seconds(tmp_path / "b.mp4")] == pytest.approx(stamps, abs=1e-6)
    assert "time stamps" in report.kept


def test_a_clip_that_does_not_begin_at_nought_keeps_its_beginning(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", stamps=[500, 540, 585, 900, 901, 950], time_base=MS)
    upscale(source, tmp_path / "b.mkv", **LOSSLESS)
    assert seconds(tmp_path / "b.mkv") == seconds(source)


@needs_x264
def test_sound_subtitles_chapters_tags_and_attachments_go_along(tmp_path, upscale):
    source = write_clip(
        tmp_path / "a.mkv", frames=20, time_base=MS, sound=True, subtitles="subrip",
        attachment=b"FONT" * 9, chapters=("one", "two"), metadata={"title": "Höhe", "comment": "c"},
    )  # fmt: skip
    report = upscale(source, tmp_path / "b.mkv")
    assert report.not_kept == ()
    assert {"audio 1 (aac)", "chapters (2)", "attachment 1 (font.ttf)"} <= set(report.kept)
    assert [packet for packet in packets(source) if packet[0] != "video"] == [
        packet for packet in packets(tmp_path / "b.mkv") if packet[0] != "video"
    ]
    with av.open(str(tmp_path / "b.mkv")) as clip:
        assert clip.metadata["title"] == "Höhe"
        assert [chapter["metadata"]["title"] for chapter in clip.chapters()] == ["one", "two"]
        assert [bytes(one.data) for one in clip.streams if isinstance(one, AttachmentStream)] == [
            b"FONT" * 9
        ]


def packets(path):
    with av.open(str(path)) as clip:
        streams = [stream for stream in clip.streams if stream.type != "attachment"]
        return sorted(
            (packet.stream.type, packet.pts, bytes(packet))
            for packet in clip.demux(streams)
            if packet.size
        )


@needs_x264
def test_rotation_aspect_and_colour_are_in_the_result(tmp_path, upscale):
    colour = {"colorspace": 1, "color_range": 2, "color_primaries": 1, "color_trc": 1}
    source = write_clip(
        tmp_path / "a.mp4", codec="libx264", rotation=90, aspect=Fraction(4, 3), colour=colour
    )
    report = upscale(source, tmp_path / "b.mp4")
    before, after = probe(source), probe(tmp_path / "b.mp4")
    assert before.display is not None
    assert (before.display, before.aspect, before.colour) == (
        after.display, after.aspect, after.colour,
    )  # fmt: skip
    assert {"rotation", "pixel aspect ratio (4/3)", "colour range"} <= set(report.kept)


def test_another_shape_by_size_keeps_the_pictures_own_shape(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mov", codec="mpeg4", aspect=Fraction(4, 3))
    upscale(source, tmp_path / "b.mov", scale=None, size=(48, 128), codec=CodecOptions("mpeg4"))
    assert probe(tmp_path / "b.mov").aspect == Fraction(4, 3) * Fraction(32, 24) / Fraction(128, 48)


@needs_x265
def test_ten_bits_and_hdr_stay_what_they_are(tmp_path, upscale):
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    source = write_clip(
        tmp_path / "a.mkv", codec="libx265", pix_fmt="yuv420p10le", time_base=MS,
        colour={"colorspace": 9, "color_primaries": 9, "color_trc": 16, "color_range": 1},
        options={"x265-params": f"log-level=error:master-display={display}:max-cll=1000,400"},
    )  # fmt: skip
    report = upscale(source, tmp_path / "b.mkv")
    before, after = probe(source), probe(tmp_path / "b.mkv")
    assert after.pix_fmt == report.pix_fmt == "yuv420p10le"
    assert after.colour == before.colour
    assert before.mastering
    assert (after.mastering, after.light) == (before.mastering, before.light)
    assert {"HDR mastering display", "HDR content light level"} <= set(report.kept)


def test_what_the_container_cannot_hold_is_told(tmp_path, upscale):
    source = write_clip(
        tmp_path / "a.mkv", frames=5, sound=True, subtitles="subrip", metadata={"title": "T"}
    )
    report = upscale(source, tmp_path / "b.mp4", codec=CodecOptions("mpeg4"))
    assert any(line.startswith("subtitle 1 (srt): ") for line in report.not_kept)
    assert any(line.startswith("audio 1") for line in report.kept)


@pytest.mark.parametrize(("pix_fmt", "deep"), [("yuv444p", 8), ("gray", 8), ("yuv422p10le", 10)])
def test_the_pixel_format_stays_where_the_codec_has_it(tmp_path, upscale, pix_fmt, deep):
    source = write_clip(tmp_path / "a.mkv", frames=3, pix_fmt=pix_fmt)
    assert upscale(source, tmp_path / "b.mkv", **LOSSLESS).pix_fmt == pix_fmt
    expected = luma(1, bits=deep).repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(planes(tmp_path / "b.mkv")[1].astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("size", "scale", "expected"), [
    ((25, 33), 2, (50, 66)), ((25, 33), 3, (76, 100)), ((24, 32), 1.5, (36, 48)),
    ((25, 33), 1, (26, 34)), ((24, 32), 0.5, (12, 16)),
])  # fmt: skip
def test_odd_sizes_and_any_scale_make_sizes_that_halved_chroma_can_have(
    tmp_path, upscale, size, scale, expected
):
    source = write_clip(tmp_path / "a.mkv", frames=2, size=size)
    assert upscale(source, tmp_path / "b.mkv", scale=scale, **LOSSLESS).output_size == expected
    assert planes(tmp_path / "b.mkv")[0].shape == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (SizeRequest(None, 96), (72, 96)),
        (SizeRequest(72, None), (72, 96)),
        (SizeRequest(200, 128, "inside"), (96, 128)),
    ],
)
def test_a_size_may_be_one_edge_or_a_box(tmp_path, upscale, request_, expected):
    source = write_clip(tmp_path / "a.mkv", frames=2, size=(48, 64))
    report = upscale(source, tmp_path / "b.mkv", scale=None, size=request_, **LOSSLESS)
    assert report.output_size == expected


def test_an_odd_size_that_was_asked_for_is_refused_with_the_nearest(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    with pytest.raises(ArgumentError, match="66x50"):
        upscale(source, tmp_path / "b.mkv", scale=None, size=(49, 65), **LOSSLESS)


def test_one_frame_is_enough(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=1)
    assert upscale(source, tmp_path / "b.mkv", **LOSSLESS).frames == 1
    assert len(planes(tmp_path / "b.mkv")) == 1


def test_a_lost_frame_keeps_its_place_and_is_in_the_report(tmp_path, upscale):
    good = write_clip(tmp_path / "good.mkv", frames=9, **INTRA)
    report = upscale(spoil(good, tmp_path / "bad.mkv", {5}), tmp_path / "b.mkv", **LOSSLESS)
    assert report.frames == 9
    assert report.repeated == (pytest.approx(0.2),)
    assert seconds(tmp_path / "b.mkv") == seconds(good)
    five, four = (planes(tmp_path / "b.mkv")[number] for number in (5, 4))
    np.testing.assert_array_equal(five, four)


def test_a_folder_holds_a_png_for_each_frame_and_their_times(tmp_path, upscale):
    source = write_clip(
        tmp_path / "a.mkv", frames=6, stamps=[0, 40, 90, 100, 170, 300], time_base=MS
    )
    report = upscale(source, tmp_path / "out", form="folder")
    names = [f"{number:08}.png" for number in range(1, 7)]
    assert left_in(tmp_path / "out") == [*names, "timestamps.txt"]
    lines = (tmp_path / "out" / "timestamps.txt").read_text().splitlines()
    assert [float(line) for line in lines[1:]] == [0, 40, 90, 100, 170, 300]
    picture = open_picture(tmp_path / "out" / names[2])
    assert (picture.height, picture.width, picture.values.dtype) == (48, 64, "uint8")
    grey = read_pixels(picture).astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(grey - (luma(2).repeat(2, 0).repeat(2, 1) - 16) * 255 / 219).max() < 1.5
    assert report.frames == 6
    assert left_in(tmp_path) == ["a.mkv", "out"]


def test_frames_of_ten_bits_become_pngs_of_sixteen(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=1, pix_fmt="yuv420p10le")
    upscale(source, tmp_path / "out", form="folder")
    assert open_picture(tmp_path / "out" / "00000001.png").values.dtype == "uint16"


@needs_x264
def test_a_pipe_gets_a_whole_file_with_the_sound(tmp_path, upscale):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.got = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.got += bytes(data)
            return len(data)

    source = write_clip(tmp_path / "a.mkv", frames=9, sound=True, time_base=MS)
    pipe = Pipe()
    report = upscale(source, pipe)
    assert (report.target, report.frames) == ("-", 9)
    (tmp_path / "b.mkv").write_bytes(bytes(pipe.got))
    times = np.array(seconds(tmp_path / "b.mkv"))
    np.testing.assert_allclose(times - times[0], seconds(source), atol=2e-3)
    with av.open(str(tmp_path / "b.mkv")) as clip:
        assert len(clip.streams.audio) == 1


def test_progress_counts_every_frame_once(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=7)
    seen = []
    report = upscale(
        source, tmp_path / "b.mkv", progress=lambda *args: seen.append(args), **LOSSLESS
    )
    assert seen == [(done, 7) for done in range(1, 8)]
    assert report.fps > 0


def test_memory_does_not_grow_with_the_length(tmp_path, upscale):
    """If it did, 180 of these frames of 1.5 MB each would take 270 MB."""
    source = write_clip(tmp_path / "a.mkv", frames=240, size=(160, 200), codec="mpeg4")
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("memory is read from /proc")
    resident: list[float] = []

    def watch(done, frames):
        resident.append(int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20)

    upscale(
        source, tmp_path / "b.mkv", progress=watch, segment_frames=40, codec=CodecOptions("mpeg4")
    )
    assert max(resident[60:]) - max(resident[:60]) < 40


# What is refused, and what is left behind.


def test_an_existing_target_is_kept_unless_overwriting_is_asked_for(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    target = tmp_path / "b.mkv"
    target.write_bytes(b"mine")
    with pytest.raises(OutputError, match="already exists"):
        upscale(source, target, **LOSSLESS)
    assert target.read_bytes() == b"mine"
    upscale(source, target, existing="replace", **LOSSLESS)
    assert len(planes(target)) == 2


def test_the_source_is_never_overwritten(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    with pytest.raises(OutputError, match="is itself an input"):
        upscale(source, tmp_path / "." / "a.mkv", existing="replace")
    assert len(planes(source)) == 2


def test_a_folder_that_holds_something_is_refused(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        upscale(source, tmp_path / "out", form="folder", existing="replace")


def test_frames_beyond_the_cap_are_refused_before_any_work(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    with pytest.raises(PictureError, match="the limit is 500") as caught:
        upscale(source, tmp_path / "b.mkv", max_pixels=500)
    assert caught.value.hint == "raise --max-pixels if the file can be trusted"
    with pytest.raises(OutputError, match="the limit is 2,000") as caught:
        upscale(source, tmp_path / "b.mkv", max_pixels=2000)
    assert "smaller scale" in caught.value.hint
    assert left_in(tmp_path) == ["a.mkv"]


@pytest.mark.parametrize(("options", "match"), [
    (CodecOptions("h999"), "no encoder h999"),
    (CodecOptions("aac"), "makes audio"),
    (CodecOptions("ffv1", pix_fmt="yuv999"), "does not support the pixel format yuv999"),
    (CodecOptions("ffv1", more=(("presett", "slow"),)), "does not have the option presett"),
    (CodecOptions("ffv1", crf=12.0), "does not have the option crf"),
])  # fmt: skip
def test_a_codec_that_cannot_be_is_refused_before_any_work(tmp_path, upscale, options, match):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    with pytest.raises(ArgumentError, match=match):
        upscale(source, tmp_path / "b.mkv", codec=options)
    assert left_in(tmp_path) == ["a.mkv"]


@pytest.mark.parametrize(("name", "codec"), [("b.webm", "ffv1"), ("b.avi", None), ("b", None)])
def test_a_container_that_cannot_be_is_refused_with_those_that_can(tmp_path, upscale, name, codec):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    with pytest.raises(ArgumentError) as caught:
        upscale(source, tmp_path / name, codec=CodecOptions(codec))
    assert ".mkv" in caught.value.hint
    assert left_in(tmp_path) == ["a.mkv"]


def test_a_network_that_fails_leaves_finished_segments_and_no_target(
    tmp_path, upscale, monkeypatch
):
    from clips import Repeater

    source = write_clip(tmp_path / "a.mkv", frames=12)
    good, calls = Repeater.run, itertools.count()

    def run(self, graph, tensors):
        large = good(self, graph, tensors)["large"]
        return {"large": large + np.float32(np.nan if next(calls) > 8 else 0.0)}

    monkeypatch.setattr(Repeater, "run", run)
    with pytest.raises(NumericalError, match="NaN"):
        upscale(source, tmp_path / "b.mkv", **LOSSLESS)
    assert left_in(tmp_path) == ["a.mkv", "b.mkv.part"]
    assert "000000.nut" in left_in(tmp_path / "b.mkv.part")
    monkeypatch.setattr(Repeater, "run", good)
    assert upscale(source, tmp_path / "b.mkv", **LOSSLESS).resumed_at >= 4
    assert len(planes(tmp_path / "b.mkv")) == 12


@contextmanager
def small_disk(limit):
    """Let no file grow beyond so many bytes; within a block, for pytest's own log may be larger."""
    resource = pytest.importorskip("resource", reason="limits of file sizes are POSIX's")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full_halfway_leaves_nothing_half_written(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=8, size=(96, 128))
    with small_disk(2_000), pytest.raises(OutputError, match=r"cannot be written"):
        upscale(source, tmp_path / "b.mkv", **LOSSLESS)
    assert left_in(tmp_path) == ["a.mkv", "b.mkv.part"]
    assert left_in(tmp_path / "b.mkv.part") == ["manifest.json"]


def test_a_disk_that_is_full_at_the_end_keeps_the_segments(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=8, size=(48, 64))
    upscale(source, tmp_path / "b.mkv", **LOSSLESS)
    whole = (tmp_path / "b.mkv").stat().st_size
    limit = int(whole * 0.9)
    with small_disk(limit), pytest.raises(OutputError, match=r"c\.mkv cannot be written"):
        upscale(source, tmp_path / "c.mkv", **LOSSLESS)
    assert left_in(tmp_path) == ["a.mkv", "b.mkv", "c.mkv.part"]
    assert upscale(source, tmp_path / "c.mkv", **LOSSLESS).resumed_at == 8
    assert (tmp_path / "c.mkv").read_bytes()[-1000:] == (tmp_path / "b.mkv").read_bytes()[-1000:]


# Going on.

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import superres.upscaler
from clips import Repeater
from superres.jobs.spec import job_from_json
from superres.jobs.video import upscale_video
from superres.model_pool import ModelPool
from superres.watch import Watch
import time

class Slow(Repeater):
    def run(self, graph, tensors):
        time.sleep(0.05)
        return super().run(graph, tensors)

superres.upscaler.open_checked = lambda model, options, **_: Slow(model.card.scale)
def told(done, frames):
    print(done, flush=True)
upscale_video(job_from_json({job!r}), ModelPool(), Watch(on_progress=told))
"""


def killed_run(source, target, *, form, codec, after):
    """Run in another process, kill it with SIGKILL when so many frames are made."""
    job = VideoJob(
        source=source,
        target=target,
        scale=2,
        segment_frames=4,
        codec=CodecOptions(codec),
        form=form,
    )
    code = SCRIPT.format(here=str(Path(__file__).parents[1] / "support"), job=job_to_json(job))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) == after:
                run.kill()
    assert run.returncode == (1 if os.name == "nt" else -9)


@pytest.mark.parametrize("codec", ["ffv1", pytest.param("h264", marks=needs_x264)])
def test_after_kill_9_the_same_command_goes_on_and_makes_the_same_frames(tmp_path, upscale, codec):
    source = write_clip(tmp_path / "a.mkv", frames=18, sound=True, time_base=MS)
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    upscale(source, whole, codec=CodecOptions(codec))
    killed_run(source, resumed, form="file", codec=codec, after=11)
    assert not resumed.exists()
    assert (work_folder_of(resumed) / "manifest.json").exists()
    report = upscale(source, resumed, codec=CodecOptions(codec))
    assert (report.resumed_at, report.frames) == (8, 18)
    assert "resuming after frame 8 of an earlier run" in report.notes
    assert packets(resumed) == packets(whole)
    for one, other in zip(planes(resumed), planes(whole), strict=True):
        np.testing.assert_array_equal(one, other)
    assert left_in(tmp_path) == ["a.mkv", "resumed.mkv", "whole.mkv"]


def test_after_kill_9_a_folder_of_frames_goes_on(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=10, time_base=MS)
    killed_run(source, tmp_path / "out", form="folder", codec=None, after=7)
    assert left_in(tmp_path) == ["a.mkv", "out.lock", "out.part"]
    assert not (tmp_path / "out").exists()
    report = upscale(source, tmp_path / "out", form="folder")
    assert report.resumed_at == 4
    assert len(left_in(tmp_path / "out")) == 11
    lines = (tmp_path / "out" / "timestamps.txt").read_text().splitlines()
    assert [float(line) for line in lines[1:]] == [1000 * number / RATE for number in range(10)]
    assert left_in(tmp_path) == ["a.mkv", "out"]


@pytest.mark.parametrize("form", ["file", "folder"])
def test_a_second_command_for_the_same_output_is_refused_and_disturbs_nothing(
    tmp_path, upscale, form
):
    source = write_clip(tmp_path / "a.mkv", frames=9)
    target = tmp_path / ("b.mkv" if form == "file" else "b")
    job = VideoJob(source=source, target=target, scale=2, form=form, segment_frames=4)
    refused: list[BusyError] = []

    def begin_another(done, total):
        for existing in ("refuse", "replace"):
            with pytest.raises(BusyError, match="in use by another run: process") as caught:
                upscale(source, target, form=form, existing=existing)
            refused.append(caught.value)

    report = upscale_video(job, ModelPool(), Watch(on_progress=begin_another))
    assert len(refused) == 18
    assert (report.frames, report.resumed_at) == (9, 0)
    assert left_in(tmp_path) == ["a.mkv", target.name]


def test_an_output_that_another_run_makes_in_the_meantime_is_not_replaced(
    tmp_path, upscale, monkeypatch
):
    source, target = write_clip(tmp_path / "a.mkv", frames=3), tmp_path / "b.mkv"

    @contextmanager
    def late(*args):
        target.write_bytes(b"theirs")
        yield

    monkeypatch.setattr(video_job, "locked_work", late)
    with pytest.raises(OutputError, match="already exists"):
        upscale(source, target)
    assert target.read_bytes() == b"theirs"


def unfinished(upscale, source, target, **options):
    """Leave a work folder with its first segment by failing at the second."""
    from superres.video import production

    write, calls = production.write_segment, itertools.count()

    def once(*args):
        if next(calls):
            raise BackendError("stopped", "go on")
        return write(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(production, "write_segment", once)
        with pytest.raises(BackendError, match="stopped"):
            upscale(source, target, **options)


def test_work_for_another_command_is_an_error_that_names_the_difference(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=9)
    unfinished(upscale, source, tmp_path / "b.mkv", **LOSSLESS)
    with pytest.raises(OutputError, match=r"holds 4 frames .* size was \[48, 64\]") as caught:
        upscale(source, tmp_path / "b.mkv", scale=3, **LOSSLESS)
    assert "--overwrite" in caught.value.hint
    report = upscale(source, tmp_path / "b.mkv", scale=3, existing="replace", **LOSSLESS)
    assert (report.resumed_at, report.output_size) == (0, (72, 96))


def test_work_on_a_source_that_has_changed_is_not_gone_on_with(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=9)
    unfinished(upscale, source, tmp_path / "b.mkv", **LOSSLESS)
    write_clip(source, frames=8)
    with pytest.raises(OutputError, match="source was"):
        upscale(source, tmp_path / "b.mkv", **LOSSLESS)


def test_a_folder_in_the_way_is_never_removed(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=2)
    mine = tmp_path / "b.mkv.part" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match="is not unfinished work"):
        upscale(source, tmp_path / "b.mkv", existing="replace", **LOSSLESS)
    assert mine.read_text() == "mine"


def test_what_a_killed_run_left_half_written_is_removed(tmp_path, upscale):
    source = write_clip(tmp_path / "a.mkv", frames=9)
    unfinished(upscale, source, tmp_path / "b.mkv", **LOSSLESS)
    (tmp_path / "b.mkv.part" / ".000001.nut.superres-0123.part").write_bytes(b"half")
    assert upscale(source, tmp_path / "b.mkv", **LOSSLESS).resumed_at == 4
    assert left_in(tmp_path) == ["a.mkv", "b.mkv"]
