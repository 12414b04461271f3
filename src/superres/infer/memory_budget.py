"""Memory budget: sizes of tiles and batches, initially and after running out of memory."""

from __future__ import annotations

import math

from superres.errors import ArgumentError, OutOfMemoryError
from superres.infer import tiling
from superres.modelfiles.card import Card
from superres.runtimes.runtime import RuntimeFacts
from superres.watch import Watch

_FREE_SHARE = 0.5  # of the free memory; the rest is for strips, files and other programs


def first_limit(card: Card, facts: RuntimeFacts, tile: int | None, watch: Watch) -> int:
    """Return the edge of the largest tile: as requested, or the fastest that fits the free memory.

    Args:
        card: What the network needs.
        facts: Its runtime's facts.
        tile: The requested edge, halo included; None chooses.
        watch: Receives a note if it is not the requested one, or if the best one does not fit.

    Raises:
        ArgumentError: `tile` is below 1.
    """
    least = tiling.least_tile(card)
    if tile is not None:
        if tile < 1:
            raise ArgumentError(f"the tile must be at least 1 pixel, got {tile}", "try 256")
        if tile < least:
            watch.note(f"model {card.name} needs a tile of at least {least} pixels, not {tile}")
        return max(tile, least)
    fits = math.isqrt(_fitting_px(facts))
    limit = max(min(fits, facts.best_tile), least)
    free = f"{facts.free_bytes / 2**20:.0f} MiB are free on {facts.device}"
    if limit < facts.best_tile:
        watch.note(f"{free}: the tile is {limit} pixels, not {facts.best_tile}")
    elif fits < limit:
        watch.note(f"{free}, little for the smallest tile of {card.name}, {limit} pixels")
    return limit


def batch_limit(facts: RuntimeFacts) -> int:
    """Return the input pixels of a batch of tiles, at most as many as fit into memory."""
    return min(facts.batch_px, _fitting_px(facts))


def halved_limit(card: Card, edges: tuple[int, int], error: OutOfMemoryError, watch: Watch) -> int:
    """Return the limit to continue with after a tile did not fit.

    Args:
        card: What the network needs.
        edges: (height, width) of that tile.
        error: The error raised.
        watch: Receives a note of the new limit.

    Raises:
        OutOfMemoryError: The tile is the smallest.
    """
    edge, least = math.isqrt(edges[0] * edges[1]), tiling.least_tile(card)
    if edge <= least:
        raise OutOfMemoryError(
            f"not even a tile of {edges[1]}x{edges[0]} pixels fits into memory: {error.message}",
            "close other programs, or use another --device",
        ) from error
    limit = max(edge // 2, least)
    watch.note(f"out of memory with a tile of {edge} pixels: continuing with {limit}")
    return limit


def _fitting_px(facts: RuntimeFacts) -> int:
    """Return how many input pixels fit into the free memory at once."""
    return int(facts.free_bytes * _FREE_SHARE) // max(1, facts.bytes_per_px)
