from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from superres.degrade.blur import (
    blur_batch,
    draw_kernels,
    gaussian_kernels,
    plateau_kernels,
    sinc_kernels,
)
from superres.degrade.config import BlurShapes, BlurStep
from superres.errors import ArgumentError

SHAPES = tuple(BlurShapes.model_fields)


def step(shape: str, **values) -> BlurStep:
    return BlurStep.model_validate({"shapes": {shape: 1}, **values})


def batch(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_kernels_sum_to_one_and_stand_in_the_middle(shape: str):
    kernels = draw_kernels(step(shape), 64, np.random.default_rng(0))
    assert kernels.dtype == np.float32
    assert kernels.shape == (64, 21, 21)
    np.testing.assert_allclose(kernels.sum((1, 2)), 1.0, atol=1e-5)
    # A point-symmetric kernel shifts nothing.
    np.testing.assert_allclose(kernels, kernels[:, ::-1, ::-1], atol=1e-7)


def test_edges_of_kernels_are_odd_and_from_their_range():
    kernels = draw_kernels(step("plateau_iso", size=[5, 9]), 200, np.random.default_rng(0))
    edges = {int(np.count_nonzero(kernel.any(0))) for kernel in kernels}
    assert edges == {5, 7, 9}


def test_a_turned_gaussian_has_the_covariance_of_its_widths():
    angle, sigmas = 0.5, (3.0, 1.5)
    kernel = gaussian_kernels(np.array([sigmas]), np.array([angle]), np.ones(1), 41)[0]
    kernel /= kernel.sum()
    at = np.arange(41) - 20.0
    axes = (at, at[:, None])
    found = [[(kernel * one * other).sum() for one in axes] for other in axes]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(found, turn @ np.diag(np.square(sigmas)) @ turn.T, rtol=1e-3)


def test_round_kernels_have_one_width_and_the_others_two():
    rng = np.random.default_rng(0)
    for shape in SHAPES[:6]:
        kernels = draw_kernels(step(shape, size=[21, 21]), 8, rng)
        turned = np.abs(kernels - kernels.transpose(0, 2, 1)).max((1, 2))
        assert (turned < 1e-7).all() == shape.endswith("_iso") or shape == "iso", shape


def test_exponents_shape_the_sides_as_their_formulas_say():
    sigmas, angles, exponents = np.array([[2.0, 2.0]]), np.zeros(1), np.array([1.5])
    at_three = 10, 13  # row 10 is the middle of 21, so q = (3 / 2)**2
    gaussian = gaussian_kernels(sigmas, angles, exponents, 21)[0]
    plateau = plateau_kernels(sigmas, angles, exponents, 21)[0]
    assert gaussian[at_three] == pytest.approx(np.exp(-0.5 * 2.25**1.5))
    assert plateau[at_three] == pytest.approx(1.0 / (1.0 + 2.25**1.5))


def test_exponents_are_drawn_as_often_below_one_as_above():
    # Of a generalised Gaussian: at q = 4, larger exponents give smaller values.
    wide = step("generalised_iso", sigma=[1, 1], generalised=[0.5, 4.0], size=[21, 21])
    kernels = draw_kernels(wide, 400, np.random.default_rng(0))
    ratio = kernels[:, 10, 12] / kernels[:, 10, 10]
    assert 0.42 < (ratio > np.exp(-0.5 * 4.0)).mean() < 0.58


def test_a_sinc_passes_what_lies_below_its_cutoff_and_stops_what_lies_above():
    kernel = sinc_kernels(np.array([0.5]), 63)[0]
    passed = np.abs(np.fft.fft2(kernel, (256, 256)))[0, :129]
    assert np.all(np.abs(passed[:50] - 1.0) < 0.1)
    assert np.all(passed[80:] < 0.1)


def test_small_sinc_kernels_are_spared_low_cutoffs():
    kernels = draw_kernels(
        step("sinc", size=[7, 7], cutoff=[0.2, 1.0]), 100, np.random.default_rng(0)
    )
    narrowest = sinc_kernels(np.array([1 / 3]), 7)[0]
    assert kernels[:, 3, 3].min() >= narrowest[3, 3] / narrowest.sum() - 1e-6


def test_each_sample_is_blurred_by_its_own_kernel():
    x_BCHW = batch(3, 3, 11, 14).double()
    nine = BlurStep(size=(5, 9))
    kernels_Bkk = torch.from_numpy(draw_kernels(nine, 3, np.random.default_rng(1))).double()
    blurred_BCHW = blur_batch(x_BCHW, kernels_Bkk)
    radius = kernels_Bkk.shape[-1] // 2
    for sample, kernel, result in zip(x_BCHW, kernels_Bkk, blurred_BCHW, strict=True):
        padded = functional.pad(sample, (radius,) * 4, mode="reflect")[:, None]
        expected = functional.conv2d(padded, kernel.flip(0, 1)[None, None])[:, 0]
        torch.testing.assert_close(result, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (11, 10)])
def test_a_flat_picture_stays_flat_up_to_its_border_also_below_the_kernels_size(size):
    x_BCHW = torch.full((2, 3, *size), 0.25)
    kernels_Bkk = torch.from_numpy(draw_kernels(step("sinc"), 2, np.random.default_rng(2)))
    torch.testing.assert_close(blur_batch(x_BCHW, kernels_Bkk), x_BCHW, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 4, 4), (2, 3, 5)])
def test_kernels_that_do_not_fit_are_refused(shape):
    with pytest.raises(ArgumentError, match="2 samples need as many square kernels"):
        blur_batch(batch(2, 3, 8, 8), torch.ones(shape))
