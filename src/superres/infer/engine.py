"""Picture engine: one network on a picture of any size, one row of tiles at a time.

One file, as its parts share the picture in progress: its batches, what is restarted when memory
runs out, and the rows that are cut from its tiles.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np

from superres.errors import ArgumentError, ModelError, OutOfMemoryError
from superres.frame import FLOAT32, Pixels, Unit, Values
from superres.images.anchor import anchor_frame
from superres.images.canvas import HOST, Canvas, Planes, Result
from superres.images.kernels import mirrored
from superres.images.strips import CELL, Block
from superres.infer import tiling
from superres.infer.batcher import Batcher
from superres.infer.ensemble import run_ensemble
from superres.infer.memory_budget import batch_limit, first_limit, halved_limit
from superres.infer.row_buffer import RowBuffer
from superres.infer.sanity import CheckedRun, SanityCheck
from superres.infer.tiling import Span
from superres.layers.graphs import ENLARGE, INPUT, OUTPUT
from superres.modelfiles.card import Card, check_input
from superres.runtimes.runtime import Runtime, RuntimeFacts
from superres.watch import Watch

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch of tiles in one row of tiles.

    Attributes:
        row: Position of the row of tiles; a restarted row is a new object.
        pixels: (h, W, C) of the picture, its input.
        small: (C, h, W) the same as unit pixels.
        columns: Positions of the tiles along the width.
        tiles: (N, C, h, w) pixels; N may be larger than the number of columns.
    """

    row: Span
    pixels: Pixels
    small: Planes
    columns: tuple[Span, ...]
    tiles: Planes


@dataclass(slots=True)
class _Picture:
    """One picture under way.

    Attributes:
        size: (H, W).
        values: What its numbers mean.
        watch: Its job's.
        checked: The run of its tiles.
        limit: Edge of its largest tile.
        batch_px: Input pixels of a batch of tiles.
    """

    size: tuple[int, int]
    values: Values
    watch: Watch
    checked: CheckedRun
    limit: int
    batch_px: int


@dataclass(frozen=True, slots=True)
class EngineState:
    """How the pictures of a job were run in the end.

    Attributes:
        facts: The runtime's: after a fallback, those of the fp32 one.
        tile: Edge of the largest tile in input pixels, halo included; long tiles have its area.
    """

    facts: RuntimeFacts
    tile: int


