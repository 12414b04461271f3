"""Short runs of several network shapes and training choices under one budget, as a table.

    python benchmarks/shapes.py --data DIR --set DIR/Set5 --set DIR/Set14 --steps 700

Runs are counted in steps, so that the scores do not depend on what else the machine does; the
seconds a step took are given beside them, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from superres.optim.schedule import Budget
from superres.runs.log import read_log
from superres.train.loop import TrainingOptions, train
from superres.train.recipe import Recipe
from superres.train.recipe_file import load_recipe
from superres.watch import Watch

# What differs from the recipe default-x4. Steps are scaled so that all see as many pixels.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "14 blocks of 64": {},
    "8 blocks of 64": {"network": {"blocks": 8}},
    "8 blocks of 96": {"network": {"features": 96, "blocks": 8}},
    "4 blocks of 128": {"network": {"features": 128, "blocks": 4}},
    "14 blocks of 64, Adam at 1e-3": {"optimizer": {"name": "adam", "rate": 1e-3}},
    "14 blocks of 64, no weight decay": {"optimizer": {"matrix_decay": 0.0}},
    "14 blocks of 64, no Fourier term": {"loss": {"fourier": 0.0}},
    "14 blocks of 64, 16 patches of 32": {"data": {"patch": 32}},
}


def varied(recipe: Recipe, changes: dict[str, dict[str, Any]]) -> Recipe:
    """Return a recipe with some values of its sections replaced."""
    table = recipe.model_dump()
    for section, values in changes.items():
        target = table["network"]["config"] if section == "network" else table[section]
        target.update(values)
    return Recipe.model_validate(table)


def main() -> None:
    """Train every variant and print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--set", type=Path, action="append", required=True, dest="sets")
    parser.add_argument("--steps", type=int, default=700, help="of 16 patches of 48 pixels")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    base, rows = load_recipe("default-x4"), []
    pixels = base.data.batch * base.data.patch**2
    for name, changes in VARIANTS.items():
        recipe = varied(base, changes)
        steps = arguments.steps * pixels // (recipe.data.batch * recipe.data.patch**2)
        with tempfile.TemporaryDirectory() as folder:
            options = TrainingOptions(
                Path(folder),
                tuple(arguments.data),
                budget=Budget(steps=steps),
                validation=tuple(arguments.sets),
                validate_every_s=1e9,
            )
            report = train(recipe, options, watch=Watch(lambda line: print(line, file=sys.stderr)))
            scores = {k: v for k, v in read_log(Path(folder))[-1].items() if k.startswith("psnr")}
        seconds = 60 * report.minutes / report.steps
        rows.append({"what": name, "parameters": report.card.parameters, "steps": steps,
                     "step_s": round(seconds, 3), **scores})  # fmt: skip
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        cells = (f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values())
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
