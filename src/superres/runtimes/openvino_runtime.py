"""Runs a network with OpenVINO, on CPUs, Intel GPUs and NPUs."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from superres.errors import BackendError, ModelError, OutOfMemoryError, SuperresError
from superres.frame import BURST_EXTRAS
from superres.modelfiles.card import Card
from superres.runtimes.device import Device
from superres.runtimes.graphs import (
    ALIGNED,
    BEFORE,
    FRAME,
    INPUT,
    MEMORY,
    NEXT,
    OUTPUT,
    PREVIOUS,
    REFERENCE,
)
from superres.runtimes.memory import free_memory
from superres.runtimes.precision import choose_precision, native_bf16
from superres.runtimes.runtime import (
    BackendFacts,
    Precision,
    ResolvedOptions,
    split_reference,
)

_read = cast("Any", ov.Core).read_model  # these two have incomplete types
_model_of = cast("Any", ov.Model)

# Measured on two cores with AMX and a network of 30 convolutions of 64 channels: a pixel takes 0.8
# us in tiles of 200 px, 0.95 at 320, 1.2 from 450 on, and up to 3 in tiles some 1300 px wide, as
# features leave the cache. With a halo of 30 px, 400 is best; without AMX it matters little.
# A network of 32 channels runs 640 x 360 px as fast in one tile as in two, but for the halo.
_BEST_TILE = 416
_BEST_WIDTH, _MOST_ROOM = 64, 2.0
# Compiled shapes keep their working memory. Tiles of one picture have one shape, an ensemble adds
# the turned one; small pictures of many sizes may keep more.
_CACHED_PX = 2 * _BEST_TILE**2
_PROBE = 64  # edge of the shape that memory is estimated with
_LIVE_TENSORS = 3  # a layer's input and output, and a residual kept for later
_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_MEMORY_WORDS = ("bad_alloc", "out of memory", "out_of_resources", "allocat")


class _OpenVinoRuntime:
    """One network in OpenVINO, compiled for each shape of tile as it comes.

    Args:
        path: The .onnx file.
        card: Its card.
        setup: What is asked of it.

    Raises:
        ModelError: OpenVINO cannot read the file.
        BackendError: There is no such device.
    """

    def __init__(self, path: Path, card: Card, setup: ResolvedOptions) -> None:
        self._core = ov.Core()
        self._device = _find_device(self._core, setup.device)
        native = _native_precisions(self._core, self._device)
        self._precision: Precision = choose_precision(
            setup.precision, native, self._device, setup.watch
        )
        self._threads = setup.threads
        self._card = card
        try:
            self._widest = self._prepare(_read(self._core, path))
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot use {path}: {_last_line(error)}", "export the model again"
            ) from error

    def _prepare(self, model: ov.Model) -> float:
        """Keep what will be compiled of a model, and return how wide it is; see `_widest`."""
        raise AssertionError(f"{type(self).__name__} must say what it compiles")

    @property
    def facts(self) -> BackendFacts:
        """The facts of this backend with this network."""
        return BackendFacts(
            name="openvino",
            device=self._device,
            precision=self._precision,
            best_tile=round(_BEST_TILE * self._room**0.5),
            bytes_per_px=_bytes_per_px(self._widest, self._card),
            free_bytes=self._free_bytes(),
        )

    @property
    def _room(self) -> float:
        """How many more pixels stay in the cache than those of the network that was measured."""
        return min(_MOST_ROOM, max(1.0, _BEST_WIDTH / self._widest))

    def _hints(self, precision: Precision) -> dict[str, str]:
        hints = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
        }
        if self._threads is not None and self._device == "CPU":
            hints["INFERENCE_NUM_THREADS"] = str(self._threads)
        return hints

    def _compiled(self, model: ov.Model, precision: Precision | None = None) -> ov.InferRequest:
        """Return what runs a model whose shapes are set, in the backend's precision or another."""
        hints = self._hints(precision or self._precision)
        compiled = self._core.compile_model(model, self._device, hints)
        return compiled.create_infer_request()

    def _probe_edge(self) -> int:
        """Return the edge of the tile that memory is estimated with."""
        edge = math.lcm(_PROBE, self._card.multiple_of)
        return edge * math.ceil(self._card.minimum / edge)

    def _free_bytes(self) -> int:
        """Return the free memory; a GPU's own is known as a whole only, so half counts as free."""
        if self._device.startswith("GPU"):
            total = int(self._core.get_property(self._device, "GPU_DEVICE_TOTAL_MEM_SIZE"))
            return total // 2
        return free_memory()


