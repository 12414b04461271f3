"""The burst engine: equal results on all runtimes, invisible tiles, failures handled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from small_models import BOUND

from superres.errors import (
    ArgumentError,
    ModelError,
    NumericalError,
    OutOfMemoryError,
)
from superres.infer.burst import BurstEngine
from superres.infer.burst_input import fill_reference
from superres.modelfiles.checkpoint import card_for, load_network, save_network
from superres.modelfiles.files import ModelFile, open_model_file
from superres.networks.catalog import network_config
from superres.runtimes.export import export_onnx
from superres.runtimes.open import BACKENDS, open_runtime
from superres.runtimes.runtime import Precision, RuntimeFacts, RuntimeOptions
from superres.watch import Watch

SHAPE = {"features": 16, "blocks": 2, "frame_blocks": 1, "scale": 3}


def write(folder: Path, architecture: str, values: dict) -> Path:
    torch.manual_seed(1)
    network = network_config(architecture, values).build()
    with torch.no_grad():  # some layers are initialised near zero
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    path = folder / f"{architecture}.safetensors"
    save_network(network, card_for(f"small {architecture}", architecture, values), path, half=True)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> ModelFile:
    path = write(tmp_path_factory.mktemp("burst"), "burst_recurrent", SHAPE)
    network, card = load_network(path)
    export_onnx(network, card, path.with_suffix(".onnx"))
    return open_model_file(path)


def random_burst(count: int, height: int, width: int) -> np.ndarray:
    """Return (T, C + 3, H, W) with gaps in every frame, the reference included."""
    rng = np.random.default_rng(0)
    burst = rng.random((count, 6, height, width), dtype=np.float32)
    burst[:, 3:5] -= 0.5
    burst[:, 5] = burst[:, 5] > 0.1
    burst[:, :5] *= burst[:, 5:]
    return burst


def engine_of(model: ModelFile, backend: str, tile: int | None = None) -> BurstEngine:
    opened = open_runtime(
        model,
        RuntimeOptions(backend=backend, precision="fp32", device="cpu"),
        takes="burst",
        watch=Watch(),
    )
    return BurstEngine(model.card, opened, tile=tile, fallback=None, watch=Watch())


def fused(engine: BurstEngine, burst: np.ndarray) -> np.ndarray:
    count, _, height, width = burst.shape
    return engine.fuse(
        lambda index, rows, columns: burst[index][:, rows, columns],
        count=count,
        height=height,
        width=width,
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("count", "size"), [(1, (9, 7)), (2, (1, 1)), (5, (40, 51))])
def test_backends_answer_as_the_network_does_tiled_or_whole(model, backend, count, size):
    burst = random_burst(count, *size)
    whole = burst.copy()
    whole[0] = fill_reference(burst[0], burst[1:])
    network, card = load_network(model.safetensors)
    with torch.inference_mode():
        expected = network(torch.from_numpy(whole)[None])[0].permute(1, 2, 0).numpy()
    for tile in (None, 1):
        large = fused(engine_of(model, backend, tile), burst)
        assert large.shape == (3 * size[0], 3 * size[1], card.channels)
        assert np.abs(large - expected).max() <= BOUND
    assert expected.std() > 0.05


def test_the_file_holds_both_steps_with_open_sizes_and_the_weights_once(model):
    graph = onnx.load(model.onnx).graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    small = {
        name: ["batch", channels, "height", "width"]
        for name, channels in (
            ("reference", 6),
            ("frame", 6),
            ("merged", 16),
            ("sums", 64),
            ("merged_next", 16),
            ("sums_next", 64),
        )
    }
    assert shapes == {**small, "large": ["batch", 3, "large_height", "large_width"]}
    assert model.onnx.stat().st_size < 1.3 * model.safetensors.stat().st_size


def test_models_of_one_frame_and_of_many_are_not_taken_for_each_other(model, model_file):
    with pytest.raises(ModelError, match=r"takes bursts of frames, .*\nhint: superres burst"):
        open_runtime(model, watch=Watch())
    with pytest.raises(ModelError, match=r"takes single pictures, .*\nhint: superres upscale"):
        open_runtime(model_file("lean"), takes="burst", watch=Watch())


def test_a_network_whose_steps_depend_on_their_number_runs_on_torch_alone(tmp_path):
    path = write(tmp_path, "highres_net", {"features": 8, "blocks": 1, "most": 4, "scale": 2})
    network, card = load_network(path)
    with pytest.raises(ModelError, match="cannot be written as ONNX"):
        export_onnx(network, card, tmp_path / "no.onnx")
    burst = random_burst(3, 30, 31)
    one, tiled = (
        fused(engine_of(open_model_file(path), "auto", tile), burst) for tile in (None, 1)
    )
    assert np.abs(one - tiled).max() <= BOUND


class FakeBackend:
    """A runtime that repeats the reference's pixels, and records the sizes of tiles.

    Args:
        memory_px: Tiles of more pixels than this raise OutOfMemoryError.
        answers: What its answers are multiplied by.
        precision: What its facts say.
    """

    def __init__(self, memory_px=10**9, answers=1.0, precision: Precision = "bf16"):
        self.memory_px = memory_px
        self.answers = answers
        self.precision: Precision = precision
        self.sizes: list[tuple[int, int]] = []

    @property
    def facts(self) -> RuntimeFacts:
        return RuntimeFacts("fake", "CPU", self.precision, 416, 100, 2**30)

    def run(self, graph: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        reference = tensors["reference"]
        if graph == "step":
            return {f"{name}_next": tensors[name] for name in ("merged", "sums")}
        size = reference.shape[2:]
        self.sizes.append(size)
        if size[0] * size[1] > self.memory_px:
            raise OutOfMemoryError("full", "")
        large = reference[:, :3].repeat(3, 2).repeat(3, 3) * np.float32(self.answers)
        return {"large": large}


def repeated(burst: np.ndarray) -> np.ndarray:
    whole = fill_reference(burst[0], burst[1:])[:3]
    return whole.repeat(3, 1).repeat(3, 2).transpose(1, 2, 0)


def test_out_of_memory_halves_the_tile_and_goes_on(model):
    burst = random_burst(3, 120, 130)
    backend, said = FakeBackend(memory_px=60**2), []
    engine = BurstEngine(model.card, backend, fallback=None, watch=Watch(on_note=said.append))
    assert np.array_equal(fused(engine, burst), repeated(burst))
    assert any("out of memory with a tile of" in line for line in said)
    assert backend.sizes[0] == (120, 130)


def test_not_even_the_smallest_tile_is_an_error_that_says_so(model):
    engine = BurstEngine(model.card, FakeBackend(memory_px=0), fallback=None, watch=Watch())
    with pytest.raises(OutOfMemoryError, match="not even a tile"):
        fused(engine, random_burst(2, 60, 60))


def test_an_answer_that_cannot_be_right_is_asked_for_in_fp32(model):
    burst, said = random_burst(3, 20, 21), []
    engine = BurstEngine(
        model.card,
        FakeBackend(answers=np.nan),
        fallback=lambda _: FakeBackend(precision="fp32"),
        watch=Watch(on_note=said.append),
    )
    assert np.array_equal(fused(engine, burst), repeated(burst))
    assert any("answered NaN in bf16" in line for line in said)


def test_an_answer_that_is_wrong_in_fp32_too_is_an_error(model):
    engine = BurstEngine(
        model.card,
        FakeBackend(answers=0.0),
        fallback=lambda _: FakeBackend(answers=0.0, precision="fp32"),
        watch=Watch(),
    )
    with pytest.raises(NumericalError, match="one constant, 0, for an input that varies in fp32"):
        fused(engine, random_burst(2, 8, 8))


def test_a_burst_without_frames_is_refused(model):
    engine = BurstEngine(model.card, FakeBackend(), fallback=None, watch=Watch())
    with pytest.raises(ArgumentError, match="at least one frame"):
        next(engine.fuse_rows(lambda *_: np.zeros(0, np.float32), count=0, height=4, width=4))
