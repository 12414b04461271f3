"""Every embedded model on every runtime: its pixels as before runtimes were rebuilt.

`same_pixels.npz` holds what OpenVINO made in fp32 of the pictures below before there was one class
a library, rounded to 8 bits. On the machine that made it OpenVINO's fp32 values are equal to the
last bit before and after, and torch's but for 2e-7 of the burst's. Other CPUs add in another order,
some 1e-6 apart, so that a value near the middle between two levels may round to its neighbour.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superres import zoo
from superres.infer.burst import BurstEngine
from superres.infer.engine import Engine
from superres.infer.video import VideoEngine
from superres.runtimes.open import BACKENDS, open_runtime
from superres.runtimes.runtime import RuntimeOptions
from superres.watch import Watch

STORED = np.load(Path(__file__).with_name("same_pixels.npz"))
FRAMES = 4
ACROSS = 1e-5  # between runtimes; video-x4 differs most, by 2e-6


def picture(shift: float = 0.0) -> np.ndarray:
    """Return (18, 23, 3): waves, bent waves, and edges with corners; generated, not stored."""
    y, x = np.mgrid[0:18, 0:23].astype(np.float64)
    x = x + shift
    waves = 0.5 + 0.4 * np.sin(0.9 * x + 0.5 * y)
    bent = 0.5 + 0.4 * np.cos(0.35 * x * y / (3 + x))
    edges = ((x > 9) ^ (y > 7)) * 0.7 + 0.1
    return np.stack((waves, bent, edges), 2).astype(np.float32)


def burst() -> np.ndarray:
    """Return (T, 6, 18, 23): frames a third of a pixel apart, with holes in all but the first."""
    frames = []
    for t in range(FRAMES):
        colours = picture(0.3 * t).transpose(2, 0, 1)
        offsets = np.zeros((2, *colours.shape[1:]), np.float32)
        offsets[1] = -((0.3 * t + 0.5) % 1 - 0.5)
        valid = np.ones((1, *colours.shape[1:]), np.float32)
        if t:
            valid[0, 3:6, 2 * t : 2 * t + 4] = 0
        frames.append(np.concatenate((colours * valid, offsets * valid, valid)))
    return np.stack(frames)


def fused(engine: BurstEngine) -> np.ndarray:
    frames = burst()
    return engine.fuse(
        lambda index, rows, columns: frames[index][:, rows, columns],
        count=FRAMES,
        height=frames.shape[2],
        width=frames.shape[3],
    )


# The engine of each kind of model, and its input.
MAKERS = {
    "image": (Engine, lambda engine: engine.upscale(picture())),
    "burst": (BurstEngine, fused),
    "video": (VideoEngine, lambda engine: [engine.upscale(picture(t)) for t in range(3)][-1]),
}


def made(name: str, backend: str) -> np.ndarray:
    model = zoo.resolve(name)
    options = RuntimeOptions(backend=backend, precision="fp32", device="cpu", threads=1)
    kind = model.card.input
    opened = open_runtime(model, options, takes=kind, watch=Watch(on_note=pytest.fail))
    engine, make = MAKERS[kind]
    return make(engine(model.card, opened, fallback=None, watch=Watch(on_note=pytest.fail)))


def test_all_embedded_models_are_here():
    assert set(STORED) == {model.card.name for model in zoo.embedded_models()}


@pytest.mark.parametrize("name", sorted(STORED))
@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_a_model_makes_the_pixels_that_it_made(name, backend):
    levels = np.rint(made(name, backend).clip(0, 1) * 255)
    difference = np.abs(levels - STORED[name])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001  # only near the middle between two levels


@pytest.mark.parametrize("name", ["default-x4", "burst-x4", "video-x4"])
def test_runtimes_agree_on_pictures_bursts_and_videos(name):
    first, *others = (made(name, backend) for backend in BACKENDS)
    assert max(np.abs(first - other).max() for other in others) <= ACROSS
