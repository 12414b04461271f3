"""Ways to make networks faster on a CPU, each measured beside what it would replace.

    python benchmarks/levers.py --threads 1 --clock cpu    # measures, stores, writes docs/speed.md
    python benchmarks/levers.py --write                    # the page from the stored measurements

Weights are random, as times do not depend on them. All variants of a lever, in each number format,
run in turn in one process for each instruction set. What pays and what does not is kept alike.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import instruction_sets
from peers import write_lean_for_ncnn
from plane import PAGE, write_part
from runners import Run, in_turn, ncnn, openvino
from superres import zoo
from superres.modelfiles.checkpoint import card_for
from superres.networks.catalog import network_config
from superres.runtimes.export import export_onnx
from superres.runtimes.precision import cpu_flags, describe_cpu

RESULTS = Path(__file__).parent / "results" / "levers.json"
_EDGE = 128  # of the small picture
_EDGES = (64, 96, 128, 192, 256, 416)  # of tiles


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape of a lever.

    Attributes:
        lever: What is tried.
        name: The shape; a lever's first is what the others would replace.
        architecture: Its architecture.
        config: Its config.
    """

    lever: str
    name: str
    architecture: str
    config: dict[str, Any]


_WIDER = "fewer, wider blocks of nearly equal work (1.00, 0.98 and 1.17 of the first's)"
_FOLDED = "×2 from folded pixels"
SHAPES = (
    Shape(_WIDER, "14 blocks of 64 (default-x4)", "lean", {"scale": 4, "blocks": 14}),
    Shape(_WIDER, "25 blocks of 48", "lean", {"scale": 4, "features": 48, "blocks": 25}),
    Shape(_WIDER, "6 blocks of 96", "lean", {"scale": 4, "features": 96, "blocks": 6}),
    Shape(_WIDER, "4 blocks of 128", "lean", {"scale": 4, "features": 128, "blocks": 4}),
    Shape(_FOLDED, "14 blocks of 64 (default-x2)", "lean", {"scale": 2, "blocks": 14}),
    Shape(_FOLDED, "gated, 6 blocks of 48", "gated", {"scale": 2, "refinements": 1}),
    Shape(
        _FOLDED,
        "gated, 6 blocks of 48, 2×2 pixels folded (gated-x2)",
        "gated",
        {"scale": 2, "refinements": 1, "fold": 2, "residual": True},
    ),
)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all levers on each instruction set asked for."""
    able, _ = instruction_sets.available(cpu_flags())
    rows: list[dict[str, Any]] = []
    for isa in able:
        if isa.name in (arguments.only or [isa.name]):
            words = [__file__, "--child", isa.name, "--threads", str(arguments.threads)]
            words += ["--clock", arguments.clock, "--runs", str(arguments.runs)]
            rows += instruction_sets.run_limited(words, isa)
            print(f"{isa.name}: measured", file=sys.stderr)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": describe_cpu(),
        "threads": arguments.threads,
        "clock": arguments.clock,
        "rows": rows,
    }


def child(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure all levers in this process, which is limited to one instruction set."""
    isa = next(one for one in instruction_sets.SETS if one.name == arguments.child)
    formats = {"fp32": "f32"} | ({"bf16": "bf16"} if isa.bf16 else {})
    candidates: dict[str, tuple[Callable[[], object], float]] = {}  # with their megapixels

    def add(key: tuple[str, str, str], run: Run, edge: int, scale: int) -> None:
        x = np.random.default_rng(0).random((1, 3, edge, edge), dtype=np.float32)
        candidates[json.dumps(key)] = (lambda: run(x)), (edge * scale) ** 2 / 1e6

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shape in SHAPES:
            path = _exported(shape, folder)
            for text, hint in formats.items():
                run = openvino(path, arguments.threads, hint)
                add((shape.lever, shape.name, text), run, _EDGE, shape.config["scale"])
        _add_winograd(add, folder, formats, arguments.threads)
        model = zoo.resolve("default-x4")
        assert model.onnx is not None
        for edge in _EDGES:
            for text, hint in formats.items():
                run = openvino(model.onnx, arguments.threads, hint)
                lever = f"tiles sized by the cache (default-x4, halo {model.card.halo} px)"
                add((lever, f"{edge} px", text), run, edge, 4)
        runs = {key: run for key, (run, _) in candidates.items()}
        times = in_turn(runs, arguments.runs)
    return [
        dict(zip(("lever", "shape", "format"), json.loads(key), strict=True))
        | {
            "isa": isa.name,
            "ms_per_megapixel": getattr(times[key], arguments.clock) * 1e3 / megapixels,
        }
        for key, (_, megapixels) in candidates.items()
    ]


def _exported(shape: Shape, folder: Path) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.onnx"
    network = network_config(shape.architecture, shape.config).build()
    export_onnx(network, card_for(path.stem, shape.architecture, shape.config), path, half=False)
    return path


def _add_winograd(
    add: Callable[[tuple[str, str, str], Run, int, int], None],
    folder: Path,
    formats: dict[str, str],
    threads: int,
) -> None:
    """Add default-x4 in OpenVINO and in ncnn, whose convolutions are Winograd's."""
    if not importlib.util.find_spec("ncnn"):
        return
    model = zoo.resolve("default-x4")
    assert model.onnx is not None
    assert model.weights is not None
    param, _ = write_lean_for_ncnn(model.weights, folder)
    lever = "Winograd's convolutions (default-x4; ncnn is not limited to the instruction set)"
    for text, hint in formats.items():
        add((lever, "OpenVINO", text), openvino(model.onnx, threads, hint), _EDGE, 4)
        add((lever, "ncnn", text), ncnn(param, threads, half=text == "bf16"), _EDGE, 4)


def page_part(result: dict[str, Any]) -> str:
    """Return the part of docs/speed.md between its marks."""
    rows = result["rows"]
    columns = list(dict.fromkeys((row["isa"], row["format"]) for row in rows))
    clock = "CPU time" if result["clock"] == "cpu" else "wall time"
    threads = result["threads"]
    head = " | ".join(f"{isa}, {text}" for isa, text in columns)
    parts = [
        f"{result['date']}, {result['cpu']}, {threads} thread{'s' if threads > 1 else ''}, "
        f"{clock}, medians in turn; milliseconds for a megapixel of output, and in brackets as a "
        "fraction of the lever's first row.\n",
        f"| lever | {head} |",
        "|---|" + "---|" * len(columns),
    ]
    for lever in dict.fromkeys(row["lever"] for row in rows):
        parts.append(f"| **{lever}** |" + " |" * len(columns))
        of = [row for row in rows if row["lever"] == lever]
        shapes = list(dict.fromkeys(row["shape"] for row in of))
        for shape in shapes:
            cells = [_cell(of, shape, shapes[0], column) for column in columns]
            parts.append(f"| {shape} | {' | '.join(cells)} |")
    return "\n".join(parts)


def _cell(rows: list[dict[str, Any]], shape: str, first: str, column: tuple[str, str]) -> str:
    times = {
        row["shape"]: row["ms_per_megapixel"]
        for row in rows
        if (row["isa"], row["format"]) == column
    }
    if shape not in times:
        return "–"
    return f"{times[shape]:.0f} ({times[shape] / times[first]:.2f})"


def main() -> None:
    """Measure, store and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="an instruction set; repeatable")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="only write the page")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments)))
        return
    if not arguments.write:
        RESULTS.write_text(json.dumps(measure(arguments), indent=1) + "\n")
    write_part(PAGE, "levers", page_part(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
