"""Samples of various sizes in one tensor: each step does to them what it does to each alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from superres.degrade.blur import blur_batch, draw_kernels
from superres.degrade.codecs import code_batch
from superres.degrade.config import BlurStep
from superres.degrade.jpeg import jpeg_batch
from superres.degrade.mosaic import sensor_batch
from superres.degrade.ragged import Edge, Sizes, extended

SIZES = np.array([(9, 14), (16, 16), (5, 20), (1, 3), (12, 2)])
CANVAS = (16, 20)

Whole = Callable[[Tensor, Sizes | None, np.ndarray], Tensor]  # of the samples with these indices


def samples() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, *size, generator=generator) for size in SIZES.tolist()]


def on_canvas(beyond: float) -> Tensor:
    """All samples in one tensor, and a value beyond them that must never be seen."""
    canvas = torch.full((len(SIZES), 3, *CANVAS), beyond)
    for place, sample in zip(canvas, samples(), strict=True):
        place[:, : sample.shape[1], : sample.shape[2]] = sample
    return canvas


@pytest.mark.parametrize("edge", ["mirror", "repeat"])
@pytest.mark.parametrize("before", [0, 1, 30])
def test_a_canvas_is_extended_from_each_samples_own_pixels(edge: Edge, before: int):
    size = (70, 64)
    found = extended(on_canvas(np.nan), SIZES, before=before, size=size, edge=edge)
    for picture, sample in zip(found.numpy(), samples(), strict=True):
        after = [size[axis] - before - sample.shape[1 + axis] for axis in (0, 1)]
        pads = ((0, 0), (before, after[0]), (before, after[1]))
        if edge == "mirror":
            expected = np.pad(sample.numpy(), pads, mode="reflect")
        else:
            expected = np.pad(sample.numpy(), pads, mode="edge")
        np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("edge", ["mirror", "repeat"])
@pytest.mark.parametrize("size", [(16, 20), (20, 20), (90, 41), (9, 7)])
def test_samples_that_fill_their_canvas_need_no_sizes(edge: Edge, size: tuple[int, int]):
    x_BCHW = torch.rand(2, 3, *CANVAS, generator=torch.Generator().manual_seed(0))
    sizes = np.array([CANVAS] * 2)
    expected = extended(x_BCHW, sizes, before=0, size=size, edge=edge)
    assert torch.equal(extended(x_BCHW, None, before=0, size=size, edge=edge), expected)


def blur(x: Tensor, sizes: Sizes | None, of: np.ndarray) -> Tensor:
    kernels = draw_kernels(BlurStep(size=(7, 7)), len(SIZES), np.random.default_rng(0))
    return blur_batch(x, torch.from_numpy(kernels[of]), sizes)


def jpeg(x: Tensor, sizes: Sizes | None, of: np.ndarray) -> Tensor:
    return jpeg_batch(x, np.array([20, 40, 60, 80, 95])[of], sizes_B2=sizes)


def jpeg_444(x: Tensor, sizes: Sizes | None, of: np.ndarray) -> Tensor:
    qualities = np.array([20, 40, 60, 80, 95])[of]
    return jpeg_batch(x, qualities, subsampling="444", sizes_B2=sizes)


def grey_jpeg(x: Tensor, sizes: Sizes | None, of: np.ndarray) -> Tensor:
    return jpeg_batch(x[:, :1], np.array([20, 40, 60, 80, 95])[of], sizes_B2=sizes)


def webp(x: Tensor, sizes: Sizes | None, of: np.ndarray) -> Tensor:
    return code_batch(x, "webp", np.array([20, 40, 60, 80, 95])[of].tolist(), sizes)


@pytest.mark.parametrize("step", [blur, jpeg, jpeg_444, grey_jpeg, webp])
def test_a_step_on_one_canvas_does_to_each_sample_what_it_does_to_it_alone(step: Whole):
    # Host codecs see whole levels, and no NaN; what lies beyond a sample differs all the same.
    beyond = 0.7 if step is webp else np.nan
    together = step(on_canvas(beyond), SIZES, np.arange(len(SIZES)))
    for index, sample in enumerate(samples()):
        alone = step(sample[None], None, np.array([index]))[0]
        found = together[index, :, : sample.shape[1], : sample.shape[2]]
        torch.testing.assert_close(found, alone, atol=1e-6, rtol=0)


def test_a_sensor_sees_each_sample_as_it_sees_it_alone():
    large = [0, 1, 2, 4]  # a mosaic needs 2 x 2 pixels
    phases = np.array([(0, 0), (0, 1), (1, 0), (0, 0), (1, 1)])
    field_B1HW = torch.randn(len(SIZES), 1, *CANVAS, generator=torch.Generator().manual_seed(0))
    shot, read = torch.linspace(0.001, 0.01, 5), torch.linspace(0.001, 0.01, 5)
    x_BCHW = on_canvas(np.nan)
    together = sensor_batch(
        x_BCHW[large], field_B1HW[large], phases[large], shot[large], read[large], SIZES[large]
    )
    for found, index in zip(together, large, strict=True):
        height, width = SIZES[index]
        one = slice(index, index + 1)
        field = field_B1HW[one, :, :height, :width]
        alone = sensor_batch(samples()[index][None], field, phases[one], shot[one], read[one])
        torch.testing.assert_close(found[:, :height, :width], alone[0], atol=1e-6, rtol=0)
