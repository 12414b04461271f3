"""Choice of a model's runtime: the requested one, or the fastest that can run it."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from superres.errors import BackendError, ModelError, unknown_name
from superres.layers.graphs import InputKind
from superres.modelfiles.card import Card, check_input
from superres.modelfiles.files import ModelFile
from superres.modelfiles.onnx_weights import holds_parameters
from superres.runtimes.device import parse_device
from superres.runtimes.precision import describe_cpu
from superres.runtimes.runtime import (
    PrecisionRequest,
    ResolvedOptions,
    Runtime,
    RuntimeOptions,
)
from superres.watch import Watch

_Opener = Callable[[Path, Card, ResolvedOptions], Runtime]


@dataclass(frozen=True, slots=True)
class RuntimeEntry:
    """One runtime that a user may choose with `--backend`.

    Attributes:
        package: The package that it needs.
        install: The extra that installs the package.
        file: The kind of model file that it reads.
        open: Opens it; imports the package.
    """

    package: str
    install: str
    file: Literal["onnx", "safetensors"]  # or its substitute; see `ModelFile.weights`
    open: _Opener

    def path(self, model: ModelFile, precision: PrecisionRequest) -> Path | None:
        """Return the model's file of the kind that this runtime reads, for a number format."""
        if precision == "int8":
            return model.int8 if self.file == "onnx" else None
        return model.onnx if self.file == "onnx" else model.weights

    def reads(self, model: ModelFile, precision: PrecisionRequest = "auto") -> bool:
        """Return whether the model has a file that this runtime can run in a number format."""
        path = self.path(model, precision)
        if path is None or self.file == "onnx" or path.suffix != ".onnx":
            return path is not None
        return holds_parameters(path, model.card)

    def installed(self) -> bool:
        """Say whether the package is installed, without importing it."""
        return importlib.util.find_spec(self.package) is not None


def _openvino(path: Path, card: Card, resolved: ResolvedOptions) -> Runtime:
    from superres.runtimes.openvino_runtime import OpenVinoRuntime

    return OpenVinoRuntime(path, card, resolved)


def _torch(path: Path, _: Card, resolved: ResolvedOptions) -> Runtime:
    from superres.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime.open(path, resolved)


def _onnxruntime(path: Path, card: Card, resolved: ResolvedOptions) -> Runtime:
    from superres.runtimes.onnx_runtime import OnnxRuntime

    return OnnxRuntime(path, card, resolved)


# In the order in which `auto` tries them where torch finds no GPU.
BACKENDS: dict[str, RuntimeEntry] = {
    "openvino": RuntimeEntry("openvino", "superres", "onnx", _openvino),
    "torch": RuntimeEntry("torch", "superres[torch]", "safetensors", _torch),
    "onnxruntime": RuntimeEntry("onnxruntime", "superres[onnx]", "onnx", _onnxruntime),
}

_DEFAULTS = RuntimeOptions()


def open_runtime(
    model: ModelFile,
    options: RuntimeOptions = _DEFAULTS,
    *,
    takes: InputKind = "image",
    watch: Watch,
) -> Runtime:
    """Open a model on a runtime.

    Args:
        model: The model's files and card.
        options: What it runs on.
        takes: The kind of input for the model.
        watch: Receives the choice of `auto` with its reason, and requests that cannot be met.

    Raises:
        UnknownNameError: There is no such runtime or device.
        BackendError: The runtime is not installed, or has no such device.
        ModelError: The model takes another kind of input, has no file that the runtime reads or
            no int8 form, or that file is damaged.
    """
    check_input(model.card, takes)
    if options.precision == "int8" and model.int8 is None:
        raise ModelError(
            f"int8 was requested, model {model.card.name} has no int8 form",
            "use --precision auto; superres models info shows the files of a model",
        )
    resolved = ResolvedOptions(
        options.precision, parse_device(options.device), options.threads, watch
    )
    if options.backend != "auto":
        if options.backend not in BACKENDS:
            raise unknown_name("backend", options.backend, ("auto", *BACKENDS))
        return _open_named(options.backend, model, resolved)
    name, reason = _pick(model, resolved)
    opened = _open_named(name, model, resolved)
    facts = opened.facts
    where = describe_cpu() if facts.device.lower() == "cpu" else facts.device
    watch.note(f"running on {name} in {facts.precision} ({reason}): {where}")
    return opened


def backend_for(model: ModelFile, options: RuntimeOptions) -> str:
    """Return the name of the runtime that a model would be opened on.

    Raises:
        BackendError: No installed one can run it.
    """
    if options.backend != "auto":
        return options.backend
    device = parse_device(options.device)
    return _pick(model, ResolvedOptions(options.precision, device, options.threads, Watch()))[0]


def _open_named(name: str, model: ModelFile, resolved: ResolvedOptions) -> Runtime:
    entry = BACKENDS[name]
    if not entry.installed():
        raise BackendError(
            f"the backend {name} needs the package {entry.package}, which is not installed",
            f"pip install '{entry.install}', or use --backend auto",
        )
    path = entry.path(model, resolved.precision)
    if path is None and resolved.precision == "int8":
        raise BackendError(
            f"int8 was requested, the backend {name} does not support it",
            "use --backend openvino or onnxruntime, or another --precision",
        )
    if path is None:
        raise ModelError(
            f"the backend {name} reads .{entry.file} files, but model {model.card.name} has none",
            "superres export makes .onnx from .safetensors; or use --backend auto",
        )
    return entry.open(path, model.card, resolved)


def _pick(model: ModelFile, resolved: ResolvedOptions) -> tuple[str, str]:
    """Return the name of the runtime chosen for a model, and the reason.

    Only reading an .onnx shows whether torch can use it, so that is tried last.
    """
    device = resolved.device

    def able(name: str) -> bool:
        return BACKENDS[name].installed() and BACKENDS[name].reads(model, resolved.precision)

    if device.kind in ("cuda", "mps"):
        for name in ("torch", "onnxruntime"):
            if able(name):
                return name, f"it runs on {device}"
    elif (
        device.kind in ("auto", "gpu")
        and BACKENDS["torch"].installed()
        and (gpu := _torch_gpu())
        and able("torch")
    ):
        return "torch", f"it has {gpu}"
    if able("openvino"):
        return "openvino", "the default on CPUs and Intel's GPUs"
    name = next(filter(able, BACKENDS), None)
    if name is None:
        raise BackendError(
            f"no installed backend can run model {model.card.name}, which comes as "
            f"{' and '.join(p.name for p in (model.onnx, model.weights) if p) or 'no files'}",
            "pip install 'superres[torch]' for .safetensors; pip install superres for .onnx",
        )
    missing = "openvino is not installed" if model.onnx else "the model has no .onnx file"
    return name, missing


def _torch_gpu() -> str | None:
    """Return the GPU that torch finds; torch is slow to import, so a driver is looked for first."""
    if not _gpu_driver():
        return None
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return "an Apple GPU" if torch.backends.mps.is_available() else None


def _gpu_driver() -> bool:
    """Say whether there are signs of a GPU that torch might run on."""
    if sys.platform == "darwin":
        return platform.machine() == "arm64"
    if sys.platform == "win32":
        return Path("C:/Windows/System32/nvcuda.dll").exists()
    # NVIDIA's driver, Windows' under WSL, AMD's.
    signs = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    return any(Path(sign).exists() for sign in signs)
