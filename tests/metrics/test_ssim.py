from __future__ import annotations

import math

import numpy as np
import pytest

from superres.errors import ArgumentError
from superres.metrics import Protocol, ssim

ONES = np.ones((32, 32, 3), np.uint8)


def by_the_paper(a: np.ndarray, b: np.ndarray) -> float:
    """Wang's formula for one channel, window by window with the whole 11×11 Gaussian."""
    axis = [math.exp(-((i - 5) ** 2) / 4.5) for i in range(11)]
    window = np.array([[y * x for x in axis] for y in axis])
    window /= window.sum()
    c1, c2 = 2.55**2, 7.65**2
    values: list[float] = []
    for top in range(a.shape[0] - 10):
        for left in range(a.shape[1] - 10):
            p = a[top : top + 11, left : left + 11].astype(float)
            q = b[top : top + 11, left : left + 11].astype(float)
            mean_p, mean_q = (window * p).sum(), (window * q).sum()
            var_p = (window * (p - mean_p) ** 2).sum()
            var_q = (window * (q - mean_q) ** 2).sum()
            both = (window * (p - mean_p) * (q - mean_q)).sum()
            values.append(
                (2 * mean_p * mean_q + c1)
                * (2 * both + c2)
                / ((mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2))
            )
    return float(np.mean(values))


# Flat pictures have no structure, so the formula is (2ab + C1) / (a² + b² + C1).
def test_all_ones_against_all_twos_has_the_known_values():
    rgb = ssim(ONES, ONES * 2, protocol=Protocol(channels="rgb"))
    assert rgb == pytest.approx(0.9130623, abs=1e-6)
    assert ssim(ONES, ONES * 2) == pytest.approx(0.9987801, abs=1e-6)


def test_identical_pictures_score_one():
    picture = np.random.default_rng(0).integers(0, 256, (20, 20, 3)).astype(np.uint8)
    assert ssim(picture, picture.copy()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("size", [(11, 11), (13, 17), (80, 12)])  # 80 rows are two strips
def test_a_grey_picture_scores_as_in_the_paper(size: tuple[int, int]):
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 256, size).astype(np.uint8)
    restored = np.clip(truth + generator.normal(0, 20, size), 0, 255).astype(np.uint8)
    assert ssim(restored, truth) == pytest.approx(by_the_paper(restored, truth), abs=1e-9)


def test_rgb_is_the_mean_over_the_channels():
    restored, truth = np.random.default_rng(2).integers(0, 256, (2, 12, 14, 3)).astype(np.uint8)
    channels = [ssim(restored[..., c], truth[..., c]) for c in range(3)]
    rgb = ssim(restored, truth, protocol=Protocol(channels="rgb"))
    assert rgb == pytest.approx(np.mean(channels), abs=1e-12)


def test_less_than_a_window_is_an_error():
    picture = np.zeros((18, 30), np.uint8)
    with pytest.raises(ArgumentError, match="10×22"):
        ssim(picture, picture, protocol=Protocol(border=4))
