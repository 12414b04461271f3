"""Normal maps: unit length, the lower bound of z, and what is no normal map."""

import numpy as np
import pytest

import superres
from superres.errors import ArgumentError
from superres.frame import Bands
from superres.images.normals import check_normals, unit_normals
from superres.upscaler import RunOptions, Upscaler


def bumps(height: int, width: int, *, deep: float) -> np.ndarray:
    """Return an 8-bit map of tangent space: round bumps, the deeper the steeper."""
    rows, columns = np.mgrid[:height, :width]
    x, y = (deep * np.sin(axis * 0.9) for axis in (columns, rows))
    vectors = np.stack([x, y, np.ones_like(x)], axis=2)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    return np.rint((vectors + 1) * 127.5).astype(np.uint8)


def vectors(pixels: np.ndarray) -> np.ndarray:
    return pixels[..., :3] / 127.5 - 1


@pytest.mark.parametrize("scale", [0.5, 1.7, 2])
@pytest.mark.parametrize("wrap", ["none", "xy"])
def test_vectors_are_of_unit_length_and_none_points_below_the_surface(scale, wrap):
    run = RunOptions(precision="fp32", normal_map=True, wrap=wrap)
    small = bumps(45, 60, deep=6.0)
    large = Upscaler("espcn", run)(small, scale=scale)
    length = np.linalg.norm(vectors(large), axis=2)
    assert np.abs(length - 1).max() < 1 / 127.5  # rounding to 8 bits
    assert large[..., 2].min() >= 128
    plain = superres.load("espcn", precision="fp32")(small, scale=scale)
    assert np.abs(np.linalg.norm(vectors(plain), axis=2) - 1).max() > 0.02


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_flat_map_stays_exactly_as_it_is(dtype):
    white = np.iinfo(dtype).max
    flat = np.empty((20, 30, 3), dtype)
    flat[:] = (white // 2 + 1, white // 2 + 1, white)
    large = Upscaler("espcn", RunOptions(precision="fp32", normal_map=True))(flat, scale=2)
    np.testing.assert_array_equal(large, np.broadcast_to(flat[0, 0], (40, 60, 3)))


def test_each_component_is_upscaled_by_itself():
    run = RunOptions(precision="fp32", normal_map=True)
    floats = bumps(20, 30, deep=0.3).astype(np.float32) / 255
    large = Upscaler("espcn", run)(floats, scale=2)
    plain = Upscaler("espcn", RunOptions(precision="fp32"))
    alone = np.stack([plain(floats[..., n], scale=2) for n in range(3)], axis=2) * 2 - 1
    alone /= np.linalg.norm(alone, axis=2, keepdims=True)
    np.testing.assert_allclose(large * 2 - 1, alone, atol=1e-4)


def test_the_alpha_of_a_normal_map_is_data():
    rng = np.random.default_rng(0)
    pixels = np.dstack([bumps(20, 30, deep=1.0), rng.integers(0, 2, (20, 30)) * 255])
    pixels = pixels.astype(np.uint8)
    upscaler = Upscaler("espcn", RunOptions(precision="fp32", normal_map=True))
    large = upscaler(pixels, scale=2)
    np.testing.assert_array_equal(large[..., :3], upscaler(pixels[..., :3], scale=2))
    data = Upscaler("espcn", RunOptions(precision="fp32", alpha="data"))(pixels, scale=2)
    np.testing.assert_array_equal(large[..., 3], data[..., 3])
    np.testing.assert_array_equal(upscaler(pixels, scale=1), pixels)


@pytest.mark.parametrize("heights", [(9,), (1,) * 9, (4, 5)])
def test_vectors_of_object_space_may_point_down_where_their_surroundings_do(heights):
    small = np.full((3, 4, 3), 0.5, np.float32)
    small[..., 2] = 1.0  # upwards
    small[:, 3, 2] = 0.0  # downwards
    large = np.full((9, 12, 3), 0.5, np.float32)
    large[..., 2] = 0.25
    parts = np.split(large.copy(), np.cumsum(heights)[:-1])
    found = np.concatenate(
        list(unit_normals(np.split(small, 3), parts, size=(3, 4), target=(9, 12)))
    )
    assert (found[:, :6] == (0.5, 0.5, 1.0)).all()  # z of 0 alone points nowhere: upwards
    assert (found[:, 6:] == (0.5, 0.5, 0.0)).all()


@pytest.mark.parametrize(
    "bands", [Bands("grey", 1), Bands("grey", 1, alpha=True), Bands("bands", 5)]
)
def test_what_is_not_rgb_is_no_normal_map(bands):
    with pytest.raises(ArgumentError, match="red, green and blue as x, y and z"):
        check_normals(bands)
    with pytest.raises(ArgumentError, match="red, green and blue as x, y and z"):
        Upscaler("espcn", RunOptions(normal_map=True))(
            np.zeros((4, 4, bands.channels), np.uint8), bands=bands, scale=2
        )
