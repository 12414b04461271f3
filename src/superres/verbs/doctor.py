"""The verb `doctor`: what superres finds on this machine, and how fast it is here."""

from __future__ import annotations

import platform
import statistics
import time
from importlib import metadata
from typing import TYPE_CHECKING, Annotated, Any

import typer

from superres.cli.output import print_exception, print_json, print_result
from superres.errors import SuperresError

if TYPE_CHECKING:
    from superres.runtimes.runtime import Backend

_EDGE = 256  # of the test picture
_TEST_S = 2.0
# Packages that matter, and the extra that brings each; "" is the light install.
_PACKAGES = {
    "numpy": "",
    "pyvips": "",
    "pyvips-binary": "",  # its version is libvips'
    "openvino": "",
    "torch": "torch",
    "lightning-fabric": "train",
    "onnxruntime": "onnx",
    "onnx": "onnx",
}
_DEVICES = ("cpu", "gpu")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show versions, devices, what is chosen by default, and a two-second speed test.

    \b
    Example:
      superres doctor --json > machine.json
    """  # noqa: D301 - \b keeps the lines of the example apart, and must be the one character
    from superres.runtimes.precision import cpu_flags, describe_cpu, native_bf16
    from superres.version import __version__

    found: dict[str, Any] = {  # Any: as JSON takes it
        "superres": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpu": {
            "description": describe_cpu(),
            "native_bf16": native_bf16(),
            "flags": sorted(cpu_flags()),
        },
        "devices": _devices(),
    }
    problem: SuperresError | None = None
    try:
        found["auto"], found["speed"] = _test_default()
    except SuperresError as error:  # a broken part must not hide the facts about the others
        problem = error
        found["problem"] = {"error": error.message, "hint": error.hint}
    if as_json:
        print_json(found)
    else:
        _show(found)
    if problem:
        print_exception(problem)
        raise typer.Exit(1)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[dict[str, str]]:
    """Try each backend on each kind of device; say what runs there, or why nothing does."""
    from superres.runtimes.open import BACKENDS, open_backend
    from superres.runtimes.runtime import BackendOptions
    from superres.watch import Watch
    from superres.zoo import resolve

    tried: list[dict[str, str]] = []
    for backend in BACKENDS:
        for device in _DEVICES:
            entry = {"backend": backend, "device": device}
            try:
                options = BackendOptions(backend=backend, device=device)
                facts = open_backend(resolve("default", scale=4), options, watch=Watch()).facts
                entry |= {"found": facts.device, "precision": facts.precision}
            except SuperresError as error:
                entry |= {"missing": error.message, "hint": error.hint}
            tried.append(entry)
    return tried


def _test_default() -> tuple[dict[str, Any], dict[str, float]]:  # Any: as JSON takes it
    """Open what `auto` picks and time it for two seconds."""
    from superres.runtimes.open import open_backend
    from superres.watch import Watch
    from superres.zoo import resolve

    watch = Watch()
    model = resolve("default", scale=4)
    backend = open_backend(model, watch=watch)
    facts = backend.facts
    picked = {
        "model": model.card.name,
        "backend": facts.name,
        "device": facts.device,
        "precision": facts.precision,
        "best_tile": facts.best_tile,
        "reasons": list(watch.notes),
    }
    seconds = _seconds_a_run(backend, model.card.channels)
    megapixels = (_EDGE * model.card.scale) ** 2 / 1e6
    return picked, {
        "milliseconds": 1e3 * seconds,
        "output_megapixels_per_second": megapixels / seconds,
    }


def _seconds_a_run(backend: Backend, channels: int) -> float:
    """Return the median time of the network on a picture of noise."""
    import numpy as np

    noise_NCHW = np.random.default_rng(0).random((1, channels, _EDGE, _EDGE), dtype=np.float32)
    backend.run(noise_NCHW)  # compiles
    times: list[float] = []
    while sum(times) < _TEST_S:
        start = time.perf_counter()
        backend.run(noise_NCHW)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _show(found: dict[str, Any]) -> None:  # Any: as JSON takes it
    """Print the facts for people."""
    print_result(f"superres   {found['superres']}, Python {found['python']}, {found['system']}")
    print_result(f"CPU        {found['cpu']['description']}")
    for name, version in found["packages"].items():
        extra = _PACKAGES[name]
        missing = f"not installed: pip install 'superres[{extra}]'" if extra else "not installed"
        print_result(f"package    {name} {version or missing}")
    for one in found["devices"]:
        what = f"{one['found']}, {one['precision']}" if "found" in one else f"no: {one['missing']}"
        print_result(f"device     {one['backend']} {one['device']}: {what}")
    if "auto" in found:
        auto, speed = found["auto"], found["speed"]
        print_result(
            f"auto       {auto['model']} with {auto['backend']} on {auto['device']} in "
            f"{auto['precision']}, tiles of {auto['best_tile']} px"
        )
        print_result(
            f"speed      {speed['milliseconds']:.0f} ms for {_EDGE}×{_EDGE} ×4, "
            f"{speed['output_megapixels_per_second']:.1f} output megapixels a second"
        )
