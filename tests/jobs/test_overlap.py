"""Overlapping pictures: their order, their turns, and what one's failure does to the others."""

from __future__ import annotations

import io
import threading
import time

import numpy as np
import pytest

from superres.errors import Cancelled, OutOfMemoryError, UnknownNameError, unknown_name
from superres.frame import UINT8, Bands
from superres.jobs import picture
from superres.jobs.overlap import MOST_IN_FLIGHT, TurnWatch
from superres.jobs.picture import upscale_picture
from superres.jobs.pipes import Pipes
from superres.jobs.report import Report
from superres.jobs.run import run_all
from superres.jobs.spec import PIPE, PictureJob
from superres.media import open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata
from superres.model_pool import ModelPool
from superres.watch import Watch

LONG_S = 20


def report(job, watch=None):
    return Report(
        source=job.names[0],
        target=job.names[1],
        input_size=(1, 1),
        output_size=(2, 2),
        seconds=0.0,
        notes=watch.notes if watch else (),
        model="",
        scale=2,
        backend="",
        device="",
        precision="",
        tile=0,
    )


def jobs(folder, count, **more):
    return [
        PictureJob(source=folder / f"{n}.png", target=folder / f"{n}_x2.png", scale=2, **more)
        for n in range(count)
    ]


def number(job):
    return int(job.source.stem)


@pytest.fixture
def becomes(monkeypatch):
    """Replace the work on a picture by a function of the job's number and its watch."""

    def set_work(work):
        def upscale(job, models, watch, pipes):
            work(number(job), watch)
            return report(job, watch)

        monkeypatch.setattr(picture, "upscale_picture", upscale)

    return set_work


def outcomes(all_jobs, watch_of=lambda job: Watch()):
    return list(run_all(all_jobs, ModelPool(), watch_of))


def test_the_next_picture_begins_before_the_one_before_it_ends(tmp_path, becomes):
    begun = [threading.Event() for _ in range(5)]

    def work(n, watch):
        begun[n].set()
        watch.pass_turn()
        if n + 1 < len(begun):
            assert begun[n + 1].wait(LONG_S)

    becomes(work)
    assert [one.status for one in outcomes(jobs(tmp_path, 5))] == ["done"] * 5


def test_no_more_than_a_few_pictures_are_in_memory(tmp_path, becomes):
    lock, now, most = threading.Lock(), 0, 0

    def work(n, watch):
        nonlocal now, most
        watch.pass_turn()
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1

    becomes(work)
    outcomes(jobs(tmp_path, 12))
    assert most <= MOST_IN_FLIGHT


def test_turns_are_taken_in_order_also_past_jobs_that_end_without_one(tmp_path, becomes):
    order, second_is_over = [], threading.Event()

    def work(n, watch):
        if n == 1:
            second_is_over.set()
            raise OSError("the file is gone")
        watch.wait_turn()
        if n == 0:
            assert second_is_over.wait(LONG_S)
            time.sleep(0.05)  # in which the third must not have its turn
        order.append(n)
        watch.pass_turn()

    becomes(work)
    done = outcomes(jobs(tmp_path, 3))
    assert [one.status for one in done] == ["done", "failed", "done"]
    assert order == [0, 2]


def test_notes_and_progress_come_as_if_the_jobs_ran_one_after_the_other(tmp_path, becomes):
    events, others_spoke = [], threading.Barrier(MOST_IN_FLIGHT)

    def work(n, watch):
        watch.note(f"first of {n}")
        watch.progress(1, 2)
        watch.pass_turn()
        others_spoke.wait(LONG_S)
        watch.note(f"second of {n}")
        watch.progress(2, 2)

    def watch_of(job):
        n = number(job)
        return Watch(
            lambda line: events.append((n, line)),
            lambda done, total: events.append((n, done)),
        )

    becomes(work)
    done = outcomes(jobs(tmp_path, MOST_IN_FLIGHT), watch_of)
    assert [n for n, _ in events] == sorted(n for n, _ in events)
    for n, outcome in enumerate(done):
        lines = [what for who, what in events if who == n and isinstance(what, str)]
        assert lines == [f"first of {n}", f"second of {n}"]
        assert outcome.report is not None
        assert outcome.report.notes == tuple(lines)
    assert (0, 2) in events


def test_two_results_of_one_name_meet_the_policy_in_order(tmp_path, becomes):
    becomes(lambda n, watch: time.sleep(0.05))
    monkeypatched = picture.upscale_picture

    def writes(job, models, watch, pipes):
        made = monkeypatched(job, models, watch, pipes)
        job.target.write_bytes(str(number(job)).encode())
        return made

    picture.upscale_picture = writes  # undone by the fixture
    one, other = jobs(tmp_path, 2)
    done = outcomes([one, other.model_copy(update={"target": one.target})])
    assert [outcome.status for outcome in done] == ["done", "failed"]
    assert "already exists" in done[1].error
    assert (tmp_path / "0_x2.png").read_bytes() == b"0"


def test_a_picture_that_lacks_memory_beside_others_runs_again_alone(tmp_path, becomes):
    running, alone_later, tries = set(), [], []
    lock, both = threading.Lock(), threading.Event()

    def work(n, watch):
        with lock:
            running.add(n)
            if len(running) > 1:
                both.set()
            tries.append(n)
        watch.pass_turn()
        try:
            if n == 1 and tries.count(1) == 1:
                assert both.wait(LONG_S)
                raise MemoryError
            if n == 0:
                assert both.wait(LONG_S)
            if n > 2 or tries.count(1) > 1:
                alone_later.append(running == {n})
            time.sleep(0.01)
        finally:
            with lock:
                running.discard(n)

    becomes(work)
    done = outcomes(jobs(tmp_path, 6))
    assert [one.status for one in done] == ["done"] * 6
    assert tries.count(1) == 2
    assert done[1].report is not None
    assert "continuing one by one" in done[1].report.notes[0]
    assert alone_later[-2:] == [True, True]


