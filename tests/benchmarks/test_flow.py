import numpy as np
import pytest

from flow import dense_flow, followed, seen_in_both, slopes
from superres.images.resize import resize

EDGE = 12  # pixels that may be off where the other plane ends


def texture(height=96, width=128, seed=0):
    """Return smooth structures of some 4 to 30 px, on a scale of 0 to 255."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width))
    for step, weight in ((4, 12.0), (10, 20.0), (30, 30.0)):
        coarse = rng.standard_normal((height // step + 2, width // step + 2))
        total += weight * resize(coarse, size=(height, width))
    return np.clip(128 + total, 0, 255).astype(np.float32)


def inner(plane):
    return plane[..., EDGE:-EDGE, EDGE:-EDGE]


def test_a_plane_that_stands_has_no_flow_at_all():
    plane = texture()
    assert not dense_flow(plane, plane).any()


@pytest.mark.parametrize("shift", [(0, 1), (-2, 0), (3, -5), (7, 9)])
def test_a_shift_by_whole_pixels_is_found_within_a_fiftieth(shift):
    large = texture(140, 180)
    first = large[20:116, 20:148]
    second = large[20 - shift[0] : 116 - shift[0], 20 - shift[1] : 148 - shift[1]]
    flow = inner(dense_flow(first, second))
    for part, expected in zip(flow, shift, strict=True):
        assert np.abs(part - expected).mean() < 0.02


def test_a_shift_by_half_a_pixel_is_found_within_a_twentieth():
    large = texture(192, 256)
    first = resize(large, scale=0.5)
    second = resize(np.roll(large, (1, -1), (0, 1)), scale=0.5)
    flow = inner(dense_flow(first.astype(np.float32), second.astype(np.float32)))
    assert abs(flow[0].mean() - 0.5) < 0.05
    assert abs(flow[1].mean() + 0.5) < 0.05


def test_flat_planes_of_other_brightness_do_not_move():
    flat = np.full((50, 40), 100.0, np.float32)
    assert not dense_flow(flat, flat + 30).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 13), (63, 65)])
def test_any_size_has_a_flow_of_its_size(size):
    rng = np.random.default_rng(0)
    flow = dense_flow(*(rng.random((2, *size), dtype=np.float32) * 255))
    assert flow.shape == (2, *size)
    assert np.isfinite(flow).all()


def test_following_a_flow_reads_between_pixels_and_says_what_lies_beyond():
    plane = np.array([[0, 10, 20], [30, 40, 50]], np.float32)
    flow = np.zeros((2, 2, 3), np.float32)
    flow[:, 0, 0] = 0.5, 0.25
    flow[:, 1, 1] = 0.0, 1.5
    values, inside = followed(plane, flow)
    assert values.tolist() == [[17.5, 10, 20], [30, 50, 50]]
    assert inside.tolist() == [[True, True, True], [True, False, True]]


def test_pixels_whose_way_back_leads_elsewhere_are_not_seen_in_both():
    there = np.zeros((2, 20, 20), np.float32)
    there[1] = 3
    back = -there
    assert seen_in_both(there, back)[:, :17].all()
    assert not seen_in_both(there, back)[:, 17:].any()
    back[1, 5:10, 5:10] = 3  # seen from 3 px to the left
    assert np.argwhere(~seen_in_both(there, back)[:, :17]).tolist() == [
        [row, column] for row in range(5, 10) for column in range(2, 7)
    ]


def test_edges_of_what_moves_are_not_seen_in_both():
    there = np.zeros((2, 20, 20), np.float32)
    there[0, :, 10:] = 0.2
    assert np.flatnonzero(~seen_in_both(there, -there).all(axis=0)).tolist()[:2] == [9, 10]


def test_slopes_are_levels_per_pixel():
    rows, columns = np.indices((5, 6), np.float32)
    down, right = slopes(3 * rows - 2 * columns)
    assert (down[1:-1] == 3).all()
    assert (right[:, 1:-1] == -2).all()
