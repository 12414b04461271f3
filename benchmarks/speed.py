"""How fast superres is beside its peers, with the same weights and pixels in one run.

    python benchmarks/speed.py                 # a table
    python benchmarks/speed.py --json          # the same for machines
    python benchmarks/speed.py --only network  # network, overhead, start or memory

Other networks, number formats and instruction sets are in plane.py, GPUs in gpu.py. Peers are
measured if they are installed: torch, onnxruntime, ncnn, opencv-python-headless.
All runs of a comparison take turns, so that a machine whose speed drifts treats them alike; the
median of each is given.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import runners
from peers import peers
from pictures import photograph, write
from superres import zoo
from superres.jobs.picture import upscale_picture
from superres.jobs.spec import PictureJob
from superres.layers.graphs import ENLARGE, INPUT
from superres.model_pool import ModelPool
from superres.runtimes.open import open_runtime
from superres.runtimes.precision import describe_cpu
from superres.runtimes.runtime import RuntimeOptions
from superres.upscaler import RunOptions
from superres.watch import Watch

RUNS = 7


def in_turn(candidates: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Return the median seconds of each candidate after one warm-up, run in turn."""
    return {name: timing.wall for name, timing in runners.in_turn(candidates, runs).items()}


def network(threads: int) -> dict[str, Any]:
    """Compare the network alone: 256x256 to 1024x1024, the default x4 model."""
    model = zoo.resolve("default", scale=4)
    x = np.random.default_rng(0).random((1, 3, 256, 256), dtype=np.float32)
    candidates: dict[str, Callable[[], object]] = {}
    outputs: dict[str, Any] = {}
    for precision in ("auto", "fp32"):
        backend = open_runtime(
            model, RuntimeOptions(precision=precision, threads=threads), watch=Watch()
        )
        name = f"superres {precision} ({backend.facts.name} {backend.facts.precision})"
        candidates[name] = lambda backend=backend: backend.run(ENLARGE, {INPUT: x})
    for name, open_peer in peers(model, threads).items():
        run = open_peer()
        candidates[name] = lambda run=run: run(x)
    reference = list(candidates.values())[1]()
    for name, run in candidates.items():
        outputs[name] = float(np.abs(run() - reference).max() * 255)
    seconds = in_turn(candidates, RUNS)
    ours = list(seconds)[:2]
    fastest_peer = min((s, n) for n, s in seconds.items() if n not in ours)
    return {
        "seconds": seconds,
        "largest_difference_of_255": outputs,
        "fastest_peer": fastest_peer[1],
        "auto_over_fastest_peer": seconds[ours[0]] / fastest_peer[0],
        "fp32_over_fastest_peer": seconds[ours[1]] / fastest_peer[0],
    }


def overhead(threads: int) -> dict[str, Any]:
    """Compare a whole 4-megapixel file with the network alone on as many pixels."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.png"
        write(source, photograph(2048, 2048))
        model = zoo.resolve("default", scale=4)
        backend = open_runtime(model, RuntimeOptions(threads=threads), watch=Watch())
        part = rng.random((1, 3, 512, 512), dtype=np.float32)
        job = PictureJob(
            source=source,
            target=Path(folder) / "out.png",
            existing="replace",
            scale=4,
            run=RunOptions(threads=threads),
        )
        models = ModelPool()

        def alone() -> None:
            for _ in range(16):
                backend.run(ENLARGE, {INPUT: part})

        seconds = in_turn(
            {"file to file": lambda: upscale_picture(job, models, Watch()), "network alone": alone},
            1,
        )
    return {**seconds, "overhead": seconds["file to file"] / seconds["network alone"] - 1}


def start(threads: int) -> dict[str, Any]:
    """Time whole commands: `superres upscale` on 256x256, and what the import costs."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}

    def command(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run(words, check=True, capture_output=True, env=environment)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.png"
        write(source, photograph(256, 256))
        upscale = (sys.executable, "-m", "superres", "upscale", str(source), "-o", str(target))
        seconds = in_turn(
            {
                "superres upscale, 256x256": command(*upscale, "--overwrite"),
                "python, import numpy": command(sys.executable, "-c", "import numpy"),
                "python, import superres": command(sys.executable, "-c", "import numpy, superres"),
            },
            RUNS,
        )
    extra = seconds["python, import superres"] - seconds["python, import numpy"]
    return {**seconds, "import superres over numpy": extra}


# Run in the measured process itself: a child's rusage begins with the peak of its parent.
_PEAK = """
import sys
from pathlib import Path
from superres.cli.main import main
code = main(sys.argv[1:])
status = Path("/proc/self/status")
if status.exists():
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    print(int(line.split()[1]) * 1024)
else:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def memory(threads: int) -> dict[str, Any]:
    """Measure peak memory and time of a 20 000 x 20 000 output, in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.png"
        write(source, photograph(5000, 5000))
        began = time.perf_counter()
        words = [sys.executable, "-c", _PEAK, "upscale", str(source), "-o", str(target)]
        done = subprocess.run(
            [*words, "--threads", str(threads)], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - began
        size = target.stat().st_size
    peak = int(done.stdout.split()[-1])
    return {"seconds": seconds, "peak_mib": peak / 2**20, "output_mib": size / 2**20}


def main() -> None:
    """Run the parts asked for and print them."""
    parts = {"network": network, "overhead": overhead, "start": start, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(parts), action="append")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    # The last two look at child processes, so they go before anything grows large.
    wanted = [name for name in ("memory", "start", "network", "overhead")
              if name in (arguments.only or parts)]  # fmt: skip
    result: dict[str, Any] = {
        "cpu": describe_cpu(), "threads": arguments.threads, "python": platform.python_version(),
    }  # fmt: skip
    for name in wanted:
        result[name] = parts[name](arguments.threads)
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{result['cpu']}, {result['threads']} threads, Python {result['python']}")
    for name in wanted:
        print(f"\n{name}")
        _print_rows(result[name])


def _print_rows(values: dict[str, Any], indent: str = "  ") -> None:
    for key, value in values.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            _print_rows(value, indent + "  ")
        else:
            shown = f"{value:.3f}" if isinstance(value, float) else value
            print(f"{indent}{key:<42} {shown}")


if __name__ == "__main__":
    main()
