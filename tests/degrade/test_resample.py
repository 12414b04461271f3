"""Fast resizing: no shifts, and kernels true to their names."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch

from superres.degrade.resample import ResizeKernel, resample

KERNELS = get_args(ResizeKernel)
SIZES = [((9, 14), (4, 5)), ((9, 14), (20, 33)), ((8, 12), (4, 24)), ((5, 7), (1, 1))]


def noise(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((2, 3, height, width), generator=generator, dtype=torch.float64)


def naive_area(row: np.ndarray, length: int) -> np.ndarray:
    """Average the area of each output pixel over a row, with 1,000 samples per pixel."""
    many = np.repeat(row, 1000 * length)
    return many.reshape(length, -1).mean(axis=1)


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_area_averages_what_a_pixel_covers_at_any_ratio(before, after):
    x = noise(*before)
    wide = np.apply_along_axis(naive_area, 3, x.numpy(), after[1])
    expected = np.apply_along_axis(naive_area, 2, wide, after[0])
    np.testing.assert_allclose(resample(x, after, "area").numpy(), expected, atol=1e-12)


def test_area_keeps_the_mean_of_a_picture():
    x = noise(31, 17)
    small = resample(x, (7, 5), "area")
    torch.testing.assert_close(small.mean((2, 3)), x.mean((2, 3)))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_a_mirrored_picture_gives_the_mirrored_result_so_nothing_shifts(kernel, before, after):
    x = noise(*before)
    mirrored = resample(x.flip(2, 3), after, kernel).flip(2, 3)
    torch.testing.assert_close(mirrored, resample(x, after, kernel), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_an_even_colour_stays_itself(kernel, before, after):
    x = torch.full((1, 1, *before), 0.3, dtype=torch.float64)
    made = resample(x, after, kernel)
    assert made.shape == (1, 1, *after)
    torch.testing.assert_close(made, torch.full_like(made, 0.3))


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_size_it_has_costs_nothing_and_changes_nothing(kernel):
    x = noise(6, 5)
    assert resample(x, (6, 5), kernel) is x


@pytest.mark.parametrize("kernel", ["bilinear_aliased", "bicubic_aliased"])
def test_an_aliased_kernel_takes_stripes_of_a_pixel_as_they_lie_under_its_pixels(kernel):
    stripes = (torch.arange(21, dtype=torch.float64) % 2).expand(1, 1, 3, 21)
    made = resample(stripes, (1, 7), kernel)[0, 0, 0]
    assert made.tolist() == pytest.approx([1, 0, 1, 0, 1, 0, 1])  # columns 1, 4, 7, …


def test_a_widened_kernel_greys_the_stripes_that_an_aliased_one_keeps():
    stripes = (torch.arange(21, dtype=torch.float64) % 2).expand(1, 1, 3, 21)
    made = resample(stripes, (1, 7), "bilinear")[0, 0, 0, 1:-1]
    # A triangle over 5 pixels, (1 2 3 2 1) / 9: odd and even columns are 5 and 4 of 9.
    assert made.tolist() == pytest.approx([4 / 9, 5 / 9, 4 / 9, 5 / 9, 4 / 9], abs=1e-6)


@pytest.mark.parametrize("kernel", ["bicubic", "bicubic_aliased"])
def test_bicubic_overshoots_at_an_edge_and_is_not_clipped(kernel):
    edge = torch.zeros((1, 1, 4, 16))
    edge[..., 8:] = 1
    made = resample(edge, (8, 32), kernel)
    assert made.min() < -0.02
    assert made.max() > 1.02


@pytest.mark.parametrize("kernel", ["area", "bilinear", "bilinear_aliased"])
def test_the_other_kernels_stay_between_black_and_white(kernel):
    edge = torch.zeros((1, 1, 4, 16))
    edge[..., 8:] = 1
    made = resample(edge, (8, 37), kernel)
    assert made.min() >= 0
    assert made.max() <= 1 + 1e-6


def test_a_pictures_precision_stays_its_own():
    for dtype in (torch.float32, torch.float64):
        assert resample(noise(6, 9).to(dtype), (4, 4), "area").dtype == dtype
