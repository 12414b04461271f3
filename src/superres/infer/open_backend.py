"""Which backend runs a model here: the one that was named, or the fastest that can."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from superres.errors import BackendError, ModelError, unknown_name
from superres.infer.backend import Backend, Notice, PrecisionRequest
from superres.infer.device import Device, parse_device
from superres.infer.precision import describe_cpu
from superres.models.files import ModelFile


@dataclass(frozen=True, slots=True)
class _Request:
    """What a backend is opened with."""

    model: ModelFile
    precision: PrecisionRequest
    device: Device
    threads: int | None
    notice: Notice


@dataclass(frozen=True, slots=True)
class _Choice:
    """One backend that a user may name.

    Attributes:
        package: The package that it needs.
        install: The extra that brings the package.
        file: Which of a model's files it reads.
        open: Opens it; imports the package.
    """

    package: str
    install: str
    file: Literal["onnx", "safetensors"]  # or what stands in for it; see `ModelFile.weights`
    open: Callable[[_Request, Path], Backend]

    def path(self, model: ModelFile) -> Path | None:
        """Return the model's file of the kind that this backend reads."""
        return model.onnx if self.file == "onnx" else model.weights

    def installed(self) -> bool:
        """Say whether the package is there, without importing it."""
        return importlib.util.find_spec(self.package) is not None


def _openvino(request: _Request, path: Path) -> Backend:
    from superres.infer.openvino_backend import OpenVinoBackend

    return OpenVinoBackend(
        path,
        request.model.card,
        precision=request.precision,
        device=request.device,
        threads=request.threads,
        notice=request.notice,
    )


def _torch(request: _Request, path: Path) -> Backend:
    from superres.infer.torch_backend import TorchBackend

    return TorchBackend.open(
        path,
        precision=request.precision,
        device=request.device,
        threads=request.threads,
        notice=request.notice,
    )


def _onnxruntime(request: _Request, path: Path) -> Backend:
    from superres.infer.onnx_backend import OnnxBackend

    return OnnxBackend(
        path,
        request.model.card,
        precision=request.precision,
        device=request.device,
        threads=request.threads,
        notice=request.notice,
    )


# In the order in which `auto` tries them where no GPU of torch's is in sight.
BACKENDS: dict[str, _Choice] = {
    "openvino": _Choice("openvino", "superres", "onnx", _openvino),
    "torch": _Choice("torch", "superres[torch]", "safetensors", _torch),
    "onnxruntime": _Choice("onnxruntime", "superres[onnx]", "onnx", _onnxruntime),
}


def open_backend(
    model: ModelFile,
    *,
    backend: str = "auto",
    precision: PrecisionRequest = "auto",
    device: str = "auto",
    threads: int | None = None,
    notice: Notice,
) -> Backend:
    """Open a model on a backend.

    Args:
        model: The model's files and card.
        backend: `auto` or a key of `BACKENDS`.
        precision: The number format; `auto` takes the device's own, and fp32 where that is unsure.
        device: `auto`, `cpu`, `gpu`, `gpu:1`, `cuda:0`, `mps`, `npu`; see `parse_device`.
        threads: CPU threads; None takes all cores.
        notice: Told what `auto` picked and why, and what cannot be had.

    Raises:
        UnknownNameError: There is no such backend or device.
        BackendError: The backend is not installed, or has no such device.
        ModelError: The model has no file that the backend reads, or that file is damaged.
    """
    wanted = parse_device(device)
    request = _Request(model, precision, wanted, threads, notice)
    if backend != "auto":
        if backend not in BACKENDS:
            raise unknown_name("backend", backend, ("auto", *BACKENDS))
        return _open_named(backend, request)
    name, reason = _pick(model, wanted)
    opened = _open_named(name, request)
    facts = opened.facts
    where = describe_cpu() if facts.device.lower() == "cpu" else facts.device
    notice(f"running on {name} in {facts.precision} ({reason}): {where}")
    return opened


def _open_named(name: str, request: _Request) -> Backend:
    choice, model = BACKENDS[name], request.model
    if not choice.installed():
        raise BackendError(
            f"the backend {name} needs the package {choice.package}, which is not installed",
            f"pip install '{choice.install}', or use --backend auto",
        )
    path = choice.path(model)
    if path is None:
        raise ModelError(
            f"the backend {name} reads .{choice.file} files, model {model.card.name} has none",
            "superres export makes .onnx of .safetensors; use --backend auto for what there is",
        )
    return choice.open(request, path)


def _pick(model: ModelFile, device: Device) -> tuple[str, str]:
    """Return a backend's name, and why it is the one."""
    able = [name for name, choice in BACKENDS.items() if choice.installed() and choice.path(model)]
    if not able:
        raise BackendError(
            f"no installed backend can run model {model.card.name}, which has "
            f"{' and '.join(p.name for p in (model.onnx, model.weights) if p) or 'no files'}",
            "pip install 'superres[torch]' for .safetensors; pip install superres for .onnx",
        )
    if device.kind in ("cuda", "mps"):
        for name in ("torch", "onnxruntime"):
            if name in able:
                return name, f"it runs on {device}"
    elif device.kind in ("auto", "gpu") and "torch" in able and (gpu := _torch_gpu()):
        return "torch", f"it has {gpu}"
    if "openvino" in able:
        return "openvino", "the default on CPUs and Intel's GPUs"
    missing = "openvino is not installed" if model.onnx else "the model has no .onnx file"
    return able[0], missing


def _torch_gpu() -> str | None:
    """Return the GPU that torch finds; torch is slow to import, so a driver must be in sight."""
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
    # NVIDIA's driver, Windows' below Linux, AMD's.
    signs = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
    return any(Path(sign).exists() for sign in signs)
