"""Frames on their way into a folder, file or pipe: none lost, none swapped, none made twice."""

from __future__ import annotations

import errno
import io
import json
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO, cast

import av
import numpy as np
import pytest
from av.error import InvalidDataError
from clips import read_clip, write_clip

from superres.errors import Cancelled, OutputError
from superres.frame import UINT8
from superres.media import open_picture
from superres.metadata.picture import read_pixels
from superres.video import production
from superres.video.decode import FrameReader
from superres.video.frame_folder import picture_name, write_frame, write_times
from superres.video.join import Rest
from superres.video.manifest import open_work
from superres.video.production import VideoPlan, VideoRun, make_file, make_folder, make_stream
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.encoding import choose_encoding
from superres.videofiles.probe import probe
from superres.watch import Watch

FRAMES = 9


class Doubler:
    """Repeats pixels, and keeps what it was given."""

    def __init__(self, fails_at=None) -> None:
        self.seen: list[float] = []
        self.skipped = -1
        self.fails_at = fails_at

    def __call__(self, frames, looked_back):
        self.skipped = looked_back
        for number, frame in enumerate(frames):
            self.seen.append(float(frame.mean()))
            if number == self.fails_at:
                raise OutputError("the network broke", "try again")
            if number >= looked_back:
                yield frame.repeat(2, axis=0).repeat(2, axis=1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mkv", frames=FRAMES)


def run_of(clip, network, watch=None, **more) -> VideoRun:
    facts = probe(clip)
    nothing: Any = None
    plan = VideoPlan(clip, facts, nothing, "", None, nothing)
    return VideoRun(plan, network, (watch or Watch()).part(), FrameReader(clip, facts), **more)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def unbroken(clip, tmp_path):
    work = open_work(tmp_path / "whole.part", {}, overwrite=False)
    make_folder(tmp_path / "whole", run_of(clip, Doubler()), work, 4)
    return tmp_path / "whole"


def test_a_run_yields_each_frame_larger_beside_its_own_time(clip):
    run = run_of(clip, Doubler())
    made = list(run.frames())
    assert [still.stamp for still, _ in made] == [still.stamp for still in run.reader.frames()]
    assert list(run.times) == pytest.approx([number / 25 for number in range(FRAMES)])
    levels = [float(rgb.mean()) for _, rgb in made]
    assert all(after > before for before, after in pairwise(levels))  # brighter by 4 levels each
    assert run.made == FRAMES


def test_a_run_that_goes_on_shows_the_network_a_few_earlier_frames_and_yields_the_missing(clip):
    whole, network = Doubler(), Doubler()
    frames = [rgb for _, rgb in run_of(clip, whole).frames()]
    run = run_of(clip, network, resumed_at=5, looked_back=2)
    made = list(run.frames())
    assert network.skipped == 2
    assert network.seen == whole.seen[3:]
    assert [still.stamp for still, _ in made] == [still.stamp for still in run.reader.frames()][5:]
    assert all(np.array_equal(a, b) for (_, a), b in zip(made, frames[5:], strict=True))
    assert len(run.times) == FRAMES  # the list of times is of the whole video


def test_looking_back_ends_at_the_first_frame(clip):
    network = Doubler()
    list(run_of(clip, network, resumed_at=1, looked_back=8).frames())
    assert network.skipped == 1
    assert len(network.seen) == FRAMES


def test_progress_counts_from_what_an_earlier_run_had_finished(clip):
    told: list[float] = []
    watch = Watch(on_progress=lambda done, total: told.append(done))
    list(run_of(clip, Doubler(), watch, resumed_at=6).frames())
    assert told == [7, 8, 9]


def test_a_cancelled_run_stops_at_the_next_frame(clip):
    watch = Watch()
    frames = run_of(clip, Doubler(), watch).frames()
    next(frames)
    watch.cancel()
    with pytest.raises(Cancelled):
        list(frames)


def test_a_folder_has_a_picture_a_frame_their_times_and_nothing_of_our_work(unbroken):
    names = [picture_name(number) for number in range(1, FRAMES + 1)]
    assert sorted(file.name for file in unbroken.iterdir()) == [*names, "timestamps.txt"]
    assert not unbroken.with_name("whole.part").exists()


def test_a_network_that_fails_leaves_whole_segments_and_going_on_makes_the_unbroken_folder(
    clip, tmp_path, unbroken
):
    target, path = tmp_path / "again", tmp_path / "again.part"
    work = open_work(path, {}, overwrite=False)
    with pytest.raises(OutputError, match="the network broke"):
        make_folder(target, run_of(clip, Doubler(fails_at=7)), work, 3)
    assert not target.exists()
    work = open_work(path, {}, overwrite=False)
    assert work.frames == 6
    assert [segment.frames for segment in work.segments] == [3, 3]
    rest = Doubler()
    make_folder(target, run_of(clip, rest, resumed_at=work.frames), work, 3)
    assert len(rest.seen) == 3
    assert contents(target) == contents(unbroken)


def test_a_folder_that_got_a_file_meanwhile_is_not_replaced(clip, tmp_path):
    target = tmp_path / "out"
    work = open_work(tmp_path / "out.part", {}, overwrite=False)
    target.mkdir()
    (target / "mine").write_bytes(b"dear")
    with pytest.raises(OutputError, match="out"):
        make_folder(target, run_of(clip, Doubler()), work, 4)
    assert contents(target) == {"mine": b"dear"}
    assert open_work(tmp_path / "out.part", {}, overwrite=False).frames == FRAMES


@pytest.mark.parametrize(("bits", "expected"), [
    (8, [0, 0, 130, 79, 255, 255]),  # 130.05 and 79.05
    (10, [0, 0, 33423, 20316, 65535, 65535]),  # 33422.85 and 20315.85
    (16, [0, 0, 33423, 20316, 65535, 65535]),
])  # fmt: skip
def test_a_frame_becomes_a_png_of_8_or_16_bits_clipped_and_rounded_to_nearest(
    tmp_path, bits, expected
):
    rgb = np.array([[[-0.5, 0.0, 0.51], [0.31, 1.0, 1.5]]], np.float32)
    write_frame(tmp_path / "a.png", rgb, bits=bits)
    picture = open_picture(tmp_path / "a.png")
    assert (picture.values == UINT8) == (bits == 8)
    assert read_pixels(picture).ravel().tolist() == expected


def test_names_sort_as_their_numbers_up_to_a_hundred_million_frames():
    numbers = [1, 9, 10, 99, 12345678, 99_999_999]
    names = [picture_name(number) for number in numbers]
    assert names == sorted(names)
    assert names[0] == "00000001.png"
    assert picture_name(100_000_000) == "100000000.png"


def test_times_are_written_in_milliseconds_a_line_each(tmp_path):
    write_times(tmp_path, [0.0, 1 / 3, 3600.04])
    text = (tmp_path / "timestamps.txt").read_bytes()
    assert text == b"# timestamp format v2\n0.000000\n333.333333\n3600040.000000\n"


def test_times_that_cannot_be_written_are_an_error_with_the_files_name(tmp_path):
    with pytest.raises(OutputError, match=r"timestamps\.txt"):
        write_times(tmp_path / "none", [0.0])


# Files.

# A frame's packet then does not depend on those before it, nor on the number of threads.
FFV1 = CodecOptions("ffv1", more=(("g", "1"), ("slices", "4")))


def coded_run(source, network, container, **more) -> VideoRun:
    """Return a run that encodes without loss."""
    run = run_of(source, network, **more)
    facts = run.plan.facts
    height, width = facts.size
    encoding = choose_encoding(facts, (2 * height, 2 * width), container, FFV1)
    tracks = Rest(tuple(track.index for track in facts.tracks), {})
    nothing: Any = None
    run.plan = VideoPlan(source, facts, nothing, container, encoding, tracks)
    return run


@pytest.fixture(scope="module")
def clip_with_sound(tmp_path_factory):
    """A clip of frames at uneven times."""
    stamps = [0, 40, 80, 90, 95, 200, 240, 500, 777]
    return write_clip(
        tmp_path_factory.mktemp("sound") / "a.mkv", frames=FRAMES, stamps=stamps, sound=True,
        codec="ffv1", time_base=Fraction(1, 1000),
    )  # fmt: skip


def packets(path) -> list[tuple[int, int, bytes]]:
    with av.open(str(path)) as file:
        return [(p.stream_index, p.pts or 0, bytes(p)) for p in file.demux() if p.size]


def assert_shows_the_source(path, source):
    """Check that a file has each frame of a clip, twice as large, at its time, and its sound."""
    before, after = read_clip(source), read_clip(path)
    times = [[float(stamp * one[2]) for stamp in one[0]] for one in (before, after)]
    assert times[0] == pytest.approx(times[1], abs=1e-3)
    for small, large in zip(before[1], after[1], strict=True):
        expected = small.repeat(2, axis=0).repeat(2, axis=1)
        assert np.abs(large.astype(int) - expected).max() <= 1
    sounds = [[data for stream, _, data in packets(file) if stream == 1] for file in (source, path)]
    assert sounds[0] == sounds[1]
    assert sounds[0]


@pytest.mark.parametrize(("segment_frames", "expected"), [
    (4, [4, 4, 1]), (3, [3, 3, 3]), (1, [1] * 9), (100, [9]),
])  # fmt: skip
def test_a_file_is_joined_from_segments_and_shows_what_the_source_shows(
    clip_with_sound, tmp_path, segment_frames, expected
):
    work = open_work(tmp_path / "b.mkv.part", {}, overwrite=False)
    run = coded_run(clip_with_sound, Doubler(), "matroska")
    make_file(tmp_path / "b.mkv", run, work, segment_frames)
    assert [segment.frames for segment in work.segments] == expected
    assert run.made == FRAMES
    assert_shows_the_source(tmp_path / "b.mkv", clip_with_sound)
    assert [path.name for path in tmp_path.iterdir()] == ["b.mkv"]


@pytest.mark.parametrize("fails_at", [1, 4, 8])
def test_a_file_gone_on_with_has_the_packets_of_one_made_at_once(
    clip_with_sound, tmp_path, fails_at
):
    whole = open_work(tmp_path / "whole.part", {}, overwrite=False)
    make_file(tmp_path / "whole", coded_run(clip_with_sound, Doubler(), "matroska"), whole, 3)
    target, path = tmp_path / "b", tmp_path / "b.part"
    work = open_work(path, {}, overwrite=False)
    run = coded_run(clip_with_sound, Doubler(fails_at=fails_at), "matroska")
    with pytest.raises(OutputError, match="the network broke"):
        make_file(target, run, work, 3)
    assert not target.exists()
    assert not json.loads((path / "manifest.json").read_bytes())["complete"]
    work = open_work(path, {}, overwrite=False)
    assert work.frames == fails_at // 3 * 3
    rest = Doubler()
    run = coded_run(clip_with_sound, rest, "matroska", resumed_at=work.frames)
    make_file(target, run, work, 3)
    assert len(rest.seen) == FRAMES - fails_at // 3 * 3
    assert packets(target) == packets(tmp_path / "whole")


def test_a_file_that_cannot_be_joined_keeps_its_segments_and_the_file_in_its_place(
    clip_with_sound, tmp_path, monkeypatch
):
    def broken(*args, **more):
        raise InvalidDataError(1, "it cannot be")

    target = tmp_path / "b.mp4"
    target.write_bytes(b"dear")
    work = open_work(tmp_path / "b.mp4.part", {}, overwrite=False)
    with monkeypatch.context() as patch:
        patch.setattr(production, "join", broken)
        with pytest.raises(OutputError, match=r"b\.mp4 cannot be written: it cannot be") as caught:
            make_file(target, coded_run(clip_with_sound, Doubler(), "matroska"), work, 4)
    assert str(tmp_path / "b.mkv") in caught.value.hint
    assert target.read_bytes() == b"dear"
    work = open_work(tmp_path / "b.mp4.part", {}, overwrite=False)
    assert work.frames == FRAMES
    assert json.loads((work.path / "manifest.json").read_bytes())["complete"]
    rest = Doubler()
    run = coded_run(clip_with_sound, rest, "matroska", resumed_at=FRAMES)
    make_file(target, run, work, 4)
    assert rest.seen == []
    assert_shows_the_source(target, clip_with_sound)


# Pipes.


class Pipe(io.RawIOBase):
    """A pipe whose reader takes so many bytes, and then fails."""

    def __init__(self, takes=2**40, error: OSError | None = None) -> None:
        self.data, self.takes, self.error = bytearray(), takes, error

    def writable(self) -> bool:
        return True

    def write(self, data, /) -> int:
        self.data += data
        if self.error and len(self.data) > self.takes:
            raise self.error
        return len(data)


def test_a_stream_shows_what_the_source_shows(clip_with_sound, tmp_path):
    pipe = Pipe()
    run = coded_run(clip_with_sound, Doubler(), "matroska")
    make_stream(cast("BinaryIO", pipe), run)
    (tmp_path / "b.mkv").write_bytes(pipe.data)
    assert_shows_the_source(tmp_path / "b.mkv", clip_with_sound)
    assert run.made == FRAMES


def test_a_stream_is_written_while_it_is_made(tmp_path):
    stamps = [4000 * number for number in range(FRAMES)]  # Matroska is written every 5 s
    source = write_clip(
        tmp_path / "a.mkv", frames=FRAMES, stamps=stamps, time_base=Fraction(1, 1000)
    )
    pipe, written = Pipe(), list[int]()
    watch = Watch(on_progress=lambda done, total: written.append(len(pipe.data)))
    make_stream(cast("BinaryIO", pipe), coded_run(source, Doubler(), "matroska", watch=watch))
    assert len(written) == FRAMES
    assert 0 < written[3] < written[5] < written[-1] < len(pipe.data)


def test_a_reader_that_closes_the_pipe_stops_the_network_and_is_no_fault(clip_with_sound):
    network = Doubler()
    pipe = Pipe(takes=0, error=BrokenPipeError(errno.EPIPE, "Broken pipe"))
    with pytest.raises(BrokenPipeError):
        make_stream(cast("BinaryIO", pipe), coded_run(clip_with_sound, network, "matroska"))
    assert len(network.seen) <= FRAMES


def test_a_stream_that_cannot_be_written_is_an_error_that_says_why(clip_with_sound):
    pipe = Pipe(takes=0, error=OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OutputError, match="- cannot be written: No space left on device"):
        make_stream(cast("BinaryIO", pipe), coded_run(clip_with_sound, Doubler(), "matroska"))


def test_a_network_that_fails_ends_the_stream_with_its_error(clip_with_sound):
    run = coded_run(clip_with_sound, Doubler(fails_at=5), "matroska")
    with pytest.raises(OutputError, match="the network broke"):
        make_stream(cast("BinaryIO", Pipe()), run)
