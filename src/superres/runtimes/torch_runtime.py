"""Torch runtime: NVIDIA, AMD and Apple GPUs, and CPUs."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from superres.errors import BackendError, OutOfMemoryError, SuperresError
from superres.images.canvas import HOST
from superres.layers.graphs import ENLARGE, Graph
from superres.layers.reparameterised import for_inference
from superres.modelfiles.card import Card
from superres.modelfiles.checkpoint import load_network
from superres.runtimes.cuda_graphs import Network, Replays
from superres.runtimes.device import Device
from superres.runtimes.memory import free_memory
from superres.runtimes.precision import choose_precision, native_bf16
from superres.runtimes.runtime import (
    CPU_BATCH_PX,
    Array,
    Precision,
    ResolvedOptions,
    RuntimeFacts,
    probe_edge,
    tiled,
)
from superres.runtimes.torch_canvas import TorchCanvas

_from_numpy = cast("Any", torch).from_numpy  # its types are incomplete

_BEST_TILE = 512
# Not measured: a layer of some 8,000 pixels fills a multiprocessor. A large GPU has 132.
_PX_PER_MULTIPROCESSOR = 2**13
_GPU_BATCH_PX = 512**2  # of a GPU that does not say how many it has
_PROBE = 32  # edge of the tile that memory is estimated with
_LIVE_TENSORS = 4  # a layer's input and output, a residual kept for later, and scratch
_DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
_MEMORY_WORDS = ("out of memory", "can't allocate", "not enough memory", "bad_alloc")


class TorchRuntime:
    """One network in torch, channels last, under autocast if the format is not fp32.

    Args:
        network: The network, in fp32; it is moved to the device.
        card: Its card.
        resolved: The options; threads are set for the whole process.

    Raises:
        BackendError: There is no such device.
    """

    def __init__(self, network: nn.Module, card: Card, resolved: ResolvedOptions) -> None:
        if resolved.threads is not None:
            torch.set_num_threads(resolved.threads)
        self._card = card
        self._device = find_device(resolved.device)
        native = _native_precisions(self._device)
        self._precision: Precision = choose_precision(
            resolved.precision, native, str(self._device), resolved.watch
        )
        self._bytes_per_px = estimate_bytes_per_px(network, card)
        self._batch_px = _batch_px(self._device)
        self._replays = Replays() if self._device.type == "cuda" else None
        self._canvas = HOST if self._device.type == "cpu" else TorchCanvas(self._device)
        # nn.Module.to has no overload for a memory format in torch's own types.
        self._network: nn.Module = network.eval().to(  # pyright: ignore[reportCallIssue]
            self._device, memory_format=torch.channels_last
        )

    @classmethod
    def open(cls, path: Path, resolved: ResolvedOptions) -> Self:
        """Load a weight file and open its network.

        Raises:
            ModelError: The file is damaged or does not fit its card.
            BackendError: There is no such device.
        """
        network, card = load_network(path)
        return cls(for_inference(network), card, resolved)

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of this runtime with this network."""
        gpu = self._device.type != "cpu"
        return RuntimeFacts(
            name="torch",
            device=str(self._device),
            precision=self._precision,
            best_tile=_BEST_TILE,
            bytes_per_px=self._bytes_per_px,
            free_bytes=_free_bytes(self._device),
            batch_px=self._batch_px if gpu else CPU_BATCH_PX,
            joins=gpu,
            canvas=self._canvas,
        )

    def run(self, graph: str, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run a graph; see `Runtime.run`."""
        spec = self._card.graph(graph)
        exact = spec.exact or self._precision == "fp32"
        autocast = torch.autocast(
            self._device.type,
            _DTYPES[self._precision],
            enabled=not exact,
            cache_enabled=self._replays is None,  # what a graph allocates must not leave it
        )
        failure: Exception | None = None
        try:
            with torch.inference_mode(), autocast, _exact_products(exact=exact):
                given = [self._tensor(tensors[port.name], held=port.held) for port in spec.inputs]
                method = _method(self._network, spec)
                if self._replays and len(given) == 1 and not spec.whole:
                    answer = self._replays.run(cast("Network", method), given[0])
                else:
                    answer = method(*given)
                made = (answer,) if isinstance(answer, Tensor) else answer
                stays = isinstance(tensors[spec.inputs[0].name], Tensor)
                return {
                    port.name: _returned(one, held=port.held, stays=stays)
                    for port, one in zip(spec.outputs, made, strict=True)
                }
        except SuperresError:
            raise
        except (RuntimeError, MemoryError) as error:
            failure = error
        # After the except clause, no stack frame holds tensors any more, and memory can be freed.
        shape = tuple(tensors[spec.inputs[0].name].shape)
        translated = _translated(failure, str(self._device), shape)
        failure.__traceback__ = None
        if isinstance(translated, OutOfMemoryError):
            if self._replays:
                self._replays.forget()
            _empty_cache(self._device)
        raise translated from failure

    def _tensor(self, values: Array | Tensor, *, held: bool) -> Tensor:
        """Return an input of a graph as a tensor; a held one unchanged."""
        if isinstance(values, Tensor):
            if held:
                return values
        else:
            # torch warns about read-only arrays, although it only reads them.
            values = cast("Tensor", _from_numpy(np.require(values, np.float32, ("C", "W"))))
        return values.to(self._device).contiguous(memory_format=torch.channels_last)


def _returned(made: Tensor, *, held: bool, stays: bool) -> Array:
    """Return an output of a graph: held ones unchanged, others in fp32, here or on the device."""
    if held:
        return cast("Array", made)  # only this class receives it again
    return cast("Array", made.float()) if stays else made.float().cpu().numpy()


def _method(network: nn.Module, graph: Graph) -> Callable[..., Tensor | tuple[Tensor, ...]]:
    """Return a graph's function: the network itself, or its method of that name."""
    return network if graph.name == ENLARGE else getattr(network, graph.name)


def find_device(device: Device) -> torch.device:
    """Return the torch device of a name; `auto` takes a GPU if there is one.

    Raises:
        BackendError: There is no such device.
    """
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if device.kind == "cpu" or (device.kind == "auto" and not cuda and not mps):
        return torch.device("cpu")
    index = device.index or 0
    if device.kind in ("auto", "gpu", "cuda") and index < cuda:
        return torch.device("cuda", index)
    if device.kind in ("auto", "gpu", "mps") and index == 0 and mps:
        return torch.device("mps")
    raise BackendError(
        f"device {device} was requested, torch finds the CPU, {cuda} CUDA "
        f"device{'s' if cuda != 1 else ''} and {'an' if mps else 'no'} Apple GPU",
        "use --device auto, or install a torch build for the GPU",
    )


def _native_precisions(device: torch.device) -> tuple[Precision, ...]:
    """Return a device's native number formats, the preferred one first."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        # bf16 has fp32's range; fp16 overflows in some networks, which the sanity check detects.
        return ("bf16", "fp16") if bf16 else ("fp16",)
    if device.type == "mps":
        return ("fp16",)
    return ("bf16",) if native_bf16() else ()


@contextlib.contextmanager
def _exact_products(*, exact: bool) -> Generator[None]:
    """Keep NVIDIA GPUs from rounding fp32 factors to TF32's 10 bits, which is cuDNN's default."""
    if not exact or not torch.cuda.is_available():
        yield
        return
    backends: Any = torch.backends  # it has no types for these
    convolutions, products = backends.cudnn.conv, backends.cuda.matmul
    before: tuple[str, str] = convolutions.fp32_precision, products.fp32_precision
    convolutions.fp32_precision = products.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision, products.fp32_precision = before


def estimate_bytes_per_px(network: nn.Module, card: Card) -> int:
    """Return the memory for one input pixel, from the largest layer's output on a small tile.

    The network may lie on any device: a fallback to fp32 opens one again that is on the GPU.
    """
    edge = probe_edge(card, _PROBE)
    device = next(itertools.chain(network.parameters(), network.buffers()), torch.empty(0)).device
    largest = 0

    def note(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.numel())

    hooks = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.inference_mode():
            for graph in tiled(card):
                sample = (
                    torch.zeros(1, port.channels, edge, edge, device=device)
                    for port in graph.inputs
                )
                _method(network, graph)(*sample)
    finally:
        for hook in hooks:
            hook.remove()
    return 4 * (math.ceil(_LIVE_TENSORS * largest / edge**2) + 2 * card.channels * card.scale**2)


def _batch_px(device: torch.device) -> int:
    """Return the input pixels of a run that fill a GPU."""
    if device.type != "cuda":
        return _GPU_BATCH_PX
    properties = cast("Any", torch.cuda).get_device_properties(device)  # without types
    return _PX_PER_MULTIPROCESSOR * int(properties.multi_processor_count)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        # Memory that torch keeps for reuse counts as taken there.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return free_memory()


def _empty_cache(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def _translated(error: Exception, device: str, shape: tuple[int, ...]) -> BackendError:
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    where = f"torch on {device} with tiles of shape {shape}: {reason}"
    memory = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if memory or any(word in str(error).lower() for word in _MEMORY_WORDS):
        return OutOfMemoryError(f"out of memory in {where}", "use a smaller --tile")
    return BackendError(f"failure in {where}", "try --device cpu, or another --backend")
