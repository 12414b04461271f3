"""Damaged .onnx files: weights or our error, in memory that the file's size justifies."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from superres.errors import ModelError
from superres.modelfiles.card import Card
from superres.modelfiles.checkpoint import card_for
from superres.modelfiles.files import read_card
from superres.modelfiles.onnx_weights import holds_parameters, read_initialisers

CARD = card_for("one", "lean", {"scale": 2, "features": 4, "blocks": 1})
KEYS = {"superres_card": CARD.model_dump_json(), "superres_aliases": '{"a": "b"}'}
MANY_BYTES = 2**20  # limit for reading a file of a few KB; includes a card's schema


def tensor(
    name: str, shape: tuple[int, ...], *, raw: bytes | None = None, data_type: int = 1
) -> onnx.TensorProto:
    data = bytes(range(256)) * 9
    size = 4 * int(np.prod(shape)) if raw is None else 0
    return onnx.TensorProto(
        name=name, dims=shape, data_type=data_type, raw_data=data[:size] if raw is None else raw
    )


def model(*tensors: onnx.TensorProto) -> bytes:
    graph = helper.make_graph([], "g", [], [], initializer=tensors)
    made = helper.make_model(graph)
    helper.set_model_props(made, KEYS)
    return made.SerializeToString()


def field(number: int, payload: bytes, *, size: int | None = None) -> bytes:
    """Return a length-delimited field, which may lie about its size."""
    return varint(number << 3 | 2) + varint(len(payload) if size is None else size) + payload


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


WHOLE = model(
    tensor("conv.weight", (3, 2, 3, 3)), tensor("bias", (3,)), tensor("empty", (0, 4)),
    tensor("scalar", ()), tensor("whole", (2,), raw=b"\1" * 16, data_type=7),
)  # fmt: skip


def outcome(path: Path) -> bool:
    """Read all of a file that is ever read; say whether it was intact; other errors escape."""
    whole = True
    for read in (read_initialisers, read_card, holds):
        tracemalloc.start()
        try:
            read(path)
        except ModelError:
            whole = False
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < MANY_BYTES, read
    return whole


def holds(path: Path) -> bool:
    return holds_parameters(path, CARD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.onnx"


def test_the_whole_file_is_read(path):
    path.write_bytes(WHOLE)
    found = read_initialisers(path)
    assert {name: values.shape for name, values in found.items()} == {
        "conv.weight": (3, 2, 3, 3), "bias": (3,), "empty": (0, 4), "scalar": (), "whole": (2,),
    }  # fmt: skip
    assert isinstance(read_card(path), Card)
    assert outcome(path)


def test_a_file_cut_anywhere_gives_weights_or_our_error(path):
    refused = 0
    for end in range(len(WHOLE)):
        path.write_bytes(WHOLE[:end])
        refused += not outcome(path)
    assert refused > 0.95 * len(WHOLE)


def test_a_file_with_any_byte_changed_gives_weights_or_our_error(path):
    rng = random.Random(0)
    refused = 0
    for at in range(0, len(WHOLE), 5):
        for byte in (0, 0x7F, 0x80, 0xFF, WHOLE[at] ^ 1 << rng.randrange(8)):
            path.write_bytes(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
            refused += not outcome(path)
    assert refused > 100


@pytest.mark.parametrize("shape", [
    (2**64 - 1, 0), (0, 2**64 - 1), (2**63, 0), (2**62, 2**62, 0), (0, *(1000,) * 7),
    (2**40, 0, 2**40), (2**63 - 1, 0),
], ids=str)  # fmt: skip
def test_an_empty_tensor_of_a_shape_that_no_file_can_have_is_refused(path, shape):
    dims = b"".join(varint(1 << 3) + varint(axis) for axis in shape)
    body = dims + varint(2 << 3) + varint(1) + field(8, b"x") + field(9, b"")
    path.write_bytes(field(7, field(5, body)))
    with pytest.raises(ModelError, match="'x' of shape"):
        read_initialisers(path)


@pytest.mark.parametrize("size", [2**31, 2**62, 2**63, 2**64 - 1, 2**69], ids=hex)
@pytest.mark.parametrize("number", [1, 2, 5, 7, 8, 9, 14])
def test_a_field_that_claims_more_than_the_file_has_is_refused(path, number, size):
    lie = field(number, b"abc", size=size)
    for data in (
        lie, field(7, lie), field(7, field(5, lie)), field(14, lie), WHOLE + lie,
        field(7, field(5, field(1, lie))),
    ):  # fmt: skip
        path.write_bytes(data)
        assert not outcome(path)


def test_many_axes_or_tensors_in_little_room_take_little_memory(path):
    for body in (field(1, b"\1" * 100_000), field(8, b"n" * 100_000) + field(1, b"\3")):
        path.write_bytes(field(7, field(5, body)))
        assert not outcome(path)
    path.write_bytes(field(7, field(5, b"") * 40_000))
    assert not outcome(path)  # it has no card
    assert read_initialisers(path) == {}
    path.write_bytes(field(7, b"") * 40_000)
    with pytest.raises(ModelError, match="graphs"):
        read_initialisers(path)
    assert not outcome(path)


def test_a_long_name_is_not_repeated_in_full(path):
    path.write_bytes(model(tensor("n" * 100_000, (3,), raw=b"")))
    with pytest.raises(ModelError) as caught:
        read_initialisers(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", ["a\0.onnx", "n" * 5000 + ".onnx", "none.onnx", "\ud800.onnx"])
def test_a_path_that_cannot_be_opened_is_our_error(tmp_path, name):
    for read in (read_initialisers, read_card, holds):
        with pytest.raises(ModelError, match="cannot be read"):
            read(tmp_path / name)
