"""Anchoring: flat areas, equal channels and local means, whatever the network's output."""

from __future__ import annotations

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.images.anchor import anchor_frame, anchored
from superres.images.strips import Block, HostBench

RNG = np.random.default_rng(7)
SIZES = [(1, 1), (5, 7), (33, 20), (40, 52), (90, 17)]


def picture(height, width):
    """Return soft noise with a flat corner and a grey one."""
    small = 0.3 + 0.4 * RNG.random((height, width, 3), np.float32)
    small[: height // 2, : width // 2] = (0.2, 0.3, 0.4)
    small[height // 2 :, width // 2 :, 1:] = small[height // 2 :, width // 2 :, :1]
    return small


def answer(small, scale, noise=0.02, offset=0.05):
    """Return a poor network's output for a picture: too bright, too noisy, plane by plane."""
    large = np.kron(small, np.ones((scale, scale, 1))) + offset
    large += noise * RNG.standard_normal(large.shape)
    planes = np.ascontiguousarray(large.transpose(2, 0, 1), np.float32)
    return planes.transpose(1, 2, 0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_flat_areas_are_the_input_to_the_last_bit(size, scale):
    small = np.broadcast_to(np.array([0.1, 0.5, 0.999], np.float32), (*size, 3)).copy()
    large = anchor_frame(small, answer(small, scale), clamped=True)
    assert np.array_equal(large, np.broadcast_to(small[0, 0], large.shape))


def test_a_flat_corner_is_flat_two_pixels_from_what_is_not():
    small = picture(40, 52)
    large = anchor_frame(small, answer(small, 4), clamped=True)
    assert (large[: 4 * 18, : 4 * 24] == small[0, 0]).all()


@pytest.mark.parametrize("size", SIZES)
def test_equal_channels_stay_equal_to_the_last_bit(size):
    small = RNG.random((*size, 1), np.float32).repeat(3, axis=2)
    large = anchor_frame(small, answer(small, 3), clamped=True)
    assert np.array_equal(large, large[..., :1].repeat(3, axis=2))
    assert large.std() > 0 or size == (1, 1)


def test_colours_beside_grey_are_not_touched():
    small = picture(40, 52)
    small[:20, :26] = 0.3 + 0.4 * RNG.random((20, 26, 3), np.float32)
    before = answer(small, 2, offset=0)
    after = anchor_frame(small, before.copy(order="K"), clamped=False)
    coloured = np.s_[:40, 56:]  # two pixels from the grey corner on
    assert np.abs(np.ptp(after[coloured], axis=2) - np.ptp(before[coloured], axis=2)).max() < 0.01


@pytest.mark.parametrize("clamped", [False, True])
@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize("flat", [False, True])
def test_the_mean_is_the_inputs(size, clamped, flat):
    small = 0.3 + 0.4 * RNG.random((*size, 3), np.float32)
    if flat:
        small[: size[0] // 2] = (0.5, 0.4, 0.6)
    large = anchor_frame(small, answer(small, 4), clamped=clamped)
    error = large.mean((0, 1), np.float64) - small.mean((0, 1), np.float64)
    assert np.abs(error).max() < 0.01 / 255


@pytest.mark.parametrize("offset", [-0.004, 0.0, 0.004])
def test_the_mean_of_a_dark_picture_is_kept_after_clamping(offset):
    small = 0.003 * RNG.random((40, 52, 3), np.float32)
    large = anchor_frame(small, answer(small, 4, noise=0.002, offset=offset), clamped=True)
    assert large.min() < 0
    assert abs(large.clip(0, 1).mean(dtype=np.float64) - small.mean()) < 0.01 / 255


def test_few_pixels_do_not_make_up_for_many_that_are_clamped():
    small = np.full((40, 40, 3), 0.9, np.float32)
    small[::2, ::3] = 0.7  # nowhere flat
    large = np.full((160, 160, 3), 1.2, np.float32)
    large[80, 80] = 0.5
    before = anchor_frame(small, large.copy(), clamped=False)
    after = anchor_frame(small, large, clamped=True)
    assert np.abs(after - before).max() < 2 * 2**-4 + 1e-3


def test_floats_beyond_white_keep_their_mean():
    small = 3 + RNG.random((30, 30, 1), np.float32)
    large = anchor_frame(small, answer(small, 2), clamped=False)
    assert abs(large.mean(dtype=np.float64) - small.mean(dtype=np.float64)) < 1e-4
    assert large.max() > 3.9


def test_only_what_is_coarse_is_corrected():
    """Fine detail that the network removed, such as noise, does not come back."""
    small = 0.5 + 0.1 * (np.indices((64, 64)).sum(0)[..., None] % 2 - np.float32(0.5))
    small = small.astype(np.float32).repeat(3, axis=2) + np.array([0.0, 0.01, 0.02], np.float32)
    smooth = np.broadcast_to(small.mean((0, 1)), (256, 256, 3)).astype(np.float32)
    large = anchor_frame(small, smooth.copy(), clamped=True)
    assert np.abs(large - smooth).max() < 0.002


def test_a_smooth_offset_is_removed_without_steps():
    ramp = np.linspace(0.3, 0.6, 64, dtype=np.float32)
    small = (ramp + ramp[:, None])[..., None] * np.array([0.5, 0.6, 0.7], np.float32)
    truth = np.kron(small, np.ones((4, 4, 1))).astype(np.float32)
    tint = 0.02 * np.sin(np.linspace(0, 3, 256, dtype=np.float32))[:, None, None]
    large = anchor_frame(small, (truth + tint).astype(np.float32), clamped=True)
    assert np.abs(large - truth).max() < 0.003
    left = (large - truth)[..., 0]
    assert np.abs(np.diff(left, axis=0)).max() < 3e-4


@pytest.mark.parametrize("cells", [1, 2, 3])
@pytest.mark.parametrize("size", SIZES)
def test_rows_in_blocks_make_the_pixels_of_the_whole(size, cells):
    small = picture(*size)
    small[:, : size[1] // 3] *= 1.4  # beyond white after the network's offset
    large = answer(small, 2, noise=0.1)
    whole = anchor_frame(small, large.copy(order="K"), clamped=True)
    rows = 8 * cells
    blocks = (
        Block(
            small[top : top + rows],
            small[top : top + rows].transpose(2, 0, 1),
            tuple(np.split(large[2 * top : 2 * (top + rows)].transpose(2, 0, 1), [8], axis=2)),
        )
        for top in range(0, size[0], rows)
    )
    streamed = np.zeros_like(whole)
    done = 0
    for height, pieces in anchored(blocks, HostBench(2), size=size, clamped=True):
        assert height == 2 * min(rows, size[0] - done // 2)
        for inside, columns, pixels in pieces:
            streamed[done : done + height][inside, columns] = pixels.transpose(1, 2, 0)
        done += height
    np.testing.assert_allclose(streamed, whole, rtol=0, atol=1e-6)


def test_few_rows_are_held_back():
    held = most = 0

    def blocks():
        nonlocal held, most
        for _ in range(50):
            held += 1
            most = max(most, held)
            small = RNG.random((8, 20, 3), np.float32)
            large = np.full((3, 32, 80), 0.5, np.float32)
            yield Block(small, small.transpose(2, 0, 1), (large,))

    for _ in anchored(blocks(), HostBench(4), size=(400, 20), clamped=True):
        held -= 1
    assert most <= 8


def test_blocks_of_broken_cells_are_an_error():
    small = np.zeros((7, 20, 3), np.float32)
    block = Block(small, small.transpose(2, 0, 1), (np.zeros((3, 28, 80), np.float32),))
    with pytest.raises(ArgumentError, match="begins at row 7"):
        list(anchored((block, block), HostBench(4), size=(14, 20), clamped=True))
