"""Weights inside .onnx files: exactly those exported, or an error with the reason."""

import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from superres.errors import ModelError
from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.onnx_weights import holds_parameters, read_initialisers

KEPT = ("lean", "srcnn", "fsrcnn", "espcn", "edsr", "compact", "vdsr", "lapsrn")


@pytest.mark.parametrize("architecture", KEPT)
def test_a_network_read_from_its_export_is_the_one_that_was_exported(model_file, architecture):
    model = model_file(architecture)
    ours, card = load_network(model.onnx)
    theirs, _ = load_network(model.safetensors)
    expected = theirs.state_dict()
    assert ours.state_dict().keys() == expected.keys()
    # Equal, not the same bytes: a bias omitted from the graph as 0 may have been -0.
    assert all(torch.equal(weight, expected[name]) for name, weight in ours.state_dict().items())
    assert card == model.card
    assert holds_parameters(model.onnx, card)
    x = torch.rand(1, 3, 9, 11)
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("architecture", ["span", "srresnet"])
def test_a_merged_or_folded_network_says_what_to_use_instead(model_file, architecture):
    model = model_file(architecture)
    with pytest.raises(ModelError, match="merged, folded or renamed") as caught:
        load_network(model.onnx)
    assert ".safetensors" in caught.value.hint
    if architecture == "span":
        assert not holds_parameters(model.onnx, model.card)


def test_initialisers_are_those_that_onnx_reads(model_file):
    path = model_file("fsrcnn").onnx
    stored = {one.name: one for one in onnx.load(path).graph.initializer}
    found = read_initialisers(path)
    assert found.keys() == stored.keys()
    for name, values in found.items():
        expected = numpy_helper.to_array(stored[name])
        assert (values.shape, values.tobytes()) == (expected.shape, expected.tobytes())


def _written(path, *tensors):
    graph = helper.make_graph([], "g", [], [], initializer=tensors)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def _tensor(name="x", dims=(2,), raw=b"\0" * 8):
    return onnx.TensorProto(name=name, dims=dims, data_type=1, raw_data=raw)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ([_tensor(dims=(3,))], "takes 12 bytes, it has 8"),
        ([_tensor(dims=(2**40, 2**40))], "bytes, it has 8"),
        ([_tensor(dims=(-1,))], "bytes, it has 8"),
        ([_tensor(dims=(1,) * 9)], "over 8 axes"),
        ([_tensor(), _tensor()], "two tensors"),
        ([onnx.TensorProto(name="x", dims=[1], data_type=1, float_data=[1.0])], "it has 0"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(tmp_path, tensors, words):
    with pytest.raises(ModelError, match=words):
        read_initialisers(_written(tmp_path / "x.onnx", *tensors))


def test_a_file_cut_anywhere_is_an_error_and_nothing_else(tmp_path):
    whole = _written(tmp_path / "x.onnx", _tensor()).read_bytes()
    assert set(read_initialisers(tmp_path / "x.onnx")) == {"x"}
    graph = whole.index(b"x" + b"\x4a\x08") + 3 + 8  # the end of the tensor's bytes
    for end in range(graph):
        (tmp_path / "cut.onnx").write_bytes(whole[:end])
        with pytest.raises(ModelError):
            read_initialisers(tmp_path / "cut.onnx")
