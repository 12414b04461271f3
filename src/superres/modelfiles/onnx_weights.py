"""Weights inside .onnx files, read as data, without onnx or torch.

An exported network keeps its parameters as initialisers under their own names; those stored as
fp16 have the suffix `HALF`. Format: onnx.proto3 of ONNX IR version 8 to 10.
"""

from __future__ import annotations

import io
import math
import reprlib
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from superres.errors import ModelError
from superres.layers.graphs import ENLARGE
from superres.modelfiles.card import Card
from superres.modelfiles.files import (
    damaged,
    onnx_metadata,
    protobuf_fields,
    read_errors_as,
    read_varint,
)

HALF: Final = ".half"
ALIASES_KEY: Final = "superres_aliases"  # metadata: parameters equal to others, and their names
WRAPPED: Final = "network."  # prefix of names in a file of two graphs
_MAX_BYTES = 2**31  # protobuf's own limit for a file
_MAX_AXES = 8
_GRAPH, _INITIALISER = 7, 5  # fields of ModelProto and GraphProto
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9  # fields of TensorProto
_TYPES = {1: np.dtype("<f4"), 7: np.dtype("<i8"), 10: np.dtype("<f2")}

_ALIASES = TypeAdapter(dict[str, str])

Initialisers = dict[str, NDArray[np.generic]]


class _Tensor(NamedTuple):
    """Fields of a TensorProto; its bytes are a slice of the file's."""

    name: str
    shape: tuple[int, ...]
    data_type: int
    start: int
    size: int


def read_initialisers(path: Path) -> Initialisers:
    """Read a graph's fp32, fp16 and int64 tensors, by name.

    Raises:
        ModelError: The file is missing, too large or damaged, or a tensor's size does not match
            its shape.
    """
    with read_errors_as(path):
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise damaged(path, f"it has {size} bytes, an .onnx file at most {_MAX_BYTES}")
        data = path.read_bytes()
    found: Initialisers = {}
    for tensor in _tensors(io.BytesIO(data), len(data), path):
        if (dtype := _TYPES.get(tensor.data_type)) is None:
            continue
        name = reprlib.repr(tensor.name)
        if tensor.name in found:
            raise damaged(path, f"it holds two tensors named {name}")
        # Python's numbers do not overflow, however large a hostile shape is.
        expected = math.prod(tensor.shape) * dtype.itemsize
        if tensor.size != expected:
            raise damaged(
                path,
                f"tensor {name} of shape {tensor.shape} takes {expected} bytes, it has "
                f"{tensor.size}",
            )
        if math.prod(axis or 1 for axis in tensor.shape) > _MAX_BYTES:  # numpy refuses it
            raise damaged(path, f"tensor {name} of shape {tensor.shape} is empty, but too large")
        values = np.frombuffer(data, dtype, math.prod(tensor.shape), tensor.start)
        found[tensor.name] = values.reshape(tensor.shape)
    return found


def holds_parameters(path: Path, card: Card) -> bool:
    """Say whether a graph has as many values as the network has parameters; a merged one has fewer.

    Raises:
        ModelError: See `read_initialisers`.
    """
    floating = (one for one in read_initialisers(path).values() if one.dtype.kind == "f")
    enough = 0 < card.parameters <= sum(one.size for one in floating)
    return enough or bool(_aliases(path))  # only unmerged graphs have those


