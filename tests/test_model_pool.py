"""Models shared by jobs: opened once, and each job with its own pixels and notes."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from fake_backends import FakeBackend, blur_and_repeat, make_card, whole

from superres.errors import Cancelled, UnknownNameError
from superres.frame import FLOAT32, Bands
from superres.images.anchor import anchor_frame
from superres.infer.route import plan_route
from superres.model_pool import ModelPool
from superres.modelfiles.files import ModelFile
from superres.upscaler import RunOptions
from superres.video.frame_upscaler import upscale_each
from superres.watch import Watch

CARD = make_card(halo=2)
NETWORK = blur_and_repeat(CARD)
RUN = RunOptions(tile=32)


@pytest.fixture
def opened(monkeypatch):
    """Replace every model by a numpy network, and return the names of the opened ones."""
    names: list[str] = []

    def open_slowly(model, options, *, memory, watch):
        names.append(model.card.name)
        time.sleep(0.05)  # the others arrive meanwhile
        watch.note(f"running on numpy in {options.precision}")
        return FakeBackend(NETWORK)

    model = ModelFile(CARD, onnx=None, safetensors=None)
    monkeypatch.setattr("superres.upscaler.open_checked", open_slowly)
    monkeypatch.setattr("superres.zoo.scales", lambda name: (2,))
    monkeypatch.setattr("superres.zoo.resolve", lambda name, **_: model)
    return names


def right(small):
    """Return the network's anchored result for a whole picture."""
    return anchor_frame(small, whole(NETWORK, small).copy(), clamped=True)


def picture(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def in_threads(*runs):
    failed: list[BaseException] = []

    def guarded(run):
        try:
            run()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if failed:
        raise failed[0]


def assert_right(large, small):
    """Anchoring adds in another order for rows than for whole pictures."""
    np.testing.assert_allclose(large, right(small), rtol=0, atol=1e-4)  # of outputs up to 200


def rows(pool, pixels, watch):
    """Upscale a picture row by row, as files are."""
    upscaler = pool.upscaler("fake", RUN)
    size = pixels.shape[:2]
    route = plan_route(size, upscaler.offered, 2, None)
    blocks = (pixels[y : y + 16] for y in range(0, size[0], 16))
    return np.concatenate(list(upscaler.rows(blocks, size, Bands.of(3), FLOAT32, route, watch)))


def test_six_threads_that_open_one_model_open_one_backend_and_each_hears_of_it(opened):
    pool, watches, made = ModelPool(), [Watch() for _ in range(6)], {}
    pictures = [picture(30 + 40 * n, 50, seed=n) for n in range(6)]

    def job(n):
        made[n] = rows(pool, pictures[n], watches[n])

    in_threads(*(lambda n=n: job(n) for n in range(6)))
    assert opened == ["fake"]
    assert [watch.notes for watch in watches] == [("running on numpy in auto",)] * 6
    for n in range(6):
        assert_right(made[n], pictures[n])


def test_one_model_run_in_one_way_is_one_upscaler(opened):
    pool = ModelPool()
    assert pool.upscaler("a", RUN) is pool.upscaler("a", RUN)
    assert pool.upscaler("a", RUN) is not pool.upscaler("b", RUN)
    assert pool.upscaler("a", RUN) is not pool.upscaler("a", RunOptions(tile=33))


def test_a_model_that_is_being_opened_keeps_no_other_waiting(monkeypatch):
    begun, let_go = threading.Event(), threading.Event()

    def scales(name):
        if name == "slow":
            begun.set()
            assert let_go.wait(10)
        return (2,)

    monkeypatch.setattr("superres.zoo.scales", scales)
    pool = ModelPool()
    thread = threading.Thread(target=pool.upscaler, args=("slow", RUN))
    thread.start()
    assert begun.wait(10)
    assert pool.upscaler("fast", RUN).model == "fast"
    let_go.set()
    thread.join()


def test_a_model_that_could_not_be_opened_is_tried_again():
    pool = ModelPool()
    for _ in range(2):
        with pytest.raises(UnknownNameError):
            pool.upscaler("defautl", RUN)


def test_two_videos_and_a_picture_on_one_pool_are_each_right_to_the_pixel(opened):
    pool, made = ModelPool(), {}
    sizes = {"a": (40, 50), "b": (70, 30)}
    videos = {name: [picture(*size, seed=n) for n in range(12)] for name, size in sizes.items()}
    still = picture(300, 60, seed=99)

    def video(name):
        upscaler = pool.upscaler("fake", RUN)
        route = plan_route(sizes[name], upscaler.offered, 2, None)
        frames = upscale_each(upscaler, route, Watch())(iter(videos[name]), 0)
        made[name] = list(frames)

    def still_picture():
        made["still"] = rows(pool, still, Watch())

    in_threads(lambda: video("a"), lambda: video("b"), still_picture)
    for name, frames in videos.items():
        for small, large in zip(frames, made[name], strict=True):
            assert_right(large, small)
    assert_right(made["still"], still)
    assert opened == ["fake"]


def test_a_cancelled_video_beside_a_picture_stops_by_itself(opened):
    pool, made, job = ModelPool(), [], Watch()
    still = picture(300, 60)

    def frames():
        for n in range(1000):
            if n == 20:
                job.cancel()
            yield picture(40, 50, seed=n)

    def video():
        upscaler = pool.upscaler("fake", RUN)
        route = plan_route((40, 50), upscaler.offered, 2, None)
        with pytest.raises(Cancelled):
            list(upscale_each(upscaler, route, job)(frames(), 0))

    in_threads(video, lambda: made.append(rows(pool, still, Watch())))
    assert_right(made[0], still)
