"""Quality of every network, trained by its recipe under one budget, as docs/results.md.

    python benchmarks/quality.py --data DIR --set DIR/Set5 --set DIR/Set14 --scale 4 --minutes 10
    python benchmarks/quality.py --only espcn --only fsrcnn ...    # some networks
    python benchmarks/quality.py --scale 2 --from-x4 ...           # from each one's x4 weights
    python benchmarks/quality.py --model default-x4 --set ...      # measured as it is, not trained
    python benchmarks/quality.py --write docs/results.md           # the page from what was measured

Runs lie in --runs and are gone on with, so the program can be stopped at any time. What was
measured is kept in benchmarks/results/quality.json, a row a network and scale.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from charts import standalone
from papers import PAPER_PSNR
from scores import scorer
from superres import zoo
from superres.evaluate.benchmark import bicubic
from superres.layers.reparameterised import for_inference
from superres.modelfiles.checkpoint import load_network
from superres.networks.catalog import ARCHITECTURES, network_config
from superres.optim.schedule import Budget
from superres.runs.chart import Curve
from superres.runs.log import read_log
from superres.runtimes.precision import describe_cpu
from superres.train.loop import TrainingOptions, train
from superres.train.recipe_file import built_in_recipes, load_recipe
from superres.train.start import misfits
from superres.upscaler import load
from superres.watch import Watch

RESULTS = Path(__file__).parent / "results" / "quality.json"
_HEAD = """# Every network, measured

Written by `python benchmarks/quality.py` from what it trained and measured. Each network was
trained by its built-in recipe, on the photographs of the embedded models (CLIC and CID22), under
the budget in the last column: far below the papers' days on GPUs, so the papers' figures stand
beside ours. Minutes are of two cores, or of one of them, which other runs shared at times, with and
without units for bf16; steps say more. Where `×4 +` precedes them, the run started from the
network's ×4 weights, all but the layers whose shape depends on the scale, at half the recipe's
rates (SPAN, EDSR and VDSR at ×2: the whole). `superres models` has the weights of most ×4 rows, in
fp16. Networks that are not here have recipes, and need a GPU for a meaningful score. FSRCNN
ended in larger patches than its recipe has and by SOAP, and at ×4 SRCNN, ESPCN and FSRCNN learnt,
all or the last steps, from the answers of `default-x4` ([training.md](training.md)). Where no
budget stands, the weights were taken as they are: the embedded models, and the published ones of
SPAN (`spanx…`) and Real-ESRGAN (`realesr…`). The latter learnt to repair, not to undo bicubic.

