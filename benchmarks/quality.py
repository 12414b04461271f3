"""How well every network restores, trained by its recipe under one budget, as docs/results.md.

    python benchmarks/quality.py --data DIR --set DIR/Set5 --set DIR/Set14 --scale 4 --minutes 10
    python benchmarks/quality.py --only espcn --only fsrcnn ...    # some networks
    python benchmarks/quality.py --write docs/results.md           # the page from what was measured

Runs lie in --runs and are gone on with, so the program can be stopped at any time. What was
measured is kept in benchmarks/results/quality.json, a row a network and scale.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from papers import PAPER_PSNR
from scores import scorer
from superres.infer.precision import describe_cpu
from superres.models.catalog import ARCHITECTURES
from superres.models.checkpoint import load_network
from superres.train.loop import RunOptions, train
from superres.train.recipe_file import built_in_recipes, load_recipe
from superres.train.run_log import read_log
from superres.train.schedule import Budget
from superres.upscaler import load

RESULTS = Path(__file__).parent / "results" / "quality.json"
_HEAD = """# Every network, measured

Written by `python benchmarks/quality.py` from what it trained and measured. Each network was
trained by its built-in recipe, on the pictures of the embedded models, under the budget in the last
column: far below the papers' days on GPUs, so the papers' figures stand beside ours. PSNR and SSIM
on luma, border = scale; LPIPS v0.1 (AlexNet) on RGB, lower is better. Multiply-adds are for an
output of 1280×720. The time is that of the default backend in the machine's own number format."""
_HD = (720, 1280)  # the output that the literature counts multiply-adds for


def multiply_adds(network: nn.Module, scale: int, channels: int, multiple_of: int) -> float:
    """Return the multiply-adds of convolutions and matrix products for an output of 1280x720."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.ConvTranspose2d):
            total += inputs[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.weight[0].numel()
        elif isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features

    handles = [layer.register_forward_hook(count) for layer in network.modules()]
    edge = multiple_of * -(-64 // multiple_of)
    with torch.inference_mode():
        network(torch.zeros(1, channels, edge, edge))
    for handle in handles:
        handle.remove()
    return total * _HD[0] * _HD[1] / (edge * scale) ** 2


def measure(name: str, model: Path, sets: list[Path], minutes: float, steps: int) -> dict[str, Any]:
    """Return a row: scores, size, work and speed of one trained model."""
    network, card = load_network(model)
    enlarge = load(str(model), precision="fp32")
    score = scorer()
    row: dict[str, Any] = {
        "recipe": name,
        "architecture": card.architecture,
        "scale": card.scale,
        "parameters": sum(p.numel() for p in network.parameters()),
        "multiply_adds": multiply_adds(network, card.scale, card.channels, card.multiple_of),
        "minutes": round(minutes, 1),
        "steps": steps,
        "cpu": describe_cpu(),
        "sets": {},
    }
    for folder in sets:
        row["sets"][folder.resolve().name] = score(enlarge, folder, card.scale)
    small = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    fast = load(str(model))
    fast(small)
    start = time.perf_counter()
    fast(small)
    row["ms_per_megapixel"] = (time.perf_counter() - start) * 1e9 / (256 * card.scale) ** 2
    return row


def course(folder: Path) -> list[tuple[int, float]]:
    """Return (step, PSNR on the first set watched) over a run: where it was heading."""
    lines = [line for line in read_log(folder) if any(k.startswith("psnr_") for k in line)]
    return [
        (int(line["step"]), round(next(v for k, v in line.items() if k.startswith("psnr_")), 2))
        for line in lines
    ]


def page(rows: list[dict[str, Any]]) -> str:
    """Return docs/results.md."""
    parts = [_HEAD]
    for scale in sorted({row["scale"] for row in rows}):
        of_scale = [row for row in rows if row["scale"] == scale]
        names = sorted({name for row in of_scale for name in row["sets"]})
        head = " | ".join(f"{name}: PSNR, SSIM, LPIPS" for name in names)
        parts.append(f"\n## ×{scale}\n")
        parts.append(
            f"| recipe | parameters | multiply-adds | ms / MP | {head} "
            "| the paper's PSNR | minutes, steps |"
        )
        parts.append("|" + "---|" * (len(names) + 6))
        for row in sorted(of_scale, key=lambda row: -row["sets"][names[0]]["psnr_db"]):
            scores = " | ".join(
                "{psnr_db:.2f}, {ssim:.4f}, {lpips:.3f}".format(**row["sets"][name])
                if name in row["sets"]
                else "–"
                for name in names
            )
            paper = PAPER_PSNR.get((row["architecture"], scale), "–")
            parts.append(
                f"| {row['recipe']} | {row['parameters'] / 1e3:,.0f} K "
                f"| {row['multiply_adds'] / 1e9:,.1f} G | {row['ms_per_megapixel']:.0f} "
                f"| {scores} | {paper} | {row['minutes']:g}, {row['steps']:,} |"
            )
        parts.append("\nWhere they were heading, PSNR on the first set at (steps):\n")
        parts.extend(
            f"- {row['recipe']}: "
            + ", ".join(f"{psnr:.2f} ({step:,})" for step, psnr in row["course"])
            for row in of_scale
            if row["course"]
        )
    return "\n".join(parts) + "\n"


def main() -> None:
    """Train and measure what is asked for, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--set", type=Path, action="append", default=[], dest="sets")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=10.0, help="for each network")
    parser.add_argument("--only", action="append", help="a family, such as espcn; repeatable")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()

    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    families = [name.removesuffix("-x4") for name in built_in_recipes() if name.endswith("-x4")]
    for family in arguments.only or ([] if arguments.write else families):
        name = f"{family}-x{arguments.scale}"
        recipe, folder = load_recipe(name), arguments.runs / name
        if recipe.network.architecture not in ARCHITECTURES:
            continue
        report = train(
            recipe,
            RunOptions(
                folder,
                tuple(arguments.data),
                budget=Budget(minutes=arguments.minutes),
                validation=tuple(arguments.sets[:1]),
                validate_every_s=arguments.minutes * 60 / 6,
                resume=folder.exists(),
            ),
            notice=lambda line: print(line, file=sys.stderr),
        )
        row = measure(name, report.model, arguments.sets, report.minutes, report.steps)
        row["course"] = course(folder)
        rows = [other for other in rows if other["recipe"] != name] + [row]
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
        print(json.dumps({k: v for k, v in row.items() if k != "course"}))
    if arguments.write:
        arguments.write.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
