from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Generator

import numpy as np
import pytest
from fake_backends import FakeBackend, blur_and_repeat, make_card, random_picture, whole

from superres.errors import ArgumentError, ModelError, NumericalError, OutOfMemoryError
from superres.infer.engine import Engine
from superres.watch import Watch

SIZES = [(1, 1), (7, 13), (64, 64), (65, 63), (1, 200), (131, 40)]


def open_engine(card, backend, **options):
    lines: list[str] = []
    engine = Engine(
        card, backend, **{"fallback": None, "watch": Watch(on_note=lines.append), **options}
    )
    return engine, lines


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tile", [32, 48, 512])
def test_tiled_equals_whole_to_the_last_bit(size, tile):
    card = make_card(halo=3)
    network = blur_and_repeat(card)
    engine, _ = open_engine(card, FakeBackend(network), tile=tile)
    picture = random_picture(*size)
    assert np.array_equal(engine.upscale(picture), whole(network, picture))


@pytest.mark.parametrize("size", SIZES)
def test_sizes_that_do_not_fit_are_mirrored_and_cropped(size):
    card = make_card(halo=3, multiple_of=4, minimum=16, scale=3)
    network = blur_and_repeat(card)
    engine, _ = open_engine(card, FakeBackend(network), tile=32)
    picture = random_picture(*size)
    padded = [-(-max(length, 16) // 4) * 4 - length for length in size]
    mirrored = np.pad(picture, ((0, padded[0]), (0, padded[1]), (0, 0)), mode="symmetric")
    expected = whole(network, mirrored)[: 3 * size[0], : 3 * size[1]]
    assert np.array_equal(engine.upscale(picture), expected)


@pytest.mark.parametrize("tile", [32, 512])
def test_a_whole_picture_lies_plane_by_plane(tile):
    card = make_card(halo=2)
    engine, _ = open_engine(card, FakeBackend(blur_and_repeat(card)), tile=tile)
    assert engine.upscale(random_picture(70, 90)).transpose(2, 0, 1).flags.c_contiguous


def test_a_picture_of_one_tile_is_the_backends_own_answer():
    card = make_card(halo=2)
    answers = []

    def network(tiles):
        answers.append(blur_and_repeat(card)(tiles))
        return answers[-1]

    engine, _ = open_engine(card, FakeBackend(network), tile=512)
    assert np.shares_memory(engine.upscale(random_picture(70, 90)), answers[-1])


def test_streaming_equals_the_whole_picture_at_any_height_of_blocks():
    card = make_card(halo=2)
    engine, _ = open_engine(card, FakeBackend(blur_and_repeat(card)), tile=32)
    picture = random_picture(150, 70)
    expected = engine.upscale(picture)
    for rows in (1, 7, 64, 150):
        blocks = (picture[y : y + rows] for y in range(0, 150, rows))
        streamed = list(engine.upscale_rows(blocks, height=150, width=70))
        assert np.array_equal(np.concatenate(streamed), expected)


def test_streaming_reads_no_further_than_two_rows_of_tiles_ahead():
    card = make_card(halo=2)
    engine, _ = open_engine(card, FakeBackend(blur_and_repeat(card)), tile=32)
    picture = random_picture(1000, 40)
    read = 0

    def blocks():
        nonlocal read
        for y in range(1000):
            read = y + 1
            yield picture[y : y + 1]

    written = 0
    for block in engine.upscale_rows(blocks(), height=1000, width=40):
        written += len(block) // 2
        assert read - written <= 2 * 32


def test_a_streamed_pictures_rows_are_let_go_once_they_are_written():
    card = make_card(halo=1)
    engine, _ = open_engine(card, FakeBackend(blur_and_repeat(card)), tile=32)
    alive: list[weakref.ref] = []

    def blocks():
        for y in range(0, 640, 16):
            block = random_picture(16, 64, seed=y)
            alive.append(weakref.ref(block))
            yield block

    outputs: list[weakref.ref] = []
    for block in engine.upscale_rows(blocks(), height=640, width=64):
        outputs.append(weakref.ref(block.base if block.base is not None else block))
        del block
        assert sum(ref() is not None for ref in alive) <= 4
        assert len({id(ref()) for ref in outputs if ref() is not None}) <= 2


def test_small_tiles_are_run_in_batches_of_one_shape():
    card = make_card(halo=2)
    backend = FakeBackend(blur_and_repeat(card))
    engine, _ = open_engine(card, backend, tile=32)
    picture = random_picture(300, 300)
    assert np.array_equal(engine.upscale(picture), whole(backend.network, picture))
    assert len(set(backend.shapes)) == 1
    assert backend.shapes[0][0] > 1


def test_out_of_memory_runs_single_tiles_then_halves_them_and_says_so():
    card = make_card(halo=2)
    backend = FakeBackend(blur_and_repeat(card), memory_px=40 * 40)
    engine, lines = open_engine(card, backend, tile=128)
    picture = random_picture(200, 210)
    assert np.array_equal(engine.upscale(picture), whole(backend.network, picture))
    assert engine.tile <= 40
    assert len(lines) >= 2
    assert all("out of memory" in line for line in lines)
    lines.clear()
    engine.upscale(picture)
    assert lines == []


def test_out_of_memory_in_the_middle_of_a_picture_repeats_only_its_row():
    card = make_card(halo=2)
    backend = FakeBackend(blur_and_repeat(card))
    engine, _ = open_engine(card, backend, tile=64)
    picture = random_picture(400, 90)
    expected = whole(backend.network, picture)
    blocks = (picture[y : y + 8] for y in range(0, 400, 8))
    rows = engine.upscale_rows(blocks, height=400, width=90)
    got = [next(rows)]
    backend.memory_px = 32 * 32
    got.extend(rows)
    assert np.array_equal(np.concatenate(got), expected)


def test_out_of_memory_with_the_smallest_tile_is_an_error():
    card = make_card(halo=2)
    engine, _ = open_engine(card, FakeBackend(blur_and_repeat(card), memory_px=10))
    with pytest.raises(OutOfMemoryError, match="not even a tile of 20x20"):
        engine.upscale(random_picture(100, 100))


def test_no_room_for_rows_of_the_picture_is_an_error_of_ours():
    def blocks():
        raise MemoryError("Unable to allocate 9 TiB")
        yield

    engine, _ = open_engine(make_card(), FakeBackend(abs))
    words = "out of memory in pixel buffers: Unable to allocate 9 TiB"
    with pytest.raises(OutOfMemoryError, match=words):
        list(engine.upscale_rows(blocks(), height=9, width=9))


def test_little_free_memory_makes_the_tile_smaller_and_says_so():
    card = make_card(halo=2)
    backend = FakeBackend(blur_and_repeat(card), best_tile=512, free_bytes=2 * 100 * 40**2)
    engine, lines = open_engine(card, backend)
    assert engine.tile == 40
    assert len(lines) == 1


def test_a_tile_too_small_for_the_halo_is_raised_and_announced():
    engine, lines = open_engine(make_card(halo=18), FakeBackend(abs), tile=32)
    assert engine.tile == 2 * 18 + 16
    assert "at least 52 pixels" in lines[0]


def test_a_tile_below_one_is_refused():
    with pytest.raises(ArgumentError, match="at least 1"):
        open_engine(make_card(), FakeBackend(abs), tile=0)


def spoilt(network, value, *, calls=(1,)):
    """Return a network whose outputs at these calls are spoilt."""
    count = 0

    def run(tiles):
        nonlocal count
        count += 1
        answer = network(tiles).copy()
        if count in calls:
            answer[...] = value
        return answer

    return run


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.5])
def test_an_answer_that_cannot_be_right_is_repeated_in_fp32_and_announced(value):
    card = make_card(halo=2)
    network = blur_and_repeat(card)
    fast = FakeBackend(spoilt(network, value, calls=(3,)), precision="bf16")
    exact = FakeBackend(network)
    engine, lines = open_engine(card, fast, tile=40, fallback=lambda _: exact)
    watch = Watch(on_note=lines.append)
    engine._batch_px = 0
    picture = random_picture(100, 100)
    assert np.array_equal(engine.upscale(picture, watch), whole(network, picture))
    assert len(lines) == 1
    assert "the rest of the picture runs in fp32" in lines[0]
    assert len(fast.shapes) == 3
    assert engine.state(watch).facts.precision == "fp32"
    assert engine.state(Watch()).facts.precision == "bf16"