def named_weights(path: Path, card: Card, shapes: Mapping[str, tuple[int, ...]]) -> Initialisers:
    """Return the weights of a network from its .onnx file.

    Args:
        path: The file.
        card: Its card.
        shapes: Names and shapes of all the network's weights.

    Returns:
        An array for each name, in the file's type.

    Raises:
        ModelError: The file is damaged, or lacks a weight under its own name: it was merged or
            folded into others by the export.
    """
    found = read_initialisers(path)
    aliases = _aliases(path)
    before = "" if card.graphs[0].name == ENLARGE else WRAPPED  # the exporter's prefix
    weights: Initialisers = {}
    missing: list[str] = []
    for name, shape in shapes.items():
        kept = aliases.get(f"{before}{name}", f"{before}{name}")
        stored = found.get(f"{kept}{HALF}", found.get(kept))
        if kept == "":
            weights[name] = np.zeros(shape, np.float32)
        elif stored is None:
            missing.append(name)
        elif stored.shape == shape or _spread(stored.shape) == shape:
            weights[name] = stored.reshape(shape)
        else:
            raise ModelError(
                f"{path} holds {name} of shape {stored.shape}, {card.architecture} has {shape}",
                "the card's config and the weights must come from one export",
            )
    if missing:
        raise ModelError(
            f"{path} lacks {len(missing)} of the {len(shapes)} weights of {card.architecture}, the "
            f"first is {missing[0]}: the export merged, folded or renamed them",
            "name the .safetensors file that it was exported from, or run it with --backend "
            "openvino",
        )
    return weights


def _aliases(path: Path) -> dict[str, str]:
    """Return the parameters stored under another's name with equal values, "" if all 0."""
    with read_errors_as(path), path.open("rb") as file:
        text = onnx_metadata(file, path, ALIASES_KEY)
    try:
        return {} if text is None else _ALIASES.validate_json(text)
    except ValidationError as error:
        raise damaged(path, f"its {ALIASES_KEY} cannot be read") from error


def _spread(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (C,) of a per-channel weight that is stored as (1, C, 1, 1)."""
    one_a_channel = len(shape) == 4 and shape == (1, shape[1], 1, 1)
    return shape[1:2] if one_a_channel else shape


def _tensors(file: io.BytesIO, end: int, path: Path) -> Iterator[_Tensor]:
    """Yield the fields of each initialiser in a file, which must have one graph."""
    graphs = list(islice(_payloads(file, (0, end), _GRAPH, path), 2))
    if len(graphs) != 1:
        raise damaged(path, f"it holds {'no graph' if not graphs else 'several graphs'}, not one")
    for span in _payloads(file, graphs[0], _INITIALISER, path):
        yield _tensor(file, span, path)


def _payloads(
    file: io.BytesIO, span: tuple[int, int], wanted: int, path: Path
) -> Iterator[tuple[int, int]]:
    """Yield start and end of the payloads of a message's field; the file may be read in between."""
    file.seek(span[0])
    for number, size in protobuf_fields(file, path, span[1]):
        start = file.tell()
        if number == wanted:
            yield start, start + size
        file.seek(start + size)


def _tensor(file: io.BytesIO, span: tuple[int, int], path: Path) -> _Tensor:
    """Decode a TensorProto except its values."""
    name, data_type, raw = "", 0, (span[0], 0)
    shape: list[int] = []
    file.seek(span[0])
    while file.tell() < span[1]:
        key = read_varint(file)
        number, wire = (key or 0) >> 3, (key or 0) & 7
        value = read_varint(file) if wire in (0, 2) else None
        if key is None or value is None or (wire == 2 and file.tell() + value > span[1]):
            raise damaged(path, "a tensor in it cannot be read")
        start = file.tell()
        if wire == 0 and number == _DATA_TYPE:
            data_type = value
        elif wire == 0 and number == _DIMS:
            shape.append(value)
        elif wire == 2 and number == _DIMS:
            while file.tell() < start + value and len(shape) <= _MAX_AXES:
                shape.append(_number(file, path))
        elif wire == 2 and number == _NAME:
            name = file.read(value).decode("utf-8", errors="replace")
        elif wire == 2 and number == _RAW_DATA:
            raw = (start, value)
        if wire == 2:
            file.seek(start + value)
        if len(shape) > _MAX_AXES:
            raise damaged(path, f"tensor {reprlib.repr(name)} has over {_MAX_AXES} axes")
    return _Tensor(name, tuple(shape), data_type, *raw)


def _number(file: io.BytesIO, path: Path) -> int:
    value = read_varint(file)
    if value is None:
        raise damaged(path, "it ends inside a tensor's shape")
    return value
