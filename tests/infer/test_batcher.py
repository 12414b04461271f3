"""Tiles of several pictures in one run: each picture gets its own output, whatever fails."""

import threading

import numpy as np
import pytest
from fake_backends import FakeBackend, blur_and_repeat, make_card, random_picture, whole

from superres.errors import BackendError, NumericalError
from superres.infer.batcher import Batcher
from superres.infer.engine import Engine
from superres.infer.sanity import SanityCheck
from superres.watch import Watch

CARD = make_card(halo=2)
NETWORK = blur_and_repeat(CARD)


class Held(FakeBackend):
    """Blocks in its first run until it is released, so that tiles accumulate meanwhile."""

    def __init__(self, network=NETWORK, **facts):
        super().__init__(network, **facts)
        self.running, self.let_go = threading.Event(), threading.Event()

    def run(self, graph, tensors):
        if not self.shapes:
            self.running.set()
            assert self.let_go.wait(10)
        return super().run(graph, tensors)


def upscaled(runtime, tiles):
    return runtime.run("enlarge", {"small": tiles})["large"]


def ask(backend, pictures, *, joint_px=2**20, fallback=None, notice=None):
    """Return the pictures' tiles, the futures of their outputs, and the lines noted meanwhile."""
    lines: list[str] = []
    sanity = SanityCheck(CARD, backend, fallback=fallback, what="picture")
    runs = Batcher(upscaled, joint_px=joint_px)
    checked = [sanity.begin(Watch(on_note=notice or lines.append)) for _ in pictures]
    tiles = [np.ascontiguousarray(picture.transpose(2, 0, 1)[None]) for picture in pictures]
    answers = [runs.submit(tiles[0], checked[0])]
    assert backend.running.wait(10)
    answers += [runs.submit(*one) for one in zip(tiles[1:], checked[1:], strict=True)]
    backend.let_go.set()
    return tiles, answers, lines


def pictures(count, size=(20, 24)):
    return [random_picture(*size, seed=seed) for seed in range(count)]


def counts(backend):
    return [shape[0] for shape in backend.shapes]


def test_tiles_that_came_while_a_run_lasted_are_run_together():
    backend = Held()
    tiles, answers, lines = ask(backend, pictures(5))
    for small, answer in zip(tiles, answers, strict=True):
        assert np.array_equal(answer.result(10), NETWORK(small))
    assert counts(backend) == [1, 4]
    assert lines == []


def test_no_more_pixels_are_run_together_than_was_said():
    backend = Held()
    tiles, answers, _ = ask(backend, pictures(6), joint_px=2 * 20 * 24 + 5)
    for small, answer in zip(tiles, answers, strict=True):
        assert np.array_equal(answer.result(10), NETWORK(small))
    assert counts(backend) == [1, 2, 2, 1]


@pytest.mark.parametrize("joint_px", [0, 20 * 24 - 1])
def test_tiles_larger_than_that_are_run_by_themselves(joint_px):
    backend = Held()
    _, answers, _ = ask(backend, pictures(3), joint_px=joint_px)
    assert all(answer.result(10) is not None for answer in answers)
    assert counts(backend) == [1, 1, 1]


def test_tiles_of_other_sizes_wait_for_their_turn():
    backend = Held()
    sizes = [(20, 24), (20, 24), (20, 24), (24, 20), (24, 20), (20, 24)]
    tiles, answers, _ = ask(backend, [random_picture(*size) for size in sizes])
    for small, answer in zip(tiles, answers, strict=True):
        assert np.array_equal(answer.result(10), NETWORK(small))
    assert counts(backend) == [1, 2, 2, 1]


def test_what_does_not_fit_together_is_run_one_by_one_and_told_once():
    backend = Held(memory_px=2 * 20 * 24)
    tiles, answers, lines = ask(backend, pictures(5))
    for small, answer in zip(tiles, answers, strict=True):
        assert np.array_equal(answer.result(10), NETWORK(small))
    assert counts(backend) == [1, 4, 1, 1, 1, 1]
    assert lines == ["out of memory with 4 pictures at once: continuing one by one"] * 4


