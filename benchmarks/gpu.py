"""What a GPU reaches and what it waits for, in under five minutes, as JSON.

    python benchmarks/gpu.py                  # on CUDA; pip install '.[bench]'
    python benchmarks/gpu.py --only command   # one part
    python benchmarks/gpu.py --rehearse       # the same code on the CPU, on small pictures

Parts: the peak of a matrix product; the network alone, by batch; array to array; the start; whole
commands beside libvips; training, if benchmarks/train.py is there. Each gives its seconds, and what
is asked beside what was found. A part that would begin after the budget is skipped, with a note.
"""

from __future__ import annotations

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from pictures import photograph, write
from superres import zoo
from superres.layers.reparameterised import for_inference
from superres.modelfiles.checkpoint import load_network
from superres.runtimes.precision import describe_cpu
from superres.upscaler import RunOptions, Upscaler
from superres.version import __version__

_TRAIN = Path(__file__).with_name("train.py")
_TIFF = {"compression": "deflate", "predictor": "horizontal", "tile": True, "bigtiff": False}


@dataclass(frozen=True, slots=True)
class Scene:
    """Sizes and the device of a run.

    Attributes:
        device: torch's name of it.
        dtype: The number format of networks and matrix products.
        small: Edge of the small picture of whole runs, in px.
        tile: Edge of the tiles of the network alone.
        batches: Tiles at once.
        matrix: Edge of the multiplied matrices.
        runs: Repetitions, of which the median is given.
        models: The networks measured alone.
        found: What parts leave for later ones.
    """

    device: str
    dtype: torch.dtype
    small: int = 2048
    tile: int = 256
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    matrix: int = 8192
    runs: int = 5
    models: tuple[str, ...] = ("default-x4", "espcn-x4", "real-x4")
    found: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def megapixels(self) -> float:
        """Output of a whole run by x4."""
        return (4 * self.small) ** 2 / 1e6

    def seconds(self, run: Callable[[], object], runs: int | None = None) -> float:
        """Return the median time of a run on the device, after a warm-up."""
        run()
        times: list[float] = []
        for _ in range(runs or self.runs):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def wait(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def rehearsal() -> Scene:
    """Return a scene on which all parts run on a CPU within seconds."""
    return Scene("cpu", torch.float32, 96, 32, (1, 2), 256, 1, ("default-x4", "espcn-x4"))


def peak(scene: Scene) -> dict[str, Any]:
    """Measure a product of large matrices: what the device can do at best."""
    left, right = (
        torch.randn(scene.matrix, scene.matrix, device=scene.device, dtype=scene.dtype)
        for _ in range(2)
    )
    per_run = 10
    seconds = scene.seconds(lambda: [left @ right for _ in range(per_run)]) / per_run
    flops = 2 * scene.matrix**3 / seconds
    scene.found["peak"] = flops
    return {"teraflops": flops / 1e12, "edge": scene.matrix}


def network(scene: Scene) -> dict[str, Any]:
    """Measure networks alone on tiles that are on the device already, by batch."""
    result: dict[str, Any] = {}
    for name in scene.models:
        weights = zoo.resolve(name).weights
        assert weights is not None
        module = for_inference(load_network(weights)[0]).eval()
        module = module.to(device=scene.device, dtype=scene.dtype)
        module = module.to(memory_format=torch.channels_last)
        flops = _flops_per_megapixel(module, scene)
        by_batch: dict[str, float | str] = {}
        for count in scene.batches:
            try:
                by_batch[str(count)] = _ms_per_megapixel(module, count, scene)
            except torch.OutOfMemoryError:
                by_batch[str(count)] = "out of memory"
                break
        best = min(value for value in by_batch.values() if isinstance(value, float))
        scene.found[name] = best
        result[name] = {
            "ms_per_megapixel": best,
            "by_batch": by_batch,
            "gigaflops_per_megapixel": flops / 1e9,
        }
        if "peak" in scene.found:
            result[name]["share_of_peak"] = flops / (best / 1e3) / scene.found["peak"]
    return result


def _flops_per_megapixel(module: torch.nn.Module, scene: Scene) -> float:
    x = torch.zeros(1, 3, scene.tile, scene.tile, device=scene.device, dtype=scene.dtype)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        large = module(x)
    return counter.get_total_flops() / (large.shape[-1] * large.shape[-2] / 1e6)


def _ms_per_megapixel(module: torch.nn.Module, count: int, scene: Scene) -> float:
    x = torch.rand(count, 3, scene.tile, scene.tile, device=scene.device, dtype=scene.dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        large = module(x)
        megapixels = count * large.shape[-1] * large.shape[-2] / 1e6
        del large
        return scene.seconds(lambda: module(x)) * 1e3 / megapixels


@functools.cache
def _photograph(edge: int) -> NDArray[np.uint8]:
    return photograph(edge, edge)


def array(scene: Scene) -> dict[str, Any]:
    """Measure array to array, 8-bit RGB, beside the network alone on as many pixels."""
    small = _photograph(scene.small)
    result: dict[str, Any] = {"megapixels": scene.megapixels}
    for name in ("default-x4", "espcn-x4"):
        upscale = Upscaler(name, RunOptions("torch", device=scene.device))
        seconds = scene.seconds(lambda upscale=upscale: upscale(small), max(1, scene.runs - 2))
        result[name] = {"seconds": seconds} | _over_network(name, seconds, scene)
    result["asked"] = "at most 2.5 times the network alone for default-x4"
    return result


def _over_network(name: str, seconds: float, scene: Scene) -> dict[str, float]:
    if name not in scene.found:
        return {}
    alone = scene.found[name] / 1e3 * scene.megapixels
    return {"network_alone": alone, "over_network": seconds / alone}


def command(scene: Scene) -> dict[str, Any]:
    """Measure whole commands, beside libvips's reading and encoding and the network alone."""
    small = _photograph(scene.small)
    large = np.tile(small, (4, 4, 1))  # compresses like one: deflate looks back 32 KiB
    result: dict[str, Any] = {"megapixels": scene.megapixels}
    with tempfile.TemporaryDirectory() as folder:
        for suffix, how in ((".tif", _TIFF), (".png", {})):
            source, target = Path(folder) / f"in{suffix}", Path(folder) / f"out{suffix}"
            write(source, small)
            times = [_upscale(source, target, scene) for _ in range(max(1, scene.runs - 3))]
            size = target.stat().st_size
            start = time.perf_counter()
            pyvips.Image.new_from_file(str(source)).copy_memory()
            pyvips.Image.new_from_array(large).write_to_file(str(target), **how)
            alone = time.perf_counter() - start
            row: dict[str, Any] = {
                "seconds": min(times),
                "libvips_alone": alone,
                "output_mib": size / 2**20,
            }
            bounds = [alone]
            if "default-x4" in scene.found:
                bounds.append(scene.found["default-x4"] / 1e3 * scene.megapixels)
                row["network_alone"] = bounds[-1]
            row["over_slowest_part"] = row["seconds"] / max(bounds)
            if "start" in scene.found:  # Python and torch, whatever the picture
                less = row["seconds"] - scene.found["start"]
                row["over_slowest_part_less_start"] = less / max(bounds)
            result[suffix] = row
    result["asked"] = "at most 1.3 times the larger of network and libvips alone"
    return result


def start(scene: Scene) -> dict[str, Any]:
    """Measure a command on a picture of one small tile: from the start to the first tile."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.png"
        write(source, photograph(64, 64))
        times = [_upscale(source, target, scene) for _ in range(max(1, scene.runs - 2))]
    scene.found["start"] = min(times)
    return {
        "seconds": min(times),
        "first_seconds": times[0],
        "asked": "at most 3 s to the first tile",
    }


def _upscale(source: Path, target: Path, scene: Scene) -> float:
    """Return the seconds of a command."""
    words = ["upscale", str(source), "-o", str(target), "--scale", "4", "--overwrite"]
    words += ["--backend", "torch", "--device", scene.device]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "superres", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"superres {' '.join(words)} failed: {done.stderr.strip()}")
    return time.perf_counter() - began


def training(scene: Scene) -> dict[str, Any]:
    """Run benchmarks/train.py for a plain recipe and for one that degrades and is adversarial."""
    if not _TRAIN.exists():
        return {"skipped": "there is no benchmarks/train.py"}
    if scene.device.startswith("cuda"):
        runs = {"default-x4": ["--seconds", "30"], "real-x4": ["--seconds", "20", "--alone"]}
    else:
        tiny = ["--set", "data.batch=2", "--set", "data.patch=16", "--device", "cpu"]
        runs = {"default-x4": ["--seconds", "0.1", "--alone", *tiny]}
    result: dict[str, Any] = {
        "asked": "default-x4: 25% of the matrix peak; real-x4: 600 samples/s; 3% waiting for data"
    }
    for recipe, words in runs.items():
        command = [sys.executable, str(_TRAIN), "--json", "--recipe", recipe, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            result["failed"] = f"{recipe}: {done.stderr.strip().splitlines()[-1:]}"
        else:
            result[recipe] = json.loads(done.stdout)
    return result


PARTS: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "peak": peak,
    "network": network,
    "array": array,
    "start": start,
    "command": command,
    "training": training,
}


def measure(scene: Scene, parts: list[str], budget_s: float) -> dict[str, Any]:
    """Run parts in order and return their results; a part's failure does not stop the others."""
    began = time.perf_counter()
    result: dict[str, Any] = {
        "version": __version__,
        "torch": torch.__version__,
        "device": _describe(scene),
        "cpu": describe_cpu(),
        "dtype": str(scene.dtype).removeprefix("torch."),
    }
    for name in parts:
        part_began = time.perf_counter()
        if part_began - began > budget_s:
            result[name] = {"skipped": f"the budget of {budget_s:g} s was used up before"}
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            result[name] = PARTS[name](scene)
        except Exception as error:
            result[name] = {"failed": f"{type(error).__name__}: {error}"}
        result[name]["took_s"] = time.perf_counter() - part_began
    result["took_s"] = time.perf_counter() - began
    return result


def _describe(scene: Scene) -> str:
    if not scene.device.startswith("cuda"):
        return "cpu"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB"


def main() -> int:
    """Measure what is asked for and print it; 1 if a part failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, small")
    parser.add_argument("--only", choices=tuple(PARTS), action="append")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds; see above")
    parser.add_argument("--out", type=Path, help="a file for the JSON, besides stdout")
    arguments = parser.parse_args()
    if not arguments.rehearse and not torch.cuda.is_available():
        print("error: a CUDA device was requested, torch finds none", file=sys.stderr)
        print("hint: --rehearse runs the same code on the CPU", file=sys.stderr)
        return 2
    scene = rehearsal() if arguments.rehearse else Scene("cuda", torch.bfloat16)
    wanted = [name for name in PARTS if name in (arguments.only or PARTS)]
    result = measure(scene, wanted, arguments.budget)
    text = json.dumps(result, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")
    return int(any("failed" in result[name] for name in wanted))


if __name__ == "__main__":
    sys.exit(main())
