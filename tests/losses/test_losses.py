"""Losses against their formulas in numpy."""

import numpy as np
import pytest
import torch

from superres.losses.frequency import fourier_l1
from superres.losses.pixel import charbonnier, l1, l2, rmse


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    return rng.random((2, 3, 6, 8)), rng.random((2, 3, 6, 8))


def test_pixel_losses_are_the_means_of_their_formulas(pair):
    a, b = pair
    restored, truth = torch.from_numpy(a), torch.from_numpy(b)
    assert float(l1(restored, truth)) == pytest.approx(np.abs(a - b).mean())
    assert float(l2(restored, truth)) == pytest.approx(((a - b) ** 2).mean())
    smooth = np.sqrt((a - b) ** 2 + 1e-6).mean()
    assert float(charbonnier(restored, truth)) == pytest.approx(smooth)
    roots = np.sqrt(((a - b) ** 2).mean((1, 2, 3)) + 1e-4)
    assert float(rmse(restored, truth)) == pytest.approx(roots.mean())


def test_the_fourier_loss_is_the_mean_over_real_and_imaginary_parts(pair):
    a, b = pair
    spectrum = np.fft.rfft2(a) - np.fft.rfft2(b)
    expected = np.stack((np.abs(spectrum.real), np.abs(spectrum.imag))).mean()
    found = float(fourier_l1(torch.from_numpy(a), torch.from_numpy(b)))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [l1, l2, fourier_l1])
def test_equal_pictures_lose_nothing(loss):
    picture = torch.rand(1, 3, 5, 5)
    assert float(loss(picture, picture)) == 0