def test_only_the_picture_with_a_wrong_answer_is_run_again_in_fp32():
    def spoilt(tiles):
        large = NETWORK(tiles)
        large[tiles[:, 0, 0, 0] == 0.5] = np.nan
        return large

    inputs = pictures(4)
    inputs[2][0, 0, 0] = 0.5
    backend, exact = Held(spoilt, precision="bf16"), FakeBackend(NETWORK)
    tiles, answers, lines = ask(backend, inputs, fallback=lambda _: exact)
    for small, answer in zip(tiles, answers, strict=True):
        assert np.array_equal(answer.result(10), NETWORK(small))
    assert counts(backend) == [1, 3, 1]
    assert counts(exact) == [1]
    assert len(lines) == 1
    assert "NaN in bf16" in lines[0]


def test_a_failure_reaches_the_picture_that_caused_it_and_no_other():
    def failing(tiles):
        if (tiles[:, 0, 0, 0] == 0.5).any():
            raise BackendError("this one", "not")
        return NETWORK(tiles)

    inputs = pictures(4)
    inputs[2][0, 0, 0] = 0.5
    tiles, answers, lines = ask(Held(failing), inputs)
    for place, (small, answer) in enumerate(zip(tiles, answers, strict=True)):
        if place == 2:
            with pytest.raises(BackendError, match="this one"):
                answer.result(10)
        else:
            assert np.array_equal(answer.result(10), NETWORK(small))
    assert lines == []


def test_nobody_waits_for_ever_when_a_note_cannot_be_taken():
    def closed(_):
        raise BrokenPipeError

    tiles, answers, _ = ask(Held(memory_px=2 * 20 * 24), pictures(5), notice=closed)
    assert np.array_equal(answers[0].result(10), NETWORK(tiles[0]))
    for answer in answers[1:]:
        with pytest.raises(BrokenPipeError):
            answer.result(10)


def test_missing_values_in_one_picture_are_its_own():
    inputs = pictures(4)
    inputs[1][3, 3] = np.nan
    _, answers, _ = ask(Held(), inputs)
    with pytest.raises(NumericalError, match="the picture itself holds NaN"):
        answers[1].result(10)
    assert all(np.isfinite(answers[place].result(10)).all() for place in (0, 2, 3))


def test_the_engine_joins_pictures_where_the_backend_says_so():
    backend = Held(batch_px=4 * 30 * 30)
    engine = Engine(CARD, backend, fallback=None, watch=Watch())
    assert engine.pictures_at_once(30, 30) == 4
    assert engine.pictures_at_once(300, 300) == 1
    inputs = pictures(5, (30, 30))
    made = {}

    def upscale(place):
        made[place] = engine.upscale(inputs[place])

    threads = [threading.Thread(target=upscale, args=(place,)) for place in range(5)]
    threads[0].start()
    assert backend.running.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(engine._runs._waiting) < 4:
        assert all(thread.is_alive() for thread in threads)
    backend.let_go.set()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(made[place], whole(NETWORK, inputs[place])) for place in range(5))
    assert counts(backend) == [1, 4]


def test_memory_bounds_how_much_is_run_at_once():
    # Its facts say 100 bytes per pixel, and half of the free memory may be used.
    backend = FakeBackend(NETWORK, batch_px=10**6, free_bytes=2 * 100 * 30 * 30 * 3)
    assert Engine(CARD, backend, fallback=None, watch=Watch()).pictures_at_once(30, 30) == 3


def test_a_cpu_runs_pictures_one_by_one():
    engine = Engine(CARD, FakeBackend(NETWORK), fallback=None, watch=Watch())
    assert engine.pictures_at_once(8, 8) == 1
