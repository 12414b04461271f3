from __future__ import annotations

import numpy as np
import pytest

from superres.imaging.sampler import Sampler, inside, keys

RANDOM = np.random.default_rng(0)


def places(*pairs: tuple[float, float]) -> np.ndarray:
    return np.array(pairs, np.float32).T.reshape(2, 1, -1)


def test_a_plane_read_at_its_pixels_is_itself():
    plane = RANDOM.random((6, 7), np.float32)
    grid = np.mgrid[:6, :7].astype(np.float32)
    np.testing.assert_allclose(Sampler(grid, (6, 7)).gather(plane), plane, atol=1e-6)


# Keys' cubic with a = -0.5 is exact for polynomials of the second degree.
def test_a_parabola_is_read_exactly_between_its_pixels():
    rows, columns = np.mgrid[:9, :9].astype(np.float32)
    plane = rows * rows - 2 * columns * columns + rows * columns
    read = Sampler(places((3.3, 4.6), (5.5, 2.25)), (9, 9)).gather(plane)[0]
    exact = [3.3**2 - 2 * 4.6**2 + 3.3 * 4.6, 5.5**2 - 2 * 2.25**2 + 5.5 * 2.25]
    np.testing.assert_allclose(read, exact, rtol=1e-5)


def test_scatter_is_the_transpose_of_gather():
    spots = RANDOM.uniform(-1, 12, (2, 5, 8)).astype(np.float32)
    sampler = Sampler(spots, (11, 10))
    plane, values = RANDOM.random((11, 10), np.float32), RANDOM.random((5, 8), np.float32)
    scattered = np.zeros((11, 10), np.float32)
    sampler.scatter(values, scattered)
    forward = float((sampler.gather(plane) * values).sum())
    assert float((plane * scattered).sum()) == pytest.approx(forward, rel=1e-5)


def test_inside_keeps_a_margin_from_the_outer_pixels():
    spots = places((0.0, 0.0), (4.0, 5.0), (1.0, 1.0), (4.1, 2.0))
    assert inside(spots, (5, 6), 0.0)[0].tolist() == [True, True, True, False]
    assert inside(spots, (5, 6), 0.5)[0].tolist() == [False, False, True, False]


def test_keys_sums_to_one_wherever_it_stands():
    offsets = np.linspace(0, 1, 11)[:, None] - np.arange(-2, 4)
    np.testing.assert_allclose(keys(offsets).sum(axis=1), 1.0)
