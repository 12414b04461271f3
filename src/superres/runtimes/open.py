"""Which backend runs a model here: the one that was named, or the fastest that can."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from superres.errors import BackendError, ModelError, unknown_name
from superres.modelfiles.card import Card
from superres.modelfiles.files import ModelFile
from superres.runtimes.device import Device, parse_device
from superres.runtimes.precision import describe_cpu
from superres.runtimes.runtime import (
    Backend,
    BackendOptions,
    BurstBackend,
    ResolvedOptions,
    VideoBackend,
)
from superres.watch import Watch

Opened = TypeVar("Opened", Backend, BurstBackend, VideoBackend)
_Opener = Callable[[Path, Card, ResolvedOptions], Opened]


@dataclass(frozen=True, slots=True)
class _RuntimeEntry:
    """One backend that a user may name.

    Attributes:
        package: The package that it needs.
        install: The extra that brings the package.
        file: Which of a model's files it reads.
        open: Opens it for networks of one frame; imports the package.
        open_burst: Opens it for networks of many frames; None if it cannot run them.
        open_video: Opens it for networks of videos; None if it cannot run them.
    """

    package: str
    install: str
    file: Literal["onnx", "safetensors"]  # or what stands in for it; see `ModelFile.weights`
    open: _Opener[Backend]
    open_burst: _Opener[BurstBackend] | None = None
    open_video: _Opener[VideoBackend] | None = None

    def path(self, model: ModelFile) -> Path | None:
        """Return the model's file of the kind that this backend reads."""
        return model.onnx if self.file == "onnx" else model.weights

    def installed(self) -> bool:
        """Say whether the package is there, without importing it."""
        return importlib.util.find_spec(self.package) is not None


def _openvino(path: Path, card: Card, setup: ResolvedOptions) -> Backend:
    from superres.runtimes.openvino_runtime import OpenVinoBackend

    return OpenVinoBackend(path, card, setup)


def _openvino_burst(path: Path, card: Card, setup: ResolvedOptions) -> BurstBackend:
    from superres.runtimes.openvino_runtime import OpenVinoBurstBackend

    return OpenVinoBurstBackend(path, card, setup)


def _openvino_video(path: Path, card: Card, setup: ResolvedOptions) -> VideoBackend:
    from superres.runtimes.openvino_runtime import OpenVinoVideoBackend

    return OpenVinoVideoBackend(path, card, setup)


def _torch(path: Path, _: Card, setup: ResolvedOptions) -> Backend:
    from superres.runtimes.torch_runtime import TorchBackend

    return TorchBackend.open(path, setup)


def _torch_burst(path: Path, _: Card, setup: ResolvedOptions) -> BurstBackend:
    from superres.runtimes.torch_runtime import TorchBurstBackend

    return TorchBurstBackend.open(path, setup)


def _torch_video(path: Path, _: Card, setup: ResolvedOptions) -> VideoBackend:
    from superres.runtimes.torch_runtime import TorchVideoBackend

    return TorchVideoBackend.open(path, setup)


def _onnxruntime(path: Path, card: Card, setup: ResolvedOptions) -> Backend:
    from superres.runtimes.onnx_runtime import OnnxBackend

    return OnnxBackend(path, card, setup)


# In the order in which `auto` tries them where no GPU of torch's is in sight.
BACKENDS: dict[str, _RuntimeEntry] = {
    "openvino": _RuntimeEntry(
        "openvino", "superres", "onnx", _openvino, _openvino_burst, _openvino_video
    ),
    "torch": _RuntimeEntry(
        "torch", "superres[torch]", "safetensors", _torch, _torch_burst, _torch_video
    ),
    "onnxruntime": _RuntimeEntry("onnxruntime", "superres[onnx]", "onnx", _onnxruntime),
}


_DEFAULTS = BackendOptions()


