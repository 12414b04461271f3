"""The canvas of a torch device: the host's pixels, and few bytes across its border."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from fake_backends import FakeBackend, Tiles, make_card

from superres.frame import FLOAT32, UINT8, UINT16, Values
from superres.infer.engine import Engine
from superres.layers.graphs import INPUT, OUTPUT
from superres.runtimes.torch_canvas import TorchCanvas
from superres.watch import Watch

CARD = make_card(scale=2, halo=2)


def network(tiles):
    """Return a poor network's output: blurred, too bright, and beyond black and white."""
    blurred = (tiles + np.roll(tiles, 1, 2) + np.roll(tiles, -1, 3)) / 3
    return (1.2 * blurred - 0.08).astype(np.float32).repeat(2, axis=2).repeat(2, axis=3)


class OnCanvas(FakeBackend):
    """Runs a network of numpy, but takes and gives tensors."""

    def __init__(self, canvas, **options):
        super().__init__(network, **options)
        self.facts = replace(self.facts, canvas=canvas)

    def run(self, graph, tensors):
        made = super().run(graph, {INPUT: np.asarray(tensors[INPUT])})
        return cast("dict[str, Tiles]", {OUTPUT: torch.from_numpy(made[OUTPUT])})


class CountingCanvas(TorchCanvas):
    """Counts the bytes that cross to the device and back."""

    def __init__(self):
        super().__init__(torch.device("cpu"))
        self.uploaded = self.downloaded = 0

    def upload(self, values):
        self.uploaded += values.nbytes
        return super().upload(values)

    def download(self, tensor):
        self.downloaded += tensor.nbytes
        return super().download(tensor)


def picture(height, width, dtype):
    """Return a picture with a flat corner, a grey one, black and white."""
    rng = np.random.default_rng(3)
    unit = rng.random((height // 4 + 1, width // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)
    unit = (unit[:height, :width] * 1.2 - 0.1).clip(0, 1)
    unit[:20, :20] = (0.2, 0.3, 0.4)
    unit[-20:, -20:, 1:] = unit[-20:, -20:, :1]
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    return (white * unit).astype(dtype)


def upscaled(backend, pixels, values, **options):
    engine = Engine(CARD, backend, tile=40, fallback=None, watch=Watch(), **options)
    height, width = pixels.shape[:2]
    blocks = (pixels[top : top + 16] for top in range(0, height, 16))
    rows = engine.upscale_rows(blocks, values, height=height, width=width, clamped=values.whole)
    return np.concatenate(list(rows))


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("values", [UINT8, UINT16, FLOAT32, Values("uint16", 0, 4095)])
def test_its_pixels_are_the_hosts(values, ensemble):
    pixels = picture(131, 150, np.dtype(values.dtype))
    if values.white == 4095:
        pixels = pixels // 16
    on_device = upscaled(OnCanvas(CountingCanvas()), pixels, values, ensemble=ensemble)
    on_host = upscaled(FakeBackend(network), pixels, values, ensemble=ensemble)
    assert on_device.dtype == on_host.dtype
    difference = np.abs(on_device.astype(np.float64) - on_host)
    assert difference.max() <= (1 if values.whole else 1e-5)
    assert difference.mean() <= (0.01 if values.whole else 1e-6)


def test_a_whole_frame_is_the_hosts():
    pixels = picture(70, 90, np.float32)
    frames = [
        Engine(CARD, backend, tile=40, fallback=None, watch=Watch()).upscale(pixels, clamped=True)
        for backend in (OnCanvas(CountingCanvas()), FakeBackend(network))
    ]
    np.testing.assert_allclose(frames[0], frames[1], atol=1e-5)
    assert frames[0].transpose(2, 0, 1).flags.c_contiguous


def test_what_is_flat_and_grey_is_so_to_the_last_number():
    pixels = picture(131, 150, np.uint8)
    large = upscaled(OnCanvas(CountingCanvas()), pixels, UINT8)
    assert (large[:32, :32] == pixels[0, 0]).all()
    grey = large[-32:, -32:]
    assert (grey == grey[..., :1]).all()


@pytest.mark.parametrize(("values", "most"), [(UINT8, 3.0), (UINT16, 6.0)])
def test_whole_numbers_cross_the_border_once(values, most):
    canvas = CountingCanvas()
    canvas.block_bytes = 2**20
    pixels = picture(400, 300, np.dtype(values.dtype))
    pixels = np.random.default_rng(0).integers(0, values.white, pixels.shape).astype(values.dtype)
    engine = Engine(CARD, OnCanvas(canvas), tile=200, fallback=None, watch=Watch())
    rows = engine.upscale_rows((pixels,), values, height=400, width=300, clamped=True)
    made = np.concatenate(list(rows))
    pixels_out = made.shape[0] * made.shape[1]
    # The rest are sums at nodes, of cells of 16 x 16 output pixels.
    assert most <= canvas.downloaded / pixels_out < most + 0.4
    assert canvas.uploaded / pixels_out < 1.5 * most / CARD.scale**2


@pytest.mark.gpu
@pytest.mark.parametrize("values", [UINT8, UINT16, FLOAT32])
def test_a_gpu_s_pixels_are_the_hosts(values):
    class OnGpu(OnCanvas):
        def run(self, graph, tensors):
            tiles = cast("torch.Tensor", tensors[INPUT]).cpu().numpy()
            made = FakeBackend.run(self, graph, {INPUT: tiles})
            return cast("dict[str, Tiles]", {OUTPUT: torch.from_numpy(made[OUTPUT]).cuda()})

    pixels = picture(131, 150, np.dtype(values.dtype))
    on_device = upscaled(OnGpu(TorchCanvas(torch.device("cuda"))), pixels, values)
    on_host = upscaled(FakeBackend(network), pixels, values)
    difference = np.abs(on_device.astype(np.float64) - on_host)
    assert difference.max() <= (1 if values.whole else 1e-4)
