"""The structural similarity as a loss, against the metric."""

from statistics import fmean

import numpy as np
import pytest
import torch

from superres.errors import ArgumentError
from superres.losses.structure import ssim_loss
from superres.metrics import Protocol, ssim


def planes(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def by_the_metric(restored: np.ndarray, truth: np.ndarray) -> float:
    rgb = Protocol("rgb")
    return 1 - fmean(ssim(a, b, protocol=rgb) for a, b in zip(restored, truth, strict=True))


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (2, 21, 34, 3), dtype=np.uint8)
    noise = rng.integers(-60, 60, truth.shape)
    return np.clip(truth + noise, 0, 255).astype(np.uint8), truth


def test_the_loss_is_one_minus_the_metrics_mean_over_the_batch(pair):
    expected = 1 - np.mean(
        [ssim(a, b, protocol=Protocol("rgb")) for a, b in zip(*pair, strict=True)]
    )
    found = float(ssim_loss(*map(planes, pair)))
    assert 0.05 < expected < 0.9
    assert found == pytest.approx(expected, abs=1e-5)  # fp32 against float64


def test_a_grey_batch_is_compared_by_its_one_channel(pair):
    grey = [pictures[..., :1] for pictures in pair]
    expected = 1 - np.mean(
        [ssim(a, b, protocol=Protocol("rgb")) for a, b in zip(*grey, strict=True)]
    )
    assert float(ssim_loss(*map(planes, grey))) == pytest.approx(expected, abs=1e-5)


def test_smooth_bright_pictures_that_are_equal_lose_nothing_even_under_autocast():
    line = torch.linspace(0.99, 1.0, 40)
    picture = line.expand(1, 3, 40, 40)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(ssim_loss(picture, picture)) == pytest.approx(0, abs=1e-6)


def test_descending_the_loss_brings_a_picture_nearer_to_the_truth(pair):
    restored, truth = map(planes, pair)
    restored.requires_grad_()
    before = ssim_loss(restored, truth)
    before.backward()
    assert restored.grad is not None
    step = restored.detach() - 0.1 * restored.grad / restored.grad.abs().max()
    assert ssim_loss(step, truth) < before.detach() - 1e-3


def test_a_picture_smaller_than_the_window_is_refused():
    with pytest.raises(ArgumentError, match="got 10×30"):
        ssim_loss(torch.rand(1, 3, 10, 30), torch.rand(1, 3, 10, 30))
