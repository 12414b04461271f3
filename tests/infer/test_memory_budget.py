"""Memory budget: sizes computed by hand, and their notes."""

from __future__ import annotations

import pytest
from fake_backends import make_card

from superres.errors import ArgumentError, BackendError, OutOfMemoryError
from superres.infer import tiling
from superres.infer.memory_budget import batch_limit, first_limit, halved_limit
from superres.runtimes.runtime import RuntimeFacts
from superres.watch import Watch

PLAIN = make_card()  # takes tiles of 16 pixels and more
WIDE = make_card(halo=10, multiple_of=4)  # a halo of 12 on both sides of 16


def facts(*, free=2**30, px=100, best=64, batch=256**2):
    return RuntimeFacts("toy", "cuda:7", "fp32", best, px, free, batch)


@pytest.mark.parametrize(("card", "least"), [(PLAIN, 16), (WIDE, 40)])
def test_a_requested_tile_is_taken_unless_the_network_needs_more(card, least):
    watch = Watch()
    assert first_limit(card, facts(), 200, watch) == 200
    assert first_limit(card, facts(), least, watch) == least
    assert watch.notes == ()
    assert first_limit(card, facts(), least - 1, watch) == least
    assert watch.notes == (f"model fake needs a tile of at least {least} pixels, not {least - 1}",)


def test_a_requested_tile_is_taken_however_little_memory_is_free():
    watch = Watch()
    assert first_limit(PLAIN, facts(free=0), 500, watch) == 500
    assert watch.notes == ()


@pytest.mark.parametrize("tile", [0, -1, -256])
def test_a_tile_below_one_pixel_is_refused_with_the_number(tile):
    with pytest.raises(ArgumentError, match=f"at least 1 pixel, got {tile}\nhint: try 256"):
        first_limit(PLAIN, facts(), tile, Watch())


@pytest.mark.parametrize(
    ("free", "edge"),
    [
        (2 * 100 * 64**2, 64),  # half of it holds 64x64 pixels of 100 bytes
        (2 * 100 * 64**2 - 1, 63),
        (2 * 100 * 50**2, 50),
        (2 * 100 * 16**2, 16),
        (2 * 100 * 5**2, 16),
        (0, 16),
        (2**50, 64),
    ],
)
def test_the_chosen_tile_fits_half_of_the_free_memory_but_is_never_too_small_to_run(free, edge):
    assert first_limit(PLAIN, facts(free=free), None, Watch()) == edge


def test_a_tile_that_is_small_for_lack_of_memory_is_noted_with_the_numbers():
    watch = Watch()
    # 3 MiB, half of it for pixels of 1024 bytes: 1536 pixels, and 39**2 is 1521.
    assert first_limit(PLAIN, facts(free=3 * 2**20, px=1024), None, watch) == 39
    assert watch.notes == ("3 MiB are free on cuda:7: the tile is 39 pixels, not 64",)


def test_nothing_is_noted_where_the_fastest_tile_just_fits():
    watch = Watch()
    first_limit(PLAIN, facts(free=2 * 100 * 64**2), None, watch)
    assert watch.notes == ()


def test_the_fastest_tile_gives_way_to_a_network_that_needs_a_larger_one():
    assert first_limit(make_card(minimum=96), facts(best=64), None, Watch()) == 96


def test_a_tile_that_the_network_needs_larger_is_not_said_to_be_small_for_lack_of_memory():
    card, watch = make_card(minimum=96), Watch()
    assert first_limit(card, facts(best=64, free=2 * 100 * 96**2), None, watch) == 96
    assert first_limit(card, facts(best=64, free=2 * 100 * 80**2), None, Watch()) == 96
    assert watch.notes == ()


def test_too_little_memory_for_the_smallest_tile_is_noted_as_that():
    watch = Watch()
    assert first_limit(make_card(minimum=96), facts(best=64, free=2**20), None, watch) == 96
    assert watch.notes == (
        "1 MiB are free on cuda:7, little for the smallest tile of fake, 96 pixels",
    )


def test_a_runtime_that_says_0_bytes_a_pixel_is_counted_as_1():
    assert first_limit(PLAIN, facts(free=2 * 30**2, px=0), None, Watch()) == 30
    assert batch_limit(facts(free=2000, px=0)) == 1000


@pytest.mark.parametrize(
    ("free", "batch", "limit"),
    [(2000, 7, 7), (2000, 10, 10), (2000, 11, 10), (1999, 11, 9), (0, 11, 0)],
)
def test_a_batch_is_what_keeps_the_device_busy_or_what_fits(free, batch, limit):
    assert batch_limit(facts(free=free, batch=batch)) == limit


@pytest.mark.parametrize(
    ("edges", "edge", "limit"),
    [
        ((64, 64), 64, 32),
        ((65, 65), 65, 32),
        ((16, 256), 64, 32),  # a long tile counts by its area
        ((20, 20), 20, 16),
        ((17, 17), 17, 16),
    ],
)
def test_a_tile_that_did_not_fit_is_halved_along_both_edges(edges, edge, limit):
    watch = Watch()
    assert halved_limit(PLAIN, edges, OutOfMemoryError("full", "-"), watch) == limit
    assert watch.notes == (f"out of memory with a tile of {edge} pixels: continuing with {limit}",)


@pytest.mark.parametrize("card", [PLAIN, WIDE])
def test_halving_ends_at_the_smallest_tile_with_what_the_backend_said(card):
    least, taken = tiling.least_tile(card), [1000]
    error = OutOfMemoryError("2 GiB were requested", "buy more")
    while taken[-1] > least:
        taken.append(halved_limit(card, (taken[-1], taken[-1]), error, Watch()))
    assert taken[:5] == [1000, 500, 250, 125, 62]
    assert taken[-1] == least
    with pytest.raises(OutOfMemoryError) as caught:
        halved_limit(card, (least, least), error, Watch())
    assert caught.value.message == (
        f"not even a tile of {least}x{least} pixels fits into memory: 2 GiB were requested"
    )
    assert "--device" in caught.value.hint
    assert caught.value.__cause__ is error
    assert isinstance(caught.value, BackendError)


def test_the_smallest_tiles_size_is_told_as_width_by_height():
    with pytest.raises(OutOfMemoryError, match="a tile of 20x8 pixels"):
        halved_limit(PLAIN, (8, 20), OutOfMemoryError("full", "-"), Watch())