class Engine:
    """One network, opened and ready for pictures of any size, several at once from any threads.

    Memory depends on the tile: the tile's own, two rows of tiles of output, and a row of input.
    Pixels become planes of unit pixels, are joined, anchored to the input, and become rows of
    pixels again on the runtime's canvas.
    An out-of-memory error halves the tile, for the rest of the picture and for later ones. An
    output that fails the sanity check is computed again in fp32, in which the rest of the
    picture then runs. Neither affects another picture in progress: its pixels and notes are
    those of a run by itself.

    Args:
        card: What the network needs.
        runtime: Its runtime.
        tile: Tile edge in input pixels, halo included; None chooses by the runtime's facts.
        ensemble: Average over the eight flips and quarter turns.
        fallback: Opens the same network in fp32; None if it cannot.
        watch: Receives a note if the tile is not the requested one, or small for lack of memory.

    Raises:
        ArgumentError: `tile` is below 1.
        ModelError: The network takes another kind of input.
    """

    def __init__(
        self,
        card: Card,
        runtime: Runtime,
        *,
        tile: int | None = None,
        ensemble: bool = False,
        fallback: Callable[[Watch], Runtime] | None,
        watch: Watch,
    ) -> None:
        check_input(card, "image")
        self.card = card
        self._watch = watch
        facts = runtime.facts
        self._limit = first_limit(card, facts, tile, watch)
        self._batch_px = batch_limit(facts)
        self._sanity = SanityCheck(card, runtime, fallback=fallback, what="picture")
        self._lock = threading.Lock()  # guards the memory limits and the states of jobs
        self._states = weakref.WeakKeyDictionary[Watch, EngineState]()
        # One thread: several pictures may be in progress (colour and alpha are), one network runs.
        run, joint_px = partial(_run, card, ensemble), self._batch_px if facts.joins else 0
        self._runs = Batcher(run, joint_px=joint_px)

    @property
    def facts(self) -> RuntimeFacts:
        """The facts of the next picture's first runtime."""
        return self._sanity.requested.facts

    @property
    def tile(self) -> int:
        """Edge of the next picture's largest tile in input pixels, halo included."""
        return self._limit

    def state(self, watch: Watch) -> EngineState:
        """Return how a job's pictures were, or would be, run."""
        with self._lock:
            return self._states.get(watch.job) or EngineState(self.facts, self._limit)

    def pictures_at_once(self, height: int, width: int) -> int:
        """Return how many pictures of a size, at least one, together keep the device busy."""
        return max(1, self._runs.joint_px // (height * width))

    def upscale(
        self, frame: Unit, watch: Watch | None = None, *, clamped: bool | None = None
    ) -> Unit:
        """Upscale a whole picture.

        Args:
            frame: (H, W, C) float32 in [0, 1], C as on the card.
            watch: The picture's job: notified of fallbacks, and checked between tiles; None takes
                the engine's.
            clamped: See `upscale_rows`.

        Returns:
            (s*H, s*W, C) float32, unclamped, planar in memory.

        Raises:
            ArgumentError, NumericalError, OutOfMemoryError, BackendError, Cancelled: See
                `upscale_rows`.
        """
        height, width = frame.shape[:2]
        with self._picture((height, width), FLOAT32, watch) as picture:
            canvas = picture.checked.runtime.facts.canvas
            if canvas is HOST:  # in one piece: often the network's own output
                rows = list(self._blocks(picture, canvas, (frame,), block_rows=height))
                whole = rows[0] if len(rows) == 1 else _joined(canvas, rows)
                planes = whole.large[0] if len(whole.large) == 1 else canvas.joined(whole.large, 2)
                large = planes.transpose(1, 2, 0)
                return large if clamped is None else anchor_frame(frame, large, clamped=clamped)
        rows = self.upscale_rows((frame,), height=height, width=width, clamped=clamped, watch=watch)
        planes = np.concatenate([block.transpose(2, 0, 1) for block in rows], axis=1)
        return planes.transpose(1, 2, 0)

    def upscale_rows(
        self,
        blocks: Iterable[Pixels],
        values: Values = FLOAT32,
        *,
        height: int,
        width: int,
        channels: int | None = None,
        clamped: bool | None = None,
        watch: Watch | None = None,
    ) -> Iterator[Pixels]:
        """Upscale a picture that comes in blocks of rows, with bounded memory.

        The network runs in a thread, one batch of tiles ahead of the consumer; the blocks are
        pulled, and the tiles joined, in the consumer's own.

        Args:
            blocks: (h, W, C) from top to bottom, any h, C as on the card.
            values: What their numbers mean: float32 in [0, 1] unless stated. Nodata is not
                supported.
            height: Height of the whole picture.
            width: Its width.
            channels: How many of the output's channels are returned; None returns all.
            clamped: Anchor the output to the input, whose local means it has after clamping to
                [0, 1] (True) or without (False). None leaves the network's output as it is.
            watch: The picture's job: notified of fallbacks, and checked between tiles; None takes
                the engine's.

        Yields:
            (s*h, s*W, channels) from top to bottom: floats unclamped and planar in memory, whole
            numbers clamped and rounded.

        Raises:
            ArgumentError: The blocks do not make up a picture of that size, the card's channels
                and that type.
            NumericalError: The network's output is NaN, Inf or a constant, also in fp32, or the
                picture itself holds NaN or Inf.
            OutOfMemoryError: Not even the smallest tile fits.
            BackendError: The runtime failed otherwise.
            Cancelled: The job, or this part of it, was cancelled.
        """
        channels, scale = channels or self.card.channels, self.card.scale
        with self._picture((height, width), values, watch) as picture:
            canvas = picture.checked.runtime.facts.canvas
            cells_bytes = self.card.channels * CELL * width * scale**2 * _FLOAT_BYTES
            block_rows = CELL * max(1, canvas.block_bytes // cells_bytes)
            rows = self._blocks(picture, canvas, blocks, block_rows=block_rows)
            yield from canvas.finished(
                rows, Result(values, (height, width), scale, channels, clamped)
            )

    @contextmanager
    def _picture(
        self, size: tuple[int, int], values: Values, watch: Watch | None
    ) -> Generator[_Picture]:
        """Run one picture, starting as requested, within the memory limits found so far."""
        if min(size) < 1:
            raise ArgumentError(
                f"a picture has at least 1x1 pixels, got {size[1]}x{size[0]}", "pass its real size"
            )
        watch = watch or self._watch
        checked = self._sanity.begin(watch)
        picture = _Picture(size, values, watch, checked, self._limit, self._batch_px)
        try:
            yield picture
        except OutOfMemoryError:
            raise
        except MemoryError as error:  # numpy's, for rows of input or output
            raise OutOfMemoryError(
                f"out of memory in pixel buffers: {error}",
                "close other programs, or use a smaller --tile",
            ) from error
        finally:
            self._remember(picture)

    def _remember(self, picture: _Picture) -> None:
        """Record how a job's pictures are run: in fp32 if any had to be, in the smallest tile."""
        requested, own = self._sanity.requested, picture.checked.runtime
        with self._lock:
            known = self._states.get(picture.watch.job) or EngineState(
                requested.facts, picture.limit
            )
            self._states[picture.watch.job] = EngineState(
                known.facts if own is requested else own.facts, min(known.tile, picture.limit)
            )

    def _blocks(
        self, picture: _Picture, canvas: Canvas, blocks: Iterable[Pixels], *, block_rows: int
    ) -> Generator[Block]:
        """Cut the picture's rows into blocks of whole cells, of at most so many input rows.

        They are views of the network's output, but for a cell that lies in two rows of tiles.
        """
        (height, _), scale, done = picture.size, self.card.scale, 0
        cell: list[Block] = []  # one that continues in the next row of tiles
        for row in self._rows(picture, canvas, blocks):
            count, top = row.small.shape[1], 0
            ends = done + count == height
            if cell:
                top = min(CELL - done % CELL, count)
                cell.append(_cut(row, slice(top), scale))
                if (done + top) % CELL == 0 or (ends and top == count):
                    yield _joined(canvas, cell)
                    cell.clear()
            bottom = count if ends else top + (count - top) // CELL * CELL
            for first in range(top, bottom, block_rows):
                yield _cut(row, slice(first, min(first + block_rows, bottom)), scale)
            if max(top, bottom) < count:
                cell.append(_joined(canvas, [_cut(row, slice(bottom, count), scale)]))
            done += count
            del row  # before the next one is made

    def _rows(
        self, picture: _Picture, canvas: Canvas, blocks: Iterable[Pixels]
    ) -> Generator[Block]:
        """Run all tiles, and put the cores of each row of tiles side by side."""
        (_, width), scale = picture.size, self.card.scale
        buffer = RowBuffer(blocks, picture.values, size=picture.size, channels=self.card.channels)
        parts = list[Planes]()
        for batch, answer_NCHW in self._answers(picture, canvas, buffer):
            row = batch.row
            if batch.columns[0].core_start == 0:
                parts.clear()  # those of a row that was restarted
            inside = slice(row.core_start - row.start, row.core_stop - row.start)
            for span, tile_CHW in zip(batch.columns, answer_NCHW, strict=False):
                core = slice(span.core_start - span.start, span.core_stop - span.start)
                parts.append(tile_CHW[:, _scaled(inside, scale), _scaled(core, scale)])
            if batch.columns[-1].core_stop == width:
                small = batch.small[:, inside, :width]
                block = Block(batch.pixels[inside, :width], small, tuple(parts))
                parts.clear()
                del batch, answer_NCHW
                yield block
                del block

    def _answers(
        self, picture: _Picture, canvas: Canvas, buffer: RowBuffer
    ) -> Generator[tuple[_Batch, Planes]]:
        """Run all tiles; an out-of-memory error restarts their row."""
        batches = self._batches(picture, canvas, buffer, 0)
        in_flight: list[tuple[_Batch, Future[Planes]]] = []

        def launch() -> None:
            batch = next(batches, None)
            if batch is not None:
                in_flight.append((batch, self._runs.submit(batch.tiles, picture.checked)))

        try:
            launch()
            while in_flight:
                picture.watch.check()
                batch, future = in_flight[0]
                try:
                    answer_NCHW = future.result()
                except OutOfMemoryError as error:
                    self._shrink(picture, batch.tiles.shape, error)
                    batches = self._batches(picture, canvas, buffer, batch.row.core_start)
                    in_flight.clear()
                    launch()
                    continue
                in_flight.clear()
                launch()
                yield batch, answer_NCHW
                del batch, future, answer_NCHW  # or they would live until the next output arrives
        finally:
            wait([future for _, future in in_flight if not future.cancel()])

    def _batches(
        self, picture: _Picture, canvas: Canvas, buffer: RowBuffer, done: int
    ) -> Generator[_Batch]:
        """Cut the tiles of all rows from `done` on."""
        height, width = picture.size
        edges = tiling.tile_shape(height, width, self.card, picture.limit)
        padded = tiling.padded_length(width, self.card)
        columns = tiling.spans(width, edges[1], self.card)
        while done < height:
            row = tiling.next_span(done, height, edges[0], self.card)
            rows_HWC = buffer.take(row.start, row.stop)
            if padded != width:
                rows_HWC = rows_HWC[:, mirrored(np.arange(padded), width)]
            small_CHW = canvas.planes(rows_HWC, picture.values)
            for group in tiling.batches(columns, picture.batch_px // math.prod(edges)):
                tiles = canvas.stacked([small_CHW[:, :, span.start : span.stop] for span in group])
                # A batch may be padded with copies of its last tile.
                yield _Batch(row, rows_HWC, small_CHW, tuple(dict.fromkeys(group)), tiles)
            done = row.core_stop

    def _shrink(self, picture: _Picture, shape: tuple[int, ...], error: OutOfMemoryError) -> None:
        """Run single tiles instead of batches, or halve the tile; raise if it is the smallest.

        Later pictures start with this limit; those in progress find their own.
        """
        count, _, height, width = shape
        if count > 1:
            self._batch_px = picture.batch_px = 0
            picture.watch.note(f"out of memory with {count} tiles at once: continuing one by one")
            return
        picture.limit = halved_limit(self.card, (height, width), error, picture.watch)
        with self._lock:
            self._limit = min(self._limit, picture.limit)


def _run(card: Card, ensemble: bool, runtime: Runtime, tiles_NCHW: Unit) -> Unit:
    """Run tiles on a runtime, once or as an ensemble, and check the output's shape."""

    def run(tiles_NCHW: Unit) -> Unit:
        return runtime.run(ENLARGE, {INPUT: tiles_NCHW})[OUTPUT]

    answer_NCHW = (
        run_ensemble(run, tiles_NCHW, runtime.facts.canvas) if ensemble else run(tiles_NCHW)
    )
    count, channels, height, width = tiles_NCHW.shape
    expected = (count, channels, card.scale * height, card.scale * width)
    if answer_NCHW.shape != expected:
        raise ModelError(
            f"model {card.name} returned {answer_NCHW.shape} for {tiles_NCHW.shape}, its card says "
            f"{expected}",
            "the card does not fit the network; export the model again",
        )
    return answer_NCHW


def _scaled(span: slice, scale: int) -> slice:
    return slice(scale * (span.start or 0), scale * span.stop)


def _cut(block: Block, rows: slice, scale: int) -> Block:
    """Return some input rows of a block and their output, as views."""
    large = tuple(part[:, _scaled(rows, scale)] for part in block.large)
    return Block(block.pixels[rows], block.small[:, rows], large)


def _joined(canvas: Canvas, blocks: list[Block]) -> Block:
    """Join blocks from top to bottom, in new memory."""
    rows = [canvas.joined(block.large, axis=2) for block in blocks]
    small = canvas.joined([block.small for block in blocks], axis=1)
    pixels = np.concatenate([block.pixels for block in blocks])
    return Block(pixels, small, (rows[0] if len(rows) == 1 else canvas.joined(rows, axis=1),))
