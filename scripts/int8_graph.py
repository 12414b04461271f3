"""Int8 form of an ONNX graph: convolutions between quantisers, everything else in floats.

Before a convolution its input is rounded to 8 bits (`QuantizeLinear`, `DequantizeLinear`), and its
weights are stored as int8, which OpenVINO and ONNX Runtime run in integers. Sums, upsampling and
the picture's own way around the network stay in floats: rounding them saves no time and costs most.

Input channels of very different ranges would share one step. Dividing each by its own factor, and
multiplying its weights by it, changes no result (Xiao et al., ICML 2023, arXiv:2211.10438). The
factors are the quantiser's scales a channel, so that they take no time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from superres.layers.graphs import INPUT
from superres.modelfiles.onnx_weights import HALF
from superres.runtimes.onnxruntime_library import ort
from superres.runtimes.openvino_library import ov

_load = cast("Any", onnx).load  # its types are incomplete
_SHARE = 0.9  # of a channel's range that its factor takes over; the weights keep the rest
_LEVELS, _WEIGHT_LEVELS = 255, 127
_BATCH = 8

Floats = NDArray[np.float32]


class Range(NamedTuple):
    """Least and greatest value of each channel of a tensor."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def read_in_fp32(path: Path) -> onnx.ModelProto:
    """Read a graph, with fp16 weights and their casts replaced by fp32 weights."""
    model: onnx.ModelProto = _load(path)
    stored = {one.name: one for one in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        one = stored.get(node.input[0]) if node.op_type == "Cast" else None
        if one is not None and one.data_type == onnx.TensorProto.FLOAT16:
            values = numpy_helper.to_array(one).astype(np.float32)
            one.CopyFrom(numpy_helper.from_array(values, node.output[0]))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def with_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose fp32 weights are stored as fp16, and cast, where that changes none."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    casts: list[onnx.NodeProto] = []
    for one in made.graph.initializer:
        name = one.name
        if one.data_type != onnx.TensorProto.FLOAT or len(one.dims) != 4:
            continue
        values = numpy_helper.to_array(one)
        half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            one.CopyFrom(numpy_helper.from_array(half, f"{name}{HALF}"))
            to = onnx.TensorProto.FLOAT
            casts.append(helper.make_node("Cast", [one.name], [name], f"{name}.cast", to=to))
    nodes = [*casts, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def convolutions(model: onnx.ModelProto) -> list[str]:
    """Return the weights' names of all learnt convolutions over all channels, in order."""
    stored = {one.name for one in model.graph.initializer if len(one.dims) == 4}
    return [
        node.input[1]
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in stored and not _fixed(node)
    ]


def _fixed(node: onnx.NodeProto) -> bool:
    """Say whether a convolution stays in floats: an interpolation, or one of groups of channels."""
    grouped = any(one.name == "group" and one.i > 1 for one in node.attribute)
    return grouped or node.input[1].endswith("kernel")


def measure_ranges(model: onnx.ModelProto, pictures: Floats) -> dict[str, Range]:
    """Return the range of every convolution's input, by the tensor's name.

    Args:
        model: The graph in fp32.
        pictures: (N, C, h, w) in [0, 1].
    """
    learnt = set(convolutions(model))
    names = {
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in learnt
    }
    names = sorted(names - {INPUT})
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = _session(observed)
    ranges: dict[str, Range] = {}
    for start in range(0, len(pictures), _BATCH):
        values = session.run(names, {INPUT: pictures[start : start + _BATCH]})
        for name, value in zip(names, values, strict=True):
            low, high = value.min((0, 2, 3)), value.max((0, 2, 3))
            known = ranges.get(name, Range(low, high))
            ranges[name] = Range(np.minimum(known.low, low), np.maximum(known.high, high))
    channels = pictures.shape[1]
    return {**ranges, INPUT: Range(np.zeros(channels), np.ones(channels))}


def run(model: onnx.ModelProto, pictures: Floats) -> Floats:
    """Return the outputs of a graph for pictures (N, C, h, w), of (N, C, s*h, s*w)."""
    core: Any = ov.Core()
    form = core.read_model(model.SerializeToString())
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(form, "CPU", hints).create_infer_request()
    return np.concatenate(
        [
            request.infer([pictures[start : start + _BATCH]])[0].copy()
            for start in range(0, len(pictures), _BATCH)
        ]
    )


def quantised(
    model: onnx.ModelProto, ranges: Mapping[str, Range], weights: Collection[str]
) -> onnx.ModelProto:
    """Return a graph with some convolutions in int8.

    Args:
        model: The graph in fp32; not changed.
        ranges: See `measure_ranges`.
        weights: The names of the convolutions' weights.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    stored = {one.name: one for one in made.graph.initializer}
    chosen = [n for n in made.graph.node if n.op_type == "Conv" and n.input[1] in weights]
    by_input: dict[str, list[onnx.NodeProto]] = {}
    for node in chosen:
        by_input.setdefault(node.input[0], []).append(node)
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    factors: dict[str, NDArray[np.float64]] = {}
    for node in made.graph.node:
        if node not in chosen:
            nodes.append(node)
            continue
        name, weight = node.input[0], node.input[1]
        if name not in factors:
            readers = [numpy_helper.to_array(stored[one.input[1]]) for one in by_input[name]]
            factors[name] = _factors(ranges[name], readers)
            _append(nodes, tensors, _input_quantiser(name, ranges[name], factors[name]))
        values = numpy_helper.to_array(stored[weight])
        _append(nodes, tensors, _weight_dequantiser(weight, values, factors[name]))
        node.input[0], node.input[1] = f"{name}.rounded", f"{weight}.rounded"
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [one for one in made.graph.initializer if one.name in used]
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend([*kept, *tensors])
    return made


_Part = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _append(nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto], part: _Part) -> None:
    nodes += part[0]
    tensors += part[1]


def _factors(span: Range, weights: Sequence[Floats]) -> NDArray[np.float64]:
    """Return the factor of each input channel; of the picture, whose channels are alike, ones."""
    largest = np.maximum(np.abs(span.low), np.abs(span.high)) + 1e-6
    if np.ptp(largest) == 0:
        return np.ones_like(largest)
    loudest = np.max([np.abs(one).max((0, 2, 3)) for one in weights], axis=0) + 1e-6
    factors = largest**_SHARE / loudest ** (1 - _SHARE)
    return factors / np.exp(np.log(factors).mean())


def _input_quantiser(name: str, span: Range, factors: NDArray[np.float64]) -> _Part:
    """Return the nodes that round a tensor: a scale a channel in, one for all out."""
    low = min(0.0, float((span.low / factors).min()))
    step = (float((span.high / factors).max()) - low) / _LEVELS
    zero = np.uint8(round(-low / step))
    scales = (step * factors).astype(np.float32)
    tensors = [
        numpy_helper.from_array(scales, f"{name}.scales"),
        numpy_helper.from_array(np.full(scales.shape, zero), f"{name}.zeros"),
        numpy_helper.from_array(np.float32(step), f"{name}.scale"),
        numpy_helper.from_array(np.asarray(zero), f"{name}.zero"),
    ]
    one, many = [f"{name}.scale", f"{name}.zero"], [f"{name}.scales", f"{name}.zeros"]
    if np.ptp(factors) == 0:
        down = helper.make_node("QuantizeLinear", [name, *one], [f"{name}.levels"])
        tensors = tensors[2:]
    else:
        down = helper.make_node("QuantizeLinear", [name, *many], [f"{name}.levels"], axis=1)
    up = helper.make_node("DequantizeLinear", [f"{name}.levels", *one], [f"{name}.rounded"])
    return [down, up], tensors


def _weight_dequantiser(name: str, values: Floats, factors: NDArray[np.float64]) -> _Part:
    """Return a weight in int8, times its input channels' factors: a scale an output channel."""
    scaled = values * factors[None, :, None, None]
    scales = np.maximum(np.abs(scaled).max((1, 2, 3)), 1e-12) / _WEIGHT_LEVELS
    levels = np.rint(scaled / scales[:, None, None, None]).astype(np.int8)
    tensors = [
        numpy_helper.from_array(levels, f"{name}.levels"),
        numpy_helper.from_array(scales.astype(np.float32), f"{name}.scales"),
        numpy_helper.from_array(np.zeros(len(scales), np.int8), f"{name}.zeros"),
    ]
    inputs = [tensor.name for tensor in tensors]
    return [helper.make_node("DequantizeLinear", inputs, [f"{name}.rounded"], axis=0)], tensors


def _session(model: onnx.ModelProto) -> Any:  # noqa: ANN401 - the library has no types
    options = ort.SessionOptions()
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    return ort.InferenceSession(model.SerializeToString(), options, providers=providers)