def test_a_single_nan_in_one_tile_is_seen():
    card = make_card(scale=1)

    def network(tiles):
        answer = tiles.copy()
        answer[0, 1, 2, 3] = np.nan
        return answer

    engine, _ = open_engine(card, FakeBackend(network))
    with pytest.raises(NumericalError, match="NaN in fp32"):
        engine.upscale(random_picture(20, 20))


def test_the_next_picture_runs_in_the_asked_precision_again():
    card = make_card()
    network = blur_and_repeat(card)
    fast = FakeBackend(spoilt(network, np.nan), precision="fp16")
    opened = []

    def fallback(_):
        opened.append(FakeBackend(network))
        return opened[-1]

    engine, _ = open_engine(card, fast, fallback=fallback)
    engine.upscale(random_picture(20, 20))
    engine.upscale(random_picture(20, 20))
    assert engine.facts.precision == "fp16"
    assert len(opened) == 1


def test_a_wrong_answer_in_fp32_is_an_error():
    card = make_card()
    network = spoilt(blur_and_repeat(card), np.nan, calls=range(99))
    engine, _ = open_engine(
        card, FakeBackend(network, precision="bf16"), fallback=lambda _: FakeBackend(network)
    )
    with pytest.raises(NumericalError, match="NaN in fp32"):
        engine.upscale(random_picture(20, 20))


