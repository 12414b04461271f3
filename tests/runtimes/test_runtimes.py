"""Every backend with every architecture: equal outputs, tiled or whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_backends import random_picture
from small_models import BOUND, SHAPES

from superres.errors import BackendError, ModelError
from superres.images.resize import resize
from superres.infer.engine import Engine
from superres.modelfiles.checkpoint import load_network
from superres.networks.catalog import network_config
from superres.runtimes.open import BACKENDS, open_runtime
from superres.runtimes.precision import native_bf16
from superres.runtimes.runtime import PrecisionRequest, RuntimeOptions
from superres.watch import Watch

EXACT = [name for name in SHAPES if network_config(name, SHAPES[name]).exact_halo]
# Tolerance between tiled and whole. Loose, as it depends on the weights, here untrained.
TILED = {"smfanet": 3e-2}  # its windows depend on the size, so they differ in a tile
SIZES = [(1, 1), (7, 13), (64, 64), (65, 63)]
NATIVE = pytest.mark.skipif(not native_bf16(), reason="this CPU has no native bf16")


def open_engine(model, backend, *, precision: PrecisionRequest = "fp32", **options) -> Engine:
    opened = open_runtime(
        model,
        RuntimeOptions(backend=backend, precision=precision, device="cpu", threads=2),
        watch=Watch(on_note=pytest.fail),
    )
    return Engine(model.card, opened, fallback=None, watch=Watch(), **options)


def upscaled(runtime, tiles: np.ndarray) -> np.ndarray:
    return runtime.run("enlarge", {"small": tiles})["large"]


def smooth_picture(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(3).random((height // 8 + 2, width // 8 + 2, 3))
    return resize(coarse, size=(height, width)).clip(0, 1).astype(np.float32)


def run_torch(model, picture) -> np.ndarray:
    """Run the network as its author would, mirroring the frame up to the next valid size."""
    network, card = load_network(model.safetensors)
    multiple = card.multiple_of
    raised = (-(-max(n, card.minimum) // multiple) * multiple for n in picture.shape[:2])
    lacking = [(0, new - old) for new, old in zip(raised, picture.shape, strict=False)]
    padded = np.pad(picture, (*lacking, (0, 0)), mode="symmetric")
    with torch.inference_mode():
        large_BCHW = network(torch.from_numpy(padded).permute(2, 0, 1)[None])
    height, width = (card.scale * length for length in picture.shape[:2])
    return large_BCHW[0].permute(1, 2, 0).numpy()[:height, :width]


@pytest.mark.parametrize("architecture", SHAPES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_gives_the_networks_own_answer_in_fp32(model_file, architecture, backend):
    model = model_file(architecture)
    picture = random_picture(21, 34)
    answer = open_engine(model, backend).upscale(picture)
    assert np.abs(answer - run_torch(model, picture)).max() <= BOUND


@pytest.mark.parametrize("architecture", EXACT)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", SIZES)
def test_tiled_equals_whole_in_fp32(model_file, architecture, backend, size):
    model = model_file(architecture)
    picture = random_picture(*size)
    answer = open_engine(model, backend, tile=32).upscale(picture)
    assert np.abs(answer - run_torch(model, picture)).max() <= BOUND


@pytest.mark.parametrize("architecture", [name for name in SHAPES if name not in EXACT])
@pytest.mark.parametrize("backend", BACKENDS)
def test_tiled_is_near_whole_where_no_halo_is_exact(model_file, architecture, backend):
    model = model_file(architecture)
    picture = smooth_picture(131, 97)
    answer = open_engine(model, backend, tile=96).upscale(picture)
    farthest = np.abs(answer - run_torch(model, picture)).max()
    assert 0 < farthest <= TILED.get(architecture, 1e-3)


@NATIVE
@pytest.mark.parametrize("architecture", EXACT)
@pytest.mark.parametrize("backend", ["openvino", "torch"])
@pytest.mark.parametrize("tile", [32, 64, 128])
def test_tiled_is_within_one_8_bit_step_of_whole_in_bf16(model_file, architecture, backend, tile):
    model = model_file(architecture)
    picture = smooth_picture(131, 97)
    tiled = open_engine(model, backend, precision="bf16", tile=tile).upscale(picture)
    whole = open_engine(model, backend, precision="bf16", tile=512).upscale(picture)
    assert np.abs(tiled - whole).max() <= 1 / 255


@NATIVE
@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_the_default_networks_residual_alone_is_rounded_to_bf16(model_file, backend):
    model = model_file("lean")
    picture = random_picture(40, 40)
    half = open_engine(model, backend, precision="bf16").upscale(picture)
    exact = open_engine(model, backend).upscale(picture)
    repeated = picture.repeat(4, axis=0).repeat(4, axis=1)
    error = np.abs(half - exact)
    assert 0 < error.max() <= np.abs(exact - repeated).max() * 2**-6


@pytest.mark.parametrize(
    ("backend", "precision"),
    [
        ("openvino", "fp32"),
        ("torch", "fp32"),
        ("onnxruntime", "fp32"),
        pytest.param("openvino", "bf16", marks=NATIVE),
        pytest.param("torch", "bf16", marks=NATIVE),
    ],
)
def test_an_earlier_answer_is_not_overwritten_by_a_later_one(model_file, backend, precision):
    opened = open_engine(model_file("lean"), backend, precision=precision)._sanity.requested
    first = np.zeros((1, 3, 20, 20), np.float32)
    earlier = upscaled(opened, first)
    kept = earlier.copy()
    upscaled(opened, first + 1)
    assert np.array_equal(earlier, kept)


@pytest.mark.parametrize("backend", BACKENDS)
def test_read_only_tiles_and_batches_of_all_shapes_are_taken(model_file, backend):
    opened = open_engine(model_file("lean"), backend)._sanity.requested
    for shape in ((1, 3, 20, 30), (5, 3, 8, 8), (2, 3, 31, 17), (1, 3, 1, 1)):
        tiles = np.random.default_rng(0).random(shape, dtype=np.float32)
        tiles.flags.writeable = False
        answer = upscaled(opened, tiles)
        assert answer.shape == (shape[0], 3, 4 * shape[2], 4 * shape[3])
        assert answer.dtype == np.float32


@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_is_estimated_from_the_widest_layer(model_file, backend):
    wide = open_engine(model_file("srcnn"), backend).facts
    narrow = open_engine(model_file("fsrcnn"), backend).facts
    assert wide.bytes_per_px >= 8 * 9 * 4  # 8 features at 3 x 3 times the size, in fp32
    assert narrow.bytes_per_px < wide.bytes_per_px
    assert wide.free_bytes > 2**20


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_output_does_not_shift_a_picture(model_file, backend, tmp_path):
    """A ramp upscaled and downscaled is the same ramp, to a thousandth of a pixel."""
    from superres.modelfiles.checkpoint import card_for, save_network
    from superres.modelfiles.files import open_model_file
    from superres.runtimes.export import export_onnx

    network, _ = load_network(model_file("lean").safetensors)
    with torch.no_grad():  # what is left repeats pixels, which is centred
        network.get_submodule("tail").get_parameter("weight").zero_()
        network.get_submodule("tail").get_parameter("bias").zero_()
    path = tmp_path / "repeat.safetensors"
    card = save_network(network, card_for("repeat", "lean", SHAPES["lean"]), path)
    export_onnx(network, card, path.with_suffix(".onnx"))
    rows, columns = np.mgrid[0:50, 0:70].astype(np.float32)
    ramp = np.stack([rows / 50, columns / 70, (rows + columns) / 120], axis=2)
    large = open_engine(open_model_file(path), backend, tile=32).upscale(ramp)
    small = resize(large, scale=1 / 4)
    inside = np.s_[4:-4, 4:-4]
    steps = np.array([1 / 50, 1 / 70, 1 / 120])
    assert np.abs((small - ramp)[inside] / steps).max() <= 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gpu_that_is_not_there_is_an_error_that_names_what_is(model_file, backend):
    with pytest.raises(BackendError, match="gpu:7"):
        open_runtime(
            model_file("lean"),
            RuntimeOptions(backend=backend, device="gpu:7"),
            watch=Watch(),
        )


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_damaged_graph_is_a_model_error(model_file, backend, tmp_path):
    model = model_file("lean")
    path = tmp_path / "damaged.onnx"
    path.write_bytes(model.onnx.read_bytes()[:5000])
    damaged = type(model)(model.card, path, None)
    with pytest.raises(ModelError, match=r"cannot use .*damaged\.onnx"):
        open_runtime(damaged, RuntimeOptions(backend=backend, device="cpu"), watch=Watch())


def test_openvino_keeps_compiled_shapes_up_to_a_number_of_pixels(model_file, monkeypatch):
    from superres.runtimes import openvino_runtime

    opened = open_engine(model_file("espcn"), "openvino")._sanity.requested
    monkeypatch.setattr(openvino_runtime, "_CACHED_PX", 2000)
    for edge in (8, 9, 10, 30, 31, 70, 20, 8):
        upscaled(opened, np.zeros((1, 3, edge, edge), np.float32))
    assert isinstance(opened, openvino_runtime.OpenVinoRuntime)
    assert [shapes[0][2] for shapes in opened._requests["enlarge"]] == [20, 8]


def test_openvino_takes_larger_tiles_for_narrow_networks_alone(model_file):
    narrow = open_engine(model_file("espcn"), "openvino")
    wide = open_engine(model_file("srcnn"), "openvino")  # 8 channels at the large size: 72
    assert wide.tile == 416
    assert narrow.tile == 588


@NATIVE
def test_openvino_computes_convolutions_in_bf16_where_it_says_so(model_file):
    from superres.runtimes import openvino_runtime

    opened = open_engine(model_file("lean"), "openvino", precision="bf16")._sanity.requested
    upscaled(opened, np.zeros((1, 3, 16, 16), np.float32))
    assert isinstance(opened, openvino_runtime.OpenVinoRuntime)
    (request,) = opened._requests["enlarge"].values()
    layers = [op.get_rt_info() for op in request.get_compiled_model().get_runtime_model().get_ops()]
    formats = [
        info["runtimePrecision"].astype(str)
        for info in layers
        if info["layerType"].astype(str) == "Convolution"
    ]
    assert formats
    assert set(formats) == {"bf16"}
