from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyvips
import torch

from superres.degrade.jpeg import Subsampling, jpeg_batch
from superres.errors import ArgumentError

COFFEE = Path(__file__).parents[2] / "examples" / "coffee.png"


def photograph(height: int, width: int) -> np.ndarray:
    """A part of a natural picture, (height, width, 3) uint8."""
    return pyvips.Image.new_from_file(str(COFFEE)).numpy()[40 : 40 + height, 60 : 60 + width, :3]


def libjpeg(pixels: np.ndarray, quality: int, subsampling: str) -> np.ndarray:
    """Pixels after libjpeg, an implementation independent of ours."""
    mode = {"420": "on", "444": "off"}[subsampling]
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    data = image.jpegsave_buffer(Q=quality, subsample_mode=mode)
    return pyvips.Image.new_from_buffer(data, "").numpy().reshape(pixels.shape)


def ours(pixels: np.ndarray, quality: int, subsampling: Subsampling = "420") -> np.ndarray:
    x_BCHW = torch.from_numpy(pixels.astype(np.float32) / 255.0).permute(2, 0, 1)[None]
    result_BCHW = jpeg_batch(x_BCHW, torch.tensor([quality]), subsampling=subsampling)
    return (result_BCHW[0] * 255.0).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("subsampling", ["420", "444"])
@pytest.mark.parametrize("quality", [10, 30, 50, 75, 95])
@pytest.mark.parametrize("size", [(128, 160), (121, 149)])
def test_a_photograph_comes_out_as_from_libjpeg(quality: int, subsampling: Subsampling, size):
    pixels = photograph(*size)
    expected = libjpeg(pixels, quality, subsampling).astype(float)
    off = np.abs(ours(pixels, quality, subsampling) - expected)
    # libjpeg's colour conversion is in fixed point, so single pixels are rounded differently.
    assert off.mean() < 0.25
    assert np.quantile(off, 0.99) <= 3
    assert np.abs(expected - pixels).mean() > 1  # JPEG's own loss


def test_a_grey_photograph_comes_out_as_from_libjpeg():
    pixels = photograph(96, 96)[..., 1:2]
    assert np.abs(ours(pixels, 50) - libjpeg(pixels, 50, "444")).mean() < 0.1


def test_halved_chroma_is_that_of_libjpeg_where_colours_change_from_pixel_to_pixel():
    rows, columns = np.mgrid[:40, :56]
    green = np.where((columns // 9 + rows // 7) % 2, 200, 40 + rows)
    pixels = np.stack([(5 * columns + 2 * rows) % 256, green, 255 - 4 * columns], -1).clip(0, 255)
    expected = libjpeg(pixels.astype(np.uint8), 40, "420").astype(float)
    assert np.abs(ours(pixels, 40, "420") - expected).mean() < 0.6
    assert np.abs(ours(pixels, 40, "444") - expected).mean() > 10


def test_each_sample_has_its_own_quality():
    x_BCHW = torch.from_numpy(photograph(40, 50).copy()).permute(2, 0, 1)[None] / 255.0
    qualities = torch.tensor([5, 40, 95])
    together = jpeg_batch(x_BCHW.repeat(3, 1, 1, 1), qualities)
    for one, quality in zip(together, qualities, strict=True):
        torch.testing.assert_close(one[None], jpeg_batch(x_BCHW, quality[None]))
    losses = (together - x_BCHW).abs().mean((1, 2, 3))
    assert losses[0] > 2 * losses[1] > 4 * losses[2]


def test_neutral_greys_get_no_tint():
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 256, 1), 16, 0).repeat(3, 2)
    result = ours(ramp, 30)
    assert np.array_equal(result[..., 0], result[..., 2])


@pytest.mark.parametrize("size", [(1, 1), (3, 17), (8, 8)])
def test_any_size_is_kept_and_comes_out_in_whole_levels(size):
    x_BCHW = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    result = jpeg_batch(x_BCHW, torch.tensor([30, 90])) * 255.0
    assert result.shape == x_BCHW.shape
    torch.testing.assert_close(result, result.round().clamp(0, 255), atol=1e-4, rtol=0)


@pytest.mark.parametrize("subsampling", ["420", "444"])
def test_the_gradient_passes_as_if_nothing_were_rounded(subsampling: Subsampling):
    x_BCHW = torch.from_numpy(photograph(32, 32).copy()).permute(2, 0, 1)[None] / 255.0
    x_BCHW = (0.2 + 0.6 * x_BCHW).double().requires_grad_()
    jpeg_batch(x_BCHW, torch.tensor([50]), subsampling=subsampling).sum().backward()
    assert x_BCHW.grad is not None
    # Without rounding JPEG keeps every colour's sum: chroma is only averaged.
    torch.testing.assert_close(x_BCHW.grad, torch.ones_like(x_BCHW), atol=0.3, rtol=0)
    assert float(x_BCHW.grad.mean()) == pytest.approx(1.0, abs=1e-3)


def test_autocast_does_not_coarsen_the_result():
    x_BCHW = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    quality_B = torch.tensor([80])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = jpeg_batch(x_BCHW, quality_B)
    assert torch.equal(result, jpeg_batch(x_BCHW, quality_B))


def test_batches_that_are_not_grey_or_rgb_are_refused():
    with pytest.raises(ArgumentError, match=r"got \(1, 2, 8, 8\)"):
        jpeg_batch(torch.zeros(1, 2, 8, 8), torch.tensor([50]))
    with pytest.raises(ArgumentError, match=r"and \(2,\)"):
        jpeg_batch(torch.zeros(1, 3, 8, 8), torch.tensor([50, 50]))
