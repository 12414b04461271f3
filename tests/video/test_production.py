"""Frames on their way from the source into a folder: none lost, none swapped, none made twice."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from clips import write_clip

from superres.errors import Cancelled, OutputError
from superres.frame import UINT8
from superres.media import open_picture
from superres.metadata.picture import read_pixels
from superres.video.decode import FrameReader
from superres.video.frame_folder import picture_name, write_frame, write_times
from superres.video.manifest import open_work
from superres.video.production import VideoPlan, VideoRun, make_folder
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
