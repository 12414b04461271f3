"""How fast superres trains, beside a plain loop of the usual kind, in one run of a minute.

    python benchmarks/train.py                           # default-x4 on synthetic pictures, a table
    python benchmarks/train.py --json                    # the same for machines
    python benchmarks/train.py --recipe real-x4          # ours alone, late in the run
    python benchmarks/train.py --data photographs/ --seconds 120 --set data.batch=64

The plain loop trains the same network on the same pictures, patches and batches: pairs of PNG files
that Pillow opens for each sample, in the workers of a DataLoader; fp32, L1, torch's Adam, and
nothing else. Both take turns, so that a machine whose speed drifts treats them alike. On CUDA ours
is measured twice, with and without torch.compile.

The share of the matrix peak is the arithmetic of convolutions and matrix products, forward and
backward, over that of a large bf16 product, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from operations import dispatched
from superres.images.resize import resize
from superres.networks.catalog import network_config
from superres.optim.schedule import Budget, Clock
from superres.runtimes.precision import describe_cpu
from superres.train.devices import Devices, open_fabric
from superres.train.loop import TrainingOptions, assemble
from superres.train.recipe import Recipe
from superres.train.recipe_file import load_recipe
from superres.train.step import take_step
from superres.watch import Watch

WARM_UP = 3  # steps
TURN_S = 2.0  # at least one step
PICTURES, EDGE = 16, 512
PRODUCT = {"cpu": 2048, "cuda": 8192, "mps": 4096}  # edge of the matrices of the peak


class Pairs(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The usual dataset: two PNG files a sample, opened whole, cropped, flipped and turned."""

    def __init__(self, folder: Path, *, scale: int, patch: int) -> None:
        self.names = sorted(path.name for path in (folder / "large").iterdir())
        self.folder, self.scale, self.patch = folder, scale, patch

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        from PIL import Image

        draw = random.Random(index)
        name = self.names[draw.randrange(len(self.names))]
        small, large = (
            np.asarray(Image.open(self.folder / side / name).convert("RGB"))
            for side in ("small", "large")
        )
        s, p = self.scale, self.patch
        y, x = (draw.randrange(edge - p + 1) for edge in small.shape[:2])
        pair = small[y : y + p, x : x + p], large[s * y : s * (y + p), s * x : s * (x + p)]
        turns, flip = draw.randrange(4), draw.random() < 0.5
        return tuple(
            torch.from_numpy(np.ascontiguousarray(_turned(one, turns, flip).transpose(2, 0, 1)))
            .float()
            .div(255)
            for one in pair
        )


def _turned(picture_HWC: np.ndarray, turns: int, flip: bool) -> np.ndarray:
    turned = np.rot90(picture_HWC, turns)
    return turned[:, ::-1] if flip else turned


