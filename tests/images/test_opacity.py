"""Ends of opacity: transparent stays transparent, and edges stay in place."""

from __future__ import annotations

import numpy as np
import pytest

from superres.images.opacity import keep_ends


def kept(small, large, rows=5, blocks=7):
    """Run both as streams of blocks."""
    size, target = small.shape, large.shape
    parts = keep_ends(
        (small[i : i + rows, :, None] for i in range(0, size[0], rows)),
        (large[i : i + blocks, :, None].copy() for i in range(0, target[0], blocks)),
        size=size,
        target=target,
    )
    return np.concatenate(list(parts))[..., 0]


def box(height=20, width=24):
    mask = np.zeros((height, width), np.float32)
    mask[5:15, 6:19] = 1
    return mask


@pytest.mark.parametrize("target", [(80, 96), (40, 48), (60, 72), (51, 61), (20, 24)])
def test_a_box_keeps_its_edges_whatever_the_network_answered(target):
    noise = np.random.default_rng(1).uniform(-0.2, 1.2, target).astype(np.float32)
    large = kept(box(), noise)
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in zip(target, (20, 24), strict=True))
    inside = ((rows >= 5) & (rows < 15))[:, None] & ((columns >= 6) & (columns < 19))
    assert (large[~inside] == 0).all()
    corners = 4 * (target[0] / 40 + 1) * (target[1] / 48 + 1)  # each half a pixel along both axes
    assert (large[inside] != 1).sum() <= corners
    assert large.min() >= 0
    assert large.max() <= 1


def test_slanted_edges_are_the_networks():
    small = np.tri(20, 20, dtype=np.float32)
    large = np.full((80, 80), 0.5, np.float32)
    result = kept(small, large)
    assert (result == 0.5).sum() > 100
    assert (result[:40, 50:] == 0).all()
    assert (result[50:, :40] == 1).all()


def test_partial_opacity_is_the_networks():
    small = np.full((6, 9), 0.4, np.float32)
    large = np.linspace(0, 1, 24 * 36, dtype=np.float32).reshape(24, 36)
    np.testing.assert_array_equal(kept(small, large), large)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_wholly_transparent_or_opaque_channel_stays_so(level):
    small = np.full((3, 1), level, np.float32)
    assert (kept(small, np.full((10, 4), 0.3, np.float32)) == level).all()
