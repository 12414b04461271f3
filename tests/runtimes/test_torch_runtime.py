from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from fake_backends import make_card, random_picture
from torch import nn

from superres.errors import BackendError, OutOfMemoryError
from superres.infer.engine import Engine
from superres.modelfiles.checkpoint import card_for
from superres.networks.catalog import network_config
from superres.runtimes.device import parse_device
from superres.runtimes.runtime import CPU_BATCH_PX, PrecisionRequest, ResolvedOptions
from superres.runtimes.torch_runtime import TorchRuntime, estimate_bytes_per_px, find_device
from superres.watch import Watch


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("auto", "cuda:0"),
        ("gpu", "cuda:0"),
        ("0", "cuda:0"),
        ("gpu:0", "cuda:0"),
        ("cuda:1", "cuda:1"),
        ("cpu", "cpu"),
    ],
)
def test_gpus_are_found_by_number_zero_included(name, device):
    assert str(find_device(parse_device(name))) == device


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_beyond_the_last_is_an_error_that_counts_them():
    with pytest.raises(
        BackendError, match="device cuda:2 was requested, torch finds the CPU, 2 CUDA devices"
    ):
        find_device(parse_device("cuda:2"))


class Doubling(nn.Module):
    """Repeats pixels, after a test's own action."""

    def __init__(self, act=lambda: None):
        super().__init__()
        self.act = act
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, x_BCHW):
        self.act()
        large_BCHW = x_BCHW.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return large_BCHW * self.weight / 0.5


def open_cpu(network: nn.Module, *, device="cpu", precision: PrecisionRequest = "fp32"):
    return TorchRuntime(network, make_card(scale=2), resolved(device, precision))


def resolved(device="cpu", precision: PrecisionRequest = "fp32") -> ResolvedOptions:
    watch = Watch(on_note=pytest.fail)
    return ResolvedOptions(precision, parse_device(device), threads=None, watch=watch)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), OutOfMemoryError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), OutOfMemoryError),
        (MemoryError(), OutOfMemoryError),
        (RuntimeError("mat1 and mat2 cannot be multiplied"), BackendError),
    ],
)
def test_torchs_failures_become_ours(failure, kind):
    network = Doubling()
    backend = open_cpu(network)

    def fail():
        raise failure

    network.act = fail
    with pytest.raises(BackendError) as caught:
        backend.run("enlarge", {"small": np.zeros((1, 3, 4, 4), np.float32)})
    assert type(caught.value) is kind
    assert "(1, 3, 4, 4)" in caught.value.message


def test_torch_running_out_of_memory_halves_the_tile():
    network = Doubling()
    backend = open_cpu(network)
    lines: list[str] = []
    engine = Engine(
        make_card(scale=2), backend, tile=256, fallback=None, watch=Watch(on_note=lines.append)
    )
    failures = iter([torch.OutOfMemoryError("CUDA out of memory")])

    def fail_once():
        for failure in failures:
            raise failure

    network.act = fail_once
    picture = random_picture(300, 300)
    large = engine.upscale(picture)
    assert np.array_equal(large, picture.repeat(2, axis=0).repeat(2, axis=1))
    assert engine.tile < 128
    assert len(lines) == 1


@pytest.mark.parametrize("name", ["lean", "burst_recurrent", "video_recurrent"])
def test_memory_is_estimated_where_the_network_is(name):
    # `meta` refuses tensors of the CPU as a GPU does.
    card = card_for("one", name, {"scale": 2, "features": 8})
    network = network_config(name, dict(card.config)).build()
    on_cpu = TorchRuntime(network, card, resolved()).facts.bytes_per_px
    assert estimate_bytes_per_px(network.to("meta"), card) == on_cpu > 0


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_gives_the_cpus_answer(precision):
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 12, 3, padding=1)
    network = nn.Sequential(first, nn.ReLU(), last, nn.PixelShuffle(2))
    card = make_card(scale=2, halo=2)
    picture = random_picture(65, 63)
    exact = Engine(
        card, open_cpu(network), fallback=None, watch=Watch(on_note=pytest.fail)
    ).upscale(picture)
    backend = open_cpu(network, device="cuda:0", precision=precision)
    large = Engine(card, backend, tile=32, fallback=None, watch=Watch(on_note=pytest.fail)).upscale(
        picture
    )
    assert np.abs(large - exact).max() <= {"fp32": 1e-5}.get(precision, 1e-2)


@pytest.mark.gpu
def test_fp16_that_overflows_on_a_gpu_is_repeated_in_fp32():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 12, 1), nn.PixelShuffle(2))
    with torch.no_grad():
        for layer, size in zip(network, (1e6, 1e-6), strict=False):
            layer.get_parameter("weight").fill_(size)
    lines: list[str] = []
    engine = Engine(
        make_card(scale=2),
        open_cpu(network, device="cuda:0", precision="fp16"),
        fallback=lambda _: open_cpu(network, device="cuda:0"),
        watch=Watch(on_note=lines.append),
    )
    assert np.isfinite(engine.upscale(random_picture(20, 20))).all()
    assert "runs in fp32" in lines[0]


def test_a_cpu_is_not_given_several_pictures_at_once():
    facts = open_cpu(Doubling()).facts
    assert not facts.joins
    assert facts.batch_px == CPU_BATCH_PX


@pytest.mark.gpu
def test_a_gpu_runs_frames_of_a_video_together_and_each_as_by_itself():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    backend = open_cpu(network, device="cuda:0")
    engine = Engine(
        make_card(scale=2, halo=1), backend, fallback=None, watch=Watch(on_note=pytest.fail)
    )
    at_once = engine.pictures_at_once(90, 160)
    assert at_once > 16
    frames = [random_picture(90, 160, seed=seed) for seed in range(24)]
    alone = [engine.upscale(frame) for frame in frames]
    with ThreadPoolExecutor(len(frames)) as pool:
        together = list(pool.map(engine.upscale, frames))
    worst = max(float(np.abs(a - b).max()) for a, b in zip(alone, together, strict=True))
    assert worst <= 1e-5
