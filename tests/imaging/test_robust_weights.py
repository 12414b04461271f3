from __future__ import annotations

import numpy as np

from superres.imaging.robust_weights import noise_of, robust_weights

RANDOM = np.random.default_rng(0)
NOISE = 4 / 255
FLAT, ALL = np.full((1, 40, 40), 0.5, np.float32), np.ones((40, 40), np.float32)


def noisy() -> np.ndarray:
    return RANDOM.normal(0, NOISE, (1, 40, 40)).astype(np.float32)


def test_noise_is_believed():
    error = noisy()
    assert abs(noise_of(error, ALL) / NOISE - 1) < 0.1
    weights = robust_weights(error, FLAT, ALL, NOISE)
    assert weights.mean() > 0.9


def test_a_dead_pixel_is_not_believed_and_its_neighbours_are():
    error = noisy()
    error[0, 20, 20] = -0.5
    weights = robust_weights(error, FLAT, ALL, NOISE)
    assert weights[20, 20] < 1e-3
    assert weights[20, 30] > 0.5


def test_what_moved_is_not_believed_even_where_single_pixels_could_be_noise():
    error = noisy()
    error[0, 10:30, 10:30] += 2 * NOISE
    weights = robust_weights(error, FLAT, ALL, NOISE)
    assert weights[14:26, 14:26].mean() < 0.2
    assert weights[:5].mean() > 0.9


def test_differences_on_a_steep_edge_are_detail_and_believed():
    edge = FLAT.copy()
    edge[..., 20:] = 0.9
    error = noisy()
    error[0, :, 19:21] += 0.08
    assert robust_weights(error, edge, ALL, NOISE)[:, 19:21].mean() > 0.7
    assert robust_weights(error, FLAT, ALL, NOISE)[:, 19:21].mean() < 0.3


def test_what_is_not_usable_has_no_weight():
    usable = ALL.copy()
    usable[:7] = 0
    assert robust_weights(noisy(), FLAT, usable, NOISE)[:7].max() == 0