PSNR and SSIM on luma, border = scale; LPIPS v0.1 (AlexNet) on RGB, lower is better. Multiply-adds
are for an output of 1280×720. The time for a megapixel of output is that of the default backend in
the machine's own number format ({cpu}); runs that were not exported go through torch. Rows without
a time were measured on another machine, or take minutes."""
BICUBIC = "bicubic"
_SETS = ("Set5", "Set14", "BSD100")  # the columns
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


def measure(
    name: str, model: str, scale: int, sets: list[Path], *, timed: bool = True
) -> dict[str, Any]:
    """Return a row: scores, size, work and speed of one model at a scale; `bicubic` is one too."""
    row: dict[str, Any] = {"recipe": name, "scale": scale, "cpu": describe_cpu(), "sets": {}}
    if model == BICUBIC:
        upscale = bicubic(scale)
    else:
        weights = zoo.resolve(model, scale=scale).weights
        assert weights is not None, f"{model} has no weights that torch loads"
        trained, card = load_network(weights)
        network = for_inference(trained)
        row["architecture"] = card.architecture
        row["parameters"] = sum(p.numel() for p in network.parameters())
        row["multiply_adds"] = multiply_adds(network, scale, card.channels, card.multiple_of)
        if timed:
            row["ms_per_megapixel"] = _milliseconds(model, scale)
        upscale = load(model, scale=scale, precision="fp32")
    score = scorer()
    for folder in sets:
        row["sets"][folder.resolve().name] = score(upscale, folder, scale)
    return row


def _milliseconds(model: str, scale: int) -> float:
    """Return the time of a megapixel of output, the best of three."""
    small = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    upscale = load(model, scale=scale)
    upscale(small)
    taken: list[float] = []
    for _ in range(3):
        start = time.perf_counter()
        upscale(small)
        taken.append(time.perf_counter() - start)
    return min(taken) * 1e9 / (256 * scale) ** 2


def course(folder: Path) -> list[tuple[int, float]]:
    """Return (step, PSNR on the first set watched) over a run: where it was heading."""
    lines = [line for line in read_log(folder) if any(k.startswith("psnr_") for k in line)]
    return [
        (int(line["step"]), round(next(v for k, v in line.items() if k.startswith("psnr_")), 2))
        for line in lines
    ]


def page(rows: list[dict[str, Any]]) -> str:
    """Return docs/results.md."""
    cpu = statistics.mode(row["cpu"] for row in rows)  # times of other machines say nothing beside
    parts = [_HEAD.format(cpu=cpu)]
    for scale in sorted({row["scale"] for row in rows}):
        of_scale = [row for row in rows if row["scale"] == scale]
        names = [name for name in _SETS if any(name in row["sets"] for row in of_scale)]
        head = " | ".join(f"{name}: PSNR, SSIM, LPIPS" for name in names)
        parts.append(f"\n## ×{scale}\n")
        parts.append(
            f"| | parameters | multiply-adds | ms / MP | {head} | the paper's PSNR "
            "| minutes, steps |"
        )
        parts.append("|" + "---|" * (len(names) + 6))
        parts.extend(
            _line(row, names, cpu)
            for row in sorted(of_scale, key=lambda row: -row["sets"][names[0]]["psnr_db"])
        )
        if any(row.get("course") for row in of_scale):
            parts.append(
                f"\nWhere they were heading, PSNR on {names[0]} by minutes:\n\n"
                f"![PSNR by minutes](images/{_chart_name(scale)})\n"
            )
            parts.extend(_heading(row) for row in of_scale if row.get("course"))
    return "\n".join(parts) + "\n"


def _line(row: dict[str, Any], sets: list[str], cpu: str) -> str:
    """Return a row of the table, with its time if that is of the page's processor."""
    scores = (
        "{psnr_db:.2f}, {ssim:.4f}, {lpips:.3f}".format(**row["sets"][name])
        if name in row["sets"]
        else "–"
        for name in sets
    )
    size = work = speed = "–"
    if "parameters" in row:
        size, work = f"{row['parameters'] / 1e3:,.0f} K", f"{row['multiply_adds'] / 1e9:,.1f} G"
        if row["cpu"] == cpu and "ms_per_megapixel" in row:
            speed = f"{row['ms_per_megapixel']:.0f}"
    paper = PAPER_PSNR.get((row.get("architecture", ""), row["scale"]), "–")
    if row["recipe"].startswith("real"):
        paper = "–"  # they repair, which the papers' tables do not measure
    budget = f"{row['minutes']:g}, {row['steps']:,}" if "steps" in row else "–"
    if "started_from" in row:
        budget = f"×4 + {budget}"
    cells = (row["recipe"], size, work, speed, *scores, paper, budget)
    return "| " + " | ".join(cells) + " |"


def _heading(row: dict[str, Any]) -> str:
    told = ", ".join(f"{psnr:.2f} ({step:,})" for step, psnr in row["course"])
    return f"- {row['recipe']}, dB (steps): {told}"


def _chart_name(scale: int) -> str:
    return f"results_x{scale}.svg"


