"""Runtimes made of numpy, for tests of what surrounds a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres.errors import OutOfMemoryError
from superres.layers.graphs import ENLARGE, INPUT, OUTPUT, image_graphs
from superres.modelfiles.card import Card
from superres.runtimes.runtime import CPU_BATCH_PX, Precision, RuntimeFacts

Tiles = NDArray[np.float32]


def make_card(*, scale=2, halo=0, multiple_of=1, minimum=1, channels: Literal[1, 3] = 3) -> Card:
    return Card(
        name="fake",
        architecture="fake",
        config={},
        scale=scale,
        channels=channels,
        halo=halo,
        graphs=image_graphs(channels, scale),
        multiple_of=multiple_of,
        minimum=minimum,
    )


def blur_and_repeat(card: Card) -> Callable[[Tiles], Tiles]:
    """Return a network that sees exactly the card's halo, and its place within `multiple_of`."""

    def run(tiles: Tiles) -> Tiles:
        height, width = tiles.shape[2:]
        assert height % card.multiple_of == width % card.multiple_of == 0
        assert min(height, width) >= card.minimum
        halo = card.halo
        padded = np.pad(tiles, ((0, 0), (0, 0), (halo, halo), (halo, halo)))
        # Terms are added in one order for every pixel, so equal means equal to the last bit.
        total = sum(
            padded[:, :, y : y + height, x : x + width] * np.float32(1 + y + 3 * x)
            for y in range(2 * halo + 1)
            for x in range(2 * halo + 1)
        )
        rows, columns = np.indices((height, width)) % card.multiple_of
        total = (total + rows + 5 * columns).astype(np.float32)
        return total.repeat(card.scale, axis=2).repeat(card.scale, axis=3)

    return run


class FakeBackend:
    """Runs a function as its network; remembers the shapes it was given.

    Args:
        network: Maps (N, C, h, w) to (N, C, s*h, s*w).
        precision: What its facts say.
        best_tile: What its facts say.
        memory_px: Runs of more pixels than this raise OutOfMemoryError.
        free_bytes: What its facts say.
        batch_px: What its facts say; given, several pictures' tiles are worth running at once.
    """

    def __init__(
        self,
        network: Callable[[Tiles], Tiles],
        *,
        precision: Precision = "fp32",
        best_tile: int = 64,
        memory_px: int | None = None,
        free_bytes: int = 2**40,
        batch_px: int | None = None,
    ) -> None:
        self.network = network
        self.shapes: list[tuple[int, ...]] = []
        self.memory_px = memory_px
        self.facts = RuntimeFacts(
            name="fake",
            device="nowhere",
            precision=precision,
            best_tile=best_tile,
            bytes_per_px=100,
            free_bytes=free_bytes,
            batch_px=batch_px or CPU_BATCH_PX,
            joins=batch_px is not None,
        )

    def run(self, graph: str, tensors: Mapping[str, Tiles]) -> dict[str, Tiles]:
        assert graph == ENLARGE
        tiles_NCHW = tensors[INPUT]
        count, _, height, width = tiles_NCHW.shape
        self.shapes.append(tiles_NCHW.shape)
        if self.memory_px is not None and count * height * width > self.memory_px:
            raise OutOfMemoryError("no room in the fake", "use a smaller --tile")
        return {OUTPUT: self.network(tiles_NCHW)}


def random_picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Tiles:
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def whole(network: Callable[[Tiles], Tiles], picture: Tiles) -> Tiles:
    """Run a network on the picture at once, without any engine."""
    return network(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))[0].transpose(1, 2, 0)
