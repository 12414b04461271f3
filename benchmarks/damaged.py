"""How well models restore damaged pictures, and what they do to clean ones, as docs/real.md.

    python benchmarks/damaged.py --truth DIR/BSD100 --damaged DIR/BSD100-damaged
    python benchmarks/damaged.py --truth ... --damaged ... --model real      # this model alone
    python benchmarks/damaged.py --write docs/real.md      # its table from what was measured

The damaged set is made if it is not there: the truth of BSD100, and small pictures at scales of 2
and 4 by the chain `real` without its clean samples. What is drawn depends on a picture's name and
on SEED alone, so the set is the same each time, and its hash tells. It is a set as `superres
evaluate` reads it. What was measured is kept in benchmarks/results/damaged.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from scores import scorer
from superres.data.folders import PICTURE_SUFFIXES
from superres.degrade.load import load_degradation
from superres.evaluate.benchmark import bicubic
from superres.jobs.degrade import degrade_picture_file
from superres.jobs.spec import DegradeJob
from superres.media import open_picture, read_pixels
from superres.upscaler import load
from superres.watch import Watch
from superres.zoo import resolve

RESULTS = Path(__file__).parent / "results" / "damaged.json"
SCALES = (2, 4)
SEED = 0
MODELS = ("bicubic", "default", "real")
# Of the pixels of all small pictures, as torch 2.13 makes them on x86.
HASH = "b82d425f676b8b8ee95d6073a1da33bfb7260f2bc94c32fd053b728c0f249a47"
COLUMNS = {
    "psnr_db": (max, ".2f"),
    "ssim": (max, ".4f"),
    "lpips": (min, ".3f"),
}  # with what is best
_BEGIN, _END = "<!-- the table: benchmarks/damaged.py -->", "<!-- end of the table -->"


def make_set(truth: Path, folder: Path) -> None:
    """Write the damaged set of a folder with its truth in HR; files that are there stay."""
    torch.set_num_threads(1)  # sums of several threads could round otherwise
    config = load_degradation("real", {"clean": 0.0})
    (folder / "HR").mkdir(parents=True, exist_ok=True)
    for source in sorted((truth / "HR").iterdir()):
        if source.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        large = folder / "HR" / source.name
        if not large.exists():
            shutil.copyfile(source, large)
        for scale in SCALES:
            small = folder / f"LR_x{scale}" / f"{source.stem}.png"
            small.parent.mkdir(exist_ok=True)
            if not small.exists():
                job = DegradeJob(
                    source=source, target=small, degradation=config, scale=scale, seed=SEED
                )
                degrade_picture_file(job, Watch())


def hash_of(folder: Path) -> str:
    """Return the SHA-256 over the names, sizes and pixels of a set's small pictures."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("LR_x*/*.png"), key=lambda path: (path.parent.name, path.name)):
        pixels = read_pixels(open_picture(path))
        total.update(f"{path.parent.name}/{path.stem} {pixels.shape}".encode())
        total.update(pixels.tobytes())
    return total.hexdigest()


def table(rows: list[dict[str, Any]]) -> str:
    """Return the page's table: what was done to the pictures, then each model's scores."""
    lines = ["| pictures | | PSNR, dB | SSIM | LPIPS |", "|---|---|---|---|---|"]
    for kind, scale in ((kind, scale) for kind in ("damaged", "clean") for scale in SCALES):
        of_set = [row for row in rows if (row["pictures"], row["scale"]) == (kind, scale)]
        for row in sorted(of_set, key=lambda row: MODELS.index(row["model"])):
            cells: list[str] = []
            for key, (best, form) in COLUMNS.items():
                is_best = row[key] == best(other[key] for other in of_set)
                cells.append(f"**{row[key]:{form}}**" if is_best else f"{row[key]:{form}}")
            lines.append(f"| {kind}, ×{scale} | {row['model']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_table(page: Path, rows: list[dict[str, Any]]) -> None:
    """Put the table between its two marks in a page."""
    before, found, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, ended, after = rest.partition(_END)
    if not (found and ended):
        raise SystemExit(f"{page} has no lines {_BEGIN!r} and {_END!r}")
    page.write_text(f"{before}{_BEGIN}\n{table(rows)}\n{_END}{after}", encoding="utf-8")


def main() -> None:
    """Make the set, measure what is asked for, and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, help="BSD100, with its pictures in HR")
    parser.add_argument("--damaged", type=Path, help="where the damaged set is, or is made")
    parser.add_argument("--model", choices=MODELS, action="append", help="repeatable; else all")
    parser.add_argument("--scale", type=int, choices=SCALES, action="append", help="else all")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    arguments = parser.parse_args()

    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    if arguments.truth and arguments.damaged:
        make_set(arguments.truth, arguments.damaged)
        found = hash_of(arguments.damaged)
        print(f"SHA-256 of the damaged pictures: {found}")
        if found != HASH:
            print(
                f"Published was {HASH}. Another torch or processor rounds some pixels otherwise: "
                "scores are then near the published ones, but not of the same set."
            )
        score = scorer()
        for model in arguments.model or MODELS:
            for scale in arguments.scale or SCALES:
                network = model != "bicubic"
                upscale = load(model, scale=scale, precision="fp32") if network else bicubic(scale)
                weights = resolve(model, scale=scale).card.weights_sha256 if network else ""
                for kind, folder in (("damaged", arguments.damaged), ("clean", arguments.truth)):
                    row = {"pictures": kind, "scale": scale, "model": model, "weights": weights}
                    row |= score(upscale, folder, scale)
                    key = (kind, scale, model)
                    rows = [r for r in rows if (r["pictures"], r["scale"], r["model"]) != key]
                    rows.append(row)
                    RESULTS.parent.mkdir(exist_ok=True)
                    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
                    print(json.dumps(row), flush=True)
    if arguments.write:
        write_table(arguments.write, rows)


if __name__ == "__main__":
    main()
