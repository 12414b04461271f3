"""Videos whose tracks do not share one clock: what a player shows and plays is what comes out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import has_encoder
from clocked import (
    EVERY,
    RATE,
    SOUND_FRAME_S,
    played,
    program_frames,
    program_rate,
    remux,
    together,
    write_clocked,
)
from edit_lists import Edit, with_edits

from superres.errors import Cancelled
from superres.jobs.report import VideoReport
from superres.jobs.spec import VideoJob
from superres.jobs.video import upscale_video
from superres.model_pool import ModelPool
from superres.videofiles.codec_options import CodecOptions
from superres.watch import Watch

pytestmark = [
    pytest.mark.usefixtures("repeating_network"),
    pytest.mark.skipif(not has_encoder("libx264"), reason="this av has no libx264"),
]

PRIMING_S = 1024 / 48000  # sound that AAC's decoder needs before the first that is heard
REORDERING_S = 2 / RATE  # from the first frame's decoding to its showing, with two B-frames
SOUND = {"libmp3lame": {"audio": "libmp3lame", "sound_rate": 44100}}


@dataclass(frozen=True)
class Case:
    """A source, and what a player makes of it.

    Attributes:
        make: Makes the source in a folder.
        numbers: The frames' numbers, in the order that they are shown in.
        times: When, in seconds after the first; None for 25 a second.
        sound_late: How much later the sound of a frame is than the frame.
        silent: Numbers of frames whose click is not heard.
        begin: When the first frame is shown, in seconds.
        note: Words of a note that the report must have.
    """

    make: Callable[[Path], Path]
    numbers: list[int]
    times: list[float] | None = None
    sound_late: float = 0.0
    silent: set[int] = field(default_factory=set[int])
    begin: float = 0.0
    note: str = ""


def parts(folder: Path, *, count: int = 2, frames: int = 50) -> list[Path]:
    """Write recordings that go on with each other's frames."""
    return [
        write_clocked(folder / f"{place}.ts", frames=frames, first=place * frames)
        for place in range(count)
    ]


def long_clip(folder: Path) -> Path:
    return write_clocked(folder / "long.mp4", frames=100)


def joined(folder: Path) -> Path:
    return together(folder / "a.ts", *parts(folder))


def joined_three(folder: Path) -> Path:
    return together(folder / "a.ts", *parts(folder, count=3, frames=25))


def joined_ahead(folder: Path) -> Path:
    one, other = parts(folder)
    late = remux(other, folder / "late.ts", offsets=[4000.0])
    return together(folder / "a.ts", one, late)


def joined_programs(folder: Path) -> Path:
    one = write_clocked(
        folder / "0.mpg", codec="mpeg2video", options={"g": "12", "bf": "2", "qscale": "2"},
        audio="mp2", format="vob",
    )  # fmt: skip
    return together(folder / "a.mpg", one, one)


def joined_silent(folder: Path) -> Path:
    one = write_clocked(folder / "0.ts", audio=None)
    other = write_clocked(folder / "1.ts", first=50, audio=None)
    return together(folder / "a.ts", one, other)


def wrapped(folder: Path) -> Path:
    clip = write_clocked(folder / "0.mp4")
    offset = 2**33 / 90000 - 1  # the 33 bits of MPEG's clock are full after a second
    return remux(clip, folder / "a.ts", options={"output_ts_offset": f"{offset}", "muxdelay": "0"})


def tuner(folder: Path) -> Path:
    clip = write_clocked(folder / "0.mp4")
    return remux(clip, folder / "a.ts", options={"output_ts_offset": "5000"})


def live_matroska(folder: Path) -> Path:
    return remux(write_clocked(folder / "0.mp4"), folder / "a.mkv", offsets=[5000.0])


def counted(folder: Path) -> Path:
    return write_clocked(
        folder / "a.avi", options={"bf": "3", "g": "12", "crf": "5"}, **SOUND["libmp3lame"]
    )


def packed(folder: Path) -> Path:
    return write_clocked(
        folder / "a.avi", codec="mpeg4", options={"bf": "2", "qscale": "2"}, **SOUND["libmp3lame"]
    )


def bare(folder: Path) -> Path:
    return write_clocked(folder / "a.h264", audio=None, format="h264")


def late_sound(folder: Path) -> Path:
    clip = write_clocked(folder / "0.mp4")
    return remux(clip, folder / "a.mkv", offsets=[0.0, 0.5])


def late_pictures(folder: Path) -> Path:
    clip = write_clocked(folder / "0.mp4")
    return remux(clip, folder / "a.ts", offsets=[0.6, 0.0])


