"""Model files by name: twins, and false headers."""

import json
import shutil
import struct
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Literal

import pytest

from superres.errors import ModelError
from superres.layers.graphs import image_graphs
from superres.modelfiles.card import CARD_KEY, Card
from superres.modelfiles.files import (
    int8_losses,
    is_foreign,
    model_name,
    open_model_file,
    protobuf_fields,
    read_card,
    read_varint,
)

HERE = Path("x.onnx")


def card(sha: str, precision: Literal["float", "int8"] = "float") -> Card:
    return Card(
        name="one",
        architecture="lean",
        config={},
        scale=2,
        halo=3,
        graphs=image_graphs(3, 2),
        precision=precision,
        weights_sha256=sha,
    )


def safetensors(path: Path, header: bytes, length: int | None = None) -> Path:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header)
    return path


def with_card(path: Path, sha: str) -> Path:
    metadata = {"__metadata__": {CARD_KEY: card(sha).model_dump_json()}}
    return safetensors(path, json.dumps(metadata).encode())


def varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*data, value))


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def onnx_with_card(
    path: Path, sha: str, precision: Literal["float", "int8"] = "float", **facts: object
) -> Path:
    text = card(sha, precision).model_copy(update=facts).model_dump_json()
    pair = field(1, CARD_KEY.encode()) + field(2, text.encode())
    path.write_bytes(b"\x08\x09" + field(7, b"graph") + field(14, pair))
    return path


def test_a_model_has_the_file_of_the_other_format_that_holds_the_same_weights(tmp_path):
    weights = with_card(tmp_path / "one.safetensors", "ab" * 32)
    graph = onnx_with_card(tmp_path / "one.onnx", "ab" * 32)
    for path in (weights, graph):
        model = open_model_file(path)
        assert (model.onnx, model.safetensors, model.foreign) == (graph, weights, None)
        assert model.weights == weights


@pytest.mark.parametrize("sha", ["cd" * 32, ""])
def test_a_stale_or_nameless_twin_is_left_alone(tmp_path, sha):
    weights = with_card(tmp_path / "one.safetensors", "ab" * 32 if sha else "")
    onnx_with_card(tmp_path / "one.onnx", sha)
    model = open_model_file(weights)
    assert (model.onnx, model.safetensors) == (None, weights)


def test_a_twin_that_is_rubbish_is_no_error(tmp_path):
    graph = onnx_with_card(tmp_path / "one.onnx", "ab" * 32)
    (tmp_path / "one.safetensors").write_bytes(b"rubbish")
    model = open_model_file(graph)
    assert (model.onnx, model.safetensors, model.weights) == (graph, None, graph)


def test_the_int8_form_of_the_same_weights_is_found_beside_either_file(tmp_path):
    sha = "ab" * 32
    files = [
        with_card(tmp_path / "one.safetensors", sha),
        onnx_with_card(tmp_path / "one.onnx", sha),
    ]
    form = onnx_with_card(tmp_path / "one.int8.onnx", sha, "int8")
    for path in files:
        assert open_model_file(path).int8 == form
        assert open_model_file(path).onnx == files[1]


@pytest.mark.parametrize(("sha", "precision"), [("cd" * 32, "int8"), ("ab" * 32, "float")])
def test_an_int8_form_of_other_weights_or_a_file_that_only_has_its_name_is_left_alone(
    tmp_path, sha, precision
):
    graph = onnx_with_card(tmp_path / "one.onnx", "ab" * 32)
    onnx_with_card(tmp_path / "one.int8.onnx", sha, precision)
    assert open_model_file(graph).int8 is None


def test_an_int8_form_under_the_name_of_a_float_graph_is_not_taken_for_one(tmp_path):
    weights = with_card(tmp_path / "one.safetensors", "ab" * 32)
    onnx_with_card(tmp_path / "one.onnx", "ab" * 32, "int8")
    assert open_model_file(weights).onnx is None


def test_an_int8_form_by_itself_is_an_error_that_names_the_model(tmp_path):
    form = onnx_with_card(tmp_path / "one.int8.onnx", "ab" * 32, "int8")
    with pytest.raises(ModelError, match="is the int8 form of model one") as caught:
        open_model_file(form)
    assert "--precision int8" in caught.value.hint


