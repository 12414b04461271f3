"""Several pictures at once on one engine, each with its own end, cancellation and notes."""

from __future__ import annotations

import threading
from collections.abc import Generator

import numpy as np
import pytest
from fake_backends import FakeBackend, blur_and_repeat, make_card, random_picture, whole

from superres.errors import Cancelled, OutOfMemoryError
from superres.infer.batcher import Batcher
from superres.infer.engine import Engine
from superres.infer.prefetch import prefetch
from superres.infer.sanity import SanityCheck
from superres.watch import Watch

CARD = make_card(halo=2)
NETWORK = blur_and_repeat(CARD)


def rows_of(engine, picture, watch=None):
    height, width = picture.shape[:2]
    blocks = [picture[y : y + 16] for y in range(0, height, 16)]
    return engine.upscale_rows(blocks, height=height, width=width, watch=watch)


def test_the_end_of_a_small_picture_leaves_a_large_one_alone():
    engine = Engine(CARD, FakeBackend(NETWORK), tile=32, fallback=None, watch=Watch())
    large, small = random_picture(300, 64), random_picture(40, 50, seed=1)
    under_way = rows_of(engine, large)
    made = [next(under_way)]
    ended = np.concatenate(list(prefetch(rows_of(engine, small), depth=2)))
    made += under_way
    assert np.array_equal(ended, whole(NETWORK, small))
    assert np.array_equal(np.concatenate(made), whole(NETWORK, large))


def test_pictures_of_many_threads_are_each_right_to_the_pixel():
    engine = Engine(CARD, FakeBackend(NETWORK), tile=32, fallback=None, watch=Watch())
    pictures = [random_picture(20 + 37 * n, 90 - 9 * n, seed=n) for n in range(6)]
    made = {}

    def run(n):
        watch = Watch().part()
        blocks = list(prefetch(rows_of(engine, pictures[n], watch), depth=2, part=watch))
        made[n] = np.concatenate(blocks)

    in_threads(run, range(6))
    assert all(np.array_equal(made[n], whole(NETWORK, pictures[n])) for n in range(6))


def test_a_cancelled_job_leaves_the_one_beside_it_alone():
    engine = Engine(CARD, FakeBackend(NETWORK), tile=32, fallback=None, watch=Watch())
    one, other = random_picture(300, 64), random_picture(260, 70, seed=1)
    going_on, ended = Watch(), Watch()
    rows = rows_of(engine, one, going_on)
    cancelled = rows_of(engine, other, ended)
    made = [next(rows)]
    next(cancelled)
    ended.cancel()
    with pytest.raises(Cancelled):
        list(cancelled)
    made += rows
    assert np.array_equal(np.concatenate(made), whole(NETWORK, one))


def test_waiting_tiles_of_a_cancelled_job_are_never_run():
    backend = FakeBackend(NETWORK)
    sanity = SanityCheck(CARD, backend, fallback=None, what="picture")
    started, let_go = threading.Event(), threading.Event()

    def run(on, tiles):
        started.set()
        assert let_go.wait(10)
        return on.run("enlarge", {"small": tiles})["large"]

    batcher = Batcher(run, joint_px=0)
    tiles = np.ones((1, 3, 8, 8), np.float32)
    tiles[0, 0, 0] = 0.0
    cancelled, dropped = Watch(), Watch()
    answers = [
        batcher.submit(tiles, sanity.begin(watch))
        for watch in (Watch(), cancelled, dropped, Watch())
    ]
    assert started.wait(10)
    cancelled.cancel()
    assert answers[2].cancel()
    let_go.set()
    assert answers[3].result(10) is not None
    with pytest.raises(Cancelled):
        answers[1].result(10)
    assert len(backend.shapes) == 2


def test_a_fallback_to_fp32_is_one_pictures_own():
    """The other picture begins before, continues meanwhile, and ends after it: all in bf16."""

    def spoilt(tiles):
        large = NETWORK(tiles) + np.float32(1.0)  # unlike fp32's
        large[tiles[:, 0, 0, 0] == 0.5] = np.nan
        return large

    opened = []

    def fallback(said):
        said.note("running in fp32")
        opened.append(FakeBackend(NETWORK))
        return opened[-1]

    fast = FakeBackend(spoilt, precision="bf16")
    engine = Engine(CARD, fast, tile=32, fallback=fallback, watch=Watch())
    good, bad = random_picture(300, 20), random_picture(300, 20, seed=1)
    bad[0, 0, 0] = 0.5
    watches = [Watch(), Watch(), Watch()]
    rows = rows_of(engine, good, watches[0])
    made = [next(rows)]
    fallen = [np.concatenate(list(rows_of(engine, bad, watch))) for watch in watches[1:]]
    made += rows
    assert np.array_equal(np.concatenate(made), whole(NETWORK, good) + np.float32(1.0))
    assert all(np.array_equal(large, whole(NETWORK, bad)) for large in fallen)
    assert len(opened) == 1
    assert watches[0].notes == ()
    assert watches[1].notes == watches[2].notes
    assert "running in fp32" in watches[1].notes
    ended = [engine.state(watch).facts.precision for watch in watches]
    assert ended == ["bf16", "fp32", "fp32"]


def test_a_smaller_tile_is_for_the_picture_and_later_ones_but_not_for_one_under_way():
    def scarce(tiles):  # memory for the other picture's tiles only
        if tiles.shape[3] == 56:
            raise OutOfMemoryError("none is left", "")
        return NETWORK(tiles)

    engine = Engine(CARD, FakeBackend(scarce), tile=64, fallback=None, watch=Watch())
    early, late, last = Watch(), Watch(), Watch()
    one, other = random_picture(300, 60), random_picture(300, 56, seed=1)
    rows = rows_of(engine, one, early)
    made = [next(rows)]
    assert np.array_equal(np.concatenate(list(rows_of(engine, other, late))), whole(NETWORK, other))
    made += rows
    assert np.array_equal(np.concatenate(made), whole(NETWORK, one))
    assert early.notes == ()
    assert engine.state(early).tile == 64
    assert len(late.notes) > 0
    assert engine.tile == engine.state(late).tile < 64
    list(rows_of(engine, one, last))
    assert last.notes == ()


def prefetching() -> int:
    return sum(thread.name == "superres-prefetch" for thread in threading.enumerate())


def test_a_consumer_that_leaves_early_ends_its_threads_and_nothing_else():
    engine = Engine(CARD, FakeBackend(NETWORK), tile=32, fallback=None, watch=Watch())
    one, other = random_picture(300, 64), random_picture(400, 70, seed=1)
    job = Watch()
    rows = rows_of(engine, one, job.part())
    made = [next(rows)]
    part = job.part()
    small = prefetch((other[y : y + 16] for y in range(0, 400, 16)), depth=2)
    left = prefetch(
        engine.upscale_rows(small, height=400, width=70, watch=part), depth=1, part=part
    )
    next(left)
    assert prefetching() == 2
    del small
    assert isinstance(left, Generator)
    left.close()
    assert prefetching() == 0
    assert not job.cancelled
    made += rows
    assert np.array_equal(np.concatenate(made), whole(NETWORK, one))


def in_threads(run, items):
    threads = [threading.Thread(target=run, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
