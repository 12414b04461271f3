"""LPIPS with random trunks against its formula in numpy, and with the trained ones on Set5."""

import statistics
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from superres.losses.lpips import Lpips, load_lpips

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
# Channels of the compared layers, and their indices in the published weight files.
PUBLISHED = {
    "alexnet": ((64, 0), (192, 3), (384, 6), (256, 8), (256, 10)),
    "vgg16": ((64, 2), (128, 7), (256, 14), (512, 21), (512, 28)),
}


@pytest.fixture
def alex(tmp_path):
    """A distance whose linear layers have positive weights, as the trained ones do."""
    torch.manual_seed(0)
    fresh = Lpips("alexnet")
    weights = {k: v.abs() if k.startswith("lpips") else v for k, v in fresh.state_dict().items()}
    save_file(weights, tmp_path / "w.safetensors")
    return load_lpips("alexnet", tmp_path / "w.safetensors")


def by_hand(net: Lpips, a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """Return the distance with the release's formula: x in [-1, 1], its shift and scale."""
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    state = net.state_dict()
    x, total = torch.cat([(2 * one - 1 - shift) / scale for one in (a, b)]), np.zeros(len(a))
    for tap, (_, index) in enumerate(PUBLISHED["alexnet"]):
        if tap in (1, 2):
            x = nn.functional.max_pool2d(x, 3, 2)
        stride, padding = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))[tap]
        weight, bias = (state[f"features.{index}.{kind}"] for kind in ("weight", "bias"))
        x = nn.functional.conv2d(x, weight, bias, stride, padding).relu()
        one, other = np.split(x.numpy().astype(np.float64), 2)
        one = one / (np.sqrt((one**2).sum(1, keepdims=True)) + 1e-10)
        other = other / (np.sqrt((other**2).sum(1, keepdims=True)) + 1e-10)
        linear = state[f"lpips.{tap}.weight"].numpy()
        total += ((one - other) ** 2 * linear).sum(1).mean((1, 2))
    return total


def test_it_is_the_weighted_squared_difference_of_unit_features(alex):
    a, b = torch.rand(2, 3, 40, 52), torch.rand(2, 3, 40, 52)
    expected = by_hand(alex, a, b)
    found = alex(a, b)
    assert found.shape == (2,)
    assert expected.min() > 1e-4
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_equal_pictures_are_no_distance_apart(alex):
    picture = torch.rand(1, 3, 33, 33)
    assert float(alex(picture, picture)) == 0


def test_features_that_are_all_zero_give_no_nan_in_the_gradient(alex):
    with torch.no_grad():  # everything dies in the last layer, for one picture and the other
        alex.features.get_parameter("10.bias").fill_(-1e4)
    a, b = torch.rand(1, 3, 40, 40, requires_grad=True), torch.rand(1, 3, 40, 40)
    alex(a, b).mean().backward()
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()
    assert a.grad.abs().max() > 0


def test_the_distance_under_bf16_autocast_stays_near_that_in_fp32(alex):
    a, b = torch.rand(1, 3, 40, 40), torch.rand(1, 3, 40, 40)
    with torch.autocast("cpu", torch.bfloat16):
        rough = alex(a, b)
    assert rough.dtype == torch.float32
    assert float(rough) == pytest.approx(float(alex(a, b)), rel=0.02)


@pytest.mark.parametrize("trunk", PUBLISHED)
def test_its_state_has_the_names_and_shapes_of_the_published_weights(trunk):
    with torch.device("meta"):
        state = Lpips(trunk).state_dict()
    for tap, (channels, index) in enumerate(PUBLISHED[trunk]):
        assert state[f"lpips.{tap}.weight"].shape == (1, channels, 1, 1)
        assert state[f"features.{index}.weight"].shape[0] == channels


@pytest.mark.slow
@pytest.mark.parametrize(("trunk", "expected"), [("alexnet", 0.340), ("vgg16", 0.280)])
def test_bicubic_on_set5_is_as_far_from_the_truth_as_published(trunk, expected):
    # Pillow's bicubic, x4, of Set5's published small pictures.
    image = pytest.importorskip("PIL.Image")
    weights = DATA / "perceptual" / f"{trunk}.safetensors"
    if not weights.exists():
        pytest.skip(f"{weights} is not here")
    assert set(load_file(weights)) == set(Lpips(trunk).state_dict())
    distance = load_lpips(trunk, weights)
    found = []
    for path in sorted((DATA / "benchmarks" / "Set5" / "HR").iterdir()):
        truth = np.array(image.open(path).convert("RGB"))
        height, width = (edge // 4 * 4 for edge in truth.shape[:2])
        small = image.open(path.parents[1] / "LR_x4" / path.name).convert("RGB")
        restored = np.array(small.resize((width, height), image.Resampling.BICUBIC))
        pair = [
            torch.from_numpy(one).permute(2, 0, 1)[None].float() / 255
            for one in (restored, truth[:height, :width])
        ]
        with torch.inference_mode():
            found.append(float(distance(*pair)))
    assert statistics.fmean(found) == pytest.approx(expected, abs=5e-4)  # three published digits
