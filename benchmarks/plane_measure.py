"""Measurement of the plane: networks timed in turn in this process, or scored on sets.

`plane.py` runs this program, limited to one instruction set; it prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from contestants import whole_frames
from runners import Files, Run, Timing, in_turn, openers, openvino_kernels
from superres.evaluate.benchmark import evaluate
from superres.layers.graphs import ENLARGE, INPUT, OUTPUT
from superres.metrics import Protocol
from superres.modelfiles.files import open_model_file, read_card
from superres.runtimes.half_precision import Memory, open_checked
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import PrecisionRequest, Runtime, RuntimeOptions
from superres.watch import Watch

EDGE = 256  # of the small picture
_SLOW = 1.6  # candidates beyond this multiple of their network's fastest are timed once

_Key = tuple[str, str]  # a network's name, and a library with a number format


def time_all(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the times of all networks of a job in each way of running them, taken in turn."""
    x = np.random.default_rng(0).random((1, 3, EDGE, EDGE), dtype=np.float32)
    runs: dict[_Key, Run] = {}
    automatic: dict[str, str] = {}
    for entry in job["entries"]:
        name, files = entry["name"], _files(entry)
        if entry["origin"] == "ours":
            opened, automatic[name] = _ours(files, job)
        else:
            opened = {
                way: opener()
                for way, opener in openers(files, job["threads"], bf16=job["bf16"]).items()
            }
        runs |= {(name, way): run for way, run in opened.items()}
    times = _times(runs, x, job)
    rows: list[dict[str, Any]] = []
    for entry in job["entries"]:
        megapixels = (EDGE * entry["scale"]) ** 2 / 1e6
        own = {
            way: round(getattr(timing, job["clock"]) * 1e3 / megapixels, 2)
            for (name, way), timing in times.items()
            if name == entry["name"]
        }
        # Of ours all: what users get, and what fp32 costs.
        kept = list(own) if entry["origin"] == "ours" else [min(own, key=lambda way: own[way])]
        rows += [
            {key: entry[key] for key in ("name", "scale", "origin", "label", "repairs")}
            | {
                "isa": job["isa"],
                "way": way,
                "auto": automatic.get(entry["name"]) == way,
                "ms_per_megapixel": own[way],
                "tried": own,
                "kernels": _kernels(entry, way),
            }
            for way in kept
        ]
    return rows


def score(job: dict[str, Any]) -> dict[str, float]:
    """Return the PSNR of one network, run in one way, by set."""
    entry, way = job["entry"], job["way"]
    files = _files(entry)
    if entry["origin"] == "ours":
        run = _ours(files, job)[0][way]
    else:
        run = openers(files, job["threads"], bf16=job["bf16"])[way]()
    upscale = whole_frames(run, read_card(files.onnx))
    protocol, scale = Protocol(channels="luma", border=entry["scale"]), entry["scale"]
    return {
        Path(folder).name: round(
            evaluate(upscale, Path(folder), scale=scale, protocol=protocol).psnr_db, 3
        )
        for folder in job["sets"]
    }


def _files(entry: dict[str, Any]) -> Files:
    return Files(**{kind: Path(path) if path else None for kind, path in entry["files"].items()})


def _ours(files: Files, job: dict[str, Any]) -> tuple[dict[str, Run], str]:
    """Return one of our networks in superres's own runtime by number format, and auto's choice."""
    model = open_model_file(files.onnx)
    wanted: tuple[PrecisionRequest, ...] = ("fp32", "bf16") if job["bf16"] else ("fp32",)
    opened: dict[str, Run] = {}
    for precision in wanted:
        options = RuntimeOptions("openvino", precision, threads=job["threads"])
        runtime = open_runtime(model, options, watch=Watch())
        opened[f"superres {runtime.facts.precision}"] = _run_of(runtime)
    options = RuntimeOptions("openvino", threads=job["threads"])
    with tempfile.TemporaryDirectory() as folder:
        auto = open_checked(model, options, memory=Memory(Path(folder)), watch=Watch())
    way = f"superres {auto.facts.precision}"
    opened.setdefault(way, _run_of(auto))
    return opened, way


def _run_of(runtime: Runtime) -> Run:
    return lambda x: runtime.run(ENLARGE, {INPUT: x})[OUTPUT]


def _times(runs: dict[_Key, Run], x: np.ndarray, job: dict[str, Any]) -> dict[_Key, Timing]:
    """Return each candidate's times; those far behind another of their network run once."""

    def bound(keys: list[_Key]) -> dict[str, Callable[[], object]]:
        return {json.dumps(key): lambda run=runs[key]: run(x) for key in keys}

    first = in_turn(bound(list(runs)), 1)
    once = {key: first[json.dumps(key)] for key in runs}
    ours = {entry["name"] for entry in job["entries"] if entry["origin"] == "ours"}

    def close(key: _Key) -> bool:
        rivals = [getattr(t, job["clock"]) for other, t in once.items() if other[0] == key[0]]
        return key[0] in ours or getattr(once[key], job["clock"]) <= _SLOW * min(rivals)

    again = in_turn(bound([key for key in runs if close(key)]), job["runs"], warm=False)
    return once | {key: again[text] for key in runs if (text := json.dumps(key)) in again}


def _kernels(entry: dict[str, Any], way: str) -> list[str]:
    """Return OpenVINO's convolution kernels, which show that the limit was obeyed."""
    if not way.startswith(("superres", "OpenVINO")):
        return []
    return openvino_kernels(Path(entry["files"]["onnx"]), "bf16" if "bf16" in way else "f32")


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(score(given) if "entry" in given else time_all(given)))