class OpenVinoBackend(_OpenVinoRuntime):
    """A network of one frame; see `Backend`."""

    def _prepare(self, model: ov.Model) -> float:
        self._model = model
        self._requests: OrderedDict[tuple[int, ...], ov.InferRequest] = OrderedDict()
        edge = self._probe_edge()
        model.reshape([1, self._card.channels, edge, edge])
        return _widest(model, edge**2)

    def run(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Backend.run`."""
        count, channels, height, width = tiles_NCHW.shape
        scale = self._card.scale
        try:
            request = self._request(tiles_NCHW.shape)
            # OpenVINO writes into an array of ours, so that it is nobody else's afterwards.
            large_NCHW = np.empty((count, channels, scale * height, scale * width), np.float32)
            request.set_output_tensor(ov.Tensor(large_NCHW, shared_memory=True))
            small_NCHW = _writable(tiles_NCHW)
            small = ov.Tensor(small_NCHW, shared_memory=True)
            request.infer({0: small}, share_inputs=True)
        except (RuntimeError, MemoryError) as error:
            self._requests.clear()  # or a smaller tile would find the memory taken
            raise _translated(error, self._device, tiles_NCHW.shape) from error
        return large_NCHW

    def _request(self, shape: tuple[int, ...]) -> ov.InferRequest:
        """Return what runs tiles of a shape, compiled at its first use."""
        if shape in self._requests:
            self._requests.move_to_end(shape)
            return self._requests[shape]
        most = _CACHED_PX * self._room - _pixels(shape)
        while self._requests and sum(map(_pixels, self._requests)) > most:
            self._requests.popitem(last=False)
        self._model.reshape(list(shape))
        self._requests[shape] = self._compiled(self._model)
        return self._requests[shape]


class OpenVinoBurstBackend(_OpenVinoRuntime):
    """A network of many frames, in two graphs (see `export`); it keeps its state alone."""

    def _prepare(self, model: ov.Model) -> float:
        self._states: dict[str, int] = {
            port.any_name: port.get_partial_shape()[1].get_length()
            for port in model.inputs
            if port.any_name not in (REFERENCE, FRAME)
        }
        self._finish = _part(model.clone(), (REFERENCE, *self._states), (OUTPUT,))
        after = (name + NEXT for name in self._states)
        self._step = _part(model, (REFERENCE, FRAME, *self._states), after)
        self._requests: tuple[ov.InferRequest, ov.InferRequest] | None = None
        self._shape: tuple[int, ...] = ()
        edge = self._probe_edge()
        parts = (self._step, self._finish)
        for part in parts:
            self._reshape(part, (1, self._card.channels + BURST_EXTRAS, edge, edge))
        return max(_widest(part, edge**2) for part in parts)

    def fuse(self, frames: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Run the network on frames; see `BurstBackend.fuse`."""
        reference, others = split_reference(frames)
        count, _, height, width = reference.shape
        given = {REFERENCE: _writable(reference)}
        try:
            step, finish = self._both(reference.shape)
            states = {
                name: np.zeros((count, channels, height, width), np.float32)
                for name, channels in self._states.items()
            }
            for frame in others:
                all_given = {**given, FRAME: _writable(frame), **states}
                answer = step.infer(all_given, share_inputs=True)
                states = {name: answer[name + NEXT] for name in states}
            answer = finish.infer({**given, **states}, share_inputs=True)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, SuperresError):
                raise
            self._requests = None  # or a smaller tile would find the memory taken
            raise _translated(error, self._device, reference.shape) from error
        return answer[OUTPUT]

    def _both(self, shape: tuple[int, ...]) -> tuple[ov.InferRequest, ov.InferRequest]:
        """Return what runs tiles of a shape; all tiles of a burst have one."""
        if self._requests is None or shape != self._shape:
            self._requests = None
            for part in (self._step, self._finish):
                self._reshape(part, shape)
            self._requests = self._compiled(self._step), self._compiled(self._finish)
            self._shape = shape
        return self._requests

    def _reshape(self, part: ov.Model, shape: tuple[int, ...]) -> None:
        count, channels, height, width = shape
        names = [port.any_name for port in part.inputs]
        part.reshape(
            {name: [count, self._states.get(name, channels), height, width] for name in names}
        )


class OpenVinoVideoBackend(_OpenVinoRuntime):
    """A network of videos, in two graphs (see `graph`); frames have one size, tiles have one."""

    def _prepare(self, model: ov.Model) -> float:
        inputs = (FRAME, PREVIOUS, BEFORE, MEMORY)
        self._channels: dict[str, int] = {
            port.any_name: port.get_partial_shape()[1].get_length() for port in model.inputs
        }
        self._restore = _part(model.clone(), (INPUT,), (OUTPUT, MEMORY + NEXT))
        self._align = _part(model, inputs, (ALIGNED,))
        self._requests: dict[str, tuple[tuple[int, ...], ov.InferRequest]] = {}
        edge = self._probe_edge()
        self._restore.reshape([1, self._channels[INPUT], edge, edge])
        return _widest(self._restore, edge**2)

    @property
    def aligned(self) -> int:
        """Channels that `restore` takes."""
        return self._channels[INPUT]

    def align(
        self,
        frame: NDArray[np.float32],
        previous: NDArray[np.float32],
        large: NDArray[np.float32],
        memory: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Run the first half; see `VideoBackend.align`."""
        given = {FRAME: frame, PREVIOUS: previous, BEFORE: large, MEMORY: memory}
        return self._run(self._align, ALIGNED, given, "fp32")[ALIGNED].copy()

    def restore(
        self, tiles_NAHW: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run the second half; see `VideoBackend.restore`."""
        answer = self._run(self._restore, OUTPUT, {INPUT: tiles_NAHW}, self._precision)
        return answer[OUTPUT].copy(), answer[MEMORY + NEXT].copy()

    # Any: a dictionary of OpenVINO's own, by names.
    def _run(
        self,
        model: ov.Model,
        half: str,
        given: dict[str, NDArray[np.float32]],
        precision: Precision,
    ) -> Any:  # noqa: ANN401
        """Run a half, compiled anew for each new size."""
        shapes = {name: list(values.shape) for name, values in given.items()}
        size = next(iter(given.values())).shape
        try:
            if half not in self._requests or self._requests[half][0] != size:
                self._requests.pop(half, None)
                model.reshape(shapes)
                self._requests[half] = size, self._compiled(model, precision)
            request = self._requests[half][1]
            return request.infer(
                {name: _writable(values) for name, values in given.items()}, share_inputs=True
            )
        except (RuntimeError, MemoryError) as error:
            self._requests.clear()  # or a smaller tile would find the memory taken
            raise _translated(error, self._device, size) from error


def _part(model: ov.Model, inputs: Iterable[str], outputs: Iterable[str]) -> ov.Model:
    """Return the part of a model that makes some of its outputs of some of its inputs."""
    parameters = [model.input(name).get_node() for name in inputs]
    return _model_of([model.output(name).get_node() for name in outputs], parameters)


def _writable(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what OpenVINO shares: it only reads, but takes no array that may not be written to."""
    return np.require(values, np.float32, ("C", "W"))


def _widest(model: ov.Model, pixels: int) -> float:
    """Return how many numbers the largest layer of a model has for each of its input pixels."""
    largest = 0
    for node in model.get_ops():
        if node.get_type_name() in ("Constant", "Convert", "Result"):
            continue  # weights, and what only passes them on
        for index in range(node.get_output_size()):
            shape = node.get_output_partial_shape(index)
            if shape.is_static:
                largest = max(largest, math.prod(shape.to_shape()))
    return max(1, largest) / pixels


def _bytes_per_px(widest: float, card: Card) -> int:
    """Return the memory for one input pixel.

    Half formats are counted as fp32: OpenVINO keeps some layers in it.
    """
    outputs = 2 * card.channels * card.scale**2  # OpenVINO's own and ours
    return 4 * (math.ceil(_LIVE_TENSORS * widest) + outputs)


def _find_device(core: ov.Core, device: Device) -> str:
    """Return OpenVINO's name for a device.

    A CPU with native bf16 is taken unseen: asking for GPUs loads their drivers. Otherwise `auto`
    takes a GPU of its own memory; one that shares the CPU's takes seconds to compile for.
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
            f"OpenVINO was asked for the device {device}, it finds {', '.join(found)}",
            "use --device auto; NVIDIA and Apple GPUs need --backend torch or onnxruntime",
        )
    return names[index]


def _native_precisions(core: ov.Core, device: str) -> tuple[Precision, ...]:
    """Return what a device computes natively, the one to prefer first."""
    able = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    if device == "CPU":
        # OpenVINO would emulate bf16 if told to; the CPU's own flags decide.
        halves: tuple[tuple[str, Precision], ...] = (("BF16", "bf16"),) if native_bf16() else ()
    else:
        halves = (("FP16", "fp16"), ("BF16", "bf16"))
    return tuple(precision for name, precision in halves if name in able)


def _pixels(shape: tuple[int, ...]) -> int:
    return shape[0] * shape[2] * shape[3]


def _translated(error: Exception, device: str, shape: tuple[int, ...]) -> BackendError:
    reason = _last_line(error)
    where = f"OpenVINO on {device} with tiles of shape {shape}: {reason}"
    everything = str(error).lower()
    if isinstance(error, MemoryError) or any(word in everything for word in _MEMORY_WORDS):
        return OutOfMemoryError(f"out of memory in {where}", "use a smaller --tile")
    return BackendError(f"failure in {where}", "try --device cpu, or another --backend")


def _last_line(error: Exception) -> str:
    """Return the line of OpenVINO's many that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