@pytest.mark.parametrize("error", [MemoryError(), OutOfMemoryError("too large", "smaller")])
def test_a_picture_that_lacks_memory_alone_fails_and_the_others_do_not(tmp_path, becomes, error):
    def work(n, watch):
        if n == 1:
            raise error

    becomes(work)
    done = outcomes(jobs(tmp_path, 4))
    assert [one.status for one in done] == ["done", "failed", "done", "done"]
    assert done[1].fault == ""
    assert done[1].hint


def test_who_stops_early_cancels_all_that_is_under_way(tmp_path, becomes):
    ended = []

    def work(n, watch):
        if n:
            try:
                while True:
                    watch.check()
                    time.sleep(0.01)
            except Cancelled:
                ended.append(n)
                raise

    becomes(work)
    results = run_all(jobs(tmp_path, 9), ModelPool(), lambda job: Watch())
    assert next(results).status == "done"
    results.close()  # type: ignore[attr-defined]
    assert set(ended) <= {1, 2, 3}
    assert threading.active_count() < 9


def test_a_wrong_request_ends_the_run_before_another_job_begins(tmp_path, becomes):
    others = []

    def work(n, watch):
        if n == 0:
            raise unknown_name("model", "defualt", ["default"])
        others.append(n)

    becomes(work)
    with pytest.raises(UnknownNameError):
        outcomes(jobs(tmp_path, 3))
    assert others == []


def test_a_cancelled_watch_ends_the_wait_for_a_turn():
    earlier, own = TurnWatch(Watch()), Watch()
    waiting = TurnWatch(own, earlier)
    threading.Timer(0.05, own.cancel).start()
    with pytest.raises(Cancelled):
        waiting.wait_turn()
    earlier.pass_turn()
    TurnWatch(Watch(), earlier).wait_turn()


def test_the_time_of_waiting_is_counted():
    earlier = TurnWatch(Watch())
    waiting = TurnWatch(Watch(), earlier)
    threading.Timer(0.1, earlier.pass_turn).start()
    waiting.wait_turn()
    assert 0.05 < waiting.waited_s < LONG_S
    waiting.wait_turn()  # a second one does not wait


def save(path, n):
    pixels = np.random.default_rng(n).integers(0, 256, (70 + 9 * n, 40, 3)).astype(np.uint8)
    write_picture(
        path, [pixels], height=len(pixels), width=40, bands=Bands.of(3), values=UINT8,
        metadata=Metadata(),
    )  # fmt: skip
    return pixels


@pytest.mark.usefixtures("repeating_network")
def test_overlapping_pictures_are_right_to_the_pixel_and_a_damaged_one_harms_none(tmp_path):
    pictures = [save(tmp_path / f"{n}.png", n) for n in range(6)]
    data = (tmp_path / "3.png").read_bytes()
    (tmp_path / "3.png").write_bytes(data[: len(data) // 2])
    done = outcomes(jobs(tmp_path, 6))
    assert [one.status for one in done] == ["done", "done", "done", "failed", "done", "done"]
    for n in (0, 1, 2, 4, 5):
        large = read_pixels(open_picture(tmp_path / f"{n}_x2.png"))
        assert np.array_equal(large, pictures[n].repeat(2, 0).repeat(2, 1))
    assert not (tmp_path / "3_x2.png").exists()
    assert len(list(tmp_path.iterdir())) == 11


@pytest.mark.usefixtures("repeating_network")
def test_pictures_through_pipes_come_one_after_the_other(tmp_path):
    for n in range(2):
        save(tmp_path / f"{n}.png", n)
    stream = io.BytesIO()
    piped = [job.model_copy(update={"target": PIPE, "format": "png"}) for job in jobs(tmp_path, 2)]
    done = list(run_all(piped, ModelPool(), lambda job: Watch(), Pipes(target=stream)))
    assert [one.status for one in done] == ["done", "done"]
    first, second = stream.getvalue().split(b"IEND\xaeB`\x82")[:2]
    assert read_pixels(open_picture(first + b"IEND\xaeB`\x82")).shape == (140, 80, 3)
    assert read_pixels(open_picture(second + b"IEND\xaeB`\x82")).shape == (158, 80, 3)


@pytest.mark.usefixtures("repeating_network")
def test_a_job_passes_its_turn_when_its_rows_are_read_not_when_they_are_written(
    tmp_path, monkeypatch
):
    save(tmp_path / "0.png", 0)
    passed, told = [], []

    class Told(Watch):
        def pass_turn(self):
            passed.append(len(told))

        def progress(self, done, total):
            told.append(done)

    (job,) = jobs(tmp_path, 1)
    upscale_picture(job, ModelPool(), Told())
    assert passed == [0]
    assert told[-1] == 140


@pytest.mark.usefixtures("repeating_network")
def test_a_cancelled_job_ends_while_its_encoder_is_at_work(tmp_path, monkeypatch):
    save(tmp_path / "0.png", 0)
    (job,) = jobs(tmp_path, 1)
    watch = Watch()

    def slow(group, **_):
        watch.cancel()
        time.sleep(1.5)
        raise AssertionError("nobody waits for it")

    monkeypatch.setattr("superres.encoding.png_file._packed", slow)
    with pytest.raises(Cancelled):
        upscale_picture(job, ModelPool(), watch)
    assert not (tmp_path / "0_x2.png").exists()
