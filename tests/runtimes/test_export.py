from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from fake_backends import make_card
from small_models import BOUND, SHAPES, build_network
from torch import nn

from superres.errors import ModelError
from superres.infer import tiling
from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.files import read_card
from superres.runtimes.export import export_onnx
from superres.runtimes.onnxruntime_library import ort


def test_the_card_is_read_back_as_it_went_in(model_file):
    for architecture in ("lean", "espcn"):
        model = model_file(architecture)
        assert read_card(model.onnx) == model.card


def test_the_same_network_gives_the_same_bytes(model_file, tmp_path):
    model = model_file("lean")
    network, card = load_network(model.safetensors)
    export_onnx(network, card, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == model.onnx.read_bytes()


def test_nothing_of_the_machine_is_left_in_the_file(model_file):
    content = model_file("lean").onnx.read_bytes()
    for word in (b".py", b"/home", b"/usr", b"stack_trace", b"superres.models"):
        assert word not in content


def test_weights_take_two_bytes_each_and_come_back_rounded_to_fp16(model_file):
    model = model_file("lean")
    graph = onnx.load(model.onnx).graph
    network, _ = load_network(model.safetensors)
    halves = {i.name: i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT16}
    parameters = dict(network.named_parameters())
    assert {name.removesuffix(".half") for name in halves} == set(parameters)
    for name, initializer in halves.items():
        stored = onnx.numpy_helper.to_array(initializer).astype(np.float32)
        assert np.array_equal(stored, parameters[name.removesuffix(".half")].detach().numpy())


def test_batch_height_and_width_are_open(model_file):
    for architecture in SHAPES:
        graph = onnx.load(model_file(architecture).onnx).graph
        axes = graph.input[0].type.tensor_type.shape.dim
        assert [axis.dim_param or axis.dim_value for axis in axes] == [
            "batch", 3, "height", "width",
        ]  # fmt: skip
        assert graph.input[0].name == "small"
        assert graph.output[0].name == "large"


# OpenCV 5.0's reader crashes on SwinIR's graph.
@pytest.mark.parametrize("architecture", [name for name in SHAPES if name != "swinir"])
def test_opencv_reads_and_runs_the_file(model_file, architecture):
    model = model_file(architecture)
    height, width = (tiling.padded_length(length, model.card) for length in (17, 22))
    tiles = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    network, _ = load_network(model.safetensors)
    with torch.inference_mode():
        expected = network(torch.from_numpy(tiles)).numpy()
    reader = pytest.importorskip("cv2").dnn.readNetFromONNX(str(model.onnx))
    reader.setInput(tiles)
    assert np.abs(reader.forward() - expected).max() <= BOUND


def test_fp32_files_hold_the_weights_exactly(tmp_path, model_file):
    network = build_network("espcn")
    export_onnx(network, model_file("espcn").card, tmp_path / "full.onnx", half=False)
    graph = onnx.load(tmp_path / "full.onnx").graph
    assert not any(i.data_type == onnx.TensorProto.FLOAT16 for i in graph.initializer)


def test_a_network_is_left_in_the_mode_it_was_in(tmp_path, model_file):
    network = build_network("espcn").train()
    export_onnx(network, model_file("espcn").card, tmp_path / "mode.onnx")
    assert network.training


def test_weights_beyond_fp16_are_an_error_that_names_them(tmp_path, model_file):
    network = build_network("espcn")
    with torch.no_grad():
        network.get_submodule("network.refine").get_parameter("bias")[3] = 1e6
    with pytest.raises(ModelError, match=r"weight network\.refine\.bias .* reaches 1e\+06"):
        export_onnx(network, model_file("espcn").card, tmp_path / "huge.onnx")
    assert list(tmp_path.iterdir()) == []


class FixedSize(nn.Module):
    """Reads its input's size in Python, so that its trace is valid for one size only."""

    def forward(self, x_BCHW):
        return x_BCHW * 2 if x_BCHW.shape[2] == 8 else x_BCHW


def test_a_network_that_fixes_a_size_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="model fake cannot be written as ONNX"):
        export_onnx(FixedSize(), make_card(scale=1), tmp_path / "fixed.onnx")
    assert list(tmp_path.iterdir()) == []


class Unshuffling(nn.Module):
    """Takes multiples of 2 only, like the ×2 networks of the ESRGAN family."""

    def forward(self, x_BCHW):
        f_BFHW = nn.functional.pixel_unshuffle(x_BCHW, 2).repeat(1, 4, 1, 1)
        return nn.functional.pixel_shuffle(f_BFHW, 4)


def test_a_network_that_needs_multiples_is_written_with_open_sizes(tmp_path):
    export_onnx(Unshuffling(), make_card(scale=2, multiple_of=2), tmp_path / "even.onnx")
    tiles = np.random.default_rng(0).random((1, 3, 6, 14), dtype=np.float32)
    expected = Unshuffling()(torch.from_numpy(tiles)).numpy()
    (answer,) = ort.InferenceSession(str(tmp_path / "even.onnx")).run(None, {"small": tiles})
    assert np.abs(answer - expected).max() <= 1e-6


def test_a_network_that_training_widened_is_written_in_the_form_that_runs(tmp_path):
    network, card = build_network("span"), make_card()
    export_onnx(network, card, tmp_path / "span.onnx")
    stored = sum(np.prod(one.dims) for one in onnx.load(tmp_path / "span.onnx").graph.initializer)
    trained = sum(p.numel() for p in network.parameters())
    assert stored < trained / 3
