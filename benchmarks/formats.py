"""Time and quality of models in each number format: fp32, bf16, int8; in turn, in one run.

    python benchmarks/formats.py --set DIR/Set5                  # a table of the embedded models
    python benchmarks/formats.py default-x4 FILE.onnx --json     # some, and files of others

The network alone, 256×256 px, in OpenVINO and, in fp32 and int8, in ONNX Runtime (if installed).
Formats take turns, so that a machine whose speed drifts treats them alike; the median of each is
given, as a part of bf16's, or fp32's on CPUs without it. PSNR is luma's, as on model cards. A file
has an int8 form if NAME.int8.onnx lies next to it (scripts/quantise.py makes it).

`ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI` shows OpenVINO as on a CPU without bf16, but for clock rates.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from superres import load, zoo
from superres.errors import SuperresError
from superres.evaluate.benchmark import evaluate
from superres.layers.graphs import ENLARGE, INPUT
from superres.metrics import Protocol
from superres.modelfiles.files import ModelFile
from superres.runtimes.open import open_runtime
from superres.runtimes.precision import describe_cpu
from superres.runtimes.runtime import Precision, Runtime, RuntimeOptions
from superres.watch import Watch

EDGE = 256
CANDIDATES: tuple[tuple[str, Precision], ...] = (
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
)


def opened(model: ModelFile, threads: int) -> dict[str, Runtime]:
    """Return a model's runtimes by library and format: those that exist here."""
    found: dict[str, Runtime] = {}
    for backend, precision in CANDIDATES:
        if importlib.util.find_spec(backend) is None:
            continue
        if precision == "int8" and model.int8 is None:
            continue
        options = RuntimeOptions(backend, precision, device="cpu", threads=threads)
        try:
            runtime = open_runtime(model, options, watch=Watch())
        except SuperresError as error:
            print(f"{model.card.name}, {backend} {precision}: {error}", flush=True)
            continue
        if runtime.facts.precision == precision:
            found[f"{backend} {precision}"] = runtime
    return found


def timed(runtimes: dict[str, Runtime], channels: int, runs: int) -> dict[str, float]:
    """Return the median seconds of each runtime, after a first run each, in turn."""
    x = np.random.default_rng(0).random((1, channels, EDGE, EDGE), dtype=np.float32)
    times: dict[str, list[float]] = {name: [] for name in runtimes}
    for turn in range(runs + 1):
        for name, runtime in runtimes.items():
            start = time.perf_counter()
            runtime.run(ENLARGE, {INPUT: x})
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def scores(name: str, model: ModelFile, sets: list[Path]) -> dict[str, dict[str, float]]:
    """Return the PSNR of each of OpenVINO's formats on some sets."""
    scale = model.card.scale
    protocol = Protocol(channels="luma", border=scale)
    found: dict[str, dict[str, float]] = {}
    for backend, precision in CANDIDATES[:3]:
        if precision != "int8" or model.int8 is not None:
            upscale = load(name, backend=backend, precision=precision)
            found[precision] = {
                one.name: round(evaluate(upscale, one, scale=scale, protocol=protocol).psnr_db, 3)
                for one in sets
            }
    return found


def measured(names: list[str], arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the measurements of one model after another."""
    for name in names:
        model = zoo.resolve(name)
        seconds = timed(opened(model, arguments.threads), model.card.channels, arguments.runs)
        yield {
            "model": model.card.name,
            "seconds": seconds,
            "psnr_db": scores(name, model, arguments.sets),
        }


def row(one: dict[str, Any]) -> str:
    """Return a model's line of the table."""
    seconds, psnr = one["seconds"], one["psnr_db"]
    base = seconds.get("openvino bf16", seconds["openvino fp32"])
    cells = [one["model"], f"{1e3 * base:.0f}"]
    for backend, precision in CANDIDATES:
        taken = seconds.get(f"{backend} {precision}")
        cells.append("–" if taken is None else f"{taken / base:.2f}")
    exact = psnr["fp32"]
    cells.append(", ".join(f"{value:.2f}" for value in exact.values()) or "–")
    for precision in ("bf16", "int8"):
        losses = (f"{value - exact[name]:+.3f}" for name, value in psnr.get(precision, {}).items())
        cells.append(", ".join(losses) or "–")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table, or the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="names or .onnx files [the embedded ones]")
    parser.add_argument("--set", type=Path, action="append", default=[], dest="sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    names = arguments.models or [
        one.card.name for one in zoo.embedded_models() if one.card.input == "image"
    ]
    if arguments.json:
        print(json.dumps({"cpu": describe_cpu(), "models": list(measured(names, arguments))}))
        return
    print(f"{describe_cpu()}, {arguments.threads} threads, median of {arguments.runs}\n")
    sets = ", ".join(one.name for one in arguments.sets)
    print("| model | bf16, ms | fp32 | bf16 | int8 | ORT fp32 | ORT int8 ", end="")
    print(f"| PSNR, dB: {sets} | bf16 | int8 |\n|---|---|---|---|---|---|---|---|---|---|")
    for one in measured(names, arguments):
        print(row(one), flush=True)


if __name__ == "__main__":
    main()
