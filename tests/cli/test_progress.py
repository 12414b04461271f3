"""The terminal's bar, and what is printed where there is none."""

from __future__ import annotations

import pytest

from superres.cli import progress
from superres.cli.progress import BatchProgress, time_text


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which tests set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_where_there_is_no_bar_a_line_a_minute_says_how_far_and_how_fast_a_job_is(clock, capsys):
    with BatchProgress(1) as bar:
        watch = bar.watch("clip.mkv", "frames")
        for second in range(0, 151, 10):
            clock[0] = float(second)
            watch.progress(second / 2, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "30 of 1000 frames, 0.5 frames/s, 32:20 left",
        "60 of 1000 frames, 0.5 frames/s, 31:20 left",
    ]


def test_a_job_that_does_not_know_its_length_says_no_end(clock, capsys):
    with BatchProgress(1) as bar:
        watch = bar.watch("clip.mkv", "frames")
        watch.progress(1, None)
        clock[0] = 60.0
        watch.progress(61, None)
    assert capsys.readouterr().err == "61 frames, 1.0 frames/s\n"


def test_a_note_that_several_jobs_make_is_printed_once(capsys):
    with BatchProgress(2) as bar:
        for name in ("a.png", "b.png"):
            bar.watch(name).note("openvino on CPU in bf16")
    assert capsys.readouterr().err == "openvino on CPU in bf16\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.24, "4.2 s"), (60, "1:00"), (725, "12:05"), (3723, "1:02:03")]
)
def test_times_are_as_people_read_them(seconds, text):
    assert time_text(seconds) == text