def test_what_an_int8_form_loses_stands_on_its_own_card(tmp_path):
    sha, losses = "ab" * 32, {"Set5": 0.025, "Set14": -0.001}
    graph = onnx_with_card(tmp_path / "one.onnx", sha, losses_db={"Set5": 9.0})
    assert int8_losses(open_model_file(graph)) == {}
    onnx_with_card(tmp_path / "one.int8.onnx", sha, "int8", losses_db=losses)
    assert int8_losses(open_model_file(graph)) == losses


def test_all_files_of_a_model_share_its_name():
    for name in ("a-x4.onnx", "a-x4.int8.onnx", "a-x4.safetensors"):
        assert model_name(Path("folder") / name) == "a-x4"
    assert model_name(Path("a.v3.onnx")) == "a.v3"


def test_a_graph_alone_is_where_weights_come_from(tmp_path):
    graph = onnx_with_card(tmp_path / "one.onnx", "ab" * 32)
    assert open_model_file(graph).weights == graph
    assert not is_foreign(graph)


@pytest.mark.parametrize("name", ["one.pickle", "one", "one.zip"])
def test_files_of_other_names_are_no_models(tmp_path, name):
    shutil.copy(with_card(tmp_path / "x.safetensors", ""), tmp_path / name)
    with pytest.raises(ModelError, match="is not a model file") as caught:
        read_card(tmp_path / name)
    assert ".safetensors" in caught.value.hint


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors"])
def test_a_missing_file_and_a_folder_are_errors(tmp_path, suffix):
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(tmp_path / f"none{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ModelError, match="cannot be read"):
        read_card(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize("length", [0, 1, 2**40, 2**64 - 1])
def test_a_header_of_an_impossible_length_is_refused_by_its_number(tmp_path, length):
    path = safetensors(tmp_path / "x.safetensors", b"{}", length)
    with pytest.raises(ModelError, match=f"its header claims {length} bytes"):
        read_card(path)


@pytest.mark.parametrize(
    "header", [b"{{", b"[]", b'"x"', b'{"__metadata__": 3}', b"[" * 100_000, b"\xff\xfe{}"]
)
def test_a_header_that_is_no_table_is_refused(tmp_path, header):
    with pytest.raises(ModelError, match="is not JSON"):
        read_card(safetensors(tmp_path / "x.safetensors", header))


@pytest.mark.parametrize("header", [b"{}", b'{"__metadata__": {"superres_card": 3}}'])
def test_weights_without_a_card_are_of_elsewhere(tmp_path, header):
    path = safetensors(tmp_path / "x.safetensors", header)
    assert is_foreign(path)
    with pytest.raises(ModelError, match="carries no card"):
        read_card(path)


def test_a_metadata_entry_larger_than_any_card_is_refused_unread(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(field(14, bytes(2**21)))
    with pytest.raises(ModelError, match=f"a metadata entry claims {2**21} bytes"):
        read_card(path)


def test_a_header_that_claims_more_than_its_file_has_takes_no_memory(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes((2**25).to_bytes(8, "little") + b"{}")
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=f"its header claims {2**25} bytes"):
            read_card(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**63, 2**64 - 1])
def test_varints_come_back(value):
    stream = BytesIO(varint(value) + b"rest")
    assert read_varint(stream) == value
    assert stream.read() == b"rest"


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, b"\xff" * 10, b"\x80" * 50 + b"\x01"])
def test_varints_without_an_end_are_none(data):
    assert read_varint(BytesIO(data)) is None


def test_fields_of_fixed_sizes_are_passed_over():
    data = b"\x09" + bytes(8) + b"\x15" + bytes(4) + b"\x18\x96\x01" + field(5, b"abc")
    stream = BytesIO(data)
    assert [(number, stream.read(size)) for number, size in protobuf_fields(stream, HERE)] == [
        (5, b"abc")
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x2a", "ends inside a field"),
        (b"\x2b", "unknown type 3"),
        (b"\x2f", "unknown type 7"),
        (b"\x2a\x05abc", "claims 5 bytes"),
        (b"\x2a" + varint(2**60), f"claims {2**60} bytes"),
    ],
)
def test_fields_that_reach_beyond_their_message_are_refused(data, words):
    with pytest.raises(ModelError, match=words):
        list(protobuf_fields(BytesIO(data), HERE, len(data)))
