"""The verb `doctor`: the machine's backends and speed."""

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
    from superres.runtimes.runtime import Runtime

_EDGE = 256  # of the test picture
_TEST_S = 2.0
# Relevant packages and the extra that installs each; "" is the light install.
_PACKAGES = {
    "numpy": "",
    "pyvips": "",
    "pyvips-binary": "",  # its version is libvips'
    "openvino": "",
    "torch": "torch",
    "lightning-fabric": "train",
    "tensorboard": "train",
    "onnxruntime": "onnx",
    "onnx": "onnx",
    "onnxscript": "onnx",
    "av": "video",
}
_DEVICES = ("cpu", "gpu")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show versions, devices, the default choice, and a two-second speed test.

    \b
    Example:
      superres doctor --json > machine.json
    """  # noqa: D301 - \b separates the example's lines, and must be this one character
    from superres.runtimes.precision import cpu_flags, describe_cpu, native_bf16, native_int8
    from superres.version import __version__

    found: dict[str, Any] = {  # Any: JSON values
        "superres": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpu": {
            "description": describe_cpu(),
            "native_bf16": native_bf16(),
            "native_int8": native_int8(),
            "flags": sorted(cpu_flags()),
        },
        "devices": _devices(),
    }
    problem: SuperresError | None = None
    try:
        found["auto"], found["speed"] = _test_default()
    except SuperresError as error:  # one broken part must not hide the others' facts
        problem = error
        found["problem"] = {"error": error.message, "hint": error.hint}
    if as_json:
        print_json(found)
    else:
        _print_facts(found)
    if problem:
        print_exception(problem)
        raise typer.Exit(1)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[dict[str, str]]:
    """Try each runtime on each kind of device; report the device, or why it cannot run."""
    from superres.runtimes.open import BACKENDS, open_runtime
    from superres.runtimes.runtime import RuntimeOptions
    from superres.watch import Watch
    from superres.zoo import resolve

    tried: list[dict[str, str]] = []
    for backend in BACKENDS:
        for device in _DEVICES:
            entry = {"backend": backend, "device": device}
            try:
                options = RuntimeOptions(backend=backend, device=device)
                facts = open_runtime(resolve("default", scale=4), options, watch=Watch()).facts
                entry |= {"found": facts.device, "precision": facts.precision}
            except SuperresError as error:
                entry |= {"missing": error.message, "hint": error.hint}
            tried.append(entry)
    return tried


def _test_default() -> tuple[dict[str, Any], dict[str, float]]:  # Any: JSON values
    """Open the runtime chosen by `auto` and time it for two seconds."""
    from superres.hub import cache_folder
    from superres.runtimes.half_precision import Memory, open_checked
    from superres.runtimes.runtime import RuntimeOptions
    from superres.watch import Watch
    from superres.zoo import resolve

    watch = Watch()
    model = resolve("default", scale=4)
    options, memory = RuntimeOptions(), Memory(cache_folder())
    runtime = open_checked(model, options, memory=memory, watch=watch)
    facts = runtime.facts
    picked = {
        "model": model.card.name,
        "backend": facts.name,
        "device": facts.device,
        "precision": facts.precision,
        "best_tile": facts.best_tile,
        "reasons": list(watch.notes),
    }
    seconds = _seconds_a_run(runtime, model.card.channels)
    megapixels = (_EDGE * model.card.scale) ** 2 / 1e6
    return picked, {
        "milliseconds": 1e3 * seconds,
        "output_megapixels_per_second": megapixels / seconds,
    }


def _seconds_a_run(runtime: Runtime, channels: int) -> float:
    """Return the network's median time on a picture of noise."""
    import numpy as np

    from superres.layers.graphs import ENLARGE, INPUT

    noise_NCHW = np.random.default_rng(0).random((1, channels, _EDGE, _EDGE), dtype=np.float32)
    runtime.run(ENLARGE, {INPUT: noise_NCHW})  # compiles
    times: list[float] = []
    while sum(times) < _TEST_S:
        start = time.perf_counter()
        runtime.run(ENLARGE, {INPUT: noise_NCHW})
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _print_facts(found: dict[str, Any]) -> None:  # Any: JSON values
    """Print the facts as text."""
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
            f"{speed['output_megapixels_per_second']:.1f} output megapixels per second"
        )
