from __future__ import annotations

import numpy as np
import pytest
import torch

from superres.degrade.downscale import downscale_uint8, resize_batch, round8
from superres.errors import ArgumentError
from superres.images.kernels import Border, Kernel
from superres.images.resize import resize


def batch(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "lanczos3"])
@pytest.mark.parametrize("border", ["mirror", "clamp"])
@pytest.mark.parametrize(
    "request_", [{"scale": 0.25}, {"scale": 0.5}, {"scale": 3.0}, {"size": (5, 77)}]
)
def test_a_batch_equals_its_pictures_resized_one_by_one(
    kernel: Kernel, border: Border, request_: dict
):
    x_BCHW = batch(2, 3, 24, 300)
    result = resize_batch(x_BCHW, kernel=kernel, border=border, **request_)
    for picture, expected in zip(result, x_BCHW, strict=True):
        whole = resize(expected.permute(1, 2, 0).numpy(), kernel=kernel, border=border, **request_)
        np.testing.assert_allclose(picture.permute(1, 2, 0), whole, atol=1e-6)


def test_antialiasing_can_be_switched_off():
    x_BCHW = batch(1, 1, 16, 16)
    whole = resize(x_BCHW[0, 0].numpy(), scale=0.25, antialias=False)
    result = resize_batch(x_BCHW, scale=0.25, antialias=False)
    np.testing.assert_allclose(result[0, 0], whole, atol=1e-6)


def test_a_batch_shrunk_to_an_8x8_ramp_has_the_numbers_of_matlab():
    ramp_BCHW = torch.arange(64.0).reshape(1, 1, 8, 8)
    expected = torch.tensor([[12.383789, 16.631836], [46.368164, 50.616211]])
    torch.testing.assert_close(resize_batch(ramp_BCHW, size=(2, 2))[0, 0], expected)


def test_autocast_does_not_coarsen_the_result():
    x_BCHW = batch(1, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = resize_batch(x_BCHW, scale=0.5)
    assert result.dtype == torch.float32
    assert torch.equal(result, resize_batch(x_BCHW, scale=0.5))


def test_a_resize_first_used_in_inference_can_be_differentiated_later():
    with torch.inference_mode():
        resize_batch(batch(1, 1, 44, 44), scale=0.25)
    x_BCHW = batch(1, 1, 44, 44).requires_grad_()
    resize_batch(x_BCHW, scale=0.25).sum().backward()
    assert x_BCHW.grad is not None
    assert float(x_BCHW.grad.sum()) == pytest.approx(121.0, rel=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_8_bit_small_pictures_equal_those_of_the_reference_resize(scale: int):
    large = np.random.default_rng(1).integers(0, 256, (24, 36, 3)).astype(np.uint8)
    large[:12] = large[:12] // 128 * 255  # hard edges, so that clipping happens
    exact = resize(large, scale=1 / scale)
    small = downscale_uint8(torch.from_numpy(large), scale)
    assert small.dtype == torch.uint8
    np.testing.assert_array_equal(small, np.clip(np.floor(exact + 0.5), 0, 255))


def test_rounding_to_8_bits_equals_the_8_bit_small_picture():
    large_HWC = (batch(16, 24, 3) * 255).to(torch.uint8)
    unit_BCHW = large_HWC.permute(2, 0, 1)[None] / 255.0
    small_BCHW = round8(resize_batch(unit_BCHW, scale=0.25))
    levels_HWC = (small_BCHW[0] * 255.0).round().to(torch.uint8).permute(1, 2, 0)
    assert torch.equal(levels_HWC, downscale_uint8(large_HWC, 4))


def test_rounding_to_8_bits_clamps_and_keeps_what_8_bits_hold():
    levels = torch.arange(256) / 255.0
    assert torch.equal(round8(levels), levels)
    assert round8(torch.tensor([-0.2, 1.3])).tolist() == [0.0, 1.0]


@pytest.mark.gpu
def test_a_gpu_gives_the_same_small_pictures():
    large_HWC = (batch(96, 128, 3) * 255).to(torch.uint8)
    assert torch.equal(downscale_uint8(large_HWC.cuda(), 4).cpu(), downscale_uint8(large_HWC, 4))


def test_wrong_tensors_are_errors_that_say_what_came():
    with pytest.raises(ArgumentError, match=r"uint8 of shape \(1, 1, 8, 8\)"):
        resize_batch(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), scale=0.5)
    with pytest.raises(ArgumentError, match=r"\(8, 8\)"):
        resize_batch(torch.zeros(8, 8), scale=0.5)
    with pytest.raises(ArgumentError, match="exactly one"):
        resize_batch(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ArgumentError, match="9×8"):
        downscale_uint8(torch.zeros(9, 8, 3, dtype=torch.uint8), 2)
    with pytest.raises(ArgumentError, match="float32"):
        downscale_uint8(torch.zeros(8, 8, 3), 2)