def open_backend(model: ModelFile, options: BackendOptions = _DEFAULTS, *, watch: Watch) -> Backend:
    """Open a model of one frame on a backend.

    Args:
        model: The model's files and card.
        options: What it runs on.
        watch: Told what `auto` picked and why, and what cannot be had.

    Raises:
        UnknownNameError: There is no such backend or device.
        BackendError: The backend is not installed, or has no such device.
        ModelError: The model takes many frames or videos, has no file that the backend reads, or
            that file is damaged.
    """
    if model.card.frames == "many":
        raise ModelError(
            f"model {model.card.name} makes one picture of many frames, it was given one",
            f"superres burst FRAMES... -n {model.card.name}; superres models list has others",
        )
    if model.card.frames == "video":
        raise ModelError(
            f"model {model.card.name} enlarges videos, it was given one frame",
            f"superres video IN -n {model.card.name}; superres models list has others",
        )
    return _opened(model, options, watch, lambda choice: choice.open)


def open_burst_backend(
    model: ModelFile, options: BackendOptions = _DEFAULTS, *, watch: Watch
) -> BurstBackend:
    """Open a model of many frames on a backend; arguments and errors are those of `open_backend`.

    Raises:
        ModelError: The model is none that fuses many frames.
    """
    if model.card.frames != "many":
        what = "single frames" if model.card.frames == "one" else "videos"
        raise ModelError(
            f"model {model.card.name} enlarges {what}, it was asked to fuse many",
            "superres upscale runs it; superres models list says which models take many frames",
        )
    return _opened(model, options, watch, lambda choice: choice.open_burst)


def open_video_backend(
    model: ModelFile, options: BackendOptions = _DEFAULTS, *, watch: Watch
) -> VideoBackend:
    """Open a model of videos on a backend; arguments and errors are those of `open_backend`.

    Raises:
        ModelError: The model is none of videos.
    """
    if model.card.frames != "video":
        raise ModelError(
            f"model {model.card.name} knows nothing of videos' frames before",
            "superres models list says which models are for videos",
        )
    return _opened(model, options, watch, lambda choice: choice.open_video)


def _opened(
    model: ModelFile,
    options: BackendOptions,
    watch: Watch,
    opener: Callable[[_RuntimeEntry], _Opener[Opened] | None],
) -> Opened:
    """Open the backend that was named, or the one to pick."""
    setup = ResolvedOptions(options.precision, parse_device(options.device), options.threads, watch)
    if options.backend != "auto":
        if options.backend not in BACKENDS:
            raise unknown_name("backend", options.backend, ("auto", *BACKENDS))
        return _open_named(options.backend, model, setup, opener)
    able = [
        name
        for name, choice in BACKENDS.items()
        if choice.installed() and choice.path(model) and opener(choice)
    ]
    name, reason = _pick(model, able, setup.device)
    opened = _open_named(name, model, setup, opener)
    facts = opened.facts
    where = describe_cpu() if facts.device.lower() == "cpu" else facts.device
    watch.note(f"running on {name} in {facts.precision} ({reason}): {where}")
    return opened


def _open_named(
    name: str,
    model: ModelFile,
    setup: ResolvedOptions,
    opener: Callable[[_RuntimeEntry], _Opener[Opened] | None],
) -> Opened:
    choice = BACKENDS[name]
    if not choice.installed():
        raise BackendError(
            f"the backend {name} needs the package {choice.package}, which is not installed",
            f"pip install '{choice.install}', or use --backend auto",
        )
    open_it = opener(choice)
    if open_it is None:
        raise BackendError(
            f"the backend {name} does not run models of "
            f"{'videos' if model.card.frames == 'video' else 'many frames'}",
            "use --backend auto",
        )
    path = choice.path(model)
    if path is None:
        raise ModelError(
            f"the backend {name} reads .{choice.file} files, model {model.card.name} has none",
            "superres export makes .onnx of .safetensors; use --backend auto for what there is",
        )
    return open_it(path, model.card, setup)


def _pick(model: ModelFile, able: Sequence[str], device: Device) -> tuple[str, str]:
    """Return the name of one of the backends that can run a model, and why it is the one."""
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