def draw(rows: list[dict[str, Any]], scale: int) -> str | None:
    """Return the courses of a scale's runs as a picture that stands alone, if there are any."""
    courses = [row for row in rows if row["scale"] == scale and row.get("course")]
    if not courses:
        return None
    curves = [
        Curve(
            row["recipe"], slot, [(row["minutes"] * n / row["steps"], v) for n, v in row["course"]]
        )
        for slot, row in enumerate(courses)
    ]
    return standalone(f"PSNR at x{scale}", curves, across="minutes", names_at=(128, 148), lines=6)


def _keep(row: dict[str, Any]) -> None:
    """Put a row in the place of an earlier one of its name."""
    key = row["recipe"], row["scale"]
    rows = [other for other in _kept() if (other["recipe"], other["scale"]) != key] + [row]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps({name: value for name, value in row.items() if name != "course"}))


def _kept() -> list[dict[str, Any]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else []


def _trained(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train a recipe, or go on with it, and return its row."""
    folder = arguments.runs / name
    start = _from_x4(name) if arguments.from_x4 else ()
    report = train(
        load_recipe(name, start),
        TrainingOptions(
            folder,
            tuple(arguments.data),
            budget=Budget(minutes=arguments.minutes),
            validation=tuple(arguments.sets[:1]),
            validate_every_s=arguments.minutes * 60 / 6,
            resume=folder.exists(),
        ),
        watch=Watch(on_note=lambda line: print(line, file=sys.stderr)),
    )
    row = measure(name, str(report.model), arguments.scale, arguments.sets, timed=arguments.timed)
    if start:
        row["started_from"] = report.card.training.started_from
    return row | {
        "minutes": round(report.minutes, 1),
        "steps": report.steps,
        "course": course(folder),
    }


def _from_x4(name: str) -> tuple[str, ...]:
    """Return what to replace in a recipe so that it starts from its family's x4 weights.

    The rates are halved, as few weights are new.
    """
    family = name.rpartition("-x")[0]
    weights = zoo.resolve(f"{family}-x4").weights
    assert weights is not None, f"{family}-x4 has no weights that torch loads"
    theirs = load_network(weights)[0].state_dict()
    recipe = load_recipe(name)
    config = network_config(recipe.network.architecture, recipe.network.config)
    ours = config.build().state_dict()
    return (
        f"network.pretrained={family}-x4",
        f"network.reinitialise={json.dumps(misfits(theirs, ours))}",
        f"optimizer.rate={recipe.optimizer.rate / 2}",
        f"optimizer.matrix_lr={recipe.optimizer.matrix_lr / 2}",
    )


def main() -> None:
    """Train and measure what is asked for, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--set", type=Path, action="append", default=[], dest="sets")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=10.0, help="for each network")
    parser.add_argument("--only", action="append", help="a family, such as espcn; repeatable")
    parser.add_argument("--from-x4", action="store_true", help="start from each one's x4 weights")
    parser.add_argument(
        "--untimed", action="store_false", dest="timed", help="for networks that take minutes"
    )
    parser.add_argument("--model", action="append", default=[], help="measured as it is")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()

    for model in arguments.model:
        is_one = model != BICUBIC
        name = zoo.resolve(model, scale=arguments.scale).card.name if is_one else BICUBIC
        _keep(measure(name, model, arguments.scale, arguments.sets, timed=arguments.timed))
    if arguments.data:
        for family in arguments.only or _families():
            _keep(_trained(f"{family}-x{arguments.scale}", arguments))
    if arguments.write:
        rows = _kept()
        arguments.write.write_text(page(rows), encoding="utf-8")
        for scale in {row["scale"] for row in rows}:
            if chart := draw(rows, scale):
                path = arguments.write.parent / "images" / _chart_name(scale)
                path.write_text(chart, encoding="utf-8")


def _families() -> list[str]:
    """Return the families of one frame that have a recipe for ×4."""
    return [
        name.removesuffix("-x4")
        for name in built_in_recipes()
        if name.endswith("-x4") and load_recipe(name).network.architecture in ARCHITECTURES
    ]


if __name__ == "__main__":
    main()
