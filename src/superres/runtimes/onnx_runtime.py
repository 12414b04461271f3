"""ONNX Runtime: CPUs, and GPUs through its execution providers."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import onnx

from superres.errors import BackendError, ModelError, OutOfMemoryError
from superres.layers.graphs import Graph
from superres.modelfiles.card import Card
from superres.runtimes.device import Device
from superres.runtimes.memory import free_memory
from superres.runtimes.onnxruntime_library import ort
from superres.runtimes.precision import choose_precision, native_int8
from superres.runtimes.runtime import (
    Array,
    Precision,
    ResolvedOptions,
    RuntimeFacts,
    probe_edge,
    tiled,
)

_load = cast("Any", onnx).load  # its types are incomplete

_BEST_TILE = 512
_PROBE = 64  # edge of the shape that memory is estimated with
_LIVE_TENSORS = 4  # a layer's input and output, a residual kept for later, and scratch
_CPU = "CPUExecutionProvider"
_GPUS = (
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "DmlExecutionProvider",
    "CoreMLExecutionProvider",
)
_MEMORY_WORDS = ("bad allocation", "bad_alloc", "failed to allocate", "out of memory")


class OnnxRuntime:
    """One network in ONNX Runtime, in fp32 or int8: a session a graph, made at its first use.

    Args:
        path: The .onnx file.
        card: Its card.
        resolved: The options; only fp32 is supported, on CPUs also int8, and `auto` is the CPU.

    Raises:
        ModelError: ONNX Runtime cannot read the file, or it lacks a graph of the card's.
        BackendError: No provider of this build runs on the device, or it has no int8.
    """

    def __init__(self, path: Path, card: Card, resolved: ResolvedOptions) -> None:
        self._path, self._card = path, card
        provider, settings = _provider(resolved.device)
        native: tuple[Precision, ...] = ("int8",) if provider == _CPU and native_int8() else ()
        self._precision: Precision = choose_precision(
            resolved.precision, native, "ONNX Runtime", resolved.watch
        )
        self._options = ort.SessionOptions()
        self._options.log_severity_level = 4  # its errors are raised as well, and reported by us
        if resolved.threads is not None:
            self._options.intra_op_num_threads = resolved.threads
        self._providers: list[str | tuple[str, dict[str, str]]] = [(provider, settings)]
        if provider != _CPU:
            self._providers.append(_CPU)  # for layers that the GPU's provider lacks
        self._sessions: dict[str, Any] = {}
        with self._blaming_the_file():
            model: onnx.ModelProto = _load(path)
            parts = {graph.name: _part(model, graph) for graph in card.graphs}
            self._bytes_per_px = max(
                _estimate_bytes_per_px(parts[graph.name], graph, card) for graph in tiled(card)
            )
        # ONNX Runtime takes whole models, so each graph becomes one without the others' inputs.
        self._parts = {name: part.SerializeToString() for name, part in parts.items()}
        running: str = self._session(tiled(card)[0].name).get_providers()[0]
        if running != provider:  # it silently falls back to the CPU if a driver is missing
            resolved.watch.note(f"ONNX Runtime could not start {provider}: running on {running}")
        self._provider = running

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of this runtime with this network."""
        return RuntimeFacts(
            name="onnxruntime",
            device=self._provider.removesuffix("ExecutionProvider"),
            precision=self._precision,
            best_tile=_BEST_TILE,
            bytes_per_px=self._bytes_per_px,
            # ONNX Runtime does not report a GPU's memory; the main memory stands in for it.
            free_bytes=free_memory(),
        )

    def run(self, graph: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run a graph; see `Runtime.run`."""
        spec, session = self._card.graph(graph), self._session(graph)
        names = [port.name for port in spec.outputs]
        try:
            # Each output is a new array, which ONNX Runtime does not reuse.
            made: list[Array] = session.run(names, dict(tensors))
        except Exception as error:  # its errors have no common root below Exception
            shape = tensors[spec.inputs[0].name].shape
            raise _translated(error, self._provider, shape) from error
        return dict(zip(names, made, strict=True))

    def _session(self, graph: str) -> Any:  # noqa: ANN401 - it has no types
        """Return the session of a graph."""
        if graph not in self._sessions:
            with self._blaming_the_file():
                self._sessions[graph] = ort.InferenceSession(
                    self._parts[graph], self._options, providers=self._providers
                )
            del self._parts[graph]  # the session has its own copy of the weights
        return self._sessions[graph]

    @contextmanager
    def _blaming_the_file(self) -> Generator[None]:
        try:
            yield
        except Exception as error:  # its errors have no common root below Exception
            raise ModelError(
                f"ONNX Runtime cannot use {self._path}: {_first_line(error)}",
                "export the model again",
            ) from error


def _part(model: onnx.ModelProto, graph: Graph) -> onnx.ModelProto:
    """Return the part of a model that computes a graph.

    Raises:
        ValueError: The model lacks one of the graph's tensors.
    """
    whole = model.graph
    inputs, outputs = (
        [_named(values, port.name) for port in ports]
        for values, ports in ((whole.input, graph.inputs), (whole.output, graph.outputs))
    )
    needed = {port.name for port in graph.outputs}
    nodes: list[onnx.NodeProto] = []
    for node in reversed(whole.node):  # which are in topological order
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed.update(node.input)
    part = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    part.functions.extend(model.functions)
    part.graph.name = graph.name
    part.graph.node.extend(reversed(nodes))
    part.graph.input.extend(inputs)
    part.graph.output.extend(outputs)
    part.graph.initializer.extend(one for one in whole.initializer if one.name in needed)
    return part


def _named(values: Iterable[onnx.ValueInfoProto], name: str) -> onnx.ValueInfoProto:
    for value in values:
        if value.name == name:
            return value
    raise ValueError(f"it has no tensor {name}")


def _provider(device: Device) -> tuple[str, dict[str, str]]:
    """Return the execution provider for a device, and its settings."""
    if device.kind in ("auto", "cpu"):
        return _CPU, {}
    able: list[str] = ort.get_available_providers()
    wanted = {"cuda": _GPUS[:1], "mps": _GPUS[-1:], "gpu": _GPUS}.get(device.kind, ())
    for name in wanted:
        if name in able:
            settings = (
                {} if name == "CoreMLExecutionProvider" else {"device_id": str(device.index or 0)}
            )
            if name == "CUDAExecutionProvider":
                settings["use_tf32"] = "0"  # fp32 means fp32
            return name, settings
    raise BackendError(
        f"device {device} was requested, this build of ONNX Runtime supports {', '.join(able)}",
        "install its build for the GPU (onnxruntime-gpu, onnxruntime-directml), or --device cpu",
    )


def _estimate_bytes_per_px(part: onnx.ModelProto, graph: Graph, card: Card) -> int:
    """Return the memory for one input pixel, from a graph's largest layer."""
    edge = probe_edge(card, _PROBE)
    model = onnx.ModelProto()
    model.CopyFrom(part)
    for value, port in zip(model.graph.input, graph.inputs, strict=True):
        axes = value.type.tensor_type.shape.dim
        for axis, size in zip(axes, (1, port.channels, edge, edge), strict=True):
            axis.dim_value = size
    for value in model.graph.output:
        del value.type.tensor_type.shape.dim[:]  # outdated symbols
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    weights = {initializer.name for initializer in model.graph.initializer}
    weights |= {n.output[0] for n in model.graph.node if n.input and n.input[0] in weights}
    largest = 0
    for value in model.graph.value_info:
        sizes = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
        if value.name not in weights and sizes:
            largest = max(largest, math.prod(sizes))
    return 4 * (math.ceil(_LIVE_TENSORS * largest / edge**2) + card.channels * card.scale**2)


def _translated(error: Exception, provider: str, shape: tuple[int, ...]) -> BackendError:
    where = f"ONNX Runtime ({provider}) with tiles of shape {shape}: {_first_line(error)}"
    memory = isinstance(error, MemoryError)
    if memory or any(word in str(error).lower() for word in _MEMORY_WORDS):
        return OutOfMemoryError(f"out of memory in {where}", "use a smaller --tile")
    return BackendError(f"failure in {where}", "try --device cpu, or another --backend")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
