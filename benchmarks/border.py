"""The border between host and device: bytes that cross it for a pixel of output, as JSON.

    python benchmarks/border.py

The canvas of a GPU runs on the CPU here, and counts what is given to the device and taken back.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from pictures import photograph
from superres import zoo
from superres.frame import UINT8, UINT16, Values
from superres.infer.engine import Engine
from superres.runtimes import torch_canvas
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import Runtime, RuntimeOptions
from superres.watch import Watch

EDGE = 384  # of the small picture: several tiles


class CountingCanvas(torch_canvas.TorchCanvas):
    """A canvas that counts bytes.

    Attributes:
        crossed: Bytes to the device and back.
    """

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.crossed = 0

    def upload(self, values: Any) -> Any:  # noqa: ANN401 - the canvas's own types
        """Count, and pass on."""
        self.crossed += values.nbytes
        return super().upload(values)

    def download(self, tensor: Any) -> Any:  # noqa: ANN401 - the canvas's own types
        """Count, and pass on."""
        self.crossed += tensor.nbytes
        return super().download(tensor)


class OnCanvas:
    """A runtime whose device has a canvas."""

    def __init__(self, runtime: Runtime, canvas: CountingCanvas) -> None:
        self._runtime = runtime
        self.facts = dataclasses.replace(runtime.facts, canvas=canvas, best_tile=256)

    def run(self, graph: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Run a graph on the device."""
        return self._runtime.run(graph, tensors)


def bytes_a_pixel(values: Values) -> float:
    """Return the bytes for a pixel of RGB output by espcn-x4: 3 or 6, and its input's share."""
    model = zoo.resolve("espcn-x4")
    runtime = open_runtime(model, RuntimeOptions("torch", "fp32", "cpu", 1), watch=Watch())
    canvas = CountingCanvas()
    engine = Engine(model.card, OnCanvas(runtime, canvas), fallback=None, watch=Watch())
    pixels = photograph(EDGE, EDGE).astype(values.dtype) * np.array(values.white // 255, np.uint16)
    rows = engine.upscale_rows(
        (pixels.astype(values.dtype),), values, height=EDGE, width=EDGE, clamped=True
    )
    made = sum(len(block) * block.shape[1] for block in rows)
    return canvas.crossed / made


def main() -> None:
    """Print the bytes of both depths."""
    print(json.dumps({"8 bits": bytes_a_pixel(UINT8), "16 bits": bytes_a_pixel(UINT16)}))


if __name__ == "__main__":
    main()
