"""Video engine: each frame upscaled with information from earlier ones, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from superres.errors import ArgumentError, ModelError, OutOfMemoryError
from superres.frame import VIDEO_MULTIPLE, Unit
from superres.infer import tiling
from superres.infer.memory_budget import first_limit, halved_limit
from superres.infer.sanity import SanityCheck
from superres.infer.tiling import Span
from superres.layers.graphs import (
    ALIGN,
    ALIGNED,
    BEFORE,
    FRAME,
    INPUT,
    MEMORY,
    NEXT,
    OUTPUT,
    PREVIOUS,
    RESTORE,
)
from superres.modelfiles.card import Card, check_input
from superres.runtimes.runtime import Runtime, RuntimeFacts
from superres.watch import Watch


@dataclass(frozen=True, slots=True)
class _History:
    """A frame (1, C, H, W) and its two outputs, (1, C, s*H, s*W) and (1, M, H, W)."""

    frame: Unit
    large: Unit
    memory: Unit


class VideoEngine:
    """One video network, opened and ready for the frames of one video, in order.

    The state of earlier frames is as large as a frame and is aligned as a whole; the network
    itself runs tile by tile. An out-of-memory error halves the tile. An output that fails the
    sanity check is computed again in fp32, in which the rest of the video then runs.

    Args:
        card: What the network needs.
        runtime: Its runtime.
        tile: Tile edge in input pixels, halo included; None chooses by the runtime's facts.
        fallback: Opens the same network in fp32; None if it cannot.
        watch: Receives a note of each fallback, and is checked between tiles for cancellation.

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
        check_input(card, "video")
        if card.multiple_of != 1 or card.minimum != 1:
            raise ModelError(
                f"model {card.name} does not take videos of any size: its frames are multiples of "
                f"{card.multiple_of} px, at least {card.minimum}",
                "superres models list shows what each model takes",
            )
        self.card = card
        check = SanityCheck(card, runtime, fallback=fallback, what="video")
        self._checked = check.begin(watch)
        self._watch = watch
        self._limit = first_limit(card, runtime.facts, tile, watch)
        self._history: _History | None = None

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of the current runtime."""
        return self._checked.runtime.facts

    @property
    def tile(self) -> int:
        """Edge of the largest tile in input pixels, halo included; long tiles have its area."""
        return self._limit

    def restart(self) -> None:
        """Forget the frames so far: the next one starts a scene."""
        self._history = None

    def upscale(self, frame: Unit) -> Unit:
        """Upscale the next frame.

        Args:
            frame: (H, W, C) float32 in [0, 1], C as on the card, of the previous frame's size.

        Returns:
            (s*H, s*W, C) float32, unclamped.

        Raises:
            ArgumentError: The frame has no pixel, or other channels.
            NumericalError: The network's output is NaN, Inf or a constant, also in fp32.
            OutOfMemoryError: Not even the smallest tile fits, or a frame's state does not.
            BackendError: The runtime failed otherwise.
            Cancelled: The job was cancelled.
        """
        if frame.ndim != 3 or frame.shape[2] != self.card.channels or frame.size == 0:
            raise ArgumentError(
                f"model {self.card.name} takes frames (H, W, {self.card.channels}), "
                f"got {frame.shape}",
                "pass frames of its channels, not empty",
            )
        height, width = frame.shape[:2]
        small = _whole(frame)
        known = self._history
        tiny = min(height, width) < VIDEO_MULTIPLE
        if known is None or known.frame.shape != small.shape or tiny:
            (port,) = self.card.graph(RESTORE).inputs
            aligned = np.zeros((1, port.channels, *small.shape[2:]), np.float32)
            aligned[:, : self.card.channels] = small
        else:
            past = {PREVIOUS: known.frame, BEFORE: known.large, MEMORY: known.memory}
            aligned = self._checked.runtime.run(ALIGN, {FRAME: small, **past})[ALIGNED]
        while True:
            try:
                large, memory = self._restored(aligned)
                break
            except OutOfMemoryError as error:
                edges = tiling.tile_shape(small.shape[2], small.shape[3], self.card, self._limit)
                self._limit = halved_limit(self.card, edges, error, self._watch)
        self._history = _History(small, large, memory)
        scale = self.card.scale
        return large[0, :, : scale * height, : scale * width].transpose(1, 2, 0)

    def _restored(self, aligned: Unit) -> tuple[Unit, Unit]:
        """Run all tiles of a frame, and join them."""
        (height, width), scale = aligned.shape[2:], self.card.scale
        edges = tiling.tile_shape(height, width, self.card, self._limit)
        whole: tuple[Unit, Unit] | None = None
        for row in tiling.spans(height, edges[0], self.card):
            for column in tiling.spans(width, edges[1], self.card):
                self._watch.check()
                tile = aligned[:, :, row.start : row.stop, column.start : column.stop]
                pieces = self._restored_tile(np.ascontiguousarray(tile))
                if tile.shape == aligned.shape:
                    return pieces
                if whole is None:
                    large, memory = (piece.shape[1] for piece in pieces)
                    whole = (
                        np.empty((1, large, scale * height, scale * width), np.float32),
                        np.empty((1, memory, height, width), np.float32),
                    )
                for target, piece, factor in zip(whole, pieces, (scale, 1), strict=True):
                    rows, columns = (
                        slice(factor * span.core_start, factor * span.core_stop)
                        for span in (row, column)
                    )
                    target[:, :, rows, columns] = piece[
                        :, :, _core(row, factor), _core(column, factor)
                    ]
        assert whole is not None
        return whole

    def _restored_tile(self, tile: Unit) -> tuple[Unit, Unit]:
        while True:
            made = self._checked.runtime.run(RESTORE, {INPUT: tile})
            if self._checked.accepts(tile[:, : self.card.channels], made[OUTPUT]):
                return made[OUTPUT], made[MEMORY + NEXT]


def _whole(frame: Unit) -> Unit:
    """Return a frame as (1, C, H, W), padded to a multiple by repeating its last row and column."""
    height, width = frame.shape[:2]
    extra = ((0, -height % VIDEO_MULTIPLE), (0, -width % VIDEO_MULTIPLE), (0, 0))
    padded = np.pad(frame, extra, mode="edge") if any(map(any, extra)) else frame
    return np.ascontiguousarray(padded.transpose(2, 0, 1))[None]


def _core(span: Span, factor: int) -> slice:
    """Return the slice of a tile's core in its output."""
    return slice(factor * (span.core_start - span.start), factor * (span.core_stop - span.start))