def pause(folder: Path) -> Path:
    """A gap of 3 s in the pictures alone, which is no jump of the clock."""
    return write_clocked(folder / "a.ts", frames=50, pauses=[(25, 3.0)])


def reception_lost(folder: Path) -> Path:
    """A gap of 1 s in all streams: nothing was received."""
    clip = write_clocked(folder / "0.ts", frames=100, options={"g": "1", "crf": "5"})
    begin = played(clip).times[0] - 0.01
    gap = (begin + 1, begin + 2)
    return remux(clip, folder / "a.ts", without=[(0, *gap), (1, *gap)])


def edited(*lists: Sequence[Edit]) -> Callable[[Path], Path]:
    """Return what makes a clip of 100 frames with edit lists of pictures and sound."""
    lags = (REORDERING_S, PRIMING_S)

    def make(folder: Path) -> Path:
        own = [
            [(length, None if begin is None else begin + lag) for length, begin in edits]
            for edits, lag in zip(lists, lags, strict=True)
        ]
        return with_edits(long_clip(folder), folder / "a.mp4", *own)

    return make


CUT: Sequence[Edit] = [(1, 0), (1, 3)]
PAUSED: Sequence[Edit] = [(0.5, None), (1, 0.48), (0.5, None), (1, 2)]
SWAPPED: Sequence[Edit] = [(1, 2), (0.8, 1)]
GAPPED = [*range(25), *range(50, 100)]
CASES = {
    "joined": Case(joined, [*range(100)], note="clock jumps by -2.000 s"),
    "joined, three": Case(joined_three, [*range(75)]),
    "joined, ahead": Case(joined_ahead, [*range(100)], note="clock jumps by"),
    "joined, MPEG-PS": Case(joined_programs, [*range(50), *range(50)]),
    "joined, silent": Case(joined_silent, [*range(100)]),
    "wrapped": Case(wrapped, [*range(50)], note="clock begins at -1."),
    "tuner": Case(tuner, [*range(50)], note="clock begins at 500"),
    "live": Case(live_matroska, [*range(50)], note="clock begins at 5000.0"),
    "counted": Case(counted, [*range(50)]),
    "packed": Case(packed, [*range(50)]),
    "bare": Case(bare, [*range(50)]),
    "late sound": Case(late_sound, [*range(50)], sound_late=0.5),
    "late pictures": Case(late_pictures, [*range(50)], sound_late=-0.6, begin=0.6),
    "pause": Case(
        pause, [*range(50)], [n / RATE + 3 * (n >= 25) for n in range(50)], silent={*range(25, 50)}
    ),
    "reception lost": Case(reception_lost, GAPPED, [n / RATE for n in GAPPED]),
    "edited, ends": Case(edited([(2, 1)], [(2, 1)]), [*range(25, 75)]),
    "edited, tail": Case(edited([(1.2, 0)], [(1.2, 0)]), [*range(30)]),
    "edited, sound late": Case(edited([(4, 0)], [(1.5, None), (4, 0)]), [*range(100)], None, 1.5),
    "edited, pictures late": Case(
        edited([(0.7, None), (4, 0)], [(4, 0)]), [*range(100)], sound_late=-0.7, begin=0.7
    ),
    "edited, middle": Case(edited(CUT, CUT), [*range(25), *range(75, 100)]),
    "edited, pause": Case(
        edited(PAUSED, PAUSED),
        [*range(12, 37), *range(50, 75)],
        [n / RATE + (n >= 25) * 0.5 for n in range(50)],
        begin=0.5,
    ),
    "edited, out of order": Case(edited(SWAPPED, SWAPPED), [*range(50, 75), *range(25, 45)]),
    "edited apart": Case(edited([(2, 1)], [(3, 0.4)]), [*range(25, 75)], sound_late=0.6),
}


@pytest.fixture
def upscale():
    """Return a function that upscales a clip by 2 and returns the report."""

    def run(source: Path, target: Path, watch: Watch | None = None) -> VideoReport:
        codec = CodecOptions("h264", 5.0)
        job = VideoJob(source=source, target=target, scale=2, segment_frames=20, codec=codec)
        return upscale_video(job, ModelPool(), watch or Watch())

    return run


