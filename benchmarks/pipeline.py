"""The pipeline by itself: what a picture costs besides its network, reading and encoding.

A fake device takes 1 ms for an output megapixel and returns a ready output, so that nearly all of
the processor time is the pipeline's: numbers to planes, tiles, the check of outputs, anchoring,
rounding, and interleaving.

    python benchmarks/pipeline.py
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres.frame import UINT8
from superres.infer.engine import Engine
from superres.layers.graphs import INPUT, OUTPUT, image_graphs
from superres.media import open_picture, read_pixels
from superres.modelfiles.card import Card
from superres.runtimes.runtime import RuntimeFacts
from superres.watch import Watch

EXAMPLE = Path(__file__).parents[1] / "examples" / "coffee.png"
DEVICE_S_PER_MP = 0.001
SIZE = (960, 1280)


@dataclass
class FakeDevice:
    """Repeats pixels, a little too bright, and sleeps for as long as a fast device would take.

    Attributes:
        scale: The scale.
        facts: What the planner is told.
        cpu_s: Processor time spent in it.
        busy_s: Wall time spent in it.
    """

    scale: int
    facts: RuntimeFacts = field(init=False)
    cpu_s: float = 0.0
    busy_s: float = 0.0

    def __post_init__(self) -> None:
        """State the facts of a device with a common tile."""
        self.facts = RuntimeFacts("fake", "nowhere", "bf16", 416, 100, 2**33)

    def run(self, graph: str, tensors: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
        """Return the output for tiles."""
        began, cpu = time.perf_counter(), time.thread_time()
        tiles, scale = tensors[INPUT], self.scale
        count, channels, height, width = tiles.shape
        large = np.empty((count, channels, height, scale, width, scale), np.float32)
        np.multiply(tiles[:, :, :, None, :, None], np.float32(1.0004), out=large)
        large = large.reshape(count, channels, height * scale, width * scale)
        self.cpu_s += time.thread_time() - cpu
        rest = DEVICE_S_PER_MP * large.size / channels / 1e6 - (time.perf_counter() - began)
        time.sleep(max(0.0, rest))
        self.busy_s += time.perf_counter() - began
        return {OUTPUT: large}


def cost(scale: int, repeats: int = 7) -> dict[str, float]:
    """Return the pipeline's cost for an output megapixel of an 8-bit RGB photograph.

    Args:
        scale: The network's scale.
        repeats: Runs, of which the least counts.

    Returns:
        `cpu_ms`, and `wall_ms` beside `device_ms`, all for an output megapixel.
    """
    pixels = _picture()
    card = Card(
        name="fake",
        architecture="fake",
        config={},
        scale=scale,
        channels=3,
        halo=16,
        graphs=image_graphs(3, scale),
    )
    device = FakeDevice(scale)
    engine = Engine(card, device, fallback=None, watch=Watch())
    height, width = pixels.shape[:2]
    megapixels = height * width * scale**2 / 1e6
    found: list[tuple[float, float, float]] = []
    for _ in range(repeats):
        device.cpu_s = device.busy_s = 0.0
        cpu, began = time.process_time(), time.perf_counter()
        for _rows in engine.upscale_rows(
            (pixels,), UINT8, height=height, width=width, clamped=True
        ):
            pass
        wall = time.perf_counter() - began
        found.append((time.process_time() - cpu - device.cpu_s, wall, device.busy_s))
    cpu, wall, busy = (1e3 * min(one) / megapixels for one in zip(*found, strict=True))
    return {"cpu_ms": round(cpu, 2), "wall_ms": round(wall, 2), "device_ms": round(busy, 2)}


def _picture() -> NDArray[np.uint8]:
    """Return a photograph of a fixed size, made of copies of the example."""
    tile = read_pixels(open_picture(EXAMPLE))
    down, across = (-(-want // have) for want, have in zip(SIZE, tile.shape[:2], strict=True))
    return np.ascontiguousarray(np.tile(tile, (down, across, 1))[: SIZE[0], : SIZE[1]])


if __name__ == "__main__":
    print(json.dumps({f"x{scale}": cost(scale) for scale in (2, 4)}, indent=2))
