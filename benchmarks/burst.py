"""How PSNR rises with the number of frames, on bursts made of pictures: the table of docs/burst.md.

    python benchmarks/burst.py --set DIR/BSD100/HR               # all pictures, about an hour
    python benchmarks/burst.py --set DIR/BSD100/HR --every 10    # a tenth of them
    python benchmarks/burst.py --set DIR/BSD100/HR --every 10 --model FILE --dry    # another model

The set is fixed: one burst a picture, whose seed is the picture's number by name; x4; shifts of up
to 2 small pixels, rotations of up to 1 degree, noise of 2/255; `--exposure` adds differences of
brightness. Motions are estimated. Frame 0 is the reference, so that the truth fits. Scores go to
benchmarks/results/burst.json, the curve to docs/images/burst.svg, the table into docs/burst.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from charts import standalone
from superres.atomic import atomic_write_bytes
from superres.burst.fuse import FuseOptions, fuse_burst
from superres.evaluate.benchmark import truth_paths
from superres.media import open_picture, read_pixels
from superres.metrics import Protocol, psnr
from superres.runs.chart import Curve
from superres.runtimes.precision import describe_cpu
from superres.version import __version__
from superres.zoo import BURST
from synthesise import MadeBurst, Shaking, make_burst

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "burst.json"
CURVE = ROOT / "docs" / "images" / "burst.svg"
PAGE = ROOT / "docs" / "burst.md"
SCALE, COUNTS = 4, (1, 2, 4, 8, 16)
# The blur is known, as it is for most that publish such curves; only networks' rows estimate it.
METHODS = {
    "bicubic, one frame": None,
    "drizzle": FuseOptions(method="drizzle", model="bicubic", blur="bicubic", reference=0),
    "back-projection from bicubic": FuseOptions(model="bicubic", blur="bicubic", reference=0),
    "back-projection from a single-frame network": FuseOptions(method="backproject", reference=0),
    "burst network (default)": FuseOptions(method="network", reference=0),
}
_BEGIN, _END = "<!-- scores -->", "<!-- end of scores -->"


def measure(burst: MadeBurst, model: str | None) -> dict[str, list[float]]:
    """Return the PSNR of one burst by method and number of frames; a model fuses by `network`."""
    protocol = Protocol(border=SCALE)
    scores: dict[str, list[float]] = {}
    for name, options in METHODS.items():
        for count in COUNTS:
            if options is None:
                made = fuse_burst(burst.frames[:1], FuseOptions(model="bicubic", reference=0))
            else:
                if options.method == "network":
                    options = replace(options, model=model)
                made = fuse_burst(burst.frames[:count], options)
            scores.setdefault(name, []).append(psnr(made.pixels, burst.truth, protocol=protocol))
    return scores


def draw(means: dict[str, list[float]]) -> str:
    """Return the curves as a picture that stands alone."""
    curves = [
        Curve(name, slot, [(float(n), db) for n, db in zip(COUNTS, values, strict=True)])
        for slot, (name, values) in enumerate(means.items())
    ]
    return standalone("PSNR by number of frames", curves, across="frames", names_at=(190, 108))


def table(means: dict[str, list[float]], pictures: int) -> str:
    """Return the scores in Markdown."""
    heading = f"| frames ({pictures} pictures) | " + " | ".join(map(str, COUNTS)) + " |"
    rows = [f"| {name} | " + " | ".join(f"{x:.2f}" for x in v) + " |" for name, v in means.items()]
    return "\n".join((heading, "|---|" + "---|" * len(COUNTS), *rows))


def write_page(text: str) -> None:
    """Put the table into the page, between its marks."""
    page = PAGE.read_text()
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    atomic_write_bytes(PAGE, f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}".encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--set", type=Path, required=True, help="folder of large pictures")
    parser.add_argument("--every", type=int, default=1, help="take every n-th picture")
    parser.add_argument("--crop", type=int, default=0, help="middle of at most so many pixels")
    parser.add_argument("--model", help="network of many frames: a name or a file [embedded]")
    parser.add_argument("--exposure", type=float, default=0.0, help="difference of brightness")
    parser.add_argument("--dry", action="store_true", help="print only")
    asked = parser.parse_args(arguments)
    shaking = Shaking(exposure=asked.exposure)
    rows: dict[str, dict[str, list[float]]] = {}
    began = time.perf_counter()
    for number, path in list(enumerate(truth_paths(asked.set)))[:: asked.every]:
        large = read_pixels(open_picture(path))[..., :3]
        if asked.crop:
            top, left = (max(0, (n - asked.crop) // 2) for n in large.shape[:2])
            large = large[top : top + asked.crop, left : left + asked.crop]
        large = np.ascontiguousarray(large)
        burst = make_burst(large, count=max(COUNTS), scale=SCALE, seed=number, shaking=shaking)
        rows[path.stem] = measure(burst, asked.model)
        print(path.stem, *(f"{v[-1]:.2f}" for v in rows[path.stem].values()), flush=True)
    means = {
        name: [statistics.fmean(row[name][i] for row in rows.values()) for i in range(len(COUNTS))]
        for name in METHODS
    }
    print(table(means, len(rows)))
    if asked.dry:
        return
    document = {
        "version": __version__,
        "machine": describe_cpu(),
        "set": asked.set.parent.name if asked.set.name == "HR" else asked.set.name,
        "every": asked.every,
        "crop": asked.crop,
        "scale": SCALE,
        "model": asked.model or BURST,
        "shift_px": shaking.shift_px,
        "turn_degrees": shaking.turn_degrees,
        "noise": shaking.noise,
        "exposure": shaking.exposure,
        "protocol": Protocol(border=SCALE).describe(),
        "counts": COUNTS,
        "psnr_db": means,
        "pictures": rows,
        "seconds": round(time.perf_counter() - began),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    atomic_write_bytes(RESULTS, json.dumps(document, indent=1).encode())
    atomic_write_bytes(CURVE, draw(means).encode())
    write_page(table(means, len(rows)))


if __name__ == "__main__":
    main()
