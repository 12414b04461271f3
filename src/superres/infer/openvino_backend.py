"""Runs a network with OpenVINO, on CPUs, Intel GPUs and NPUs."""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from superres.errors import BackendError, ModelError, OutOfMemoryError
from superres.infer.backend import BackendFacts, Notice, Precision, PrecisionRequest
from superres.infer.device import Device
from superres.infer.memory import free_memory
from superres.infer.precision import choose_precision, native_bf16
from superres.models.card import Card

_read = cast("Any", ov.Core).read_model  # its types are incomplete

# Measured on two cores with AMX and a network of 30 convolutions of 64 channels: a pixel takes 0.8
# us in tiles of 200 px, 0.95 at 320, 1.2 from 450 on, and up to 3 in tiles some 1300 px wide, as
# features leave the cache. With a halo of 30 px, 400 is best; without AMX it matters little.
_BEST_TILE = 416
# Compiled shapes keep their working memory. Tiles of one picture have one shape, an ensemble adds
# the turned one; small pictures of many sizes may keep more.
_CACHED_PX = 2 * _BEST_TILE**2
_PROBE = 64  # edge of the shape that memory is estimated with
_LIVE_TENSORS = 3  # a layer's input and output, and a residual kept for later
_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_MEMORY_WORDS = ("bad_alloc", "out of memory", "out_of_resources", "allocat")


class OpenVinoBackend:
    """One network in OpenVINO, compiled for each shape of tile as it comes.

    Args:
        path: The .onnx file.
        card: Its card.
        precision: The number format asked for.
        device: Where to run.
        threads: CPU threads; None takes all cores.
        notice: Called if precision or device cannot be had.

    Raises:
        ModelError: OpenVINO cannot read the file.
        BackendError: There is no such device.
    """

    def __init__(
        self,
        path: Path,
        card: Card,
        *,
        precision: PrecisionRequest,
        device: Device,
        threads: int | None,
        notice: Notice,
    ) -> None:
        self._core = ov.Core()
        self._device = _find_device(self._core, device)
        native = _native_precisions(self._core, self._device)
        self._precision: Precision = choose_precision(precision, native, self._device, notice)
        self._threads = threads
        self._card = card
        try:
            self._model: ov.Model = _read(self._core, path)
            self._bytes_per_px = self._estimate_bytes_per_px()
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO cannot use {path}: {_last_line(error)}", "export the model again"
            ) from error
        self._requests: OrderedDict[tuple[int, ...], ov.InferRequest] = OrderedDict()

    @property
    def facts(self) -> BackendFacts:
        """The facts of this backend with this network."""
        return BackendFacts(
            name="openvino",
            device=self._device,
            precision=self._precision,
            best_tile=_BEST_TILE,
            bytes_per_px=self._bytes_per_px,
            free_bytes=self._free_bytes(),
        )

    def run(self, tiles_NCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network; see `Backend.run`."""
        count, channels, height, width = tiles_NCHW.shape
        scale = self._card.scale
        try:
            request = self._request(tiles_NCHW.shape)
            # OpenVINO writes into an array of ours, so that it is nobody else's afterwards.
            large_NCHW = np.empty((count, channels, scale * height, scale * width), np.float32)
            request.set_output_tensor(ov.Tensor(large_NCHW, shared_memory=True))
            # It only reads, but takes no array that may not be written to.
            small_NCHW = np.require(tiles_NCHW, np.float32, ("C", "W"))
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
        while self._requests and sum(map(_pixels, self._requests)) + _pixels(shape) > _CACHED_PX:
            self._requests.popitem(last=False)
        self._model.reshape(list(shape))
        compiled = self._core.compile_model(self._model, self._device, self._hints())
        self._requests[shape] = compiled.create_infer_request()
        return self._requests[shape]

    def _hints(self) -> dict[str, str]:
        hints = {
            "INFERENCE_PRECISION_HINT": _HINTS[self._precision],
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
        }
        if self._threads is not None and self._device == "CPU":
            hints["INFERENCE_NUM_THREADS"] = str(self._threads)
        return hints

    def _estimate_bytes_per_px(self) -> int:
        """Return the memory for one input pixel, from the network's largest layer.

        Half formats are counted as fp32: OpenVINO keeps some layers in it.
        """
        edge = math.lcm(_PROBE, self._card.multiple_of)
        edge *= math.ceil(self._card.minimum / edge)
        self._model.reshape([1, self._card.channels, edge, edge])
        largest = 0
        for node in self._model.get_ops():
            if node.get_type_name() in ("Constant", "Convert", "Result"):
                continue  # weights, and what only passes them on
            for index in range(node.get_output_size()):
                shape = node.get_output_partial_shape(index)
                if shape.is_static:
                    largest = max(largest, math.prod(shape.to_shape()))
        outputs = 2 * self._card.channels * self._card.scale**2  # OpenVINO's own and ours
        return 4 * (math.ceil(_LIVE_TENSORS * largest / edge**2) + outputs)

    def _free_bytes(self) -> int:
        """Return the free memory; a GPU's own is known as a whole only, so half counts as free."""
        if self._device.startswith("GPU"):
            total = int(self._core.get_property(self._device, "GPU_DEVICE_TOTAL_MEM_SIZE"))
            return total // 2
        return free_memory()


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