def test_a_constant_answer_to_a_constant_picture_is_right():
    card = make_card(scale=1)
    engine, lines = open_engine(card, FakeBackend(lambda tiles: tiles), tile=32)
    picture = np.full((50, 60, 3), 0.25, np.float32)
    assert np.array_equal(engine.upscale(picture), picture)
    assert lines == []


def test_a_picture_that_holds_nan_is_named_as_the_cause():
    card = make_card()
    engine, _ = open_engine(card, FakeBackend(blur_and_repeat(card)))
    picture = random_picture(20, 20)
    picture[3, 4, 0] = np.nan
    with pytest.raises(NumericalError, match="the picture itself holds NaN"):
        engine.upscale(picture)


def test_a_network_that_breaks_its_cards_promise_is_an_error():
    engine, _ = open_engine(make_card(scale=2), FakeBackend(lambda tiles: tiles))
    with pytest.raises(ModelError, match="its card says"):
        engine.upscale(random_picture(20, 20))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.zeros((5, 6, 3), np.float32)], "ended after 5"),
        ([np.zeros((5, 6, 3), np.float32)] * 3, "reach row 15"),
        ([np.zeros((10, 7, 3), np.float32)], "must be"),
        ([np.zeros((10, 6, 1), np.float32)], "must be"),
        ([np.zeros((10, 6, 3), np.uint8)], "must be"),
    ],
)
def test_blocks_that_do_not_make_up_the_picture_are_refused(blocks, message):
    card = make_card(scale=1)
    engine, _ = open_engine(card, FakeBackend(lambda tiles: tiles))
    with pytest.raises(ArgumentError, match=message):
        list(engine.upscale_rows(blocks, height=10, width=6))


def test_the_ensemble_of_a_network_that_commutes_with_turns_changes_nothing():
    card = make_card(scale=2)

    def network(tiles):
        return (tiles * 2).repeat(2, axis=2).repeat(2, axis=3)

    backend = FakeBackend(network)
    engine, _ = open_engine(card, backend, ensemble=True, tile=32)
    picture = random_picture(50, 37)
    assert np.allclose(engine.upscale(picture), whole(network, picture), atol=1e-6)
    assert len({shape[2:] for shape in backend.shapes}) == 2


def test_two_streams_of_one_engine_may_be_pulled_in_turns():
    card = make_card(halo=2)
    network = blur_and_repeat(card)
    busy = threading.Lock()

    def alone(tiles):
        assert busy.acquire(blocking=False)
        time.sleep(0.001)
        busy.release()
        return network(tiles)

    engine, _ = open_engine(card, FakeBackend(alone), tile=32)
    pictures = [random_picture(100, 64, seed=seed) for seed in (1, 2)]
    streams = [engine.upscale_rows((p,), height=100, width=64) for p in pictures]
    turns = list(zip(*streams, strict=True))
    for picture, blocks in zip(pictures, zip(*turns, strict=True), strict=True):
        assert np.array_equal(np.concatenate(blocks), whole(network, picture))


def test_a_consumer_that_stops_leaves_nothing_running():
    card = make_card()
    backend = FakeBackend(blur_and_repeat(card))
    engine, _ = open_engine(card, backend, tile=32)
    rows = engine.upscale_rows((random_picture(500, 500),), height=500, width=500)
    next(rows)
    assert isinstance(rows, Generator)
    rows.close()
    ran = len(backend.shapes)
    time.sleep(0.02)
    assert len(backend.shapes) == ran
    del engine, rows
    gc.collect()
    deadline = time.monotonic() + 2
    while any("superres-network" in t.name for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
