"""One clock for all streams of a file: where time begins, which jumps are believed, what counts."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import pytest
from clips import has_encoder
from clocked import RATE, remux, together, write_clocked
from edit_lists import boxes, with_edits

from superres.video.decode import FrameReader
from superres.videofiles.edits import edit_lists
from superres.videofiles.probe import VideoFacts, open_video, probe
from superres.videofiles.survey import settled_rate, survey

pytestmark = pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264")


def surveyed(path: Path) -> VideoFacts:
    return survey(path, probe(path))


def times(path: Path, index: int) -> list[float]:
    """Return when the packets of a stream are shown or heard in the result, in seconds, sorted."""
    facts = surveyed(path)
    with open_video(path) as container:
        stream = container.streams[index]
        packets = (
            facts.timeline.video_packets(container, container.streams.video[0])
            if index == facts.index
            else facts.timeline.track_packets(container, [stream], hides=True)
        )
        return sorted(float(p.pts * p.time_base) for p in packets if p and p.pts is not None)


def spread(path: Path, index: int) -> float:
    """Return the largest difference of the steps between a stream's packets, in seconds."""
    at = times(path, index)
    steps = [after - before for before, after in itertools.pairwise(at)]
    return max(steps) - min(steps)


def jumping(source: Path, target: Path, *, stream: int, after: float, by: float) -> Path:
    """Copy a clip into MPEG-TS; from some time on one stream's stamps, or all's (-1), are moved."""
    with av.open(str(source)) as given, av.open(str(target), "w", format="mpegts") as copy:
        copies = [copy.add_stream_from_template(one, opaque=True) for one in given.streams]
        for packet in given.demux():
            if packet.dts is None or packet.pts is None:
                continue
            base = packet.time_base
            late = packet.dts * base >= after
            if late and stream in (-1, packet.stream_index):
                packet.pts += round(by / base)
                packet.dts += round(by / base)
            packet.stream = copies[packet.stream_index]
            copy.mux(packet)
    return target


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    options = {"g": "1", "crf": "5", "threads": "1"}
    return write_clocked(tmp_path_factory.mktemp("clip") / "a.mp4", frames=75, options=options)


def test_a_file_in_order_is_left_as_it_is(clip):
    facts = surveyed(clip)
    assert facts.timeline.parts == {}
    assert facts.timeline.notes == ()
    assert (facts.start, facts.rate, facts.frames, facts.counted) == (0, RATE, 75, True)


def test_a_jump_that_all_streams_make_is_a_joint(clip, tmp_path):
    path = jumping(clip, tmp_path / "a.ts", stream=-1, after=1.5, by=4000)
    assert "clock jumps by 4000.0" in " ".join(surveyed(path).timeline.notes)
    assert spread(path, 0) == pytest.approx(0, abs=0.002)
    assert spread(path, 1) < 0.022


def test_a_jump_ahead_of_a_single_stream_is_a_gap(clip, tmp_path):
    path = jumping(clip, tmp_path / "a.ts", stream=0, after=1.5, by=20)
    assert not any("jumps" in note for note in surveyed(path).timeline.notes)
    assert spread(path, 0) == pytest.approx(20, abs=0.01)
    assert spread(path, 1) < 0.002


def test_a_short_gap_of_all_streams_stays(clip, tmp_path):
    path = jumping(clip, tmp_path / "a.ts", stream=-1, after=1.5, by=5)
    assert not any("jumps" in note for note in surveyed(path).timeline.notes)
    assert spread(path, 0) == pytest.approx(5, abs=0.01)


def test_sound_that_ends_early_and_begins_late_does_not_hide_a_joint(tmp_path):
    long = write_clocked(tmp_path / "0.ts", frames=200)
    one = remux(long, tmp_path / "1.ts", without=[(1, 0.0, 3.0), (1, 5.0, 9.0)])
    path = together(tmp_path / "a.ts", one, one)
    assert any("jumps" in note for note in surveyed(path).timeline.notes)
    assert spread(path, 0) == pytest.approx(0, abs=0.002)
    at = times(path, 1)
    gap = max(after - before for before, after in itertools.pairwise(at))
    assert gap == pytest.approx(8 - 2, abs=0.1)


def test_single_streams_that_run_back_at_different_times_are_no_joint(tmp_path):
    short = write_clocked(tmp_path / "0.ts")
    long = write_clocked(tmp_path / "1.ts", frames=900)
    pictures_back = remux(long, tmp_path / "2.ts", offsets=[1.0, 2.0])
    sound_back = remux(short, tmp_path / "3.ts", offsets=[37.0, 37.0])
    path = together(tmp_path / "a.ts", short, pictures_back, sound_back)
    facts = surveyed(path)
    assert not any("jumps" in note for note in facts.timeline.notes)
    report = FrameReader(path, facts)
    stamps = [still.stamp for still in report.frames()]
    assert len(stamps) == 1000
    assert all(before < after for before, after in itertools.pairwise(stamps))


