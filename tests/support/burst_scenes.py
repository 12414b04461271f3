"""Pictures that bursts are made of: one drawn here, and two of the examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from superres.media import open_picture, read_pixels
from synthesise import MadeBurst, Shaking, make_burst

EXAMPLES = Path(__file__).parents[2] / "examples"


def draw_scene(height: int = 240, width: int = 280, seed: int = 0) -> NDArray[np.uint8]:
    """Draw discs, bars and fine stripes on a soft background, (H, W, 3)."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width].astype(float)
    picture = np.stack(
        [120 + 40 * np.sin(rows / 31 + c) + 30 * np.cos(columns / 47 - c) for c in range(3)], axis=2
    )
    for _ in range(60):
        row, column, size = random.uniform((0, 0, 4), (height, width, 22))
        shape = np.hypot(rows - row, columns - column) < size
        if random.random() < 0.5:
            shape = (abs(rows - row) < size) & (abs(columns - column) < size / 4)
        stripes = 25 * np.sin((rows * random.normal() + columns * random.normal()) / 2)
        picture[shape] = random.uniform(20, 235, 3) + stripes[shape, None]
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def scene() -> NDArray[np.uint8]:
    return draw_scene()


@pytest.fixture(scope="session")
def pictures(scene: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Three large pictures."""
    read = [read_pixels(open_picture(EXAMPLES / name)) for name in ("coffee.png", "cat.png")]
    return [scene, *read]


@pytest.fixture(scope="session")
def burst(scene: NDArray[np.uint8]) -> MadeBurst:
    """Eight frames of the scene with noise of 2/255."""
    return make_burst(scene, count=8, scale=4, seed=1, shaking=Shaking())
