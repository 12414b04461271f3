"""Picture engine: one network on a picture of any size, one row of tiles at a time."""

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
from superres.frame import Unit
from superres.images.kernels import mirrored
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

_YIELD_BYTES = 2 * 2**20  # strips leave in pieces that stay in the cache while they are anchored


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch of tiles in one row of tiles.

    Attributes:
        row: Position of the row of tiles; a restarted row is a new object.
        columns: Positions of the tiles along the width.
        tiles: (N, C, h, w) pixels; N may be larger than the number of columns.
    """

    row: Span
    columns: tuple[Span, ...]
    tiles: Unit


@dataclass(slots=True)
class _Picture:
    """One picture under way.

    Attributes:
        watch: Its job's.
        checked: The run of its tiles.
        limit: Edge of its largest tile.
        batch_px: Input pixels of a batch of tiles.
    """

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

    def upscale(self, frame: Unit, watch: Watch | None = None) -> Unit:
        """Upscale a whole picture.

        Args:
            frame: (H, W, C) float32 in [0, 1], C as on the card.
            watch: The picture's job: notified of fallbacks, and checked between tiles; None takes
                the engine's.

        Returns:
            (s*H, s*W, C) float32, unclamped, planar in memory.

        Raises:
            ArgumentError, NumericalError, OutOfMemoryError, BackendError, Cancelled: See
                `upscale_rows`.
        """
        (height, width), scale = frame.shape[:2], self.card.scale
        size = (scale * height, scale * width)
        large = np.empty((0, 0, 0), np.float32)
        with self._picture(height, width, watch) as picture:
            channels = self.card.channels
            buffer = RowBuffer((frame,), height=height, width=width, channels=channels)
            for batch, answer_NCHW in self._answers(picture, buffer, height, width):
                if answer_NCHW.shape[2:] == size:
                    return answer_NCHW[0].transpose(1, 2, 0)
                if large.size == 0:
                    large = _planes(*size, channels)
                rows = slice(scale * batch.row.core_start, scale * batch.row.core_stop)
                _place(batch, answer_NCHW, large[rows], scale)
        return large

    def upscale_rows(
        self,
        blocks: Iterable[Unit],
        *,
        height: int,
        width: int,
        watch: Watch | None = None,
    ) -> Iterator[Unit]:
        """Upscale a picture that comes in blocks of rows, with bounded memory.

        The network runs in a thread, one batch of tiles ahead of the consumer; the blocks are
        pulled, and the tiles joined, in the consumer's own.

        Args:
            blocks: (h, W, C) float32 in [0, 1] from top to bottom, any h, C as on the card.
            height: Height of the whole picture.
            width: Its width.
            watch: The picture's job: notified of fallbacks, and checked between tiles; None takes
                the engine's.

        Yields:
            (s*h, s*W, C) float32 from top to bottom, unclamped, planar in memory.

        Raises:
            ArgumentError: The blocks do not make up a picture of that size and the card's
                channels.
            NumericalError: The network's output is NaN, Inf or a constant, also in fp32, or the
                picture itself holds NaN or Inf.
            OutOfMemoryError: Not even the smallest tile fits.
            BackendError: The runtime failed otherwise.
            Cancelled: The job, or this part of it, was cancelled.
        """
        channels, scale = self.card.channels, self.card.scale
        with self._picture(height, width, watch) as picture:
            buffer = RowBuffer(blocks, height=height, width=width, channels=channels)
            strip = _planes(0, scale * width, channels)
            row = None
            for batch, answer_NCHW in self._answers(picture, buffer, height, width):
                if batch.row is not row:
                    row = batch.row
                    rows = scale * (row.core_stop - row.core_start)
                    strip = _planes(rows, scale * width, channels)
                _place(batch, answer_NCHW, strip, scale)
                if batch.columns[-1].core_stop == width:
                    del answer_NCHW
                    yield from _pieces(strip, scale)
                    strip = strip[:0].copy()  # frees the pixels before the next strip is made

    @contextmanager
    def _picture(self, height: int, width: int, watch: Watch | None) -> Generator[_Picture]:
        """Run one picture, starting as requested, within the memory limits found so far."""
        if height < 1 or width < 1:
            raise ArgumentError(
                f"a picture has at least 1x1 pixels, got {width}x{height}", "pass its real size"
            )
        watch = watch or self._watch
        picture = _Picture(watch, self._sanity.begin(watch), self._limit, self._batch_px)
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

    def _answers(
        self, picture: _Picture, buffer: RowBuffer, height: int, width: int
    ) -> Generator[tuple[_Batch, Unit]]:
        """Run all tiles; an out-of-memory error restarts their row."""
        batches = self._batches(picture, buffer, (height, width), 0)
        in_flight: list[tuple[_Batch, Future[Unit]]] = []

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
                    batches = self._batches(picture, buffer, (height, width), batch.row.core_start)
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
        self, picture: _Picture, buffer: RowBuffer, size: tuple[int, int], done: int
    ) -> Generator[_Batch]:
        """Cut the tiles of all rows from `done` on."""
        height, width = size
        edges = tiling.tile_shape(height, width, self.card, picture.limit)
        padded = tiling.padded_length(width, self.card)
        columns = tiling.spans(width, edges[1], self.card)
        while done < height:
            row = tiling.next_span(done, height, edges[0], self.card)
            band_CHW = buffer.take(row.start, row.stop).transpose(2, 0, 1)
            if padded != width:
                band_CHW = band_CHW[:, :, mirrored(np.arange(padded), width)]
            for group in tiling.batches(columns, picture.batch_px // math.prod(edges)):
                tiles_NCHW = np.stack([band_CHW[:, :, span.start : span.stop] for span in group])
                # A batch may be padded with copies of its last tile.
                distinct = tuple(dict.fromkeys(group))
                yield _Batch(row, distinct, np.ascontiguousarray(tiles_NCHW))
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

    answer_NCHW = run_ensemble(run, tiles_NCHW) if ensemble else run(tiles_NCHW)
    count, channels, height, width = tiles_NCHW.shape
    expected = (count, channels, card.scale * height, card.scale * width)
    if answer_NCHW.shape != expected:
        raise ModelError(
            f"model {card.name} returned {answer_NCHW.shape} for {tiles_NCHW.shape}, its card says "
            f"{expected}",
            "the card does not fit the network; export the model again",
        )
    return answer_NCHW


def _place(batch: _Batch, answer_NCHW: Unit, strip: Unit, scale: int) -> None:
    """Copy the cores of output tiles into the strip."""
    row = batch.row
    top, bottom = scale * (row.core_start - row.start), scale * (row.core_stop - row.start)
    for span, tile_CHW in zip(batch.columns, answer_NCHW, strict=False):
        left, right = scale * (span.core_start - span.start), scale * (span.core_stop - span.start)
        target = strip[:, scale * span.core_start : scale * span.core_stop]
        for channel, pixels in enumerate(tile_CHW):
            # Plane by plane: numpy copies a transposed whole at half the speed.
            target[..., channel] = pixels[top:bottom, left:right]


def _planes(height: int, width: int, channels: int) -> Unit:
    """Return an empty array (height, width, channels), planar in memory."""
    return np.empty((channels, height, width), np.float32).transpose(1, 2, 0)


def _pieces(strip: Unit, scale: int) -> Iterator[Unit]:
    """Cut a strip into blocks of whole input rows; it is freed when the last one is taken."""
    rows = scale * max(1, _YIELD_BYTES // max(1, scale * strip[0].nbytes))
    last = (len(strip) - 1) // rows * rows
    for first in range(0, last, rows):
        yield strip[first : first + rows]
    yield strip[last:].copy(order="K")  # a consumer holds the last block while the next strip fills
