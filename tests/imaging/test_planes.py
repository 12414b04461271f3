from __future__ import annotations

import numpy as np
import pytest

from superres.imaging.planes import blurred, detail, halved, slopes, without_brightness

RANDOM = np.random.default_rng(5)


def naive_blur(plane: np.ndarray, sigma: float) -> np.ndarray:
    """Blur along each axis with numpy's own mirrored padding."""
    reach = int(np.ceil(3 * sigma))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    line /= line.sum()
    for axis in (0, 1):
        wide = np.pad(plane, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], "symmetric")
        plane = np.apply_along_axis(np.convolve, axis, wide, line, "valid")
    return plane


# A reach beyond the plane, so that what is mirrored is mirrored again, is among them.
@pytest.mark.parametrize("sigma", [0.2, 1.0, 2.5, 9.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 2), (11, 13)])
def test_a_blur_equals_a_convolution_with_mirrored_edges(sigma: float, shape: tuple[int, int]):
    plane = RANDOM.random(shape, np.float32)
    made = blurred(plane, sigma)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, naive_blur(plane, sigma), atol=2e-6)


def test_a_blur_leaves_its_input_as_it_was_and_keeps_the_sum():
    plane = RANDOM.random((12, 9), np.float32)
    before = plane.copy()
    made = blurred(plane, 3.0)
    assert np.array_equal(plane, before)
    assert float(made.sum()) == pytest.approx(float(plane.sum()), rel=1e-5)


def test_slopes_of_a_slanted_plane_are_its_slants_up_to_the_edge():
    rows, columns = np.mgrid[:5, :6].astype(np.float32)
    down, right = slopes(3 * rows - 2 * columns)
    np.testing.assert_allclose(down, 3.0)
    np.testing.assert_allclose(right, -2.0)


def test_slopes_are_central_within_and_one_sided_at_the_ends():
    down, right = slopes(np.array([[0.0, 1.0, 4.0, 9.0]], np.float32))
    assert right.tolist() == [[1.0, 2.0, 4.0, 5.0]]
    assert down.tolist() == [[0.0, 0.0, 0.0, 0.0]]  # one row has no slope


@pytest.mark.parametrize(("shape", "half"), [((8, 6), (4, 3)), ((7, 5), (4, 3)), ((1, 2), (1, 1))])
def test_half_a_size_is_rounded_up(shape: tuple[int, int], half: tuple[int, int]):
    made = halved(np.full(shape, 0.25, np.float32))
    assert made.shape == half
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, 0.25, atol=1e-6)


def test_halving_does_not_alias_stripes_of_one_pixel():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (24, 24))
    assert float(np.ptp(halved(stripes)[:, 4:-4])) < 0.05


def wave(period: float) -> np.ndarray:
    columns = np.arange(192, dtype=np.float32)
    return np.tile(np.sin(2 * np.pi * columns / period), (16, 1)).astype(np.float32)


def swing(plane: np.ndarray) -> float:
    return float(np.abs(plane[:, 40:-40]).max())


def test_detail_keeps_waves_of_8_pixels_and_drops_those_of_2_and_of_64():
    assert swing(detail(wave(8))) > 0.6
    assert swing(detail(wave(2) + 1)) < 0.05
    assert swing(detail(wave(64))) < 0.1


def test_a_brighter_plane_has_the_same_detail():
    plane = RANDOM.random((30, 30), np.float32)
    np.testing.assert_allclose(detail(plane + 7.0), detail(plane), atol=1e-5)
    np.testing.assert_allclose(
        without_brightness(plane * 2), 2 * without_brightness(plane), 1e-4, 1e-5
    )
