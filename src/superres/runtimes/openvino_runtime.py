"""OpenVINO runtime: CPUs, Intel GPUs and NPUs."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from superres.errors import BackendError, ModelError, OutOfMemoryError
from superres.layers.graphs import Graph
from superres.modelfiles.card import Card
from superres.runtimes.device import Device
from superres.runtimes.memory import free_memory
from superres.runtimes.openvino_library import ov
from superres.runtimes.precision import choose_precision, native_bf16, native_int8
from superres.runtimes.runtime import (
    Array,
    Precision,
    ResolvedOptions,
    RuntimeFacts,
    probe_edge,
    tiled,
)

_Shapes = tuple[tuple[int, ...], ...]  # of a graph's inputs, in order
_read = cast("Any", ov.Core).read_model  # these two have incomplete types
_model_of = cast("Any", ov.Model)

# Measured on two cores with AMX and a network of 30 convolutions of 64 channels: a pixel takes 0.8
# us in tiles of 200 px, 0.95 at 320, 1.2 from 450 on, and up to 3 in tiles some 1300 px wide, as
# features leave the cache. With a halo of 30 px, 400 is best; without AMX it matters little.
# A network of 32 channels runs 640 x 360 px as fast in one tile as in two, apart from the halo.
_BEST_TILE = 416
_BEST_WIDTH, _MOST_ROOM = 64, 2.0
# Compiled shapes keep their working memory. Tiles of one picture have one shape, and an ensemble
# adds the rotated one; small pictures of many sizes may keep more.
_CACHED_PX = 2 * _BEST_TILE**2
_PROBE = 64  # edge of the shape that memory is estimated with
_LIVE_TENSORS = 3  # a layer's input and output, and a residual kept for later
_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_MEMORY_WORDS = ("bad_alloc", "out of memory", "out_of_resources", "allocat")


class OpenVinoRuntime:
    """One network in OpenVINO, each graph compiled for each tile shape at its first use.

    Args:
        path: The .onnx file.
        card: Its card.
        resolved: The options.

    Raises:
        ModelError: OpenVINO cannot read the file, or it lacks a graph of the card's.
        BackendError: There is no such device, or it has no int8.
    """

    def __init__(self, path: Path, card: Card, resolved: ResolvedOptions) -> None:
        self._core = ov.Core()
        self._device = _find_device(self._core, resolved.device)
        native = _native_precisions(self._core, self._device)
        self._precision: Precision = choose_precision(
            resolved.precision, native, self._device, resolved.watch
        )
        # Of an int8 form, the parts that are floats run in the device's best format.
        self._floats: Precision = self._precision
        if self._precision == "int8":
            self._floats = choose_precision("auto", native, self._device, resolved.watch)
        self._threads = resolved.threads
        self._card = card
        self._requests: dict[str, OrderedDict[_Shapes, ov.InferRequest]] = {
            graph.name: OrderedDict() for graph in card.graphs
        }
        try:
            model = _read(self._core, path)
            self._models = {graph.name: _part(model.clone(), graph) for graph in card.graphs}
            self._widest = max(_widest(self._models[g.name], g, card) for g in tiled(card))
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot use {path}: {_last_line(error)}", "export the model again"
            ) from error

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of this runtime with this network."""
        return RuntimeFacts(
            name="openvino",
            device=self._device,
            precision=self._precision,
            best_tile=round(_BEST_TILE * self._room**0.5),
            bytes_per_px=_bytes_per_px(self._widest, self._card),
            free_bytes=self._free_bytes(),
        )

    def run(self, graph: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run a graph; see `Runtime.run`."""
        spec = self._card.graph(graph)
        given = {port.name: _writable(tensors[port.name]) for port in spec.inputs}
        count, _, height, width = given[spec.inputs[0].name].shape
        # OpenVINO writes into our own arrays, so nothing else uses them afterwards.
        made: dict[str, Array] = {}
        try:
            request = self._request(spec, {name: one.shape for name, one in given.items()})
            for port in spec.outputs:
                size = port.scale * height, port.scale * width
                made[port.name] = np.empty((count, port.channels, *size), np.float32)
                request.set_tensor(port.name, ov.Tensor(made[port.name], shared_memory=True))
            request.infer(
                {name: ov.Tensor(one, shared_memory=True) for name, one in given.items()},
                share_inputs=True,
                share_outputs=True,
            )
        except (RuntimeError, MemoryError) as error:
            for requests in self._requests.values():
                requests.clear()  # or their memory would be missing for a smaller tile
            shape = given[spec.inputs[0].name].shape
            raise _translated(error, self._device, shape) from error
        return made

    @property
    def _room(self) -> float:
        """Pixels that fit into the cache, relative to the measured network."""
        return min(_MOST_ROOM, max(1.0, _BEST_WIDTH / self._widest))

    def _request(self, graph: Graph, shapes: Mapping[str, tuple[int, ...]]) -> ov.InferRequest:
        """Return the request that runs a graph on tiles of a shape, compiled at first use."""
        requests, key = self._requests[graph.name], tuple(shapes.values())
        if key in requests:
            requests.move_to_end(key)
            return requests[key]
        most = _CACHED_PX * self._room - _pixels(key)
        while requests and sum(map(_pixels, requests)) > most:
            requests.popitem(last=False)
        model = self._models[graph.name]
        model.reshape({name: list(shape) for name, shape in shapes.items()})
        compiled = self._core.compile_model(model, self._device, self._hints(graph))
        requests[key] = compiled.create_infer_request()
        return requests[key]

    def _hints(self, graph: Graph) -> dict[str, str]:
        hints = {
            "INFERENCE_PRECISION_HINT": _HINTS["fp32" if graph.exact else self._floats],
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
        }
        if self._threads is not None and self._device == "CPU":
            hints["INFERENCE_NUM_THREADS"] = str(self._threads)
        return hints

    def _free_bytes(self) -> int:
        """Return the free memory; a GPU reports only its total, of which half counts as free."""
        if self._device.startswith("GPU"):
            total = int(self._core.get_property(self._device, "GPU_DEVICE_TOTAL_MEM_SIZE"))
            return total // 2
        return free_memory()


def _part(model: ov.Model, graph: Graph) -> ov.Model:
    """Return the part of a model that computes a graph.

    Raises:
        RuntimeError: The model lacks one of the graph's tensors.
    """
    parameters = [model.input(port.name).get_node() for port in graph.inputs]
    return _model_of([model.output(port.name).get_node() for port in graph.outputs], parameters)


def _writable(values: Array) -> Array:
    """Return a writable array: OpenVINO only reads inputs, but refuses read-only arrays."""
    return np.require(values, np.float32, ("C", "W"))


def _widest(model: ov.Model, graph: Graph, card: Card) -> float:
    """Return the values per input pixel of a graph's largest layer."""
    edge = probe_edge(card, _PROBE)
    model.reshape({port.name: [1, port.channels, edge, edge] for port in graph.inputs})
    largest = 0
    for node in model.get_ops():
        if node.get_type_name() in ("Constant", "Convert", "Result"):
            continue  # weights, and nodes that only pass them on
        for index in range(node.get_output_size()):
            shape = node.get_output_partial_shape(index)
            if shape.is_static:
                largest = max(largest, math.prod(shape.to_shape()))
    return max(1, largest) / edge**2


def _bytes_per_px(widest: float, card: Card) -> int:
    """Return the bytes of memory for one input pixel.

    Half formats are counted as fp32: OpenVINO keeps some layers in it.
    """
    outputs = 2 * card.channels * card.scale**2  # OpenVINO's own and ours
    return 4 * (math.ceil(_LIVE_TENSORS * widest) + outputs)


def _find_device(core: ov.Core, device: Device) -> str:
    """Return OpenVINO's name for a device.

    A CPU with native bf16 is chosen without looking for GPUs, which would load their drivers.
    Otherwise `auto` takes a GPU with its own memory; compiling for a shared-memory one takes
    seconds.
    """
    if device.kind == "cpu" or (device.kind == "auto" and native_bf16()):
        return "CPU"
    found = core.available_devices
    if device.kind == "auto":
        gpus = [name for name in found if name.startswith("GPU")]
        discrete = (n for n in gpus if "DISCRETE" in str(core.get_property(n, "DEVICE_TYPE")))
        return next(discrete, "CPU")
    wanted = device.kind.upper()
    # One device of a kind is listed as GPU, several as GPU.0, GPU.1.
    names = [name for name in found if name.partition(".")[0] == wanted]
    index = device.index or 0
    if device.kind not in ("gpu", "npu") or index >= len(names):
        raise BackendError(
            f"device {device} was requested, OpenVINO finds {', '.join(found)}",
            "use --device auto; NVIDIA and Apple GPUs need --backend torch or onnxruntime",
        )
    return names[index]


def _native_precisions(core: ov.Core, device: str) -> tuple[Precision, ...]:
    """Return a device's native number formats, the preferred one first; int8, if any, last."""
    able = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    names: dict[Precision, str] = {"fp16": "FP16", "bf16": "BF16", "int8": "INT8"}
    if device == "CPU":
        # OpenVINO would emulate what is requested; the CPU's own flags decide.
        ours = {"bf16": native_bf16(), "int8": native_int8()}
        names = {one: name for one, name in names.items() if ours.get(one)}
    return tuple(one for one, name in names.items() if name in able)


def _pixels(shapes: _Shapes) -> int:
    count, _, height, width = shapes[0]
    return count * height * width


def _translated(error: Exception, device: str, shape: tuple[int, ...]) -> BackendError:
    reason = _last_line(error)
    where = f"OpenVINO on {device} with tiles of shape {shape}: {reason}"
    everything = str(error).lower()
    if isinstance(error, MemoryError) or any(word in everything for word in _MEMORY_WORDS):
        return OutOfMemoryError(f"out of memory in {where}", "use a smaller --tile")
    return BackendError(f"failure in {where}", "try --device cpu, or another --backend")


def _last_line(error: Exception) -> str:
    """Return the line of OpenVINO's long message that names the fault."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