def check(case: Case, result: Path) -> None:
    """Check a result against what a player makes of its source."""
    shown = played(result)
    times = case.times or [place / RATE for place in range(len(case.numbers))]
    assert shown.numbers == case.numbers
    begin = shown.times[0]
    assert np.subtract(shown.times, begin) == pytest.approx(times, abs=0.0011)
    assert shown.shown_until - begin == pytest.approx(times[-1] + 1 / RATE, abs=0.0011)
    assert begin == pytest.approx(case.begin, abs=SOUND_FRAME_S)
    if not shown.clicks:
        assert shown.heard_until == 0
        return
    due = [
        begin + at + case.sound_late
        for number, at in zip(case.numbers, times, strict=True)
        if number % EVERY == 0 and number not in case.silent
    ]
    for at in due:  # but for what was cut away
        if -SOUND_FRAME_S < at < shown.heard_until - SOUND_FRAME_S:
            assert min(abs(at - click) for click in shown.clicks) < SOUND_FRAME_S, at


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize("name", CASES)
def test_what_a_player_shows_and_plays_is_what_comes_out(tmp_path, upscale, name, container):
    case = CASES[name]
    source, target = case.make(tmp_path), tmp_path / f"out.{container}"
    report = upscale(source, target)
    assert report.frames == len(case.numbers)
    assert report.repeated == ()
    check(case, target)
    assert case.note in " ".join(report.notes)
    for alarm in ("ran backwards", "could not be decoded", "should have", "damaged"):
        assert alarm not in " ".join(report.notes)


@pytest.mark.parametrize("name", ["joined", "wrapped", "counted", "edited, middle", "bare"])
def test_a_run_that_was_stopped_midway_goes_on_to_the_same_times(tmp_path, upscale, name):
    case = CASES[name]
    source, whole, target = case.make(tmp_path), tmp_path / "whole.mp4", tmp_path / "out.mp4"
    watch = Watch(on_progress=lambda done, _: watch.cancel() if done == 30 else None)
    with pytest.raises(Cancelled):
        upscale(source, target, watch)
    report = upscale(source, target)
    assert report.resumed_at == 20
    check(case, target)
    upscale(source, whole)
    assert played(target) == played(whole)


def test_recordings_cut_anywhere_are_in_sync_after_the_joint(tmp_path, upscale):
    one, other = (path.read_bytes() for path in parts(tmp_path, frames=100))
    source = tmp_path / "a.ts"
    source.write_bytes(one[: len(one) * 6 // 10] + other[len(other) * 3 // 10 :])
    report = upscale(source, tmp_path / "out.mp4")
    assert "ran backwards" not in " ".join(report.notes)
    shown = played(tmp_path / "out.mp4")
    second = shown.numbers.index(150)  # far behind the first frame that needs no earlier one
    assert shown.numbers[second:] == [*range(150, 200)]
    assert shown.numbers[:50] == [*range(50)]
    for place, number in enumerate(shown.numbers):
        if number % EVERY == 0 and (place < 50 or place >= second):
            at = shown.times[place]
            assert min(abs(at - click) for click in shown.clicks) < SOUND_FRAME_S, number


def test_progress_knows_how_many_frames_there_are(tmp_path, upscale):
    told = set[float | None]()
    for name in ("joined", "counted", "edited, ends"):
        folder = tmp_path / name
        folder.mkdir()
        upscale(
            CASES[name].make(folder),
            folder / "out.mkv",
            Watch(on_progress=lambda _, total: told.add(total)),
        )
        assert told == {len(CASES[name].numbers)}
        told.clear()


def test_a_result_in_matroska_has_the_rate_of_its_source_and_so_has_the_result_of_that(
    tmp_path, upscale
):
    totals = set[float | None]()
    source = write_clocked(tmp_path / "a.mp4")
    upscale(source, tmp_path / "b.mkv")
    watch = Watch(on_progress=lambda _, total: totals.add(total))
    upscale(tmp_path / "b.mkv", tmp_path / "c.mkv", watch)
    assert totals == {50}
    for name in ("b.mkv", "c.mkv"):
        with av.open(str(tmp_path / name)) as clip:
            assert clip.streams.video[0].average_rate == 25
        if shutil.which("ffprobe"):
            assert program_rate(tmp_path / name) == Fraction(25)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="the program ffprobe is not installed")
@pytest.mark.parametrize("name", ["joined", "wrapped", "edited, ends", "counted"])
def test_the_program_reads_the_same_times(tmp_path, upscale, name):
    case = CASES[name]
    upscale(case.make(tmp_path), tmp_path / "out.mp4")
    times = program_frames(tmp_path / "out.mp4")
    wanted = case.times or [place / RATE for place in range(len(case.numbers))]
    assert times == pytest.approx(wanted, abs=0.0011)
