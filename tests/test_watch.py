"""Notes, progress and cancellation of a job."""

from __future__ import annotations

import threading

import pytest

from superres.errors import Cancelled
from superres.watch import Watch


def test_a_note_reaches_the_listener_and_the_report_once():
    heard: list[str] = []
    watch = Watch(on_note=heard.append)
    for line in ("a", "b", "a"):
        watch.note(line)
    assert heard == ["a", "b"]
    assert watch.notes == ("a", "b")


def test_two_watches_share_nothing():
    one, other = Watch(), Watch()
    one.note("mine")
    one.cancel()
    assert other.notes == ()
    other.check()
    with pytest.raises(Cancelled):
        one.check()


def test_progress_passes_on_what_is_known_of_the_total():
    heard: list[tuple[float, float | None]] = []
    watch = Watch(on_progress=lambda done, total: heard.append((done, total)))
    watch.progress(1, None)
    watch.progress(2, 4)
    assert heard == [(1, None), (2, 4)]


def test_another_thread_can_cancel():
    watch = Watch()
    thread = threading.Thread(target=watch.cancel)
    thread.start()
    thread.join()
    assert watch.cancelled


def test_notes_of_many_threads_are_all_kept_and_each_once():
    watch = Watch()
    threads = [
        threading.Thread(target=lambda: [watch.note(f"line {n}") for n in range(200)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(watch.notes) == sorted(f"line {n}" for n in range(200))


def test_a_part_stops_with_its_job_and_by_itself_and_speaks_for_the_job():
    heard: list[tuple[float, float | None]] = []
    job = Watch(on_progress=lambda done, total: heard.append((done, total)))
    one, other = job.part(), job.part()
    one.note("a line")
    one.progress(1, 2)
    assert job.notes == other.notes == ("a line",)
    assert heard == [(1, 2)]
    one.cancel()
    assert one.cancelled
    job.check()
    other.check()
    job.cancel()
    with pytest.raises(Cancelled):
        other.check()
    assert one.job is other.part().job is job


def test_a_status_is_heard_each_time_and_kept_by_nobody():
    heard: list[str] = []
    job = Watch(on_status=heard.append)
    job.status("step 1")
    job.part().status("step 1")
    assert (heard, job.notes) == (["step 1", "step 1"], ())
