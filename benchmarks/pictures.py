"""Pictures with the spectrum of a photograph, for timings: noise would not compress like one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from superres.frame import UINT8, Bands
from superres.images.resize import resize
from superres.media import write_picture
from superres.metadata.header import Metadata


def photograph(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return (height, width, 3) pixels with structures of all sizes from 8 to 512 px."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for octave in (8, 32, 128, 512):
        coarse = rng.standard_normal((octave, max(1, octave * width // height), 3))
        total += resize(coarse, size=(height, width)) * 8 / octave
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)


def write(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write RGB pixels without metadata, replacing a file of that name."""
    path.unlink(missing_ok=True)
    write_picture(
        path,
        [pixels],
        height=len(pixels),
        width=pixels.shape[1],
        bands=Bands.of(3),
        values=UINT8,
        metadata=Metadata(None, None, None, None),
    )
