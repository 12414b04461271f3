from __future__ import annotations

import numpy as np
import pytest
import torch

from superres.images.resize import resize
from superres.layers.bicubic_reduction import BicubicReduction
from superres.layers.bicubic_upsample import BicubicUpsample, bicubic_radius, keys_cubic


def pixels(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3))


def one_by_one(x: torch.Tensor, scale: float) -> np.ndarray:
    """Resize each plane as MATLAB does, with clamped borders."""
    return np.stack(
        [[resize(p, border="clamp", scale=scale) for p in item] for item in x.double().numpy()]
    )


def test_keys_cubic_has_the_values_of_its_formula():
    at = torch.tensor([0.0, 0.5, -0.5, 1.0, 1.5, 2.0, -7.0], dtype=torch.float64)
    exact = [1.0, 0.5625, 0.5625, 0.0, -0.0625, 0.0, 0.0]
    torch.testing.assert_close(keys_cubic(at), torch.tensor(exact, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_upscaling_equals_the_picture_resizer_up_to_the_borders(scale: int):
    x = pixels(2, 3, 7, 9)
    made = BicubicUpsample(3, scale)(x).numpy()
    assert made.shape == (2, 3, 7 * scale, 9 * scale)
    np.testing.assert_allclose(made, one_by_one(x, scale), atol=2e-6)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_reducing_equals_the_picture_resizer_up_to_the_borders(scale: int):
    x = pixels(2, 3, 6 * scale, 5 * scale)
    made = BicubicReduction(scale)(x).numpy()
    assert made.shape == (2, 3, 6, 5)
    np.testing.assert_allclose(made, one_by_one(x, 1 / scale), atol=2e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_a_picture_one_pixel_thin_is_upscaled_without_a_change_along_that_axis(
    shape: tuple[int, int],
):
    large = BicubicUpsample(1, 3)(pixels(1, 1, *shape))[0, 0]
    for axis in (axis for axis in (0, 1) if shape[axis] == 1):
        steps = large.diff(dim=axis).abs()
        assert float(steps.max()) < 1e-6


@pytest.mark.parametrize("layer", [BicubicUpsample(2, 4), BicubicReduction(4)])
def test_the_fixed_kernel_is_neither_trained_nor_kept_in_the_state_dict(layer: torch.nn.Module):
    assert not layer.state_dict()
    assert not list(layer.parameters())
    assert layer.to(torch.float16).get_buffer("kernel").dtype == torch.float16
    layer.float()


def test_channels_are_upscaled_apart_from_each_other():
    x = pixels(1, 3, 6, 6)
    dark = x.clone()
    dark[:, 1] = 0.0
    layer = BicubicUpsample(3, 2)
    assert torch.equal(layer(x)[:, [0, 2]], layer(dark)[:, [0, 2]])
    assert not layer(dark)[:, 1].any()


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_the_radius_of_each_phase_is_where_its_weights_end(scale: int):
    kernels = BicubicUpsample(1, scale).kernel.reshape(scale, scale, 5, 5)
    for phase in range(scale):
        used = torch.nonzero(kernels[phase, phase].abs().sum(0) > 1e-9).flatten() - 2
        assert (-int(used[0]), int(used[-1])) == bicubic_radius(phase, scale)


def test_a_flat_picture_with_detail_finer_than_a_small_pixel_reduces_to_its_mean():
    checks = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(12, 12)[None, None]
    small = BicubicReduction(4)(checks)[..., 2:-2, 2:-2]  # away from the clamped borders
    torch.testing.assert_close(small, torch.full((1, 1, 2, 2), 0.5))