def write_pairs(folder: Path, sources: list[Path], scale: int) -> None:
    """Write pairs of PNG files, of the given pictures or of synthetic ones."""
    for side in ("small", "large"):
        (folder / side).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(len(sources) or PICTURES):
        if sources:
            image = pyvips.Image.new_from_file(str(sources[number])).colourspace("srgb")
            large = image[:3].numpy()
        else:  # structures of several sizes, and some noise
            layers = [
                resize(rng.random((EDGE // step, EDGE // step, 3)), size=(EDGE, EDGE))
                for step in (64, 16, 4)
            ]
            large = np.clip(255 * np.mean(layers, 0) + rng.normal(0, 4, (EDGE, EDGE, 3)), 0, 255)
        height, width = (edge // scale * scale for edge in large.shape[:2])
        large = large[:height, :width].astype(np.uint8)
        small = np.clip(np.rint(resize(large.astype(np.float64), scale=1 / scale)), 0, 255)
        for side, pixels in (("large", large), ("small", small.astype(np.uint8))):
            pyvips.Image.new_from_array(pixels).write_to_file(str(folder / side / f"{number}.png"))


class Ours:
    """Steps of superres, late enough in the run that all its losses take part."""

    def __init__(self, recipe: Recipe, pictures: Path, device: str, done: float) -> None:
        self.said: list[str] = []
        watch = Watch(self.said.append)
        options = TrainingOptions(
            pictures.parent / "run",
            (pictures,),
            budget=Budget(minutes=60),
            devices=Devices(device),
        )
        fabric = open_fabric(options.devices, recipe, watch)
        start = time.perf_counter()
        self.trained = assemble(recipe, options, fabric, watch).trained
        self.start_s = time.perf_counter() - start
        self.device = fabric.device
        self.clock, self.steps, self.done = Clock(0.0), 0, done
        self.batches = self.trained.patches.ahead(0)

    def step(self) -> None:
        """Take the next step."""
        take_step(self.trained, self.batches, self.steps, self.done, self.clock)
        self.steps += 1


class Plain:
    """Steps of the usual loop."""

    def __init__(self, recipe: Recipe, pairs: Path, device: torch.device) -> None:
        config = network_config(recipe.network.architecture, recipe.network.config)
        torch.manual_seed(recipe.seed)
        self.device = device
        self.network: nn.Module = config.build().to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        self.loss = nn.L1Loss()
        dataset = Pairs(pairs, scale=config.scale, patch=recipe.data.patch)
        workers = min(4, torch.get_num_threads())
        loader = DataLoader(dataset, batch_size=recipe.data.batch, num_workers=workers)
        self.batches: Iterator[Any] = iter(loader)
        self.clock = Clock(0.0)

    def step(self) -> None:
        """Take a step on the next batch."""
        before = time.monotonic()
        small, large = (one.to(self.device) for one in next(self.batches))
        self.clock.data_s += time.monotonic() - before
        loss = self.loss(self.network(small), large)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if self.device.type == "cpu":
            loss.item()


def in_turns(
    candidates: dict[str, Ours | Plain], seconds: float, wait: Callable[[], None]
) -> dict[str, dict[str, float]]:
    """Return each candidate's median seconds a step, and the share of its time spent on data."""
    for one in candidates.values():
        for _ in range(WARM_UP):
            one.step()
        one.clock.data_s = 0.0
    wait()
    steps: dict[str, list[float]] = {name: [] for name in candidates}
    spent = dict.fromkeys(candidates, 0.0)
    processor = dict.fromkeys(candidates, 0.0)
    counts = dict.fromkeys(candidates, 0)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, one in candidates.items():
            start, used, count = time.perf_counter(), time.process_time(), 0
            while count == 0 or time.perf_counter() - start < TURN_S:
                one.step()
                count += 1
            wait()
            took = time.perf_counter() - start
            steps[name].append(took / count)
            spent[name] += took
            processor[name] += time.process_time() - used
            counts[name] += count
    return {
        name: {
            "step_s": statistics.median(steps[name]),
            "processor_s": processor[name] / counts[name],
            "data_wait": one.clock.data_s / spent[name],
            "steps": counts[name],
        }
        for name, one in candidates.items()
    }


def matrix_peak(device: torch.device, wait: Callable[[], None]) -> float:
    """Return the FLOP/s of a large bf16 product, the best of a few."""
    edge = PRODUCT[device.type]
    a, b = (torch.randn(edge, edge, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        _ = a @ b
        wait()
        best = min(best, time.perf_counter() - start)
    return 2 * edge**3 / best


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure all candidates, and return what the command prints."""
    recipe = load_recipe(arguments.recipe, arguments.set)
    config = network_config(recipe.network.architecture, recipe.network.config)
    usual = recipe.degradation.name == "bicubic" and not recipe.adversarial.weight.largest
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "pairs"
        write_pairs(pairs, sorted(arguments.data.iterdir()) if arguments.data else [], config.scale)
        ours = Ours(recipe, pairs / "large", arguments.device, arguments.done)
        on_cuda = ours.device.type == "cuda"
        wait = torch.cuda.synchronize if on_cuda else lambda: None
        candidates: dict[str, Ours | Plain] = {"superres": ours}
        if on_cuda:
            eager = recipe.model_copy(update={"compile": False})
            candidates["superres, not compiled"] = Ours(
                eager, pairs / "large", arguments.device, arguments.done
            )
        if usual and not arguments.alone:
            candidates["plain loop"] = Plain(recipe, pairs, ours.device)
        found = in_turns(candidates, arguments.seconds, wait)
        operations = dispatched(ours.step).total()
        # The compiled network's arithmetic is that of the network as it is.
        counted = candidates.get("superres, not compiled", ours)
        with FlopCounterMode(display=False) as flops:
            counted.step()
        peak = matrix_peak(ours.device, wait)
        for name, one in found.items():
            one["samples_per_s"] = recipe.data.batch / one["step_s"]
            if isinstance(candidates[name], Ours):
                one["matrix_peak_share"] = flops.get_total_flops() / one["step_s"] / peak
        ratio = (
            found["plain loop"]["step_s"] / found["superres"]["step_s"]
            if "plain loop" in found
            else None
        )
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": torch.cuda.get_device_name() if on_cuda else describe_cpu(),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "recipe": recipe.name,
            "batch": recipe.data.batch,
            "patch": recipe.data.patch,
            "operations_a_step": operations,
            "matrix_peak_tflops": peak / 1e12,
            "start_s": ours.start_s,
            "notes": ours.said,
            "times_the_plain_loop": ratio,
            "candidates": found,
        }


def main() -> None:
    """Parse, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="default-x4")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    parser.add_argument("--data", type=Path, help="a folder of pictures; else synthetic ones")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=45.0, help="of measuring, all together")
    parser.add_argument("--done", type=float, default=0.9, help="fraction of the run to measure at")
    parser.add_argument("--threads", type=int, help="of the CPU; all by default")
    parser.add_argument("--alone", action="store_true", help="without the plain loop")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    found = measure(arguments)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    for note in found["notes"]:
        print(note, file=sys.stderr)
    print(f"{found['machine']}, {found['threads']} threads, torch {found['torch']}; ", end="")
    print(f"{found['recipe']}, batch {found['batch']}, patches of {found['patch']} px")
    print(f"{found['operations_a_step']} operations a step\n")
    print("| | samples/s | step, s | processor, s | waits for data | share of the matrix peak |")
    print("|---|---|---|---|---|---|")
    for name, one in found["candidates"].items():
        share = f"{one['matrix_peak_share']:.0%}" if "matrix_peak_share" in one else "–"
        print(
            f"| {name} | {one['samples_per_s']:.1f} | {one['step_s']:.3f} "
            f"| {one['processor_s']:.3f} | {one['data_wait']:.1%} | {share} |"
        )
    if found["times_the_plain_loop"]:
        print(f"\n{found['times_the_plain_loop']:.2f} times the plain loop")


if __name__ == "__main__":
    main()
