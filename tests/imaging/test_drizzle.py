from __future__ import annotations

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.imaging.aligned import Aligned
from superres.imaging.drizzle import drizzle
from superres.imaging.motion import Motion, identity_motion, similarity

RANDOM = np.random.default_rng(0)


def aligned(planes: np.ndarray, motion: Motion) -> Aligned:
    return Aligned(0, planes, np.ones(planes.shape[1:], np.float32), motion)


def shifted(rows: float, columns: float) -> Motion:
    return Motion(similarity(rows, columns, 0.0))


@pytest.mark.parametrize("pixfrac", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize(
    "matrix",
    [similarity(0.3, -0.4, 5.0), np.array([[1.1, 0.05, 0.2], [0, 0.95, 0.1], [0, 1e-3, 1.0]])],
)
def test_flux_is_conserved_whatever_the_motion(pixfrac, matrix):
    frame = RANDOM.random((2, 12, 15), np.float32)
    frame[:, :3] = frame[:, -3:] = frame[:, :, :3] = frame[:, :, -3:] = 0  # nothing drops outside
    weight = (frame[0] > 0).astype(np.float32) * RANDOM.random((12, 15), np.float32)
    drops = drizzle([aligned(frame, Motion(matrix))], [weight], (48, 60), pixfrac)
    assert drops.weight.sum() == pytest.approx(weight.sum(), rel=1e-5)
    flux = (drops.planes * drops.weight).sum(axis=(1, 2))
    np.testing.assert_allclose(flux, (frame * weight).sum(axis=(1, 2)), rtol=1e-5)


def test_pixfrac_0_interlaces_four_frames_into_the_picture_that_they_sample():
    large = RANDOM.random((1, 12, 16), np.float32)
    # A frame whose centres are a quarter pixel off takes every other large pixel.
    frames = [
        aligned(large[:, y::2, x::2], shifted(y / 2 - 0.25, x / 2 - 0.25))
        for y in (0, 1)
        for x in (0, 1)
    ]
    drops = drizzle(frames, [f.usable for f in frames], (12, 16), 0.0)
    np.testing.assert_allclose(drops.planes, large, atol=1e-6)


def test_pixfrac_1_of_a_still_frame_repeats_its_pixels():
    frame = RANDOM.random((1, 5, 6), np.float32)
    drops = drizzle(
        [aligned(frame, identity_motion())], [np.ones((5, 6), np.float32)], (15, 18), 1.0
    )
    np.testing.assert_allclose(drops.planes[0], frame[0].repeat(3, 0).repeat(3, 1), atol=1e-6)
    np.testing.assert_allclose(drops.weight, 1 / 9, atol=1e-6)


def test_overlapping_drops_are_weighted():
    frames = [
        aligned(np.full((1, 4, 4), value, np.float32), identity_motion()) for value in (0.2, 0.8)
    ]
    weights = [np.full((4, 4), w, np.float32) for w in (3.0, 1.0)]
    np.testing.assert_allclose(drizzle(frames, weights, (8, 8), 0.5).planes, 0.35, rtol=1e-5)


def test_context_names_the_frames_that_dropped_on_a_pixel():
    ones = np.ones((1, 4, 4), np.float32)
    weights = [np.zeros((4, 4), np.float32) for _ in range(34)]
    weights[1][:2] = weights[33][:, 2:] = 1.0
    drops = drizzle([aligned(ones, identity_motion())] * 34, weights, (4, 4), 1.0)
    assert drops.context.shape == (2, 4, 4)
    assert (drops.context[0] == np.array([2, 2, 0, 0])[:, None]).all()
    assert (drops.context[1] == np.array([0, 0, 2, 2])[None, :]).all()


def test_a_pixfrac_above_1_is_refused():
    with pytest.raises(ArgumentError, match=r"between 0 and 1, got 1\.5"):
        drizzle(
            [aligned(np.ones((1, 4, 4), np.float32), identity_motion())],
            [np.ones((4, 4))],
            (8, 8),
            1.5,
        )
