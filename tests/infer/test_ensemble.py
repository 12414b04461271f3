from __future__ import annotations

import numpy as np
import pytest

from superres.infer.ensemble import run_ensemble


def upscale_with_a_bias(tiles):
    """Upscale by 2 and mark one corner of each pixel, so that every orientation differs."""
    large = tiles.repeat(2, axis=2).repeat(2, axis=3)
    large[:, :, ::2, ::2] += 1.0
    return large


@pytest.mark.parametrize("size", [(4, 4), (3, 7)])
def test_the_mean_is_over_all_eight_orientations(size):
    tiles = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    # Over the eight, the mark visits each of the four corners twice.
    expected = tiles.repeat(2, axis=2).repeat(2, axis=3) + 0.25
    assert np.allclose(run_ensemble(upscale_with_a_bias, tiles), expected, atol=1e-6)


def test_the_network_sees_eight_different_contiguous_inputs():
    seen = []

    def run(tiles):
        assert tiles.flags.c_contiguous
        seen.append(tiles.tobytes() + str(tiles.shape).encode())
        return upscale_with_a_bias(tiles)

    run_ensemble(run, np.random.default_rng(0).random((1, 1, 3, 5), dtype=np.float32))
    assert len(set(seen)) == 8


def test_the_networks_own_arrays_are_left_as_they_are():
    tiles = np.ones((1, 1, 3, 5), np.float32)
    run_ensemble(lambda x: x, tiles)
    assert (tiles == 1).all()
