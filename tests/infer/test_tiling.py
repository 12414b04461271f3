from __future__ import annotations

import itertools

import pytest
from fake_backends import make_card

from superres.infer import tiling

CARDS = [
    make_card(halo=0),
    make_card(halo=7, scale=4),
    make_card(halo=3, multiple_of=2, minimum=6),
    make_card(halo=5, multiple_of=8, minimum=24),
    make_card(halo=0, multiple_of=48),
]
LENGTHS = [*range(1, 70), 127, 128, 129, 500, 1013]


@pytest.mark.parametrize("card", CARDS)
def test_cores_follow_one_another_from_the_first_pixel_to_the_last(card):
    for length, limit in itertools.product(LENGTHS, (1, 40, 64, 200)):
        height, _ = tiling.tile_shape(length, 10_000, card, limit)
        found = tiling.spans(length, height, card)
        assert [span.core_start for span in found] == [0, *(s.core_stop for s in found[:-1])]
        assert found[-1].core_stop == length


@pytest.mark.parametrize("card", CARDS)
def test_every_core_lies_a_halo_inside_its_tile_or_at_the_pictures_edge(card):
    for length, limit in itertools.product(LENGTHS, (1, 40, 64, 200)):
        padded = tiling.padded_length(length, card)
        height, _ = tiling.tile_shape(length, 10_000, card, limit)
        for span in tiling.spans(length, height, card):
            assert span.start == 0 or span.core_start - span.start >= card.halo
            assert span.stop == padded or span.stop - span.core_stop >= card.halo
            assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= padded


@pytest.mark.parametrize("card", CARDS)
def test_tiles_have_one_length_and_begin_at_multiples(card):
    for length, limit in itertools.product(LENGTHS, (1, 40, 64, 200)):
        height, _ = tiling.tile_shape(length, 10_000, card, limit)
        for span in tiling.spans(length, height, card):
            assert span.stop - span.start == height
            assert height % card.multiple_of == 0
            assert span.start % card.multiple_of == 0
            assert height >= card.minimum


def test_a_picture_within_the_limit_is_one_tile():
    assert tiling.tile_shape(64, 50, make_card(halo=9), 64) == (64, 50)


def test_a_long_picture_gets_a_long_tile_of_the_limits_area():
    assert tiling.tile_shape(16, 250, make_card(), 64) == (16, 250)
    assert tiling.tile_shape(250, 16, make_card(), 64) == (250, 16)


def test_a_tile_never_has_more_pixels_than_the_limit_allows():
    card = make_card(halo=4)
    for height, width in itertools.product((1, 5, 30, 100, 999), repeat=2):
        edges = tiling.tile_shape(height, width, card, 64)
        assert edges[0] * edges[1] <= 64**2


def test_a_row_of_tiles_of_a_wide_picture_keeps_to_the_strips_bytes():
    card = make_card(halo=18, scale=4)
    height, width = tiling.tile_shape(5000, 5000, card, 512)
    core = height - 2 * card.halo
    assert 4 * core * 4 * 5000 * 3 * 4 <= tiling.STRIP_BYTES
    assert 0.8 * 512**2 < height * width <= 512**2


def test_batches_are_of_one_size_and_hold_every_tile():
    columns = tiling.spans(700, 100, make_card())
    assert len(columns) == 7
    for largest in range(9):
        groups = tiling.batches(columns, largest)
        assert len({len(group) for group in groups}) == 1
        assert len(groups[0]) <= max(1, largest)
        assert tuple(dict.fromkeys(itertools.chain(*groups))) == columns
