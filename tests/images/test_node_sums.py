"""Sums at nodes count every pixel once, and interpolation between nodes is linear."""

from __future__ import annotations

import numpy as np
import pytest

from superres.images.anchor import NodeSums
from superres.images.strips import CELL, node_sums, widened


def sums_of(values, cells=1):
    nodes, rows = NodeSums(values.shape[1:], len(values)), cells * CELL
    for start in range(0, values.shape[1], rows):
        part = values[:, start : start + rows]
        nodes.add(node_sums(part, *part.shape[1:]))
    return nodes.rows(0, -(-values.shape[1] // CELL) + 1)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (7, 30), (33, 9)])
def test_no_pixel_is_lost(size):
    values = np.random.default_rng(0).random((2, *size), np.float32)
    np.testing.assert_allclose(sums_of(values).sum((1, 2)), values.sum((1, 2)), rtol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (33, 9)])
def test_a_constant_has_that_mean_at_every_node(size):
    weights = np.random.default_rng(0).random((1, *size), np.float32) + 0.1
    means = sums_of(weights * 0.25) / sums_of(weights)
    np.testing.assert_allclose(means, 0.25, rtol=1e-5)


def test_rows_in_any_portions_make_the_same_sums():
    values = np.random.default_rng(0).random((3, 29, 20), np.float32)
    np.testing.assert_allclose(sums_of(values), sums_of(values, cells=4), rtol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (7, 30), (33, 9)])
def test_one_number_stands_for_as_many(size):
    nodes = NodeSums(size, 2)
    nodes.add(node_sums(0.5, *size))
    np.testing.assert_allclose(
        nodes.rows(0, -(-size[0] // CELL) + 1), sums_of(np.full((2, *size), 0.5, np.float32))
    )


def test_nodes_surround_a_row_once_the_cell_after_it_is_summed():
    nodes = NodeSums((20, 4), 1)
    nodes.add(node_sums(1.0, CELL, 4))
    assert not nodes.surround(1)
    nodes.add(node_sums(1.0, CELL, 4))
    assert nodes.surround(CELL)
    assert not nodes.surround(CELL + 1)
    nodes.add(node_sums(1.0, 4, 4))  # the last cell has four rows
    assert nodes.surround(20)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_columns_between_nodes_lie_on_a_line(scale):
    line = np.arange(4, dtype=np.float32)[None, None] * CELL  # at x = 0, 8, 16, 24
    expected = (np.arange(20 * scale) + 0.5) / scale
    np.testing.assert_allclose(widened(line, 20 * scale, scale)[0, 0], expected, rtol=1e-5)