def test_a_video_alone_is_believed(tmp_path):
    source = write_clocked(tmp_path / "a.mp4", audio=None, options={"g": "1", "threads": "1"})
    path = jumping(source, tmp_path / "a.ts", stream=-1, after=1, by=4000)
    assert spread(path, 0) == pytest.approx(0, abs=0.002)


def test_sound_much_longer_than_the_pictures_is_waited_for(tmp_path):
    one = remux(
        write_clocked(tmp_path / "0.ts", frames=75), tmp_path / "1.ts", without=[(0, 1.5, 9)]
    )
    path = together(tmp_path / "a.ts", one, one)
    at = times(path, 0)
    gap = max(after - before for before, after in itertools.pairwise(at))
    assert gap == pytest.approx(1.5 - 0.5, abs=0.15)  # half a second of sound overlaps
    assert times(path, 1) == sorted(set(times(path, 1)))


def test_a_matroska_file_that_begins_late_keeps_its_beginning_up_to_ten_seconds(clip, tmp_path):
    near = surveyed(remux(clip, tmp_path / "near.mkv", offsets=[9.0]))
    far = surveyed(remux(clip, tmp_path / "far.mkv", offsets=[11.0]))
    assert near.start == pytest.approx(9.0, abs=0.025)
    assert near.timeline.notes == ()
    assert far.start == pytest.approx(0.0, abs=0.025)
    assert "clock begins at 11.0" in far.timeline.notes[0]


def test_sound_that_leads_by_more_than_a_packet_is_not_hidden(clip, tmp_path):
    path = remux(clip, tmp_path / "a.ts", offsets=[0.2, 0.0])
    assert min(times(path, 1)) == pytest.approx(0, abs=0.001)
    assert surveyed(path).start == pytest.approx(0.2 + 1024 / 48000, abs=0.002)


def test_an_avi_file_that_is_cut_off_lacks_frames_and_a_whole_one_does_not(tmp_path):
    sound = {"audio": "libmp3lame", "sound_rate": 44100}
    path = write_clocked(tmp_path / "a.avi", **sound)
    assert surveyed(path).frames == 50
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    facts = surveyed(path)
    assert facts.counted
    assert facts.frames is not None
    assert 49 <= facts.frames <= 51  # of which about half are there


def test_frames_cut_away_by_an_edit_list_are_not_missed(tmp_path):
    source = write_clocked(tmp_path / "a.mp4", frames=100, audio=None)
    facts = surveyed(with_edits(source, tmp_path / "b.mp4", [(2, 1.08)]))
    assert (facts.frames, facts.counted) == (50, True)


@pytest.mark.parametrize(("said", "measured", "interlaced", "expected"), [
    (Fraction(25), Fraction(25), False, Fraction(25)),
    (Fraction(12800), Fraction(25), False, Fraction(25)),
    (Fraction(12800), Fraction(23976, 1000), False, Fraction(24000, 1001)),
    (Fraction(24000, 1001), Fraction(2399, 100), False, Fraction(24000, 1001)),
    (Fraction(90000), Fraction(17, 2), False, Fraction(17, 2)),
    (Fraction(25), Fraction(50), True, Fraction(25)),
    (Fraction(25), Fraction(50), False, Fraction(50)),
    (Fraction(90000), None, False, Fraction(25)),
    (Fraction(30), None, False, Fraction(30)),
])  # fmt: skip
def test_a_rate_is_what_the_file_says_if_its_stamps_agree(said, measured, interlaced, expected):
    assert settled_rate(said, measured, interlaced=interlaced) == expected


def test_only_lists_of_several_stretches_are_looked_into(tmp_path):
    source = write_clocked(tmp_path / "a.mp4", frames=100, audio=None)
    one = with_edits(source, tmp_path / "1.mp4", [(0.5, None), (2, 1)])
    two = with_edits(source, tmp_path / "2.mp4", [(0.5, None), (2, 1), (1, None)])
    assert edit_lists(source) == edit_lists(one) == {}
    ((edits),) = edit_lists(two).values()
    ticks = 12800
    assert [(edit.at, edit.begin, edit.length) for edit in edits] == [
        (ticks // 2, ticks, 2 * ticks), (ticks * 5 // 2, None, ticks),
    ]  # fmt: skip


def test_damaged_boxes_have_no_lists(tmp_path):
    source = write_clocked(tmp_path / "a.mp4", frames=100, audio=None)
    path = with_edits(source, tmp_path / "b.mp4", [(1, 0), (1, 3)])
    assert len(edit_lists(path)) == 1
    data = path.read_bytes()
    at = data.index(b"elst") + 8
    path.write_bytes(data[:at] + b"\0\0\xff\xff" + data[at + 4 :])
    assert edit_lists(path) == {}
    assert [kind for kind, _, _ in boxes(data)][-1] == b"moov"
    assert edit_lists(tmp_path / "none.mp4") == {}
