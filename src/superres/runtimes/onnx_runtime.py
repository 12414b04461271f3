"""Runs a network with ONNX Runtime: CPUs, and GPUs through its execution providers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from superres.errors import BackendError, ModelError, OutOfMemoryError
from superres.modelfiles.card import Card
from superres.runtimes.device import Device
from superres.runtimes.memory import free_memory
from superres.runtimes.precision import choose_precision
from superres.runtimes.runtime import BackendFacts, ResolvedOptions

ort: Any = onnxruntime  # it has no types, and the next incomplete ones
_load = cast("Any", onnx).load

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


class OnnxBackend:
    """One network in ONNX Runtime, in fp32.

    Args:
        path: The .onnx file.
        card: Its card.
        setup: What is asked of it; only fp32 is there, and `auto` is the CPU.

    Raises:
        ModelError: ONNX Runtime cannot read the file.
        BackendError: No provider of this build runs on the device.
    """

    def __init__(self, path: Path, card: Card, setup: ResolvedOptions) -> None:
        self._card = card
        choose_precision(setup.precision, (), "ONNX Runtime", setup.watch)
        provider, settings = _provider(setup.device)
        options = ort.SessionOptions()
        options.log_severity_level = 4  # its errors are raised as well, and told by us
        if setup.threads is not None:
            options.intra_op_num_threads = setup.threads
        chosen: list[str | tuple[str, dict[str, str]]] = [(provider, settings)]
        if provider != _CPU:
            chosen.append(_CPU)  # for single layers that the GPU's provider has not
        try:
            self._session: Any = ort.InferenceSession(str(path), options, providers=chosen)
            self._bytes_per_px = _estimate_bytes_per_px(path, card)
        except Exception as error:  # its errors have no common root below Exception
            raise ModelError(
                f"ONNX Runtime cannot use {path}: {_first_line(error)}", "export the model again"
            ) from error
        running: str = self._session.get_providers()[0]
        if running != provider:  # it falls back to the CPU without a word where a driver is missing
            setup.watch.note(f"ONNX Runtime could not start {provider}: running on {running}")
        self._provider = running
        self._input: str = self._session.get_inputs()[0].name

    @property
    def facts(self) -> BackendFacts:
        """The facts of this backend with this network."""
        return BackendFacts(
            name="onnxruntime",
            device=self._provider.removesuffix("ExecutionProvider"),
            precision="fp32",
            best_tile=_BEST_TILE,
            bytes_per_px=self._bytes_per_px,
            # A GPU's memory is not told; the main memory's size is what there is to go by.
            free_bytes=free_memory(),
        )

    def run(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Backend.run`."""
        try:
            # Its own array for each answer: ONNX Runtime keeps no claim on it.
            large_NCHW: NDArray[np.float32] = self._session.run(None, {self._input: tiles_NCHW})[0]
        except Exception as error:  # its errors have no common root below Exception
            raise _translated(error, self._provider, tiles_NCHW.shape) from error
        return large_NCHW


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
        f"ONNX Runtime was asked for the device {device}, this build has {', '.join(able)}",
        "install its build for the GPU (onnxruntime-gpu, onnxruntime-directml), or --device cpu",
    )


def _estimate_bytes_per_px(path: Path, card: Card) -> int:
    """Return the memory for one input pixel, from the network's largest layer."""
    edge = math.lcm(_PROBE, card.multiple_of)
    edge *= math.ceil(card.minimum / edge)
    model: onnx.ModelProto = _load(path)
    axes = model.graph.input[0].type.tensor_type.shape.dim
    for axis, size in zip(axes, (1, card.channels, edge, edge), strict=True):
        axis.dim_value = size
    del model.graph.output[0].type.tensor_type.shape.dim[:]  # symbols that no longer hold
    model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    weights = {initializer.name for initializer in model.graph.initializer}
    weights |= {node.output[0] for node in model.graph.node if node.input[0] in weights}
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
