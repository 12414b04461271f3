"""Model files: round trips, and errors for damaged or foreign ones."""

import json
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from superres.errors import ModelError
from superres.layers.graphs import image_graphs
from superres.modelfiles.card import CARD_KEY, Card
from superres.modelfiles.checkpoint import card_for, load_network, save_network
from superres.modelfiles.files import open_model_file, read_card

CONFIG = {"scale": 2, "features": 8, "blocks": 1}


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(1)
    card = card_for("tiny", "lean", CONFIG)
    from superres.networks.catalog import network_config

    network = network_config("lean", CONFIG).build()
    path = tmp_path / "tiny.safetensors"
    save_network(network, card, path)
    return network, path


def test_weights_and_card_come_back(model):
    network, path = model
    loaded, card = load_network(path)
    assert card.architecture == "lean"
    assert card.parameters == sum(v.numel() for v in network.state_dict().values())
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_half_weights_are_stored_in_fp16_and_run_in_fp32(model, tmp_path):
    network, _ = model
    path = tmp_path / "half.safetensors"
    save_network(network, card_for("half", "lean", CONFIG), path, half=True)
    assert {v.dtype for v in load_file(path).values()} == {torch.float16}
    loaded, _ = load_network(path)
    assert {v.dtype for v in loaded.state_dict().values()} == {torch.float32}


def test_a_changed_weight_is_found_by_its_hash(model):
    _, path = model
    weights = load_file(path)
    weights["head.bias"][0] += 1
    save_file(weights, path, metadata={CARD_KEY: read_card(path).model_dump_json()})
    with pytest.raises(ModelError, match="has the hash"):
        load_network(path)


@pytest.mark.parametrize("lie", [{"halo": 1}, {"exact_halo": False}])
def test_a_card_that_contradicts_its_networks_needs_is_refused(model, lie):
    _, path = model
    card = read_card(path).model_copy(update=lie)
    save_file(load_file(path), path, metadata={CARD_KEY: card.model_dump_json()})
    with pytest.raises(ModelError, match="contradicts lean"):
        load_network(path)


def test_missing_weights_are_named(model):
    _, path = model
    weights = load_file(path)
    del weights["tail.weight"]
    card = read_card(path).model_copy(update={"weights_sha256": ""})
    save_file(weights, path, metadata={CARD_KEY: card.model_dump_json()})
    with pytest.raises(ModelError, match=r"tail\.weight"):
        load_network(path)


def test_a_pickle_in_place_of_weights_is_refused_unread(tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="damaged"):
        load_network(path)


def test_a_pickle_by_name_is_refused(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({}, path)
    with pytest.raises(ModelError, match="pickles"):
        read_card(path)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_network(tmp_path / "none.safetensors")


@pytest.mark.parametrize("cut", [0, 4, 8, 200, -1])
def test_a_truncated_file_is_refused(model, cut):
    _, path = model
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ModelError):
        load_network(path)


def test_a_header_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(ModelError, match="claims"):
        read_card(path)


@pytest.mark.parametrize(
    ("change", "found"),
    [({"scale": 99}, "scale"), ({"surprise": 1}, "surprise"), ({"halo": -1}, "halo")],
)
def test_a_card_out_of_range_names_the_field(model, change, found):
    _, path = model
    card = {**json.loads(read_card(path).model_dump_json()), **change}
    save_file(load_file(path), path, metadata={CARD_KEY: json.dumps(card)})
    with pytest.raises(ModelError, match=found):
        read_card(path)


def test_a_file_without_a_card_says_so(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="no card"):
        read_card(path)


def test_the_card_of_an_onnx_file_is_read_without_onnx(tmp_path):
    card = Card(
        name="one", architecture="lean", config={}, scale=2, halo=3, graphs=image_graphs(3, 2)
    )
    path = tmp_path / "one.onnx"
    # ModelProto: ir_version = 9 (field 1, varint), graph (field 7), metadata_props (field 14).
    graph = b"\x3a\x04abcd"
    key, value = CARD_KEY.encode(), card.model_dump_json().encode()
    entry = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
    path.write_bytes(b"\x08\x09" + graph + b"\x72" + _varint(len(entry)) + entry)
    assert read_card(path) == card


@pytest.mark.parametrize("junk", [b"\x72\xff\xff\xff\xff\x7f", b"\x0f", b"\x72\x05\x0a\xff"])
def test_damaged_protobuf_is_refused(tmp_path, junk):
    path = tmp_path / "bad.onnx"
    path.write_bytes(junk)
    with pytest.raises(ModelError):
        read_card(path)


def test_a_twin_with_other_weights_is_not_taken(model, tmp_path):
    _, path = model
    card = read_card(path).model_copy(update={"weights_sha256": "0" * 64})
    key, value = CARD_KEY.encode(), card.model_dump_json().encode()
    entry = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(value)) + value
    path.with_suffix(".onnx").write_bytes(b"\x72" + _varint(len(entry)) + entry)
    assert open_model_file(path).onnx is None


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])
