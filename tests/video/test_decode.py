"""Frames and their times as they come out of good, odd and broken files."""

from __future__ import annotations

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import INTRA, RATE, has_encoder, luma, picture, spoil, view, write_clip

from superres.errors import PictureError
from superres.video.decode import FrameReader
from superres.videofiles.probe import probe
from superres.videofiles.survey import survey

LOSSLESS = {"codec": "ffv1", "options": {"g": "1"}}


def read(path):
    """Return a reader that has read all, and the (stamp, mean of luma, repeated) of its frames."""
    reader = FrameReader(path, survey(path, probe(path)))
    stills = [
        (still.stamp, float(view(still.frame.planes[0]).mean()), still.repeated)
        for still in reader.frames()
    ]
    return reader, stills


def means(numbers):
    return [pytest.approx(luma(number).mean(), abs=1.5) for number in numbers]


def test_frames_come_in_order_with_the_files_own_variable_times(tmp_path):
    stamps = [0, 40, 90, 95, 300, 301, 1000]
    path = write_clip(
        tmp_path / "a.mkv", frames=7, stamps=stamps, time_base=Fraction(1, 1000), codec="mpeg4",
        format="matroska",
    )  # fmt: skip
    reader, stills = read(path)
    assert [stamp for stamp, _, _ in stills] == stamps
    assert [mean for _, mean, _ in stills] == means(range(7))
    assert reader.repeated == ()
    assert reader.notes() == []


@pytest.mark.parametrize("lost", [1, 3, 5])
def test_a_frame_that_cannot_be_decoded_is_repeated_from_the_one_before(tmp_path, lost):
    good = write_clip(tmp_path / "good.mkv", frames=6, **INTRA)
    reader, stills = read(spoil(good, tmp_path / "bad.mkv", {lost}))
    assert [stamp for stamp, _, _ in stills] == [0, 40, 80, 120, 160, 200]
    shown = [lost - 1 if number == lost else number for number in range(6)]
    assert [mean for _, mean, _ in stills] == means(shown)
    assert [repeated for *_, repeated in stills] == [number == lost for number in range(6)]
    assert reader.repeated == (pytest.approx(0.04 * lost),)
    assert f"at {0.04 * lost:.3f} s" in reader.notes()[0]


def test_frames_lost_at_the_beginning_show_the_first_that_can_be_decoded(tmp_path):
    good = write_clip(tmp_path / "good.mkv", frames=6, **INTRA)
    reader, stills = read(spoil(good, tmp_path / "bad.mkv", {0, 1}))
    assert [stamp for stamp, _, _ in stills] == [0, 40, 80, 120, 160, 200]
    assert [mean for _, mean, _ in stills] == means([2, 2, 2, 3, 4, 5])
    assert reader.repeated == (0.0, pytest.approx(0.04))


@pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")
def test_with_frames_that_are_predicted_from_later_ones_none_is_lost_or_swapped(tmp_path):
    path = write_clip(
        tmp_path / "b.mp4", frames=20, codec="libx264", options={"bf": "3", "crf": "1"}
    )
    reader, stills = read(path)
    assert [stamp for stamp, _, _ in stills] == [512 * number for number in range(20)]
    assert [mean for _, mean, _ in stills] == means(range(20))
    assert reader.repeated == ()


@pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")
@pytest.mark.parametrize("lost", [{0}, {4}, {7, 8}, {19}])
def test_broken_packets_of_h264_change_neither_the_count_nor_the_times(tmp_path, lost):
    good = write_clip(
        tmp_path / "b.mkv", frames=20, codec="libx264", options={"bf": "2", "g": "10"},
        time_base=Fraction(1, 1000),
    )  # fmt: skip
    _, stills = read(spoil(good, tmp_path / "bad.mkv", lost))
    assert [stamp for stamp, _, _ in stills] == [40 * number for number in range(20)]


@pytest.mark.parametrize("lost", [{1}, {5}, {7, 8}, {19}])
def test_of_stamps_that_count_a_lost_frame_keeps_its_place_too(tmp_path, lost):
    good = write_clip(tmp_path / "good.avi", frames=20, time_base=Fraction(1, RATE), **LOSSLESS)
    path = spoil(good, tmp_path / "bad.avi", lost)
    reader, stills = read(path)
    assert [stamp for stamp, _, _ in stills] == [*range(20)]
    shown = [min(lost) - 1 if number in lost else number for number in range(20)]
    assert [mean for _, mean, _ in stills] == means(shown)
    assert reader.repeated == tuple(pytest.approx(number / RATE) for number in sorted(lost))


@pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")
def test_of_stamps_that_count_frames_in_another_order_a_lost_one_is_made_up_for(tmp_path):
    options = {"bf": "2", "g": "10", "crf": "5", "threads": "1"}
    good = write_clip(
        tmp_path / "good.avi", frames=60, codec="libx264", options=options,
        time_base=Fraction(1, RATE),
    )  # fmt: skip
    reader, stills = read(spoil(good, tmp_path / "bad.avi", {11}))
    assert [stamp for stamp, _, _ in stills] == [*range(60)]
    assert len(reader.repeated) == 1
    assert [mean for _, mean, _ in stills[-25:]] == means(range(35, 60))


def test_frames_without_time_stamps_follow_at_the_files_rate(tmp_path):
    coder = av.CodecContext.create("mpeg4", "w")
    coder.width, coder.height, coder.pix_fmt = 32, 24, "yuv420p"
    coder.framerate, coder.time_base = Fraction(25), Fraction(1, 25)
    packets = [packet for number in range(5) for packet in coder.encode(picture(number))]
    path = tmp_path / "raw.m4v"
    path.write_bytes(b"".join(map(bytes, [*packets, *coder.encode(None)])))
    reader, stills = read(path)
    times = [float(stamp * probe(path).time_base) for stamp, _, _ in stills]
    assert np.diff(times) == pytest.approx(0.04)
    assert len(stills) == 5
    assert "no time stamp" in " ".join(reader.notes()) or probe(path).start is not None


def test_time_stamps_that_run_backwards_are_moved_on_and_told(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "a.mkv", frames=4, time_base=Fraction(1, 1000))
    reader = FrameReader(path, probe(path))
    decode = reader._decode

    def shuffled(stream, packet):
        frames = decode(stream, packet)
        for frame in frames:
            if frame.pts == 80:
                frame.pts = 20
        return frames

    monkeypatch.setattr(reader, "_decode", shuffled)
    stamps = [still.stamp for still in reader.frames()]
    assert all(one < other for one, other in itertools.pairwise(stamps))
    assert "ran backwards" in " ".join(reader.notes())


def test_a_truncated_file_gives_the_frames_it_has_and_a_note(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=30, codec="mpeg4", size=(48, 64))
    with av.open(str(path)) as clip:  # faststart: the index comes first
        start = write_start_first(clip, tmp_path / "front.mp4")
    data = start.read_bytes()
    start.write_bytes(data[: int(len(data) * 0.7)])
    reader, stills = read(start)
    assert 5 < len(stills) < 30
    assert "should have 30 frames" in " ".join(reader.notes())


def write_start_first(clip, path):
    options = {"movflags": "+faststart"}
    with av.open(str(path), "w", container_options=options) as copy:
        stream = copy.add_stream_from_template(clip.streams.video[0], opaque=True)
        for packet in clip.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path


def test_frames_that_become_larger_midway_are_told_of_with_their_time(tmp_path):
    ts = {"codec": "mpeg2video", "frames": 5, "time_base": Fraction(1, 25)}
    small = write_clip(tmp_path / "a.ts", **ts)
    large = write_clip(tmp_path / "b.ts", size=(48, 64), stamps=range(5, 10), **ts)
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    reader, stills = read(both)
    assert len(stills) >= 9
    assert "frames become 64x48" in " ".join(reader.notes())
    assert "resized to 32x24, the first size" in " ".join(reader.notes())


def test_one_frame_is_a_video(tmp_path):
    _, stills = read(write_clip(tmp_path / "one.mkv", frames=1))
    assert len(stills) == 1


def test_a_video_of_no_frames_is_refused_by_name(tmp_path):
    path = write_clip(tmp_path / "none.mkv", frames=3)
    empty = spoil(path, tmp_path / "empty.mkv", {0, 1, 2}, how="drop")
    with pytest.raises(PictureError, match=r"empty\.mkv"):
        read(empty)


def test_a_video_of_which_nothing_can_be_decoded_is_refused(tmp_path):
    path = write_clip(tmp_path / "good.mkv", frames=3)
    with pytest.raises(PictureError, match="none of the 3 frames"):
        read(spoil(path, tmp_path / "bad.mkv", {0, 1, 2}))


@pytest.mark.parametrize(("pix_fmt", "lost"), [("yuv420p", []), ("yuva420p", ["transparency"])])
def test_alpha_of_a_video_is_named_as_not_kept(tmp_path, pix_fmt, lost):
    path = write_clip(tmp_path / "a.mkv", frames=1, codec="ffv1", pix_fmt=pix_fmt)
    assert FrameReader(path, probe(path)).not_kept() == lost
