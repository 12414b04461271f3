"""Burst engine: fusion of frames, tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from superres.errors import ArgumentError, ModelError, OutOfMemoryError
from superres.frame import Unit
from superres.infer import tiling
from superres.infer.burst_input import fill_reference
from superres.infer.memory_budget import first_limit, halved_limit
from superres.infer.sanity import SanityCheck
from superres.infer.tiling import Span
from superres.layers.graphs import FINISH, FRAME, NEXT, OUTPUT, REFERENCE, STEP
from superres.modelfiles.card import Card, check_input
from superres.runtimes.runtime import Runtime, RuntimeFacts
from superres.watch import Watch

# Returns frame t of a burst (0 is the reference) at rows and columns of the reference:
# (C + 3, h, w), as `burst_input.frame_input` makes it.
FrameSource = Callable[[int, slice, slice], Unit]


class BurstEngine:
    """One burst network, opened and ready for bursts of any size.

    Memory depends on the tile and not on the number of frames: each is requested when its turn
    comes. An out-of-memory error halves the tile. An output that fails the sanity check is
    computed again in fp32, in which the rest of the burst then runs.

    Args:
        card: What the network needs.
        runtime: Its runtime.
        tile: Tile edge in input pixels, halo included; None chooses by the runtime's facts.
        fallback: Opens the same network in fp32; None if it cannot.
        watch: Notified of each fallback, and checked between tiles for cancellation.

    Raises:
        ArgumentError: `tile` is below 1.
        ModelError: The network takes another kind of input, or needs multiples of pixels.
    """

    def __init__(
        self,
        card: Card,
        runtime: Runtime,
        *,
        tile: int | None = None,
        fallback: Callable[[Watch], Runtime] | None,
        watch: Watch,
    ) -> None:
        check_input(card, "burst")
        if card.multiple_of != 1 or card.minimum != 1:
            raise ModelError(
                f"model {card.name} does not fuse bursts of any size: its frames are multiples of "
                f"{card.multiple_of} px, at least {card.minimum}",
                "superres models list shows what each model takes",
            )
        self.card = card
        self._sanity = SanityCheck(card, runtime, fallback=fallback, what="burst")
        self._checked = self._sanity.begin(watch)
        self._watch = watch
        self._limit = first_limit(card, runtime.facts, tile, watch)

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of the current runtime."""
        return self._checked.runtime.facts

    def fuse(self, source: FrameSource, *, count: int, height: int, width: int) -> Unit:
        """Fuse a burst; arguments and errors are those of `fuse_rows`.

        Returns:
            (s*H, s*W, C) float32, unclamped.
        """
        return np.concatenate(list(self.fuse_rows(source, count=count, height=height, width=width)))

    def fuse_rows(
        self, source: FrameSource, *, count: int, height: int, width: int
    ) -> Iterator[Unit]:
        """Fuse a burst, one row of tiles at a time.

        Args:
            source: Returns parts of frames; each is requested several times.
            count: Frames of the burst, the reference included.
            height: Height of the reference.
            width: Its width.

        Yields:
            (h, s*W, C) float32 from top to bottom, unclamped.

        Raises:
            ArgumentError: There is no frame, or no pixel.
            NumericalError: The network's output is NaN, Inf or a constant, also in fp32.
            OutOfMemoryError: Not even the smallest tile fits.
            BackendError: The runtime failed otherwise.
            Cancelled: The job was cancelled.
        """
        if min(count, height, width) < 1:
            raise ArgumentError(
                f"a burst has at least one frame of 1x1 pixels, got {count} of {width}x{height}",
                "pass its real size",
            )
        self._checked = self._sanity.begin(self._watch)  # a fallback lasts for one burst
        done = 0
        while done < height:
            edges = tiling.tile_shape(height, width, self.card, self._limit)
            row = tiling.next_span(done, height, edges[0], self.card)
            try:
                strip = self._strip(source, count, row, tiling.spans(width, edges[1], self.card))
            except OutOfMemoryError as error:
                self._limit = halved_limit(self.card, edges, error, self._watch)
                continue
            yield strip
            done = row.core_stop

    def _strip(self, source: FrameSource, count: int, row: Span, columns: tuple[Span, ...]) -> Unit:
        """Return a row of tiles, (h, s*W, C)."""
        pieces: list[Unit] = []
        scale = self.card.scale
        lines = slice(scale * (row.core_start - row.start), scale * (row.core_stop - row.start))
        for span in columns:
            self._watch.check()
            large_CHW = self._tile(source, count, row, span)
            core = slice(
                scale * (span.core_start - span.start), scale * (span.core_stop - span.start)
            )
            pieces.append(large_CHW[:, lines, core].transpose(1, 2, 0))
        return np.concatenate(pieces, axis=1)

    def _tile(self, source: FrameSource, count: int, row: Span, span: Span) -> Unit:
        where = slice(row.start, row.stop), slice(span.start, span.stop)
        reference = fill_reference(
            source(0, *where), (source(index, *where) for index in range(1, count))
        )
        while True:
            others = (source(index, *where)[None] for index in range(1, count))
            large_NCHW = _fused(self.card, self._checked.runtime, reference[None], others)
            if self._checked.accepts(reference[None, : self.card.channels], large_NCHW):
                return large_NCHW[0]


def _fused(card: Card, runtime: Runtime, reference: Unit, others: Iterable[Unit]) -> Unit:
    """Return (N, C, s*h, s*w) from a tile of each frame, requested when its turn comes."""
    count, _, height, width = reference.shape
    states = {
        port.name: np.zeros((count, port.channels, height, width), np.float32)
        for port in card.graph(FINISH).inputs
        if port.name != REFERENCE
    }
    for frame in others:
        after = runtime.run(STEP, {REFERENCE: reference, FRAME: frame, **states})
        states = {name: after[name + NEXT] for name in states}
    return runtime.run(FINISH, {REFERENCE: reference, **states})[OUTPUT]
