"""Make the pictures of docs/real.md: ten damaged inputs and what each model makes of them, 1:1.

    python scripts/crops.py --photographs DIR docs/images/real

DIR holds the pictures of CID22 that `CASES` names, as AVIF. Each strip has four columns: the input
with its pixels made large, bicubic, `default`, `real`. What is done to a picture depends on its
place in the table alone.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
import torch
from numpy.typing import NDArray

import superres
from superres.degrade.apply import degrade_batch
from superres.degrade.config import DegradationConfig
from superres.degrade.load import load_degradation
from superres.frame import UINT8, Bands, from_unit, to_unit
from superres.media import WriteOptions, open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata

EXAMPLES = Path(__file__).parent.parent / "examples"
SCALE, HEIGHT, WIDTH = 4, 40, 48  # of a crop, in input pixels
GAP, LABEL = 6, 20  # in pixels of the strip

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Case:
    """One strip.

    Attributes:
        name: Of its file.
        source: An example, or a picture of CID22.
        shrink: The source's downscaling factor.
        steps: What is done to it around that, as in a chain's TOML, in order; or a chain's name.
        crop: (top, left) of what is shown, in input pixels.
        light: What the source's brightness is multiplied by first.
    """

    name: str
    source: str
    shrink: int
    steps: dict[str, dict[str, Any]] | str
    crop: tuple[int, int]
    light: float = 1.0


def jpeg(quality: int) -> dict[str, Any]:
    """Return the step of a JPEG."""
    return {"kind": "compress", "quality": [quality, quality]}


SMALL = {"kind": "small"}
NOISE = {"kind": "noise", "gaussian": [12.0, 12.0]}
BLUR = {"kind": "blur", "size": [9, 9], "sigma": [1.0, 1.0]}
SENSOR = {"kind": "sensor", "shot": [0.004, 0.004], "read": [0.008, 0.008]}
CASES = (
    Case("fur", "cat.png", 1, {"small": SMALL, "jpeg": jpeg(30)}, (40, 62)),
    Case("street", "cid22-2272939.avif", 4, {"small": SMALL, "jpeg": jpeg(60)}, (18, 48)),
    Case("coffee", "coffee.png", 1, {"small": SMALL, "noise": NOISE}, (118, 158)),
    Case(
        "koala", "cid22-146083.avif", 4, {"small": SMALL, "blur": BLUR, "jpeg": jpeg(50)}, (8, 40)
    ),
    Case("college", "cid22-1130683.avif", 4, {"small": SMALL}, (12, 34)),
    Case("alpacas", "cid22-3396657.avif", 4, "real", (4, 54)),
    Case(
        "night",
        "cid22-7062219.avif",
        4,
        {"small": SMALL, "sensor": SENSOR, "jpeg": jpeg(80)},
        (48, 60),
        light=0.6,
    ),
    Case(
        "text",
        "cid22-adriankierman-report-page.avif",
        1,
        {"small": SMALL, "jpeg": jpeg(40)},
        (200, 120),
    ),
    Case("lines", "dial.png", 1, {"small": SMALL, "jpeg": jpeg(20)}, (60, 52)),
    Case("face", "astronaut.png", 1, {"small": SMALL, "jpeg": jpeg(40)}, (2, 30)),
)


def damaged(case: Case, photographs: Path, index: int) -> Pixels:
    """Return the input of a strip, (H, W, 3)."""
    folder = photographs if case.source.startswith("cid22-") else EXAMPLES
    pixels = to_unit(read_pixels(open_picture(folder / case.source)))
    colours = pixels[..., :3]
    if pixels.shape[2] == 4:  # on white
        colours = colours * pixels[..., 3:] + (1.0 - pixels[..., 3:])
    height, width = (edge // case.shrink * case.shrink for edge in colours.shape[:2])
    large_HWC = np.ascontiguousarray(colours[:height, :width]) * np.float32(case.light)
    config = (
        load_degradation(case.steps, {"clean": 0.0})
        if isinstance(case.steps, str)
        else DegradationConfig.model_validate({"steps": case.steps})
    )
    large_1CHW = torch.from_numpy(large_HWC).permute(2, 0, 1)[None]
    small_1CHW = degrade_batch(large_1CHW, config, scale=case.shrink, seed=(index,))
    small = from_unit(small_1CHW[0].permute(1, 2, 0).numpy(), UINT8)
    return np.ascontiguousarray(small, np.uint8)


def strip(small: Pixels, crop: tuple[int, int], models: tuple[str, ...]) -> Pixels:
    """Return the columns of a strip with their names above them."""
    bicubic = superres.resize(to_unit(small), scale=SCALE).astype(np.float32)
    columns: dict[str, Any] = {
        "input": small.repeat(SCALE, 0).repeat(SCALE, 1),
        "bicubic": from_unit(bicubic, UINT8),
    }
    for model in models:
        columns[model] = superres.load(model, scale=SCALE, precision="fp32")(small)
    top, left = (SCALE * edge for edge in crop)
    parts: list[Pixels] = []
    for name, large in columns.items():
        shown = large[top : top + SCALE * HEIGHT, left : left + SCALE * WIDTH]
        parts += [np.concatenate((label(name), shown)), blank(LABEL + SCALE * HEIGHT, GAP)]
    return np.concatenate(parts[:-1], axis=1)


def label(text: str) -> Pixels:
    """Return a column's name, dark on white."""
    ink = pyvips.Image.text(text, font="sans 10", dpi=96).numpy()
    row = blank(LABEL, SCALE * WIDTH)
    row[2 : 2 + len(ink), : ink.shape[1]] -= ink[: LABEL - 2, :, None]
    return row


def blank(height: int, width: int) -> Pixels:
    """Return white."""
    return np.full((height, width, 3), 255, np.uint8)


def main() -> None:
    """Write all strips, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--only", action="append", help="a case's name; repeatable")
    parser.add_argument("--model", action="append", help="the last columns; default and real")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    arguments.folder.mkdir(parents=True, exist_ok=True)
    for index, case in enumerate(CASES):
        if case.name not in (arguments.only or [case.name]):
            continue
        small = damaged(case, arguments.photographs, index)
        pixels = strip(small, case.crop, tuple(arguments.model or ("default", "real")))
        write_picture(
            arguments.folder / f"{case.name}.png",
            [pixels],
            height=pixels.shape[0],
            width=pixels.shape[1],
            bands=Bands.of(3),
            values=UINT8,
            metadata=Metadata(),
            options=WriteOptions(compression=9),
        )


if __name__ == "__main__":
    main()
