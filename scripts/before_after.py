"""Make the README's picture: crops of two examples, upscaled by bicubic and by the default model.

Run as `python scripts/before_after.py docs/images/before_after.png`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import superres
from superres.frame import UINT8, Bands, from_unit, to_unit
from superres.media import open_picture, read_pixels, write_picture
from superres.metadata.header import Metadata

EXAMPLES = Path(__file__).parent.parent / "examples"
CROPS = (("cat.png", 20, 62), ("astronaut.png", 8, 24))  # top and left, in input pixels
HEIGHT, WIDTH, SCALE, GAP = 68, 100, 4, 8


def side_by_side(name: str, top: int, left: int) -> NDArray[np.uint8]:
    """Return a crop of one example twice: bicubic at the left, superres at the right."""
    small = read_pixels(open_picture(EXAMPLES / name))[..., :3]
    area = np.s_[SCALE * top : SCALE * (top + HEIGHT), SCALE * left : SCALE * (left + WIDTH)]
    bicubic = from_unit(superres.resize(to_unit(small), scale=SCALE).astype(np.float32), UINT8)
    ours = superres.upscale(small, scale=SCALE)
    gap = np.full((SCALE * HEIGHT, GAP, 3), 255, np.uint8)
    return np.concatenate((bicubic[area], gap, ours[area]), axis=1).astype(np.uint8)


def main() -> None:
    """Write the picture to the path that is the command's argument."""
    rows = [side_by_side(*crop) for crop in CROPS]
    gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
    pixels = np.concatenate((rows[0], gap, rows[1]))
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    height, width, _ = pixels.shape
    write_picture(
        target, [pixels], height=height, width=width, bands=Bands.of(3), values=UINT8,
        metadata=Metadata(None, None, None, None),
    )  # fmt: skip


if __name__ == "__main__":
    main()
