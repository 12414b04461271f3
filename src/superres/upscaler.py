"""Loaded models, which upscale pixels: any bands, any target size, whole or in rows.

One file, as these are the steps that a picture's rows take from the job to the engine: vectors,
wrap, gaps, alpha, bands, and the passes of networks. Most of their work is done in `images`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres import zoo
from superres.errors import ArgumentError
from superres.frame import FLOAT32, Bands, Pixels, Unit, Values, from_unit, to_unit
from superres.hub import cache_folder
from superres.images.anchor import REACH
from superres.images.bleed import bleed_rows
from superres.images.nodata import fill_nodata, mark_nodata, valid_rows
from superres.images.normals import check_normals, unit_normals
from superres.images.opacity import keep_ends
from superres.images.resize import resize_rows
from superres.images.row_stream import joined_rows
from superres.images.strips import CELL
from superres.images.wrap import Axes, plan_wrap
from superres.infer.engine import Engine, EngineState
from superres.infer.route import Route, Size, plan_route
from superres.runtimes.half_precision import Memory, open_checked
from superres.runtimes.open import open_runtime
from superres.runtimes.runtime import PrecisionRequest, RuntimeFacts, RuntimeOptions
from superres.watch import Watch

_BLOCK_ROWS = 64
_RGB, _RGBA = 3, 4  # channels


@dataclass(frozen=True, slots=True)
class RunOptions(RuntimeOptions):
    """Run options of networks; see docs/upscale.md.

    Attributes:
        tile: Tile edge in input pixels; None lets the planner choose.
        ensemble: Average over the eight flips and turns (8 times slower, slightly sharper).
        alpha: Upscale alpha by the network, or by bicubic resizing; or as data, such as a mask:
            by the network as any band, while colour is upscaled as if there were none.
        wrap: The axes along which a picture continues with itself, as a texture's tile does.
        normal_map: Whether RGB are vectors of unit length. Each component is upscaled by itself,
            as a band, and alpha as data.
    """

    tile: int | None = None
    ensemble: bool = False
    alpha: Literal["network", "resize", "data"] = "network"
    wrap: Axes = "none"
    normal_map: bool = False

    @property
    def alpha_is_data(self) -> bool:
        """Whether alpha is no opacity."""
        return self.normal_map or self.alpha == "data"


@dataclass(frozen=True, slots=True)
class _Opened:
    """An engine, and the notes of its opening."""

    engine: Engine
    notes: Watch


class Upscaler:
    """A model name with its opened networks; created once, used for many pictures at once.

    Any thread may call it. Each network is opened once, by the first that needs it; the notes of
    its opening go to the watch of every job that uses it.

    Args:
        model: A family (`default`), a model (`default-x4`) or a model file.
        options: How networks are run.
        scale: The one scale to use of a family; None keeps all of them available.
        watch: Receives the notes of downloads, and of calls without their own watch.

    Raises:
        UnknownNameError: There is no such model.
        ArgumentError: It has no such scale.
        ModelError: Its file cannot be used.
    """

    def __init__(
        self,
        model: str,
        options: RunOptions,
        scale: int | None = None,
        *,
        watch: Watch | None = None,
    ) -> None:
        self.model = model
        self._watch = watch or Watch()
        self.offered = (
            zoo.scales(model)
            if scale is None
            else (zoo.resolve(model, scale=scale, watch=self._watch).card.scale,)
        )
        self._options = options
        self._opening = threading.Lock()
        self._engines: dict[tuple[int, bool], _Opened] = {}

    def _engine(self, scale: int, exact: bool, watch: Watch) -> Engine:
        """Return the engine of one scale; exact runs in fp32 unless a format was requested."""
        if exact and self._options.precision == "int8":
            watch.note(
                "int8 was requested for a picture of more than 8 bits, of which it keeps 8; "
                "--precision auto keeps them all"
            )
        exact = exact and self._options.precision == "auto"
        opened = self._engines.get((scale, exact))
        if opened is None:
            with self._opening:  # not taken once the network is open
                opened = self._engines.get((scale, exact))
                if opened is None:
                    opened = self._engines[scale, exact] = self._open(scale, exact, watch)
        opened.notes.tell(watch)
        return opened.engine

    def _open(self, scale: int, exact: bool, watch: Watch) -> _Opened:
        found = zoo.resolve(self.model, scale=scale, watch=watch)
        notes = Watch()
        engine = Engine(
            found.card,
            open_checked(
                found,
                self._options.exact() if exact else self._options,
                memory=Memory(cache_folder()),
                watch=notes,
            ),
            tile=self._options.tile,
            ensemble=self._options.ensemble,
            fallback=lambda watch: open_runtime(found, self._options.exact(), watch=watch),
            watch=notes,
        )
        return _Opened(engine, notes)

    def engines(self, route: Route, watch: Watch | None = None) -> tuple[Engine, ...]:
        """Return the engines of a route's passes, in order, opened at their first use.

        Args:
            route: The passes.
            watch: The job that they are for.

        Raises:
            ModelError: Weights cannot be used.
            BackendError: No runtime can run them.
        """
        watch = watch or self._watch
        return tuple(self._engine(scale, route.exact, watch) for scale in route.passes)

    def state(self, route: Route, watch: Watch) -> EngineState | None:
        """Return how a job's pictures were run by the first network of a route.

        After a fallback, that is the fp32 runtime; None if the route has no pass.
        """
        return self.engines(route, watch)[0].state(watch) if route.passes else None

    def facts(self, route: Route) -> RuntimeFacts | None:
        """Return the facts of a route's first runtime; None if it has no pass."""
        return self.engines(route)[0].facts if route.passes else None

    def rows(
        self,
        blocks: Iterable[Pixels],
        size: Size,
        bands: Bands,
        values: Values,
        route: Route,
        watch: Watch | None = None,
    ) -> Iterator[Pixels]:
        """Upscale a picture that comes in blocks of rows.

        Bands that are not colours pass through the networks one by one, as grey. Pixels without a
        value are filled from their surroundings for the networks; in the result exactly these are
        nodata, in all channels.

        Args:
            blocks: (h, W, C) from top to bottom; closed at the end if a generator.
            size: (height, width) of the whole picture.
            bands: What the channels mean.
            values: What the numbers mean.
            route: The passes and the target size.
            watch: The job, or the part of it, of the picture.

        Yields:
            (h, target width, C) from top to bottom, of the same numbers: whole ones clamped and
            rounded, floats not.

        Raises:
            Cancelled: The job was cancelled.
        """
        watch = watch or self._watch
        try:
            engine = self._direct(size, bands, values, route, watch)
            if engine:
                yield from _through(engine, blocks, values, size, route.clamped, watch)
                return
            small = (to_unit(block, values) for block in blocks)
            for unit in self._unit_rows(small, size, bands, values, route, watch):
                yield from_unit(unit, values)
        finally:
            if isinstance(blocks, Generator):
                blocks.close()  # or its threads would live as long as an exception raised here

    def _direct(
        self, size: Size, bands: Bands, values: Values, route: Route, watch: Watch
    ) -> Engine | None:
        """Return the engine that makes the whole result by itself, in one pass; None if none does.

        Its pixels then stay whole numbers on the way to the network's device and back.
        """
        options, colours = self._options, bands.colour != "bands" and not bands.alpha
        plain = colours and values.nodata is None and options.wrap == "none"
        if not plain or options.normal_map or len(route.passes) != 1:
            return None
        scale = route.passes[0]
        if (scale * size[0], scale * size[1]) != route.target:
            return None
        return self.engines(route, watch)[0]

    def _unit_rows(
        self,
        blocks: Iterable[Unit],
        size: Size,
        bands: Bands,
        values: Values,
        route: Route,
        watch: Watch,
    ) -> Iterator[Unit]:
        """Upscale unit pixels, with NaN for no value."""
        gaps = values.nodata is not None
        if not self._options.normal_map:
            yield from self._wrapped_rows(blocks, size, bands, route, watch, gaps)
            return
        check_normals(bands)
        bands = Bands("bands", bands.count, alpha=bands.alpha)
        source, vectors = itertools.tee(blocks)
        large = self._wrapped_rows(source, size, bands, route, watch, gaps)
        if size != route.target:
            large = unit_normals(vectors, large, size=size, target=route.target)
        yield from large

    def _wrapped_rows(
        self,
        blocks: Iterable[Unit],
        size: Size,
        bands: Bands,
        route: Route,
        watch: Watch,
        gaps: bool,
    ) -> Iterator[Unit]:
        run = self._rows_with_gaps if gaps else self._rows
        if self._options.wrap == "none" or size == route.target:
            return run(blocks, size, bands, route, watch)
        reach = self._reach(size, route, watch)
        wrap = plan_wrap(self._options.wrap, size, route.target, reach, align=CELL)
        route = replace(route, target=wrap.padded_target)
        return wrap.crop(run(wrap.pad(blocks), wrap.padded_size, bands, route, watch))

    def _rows_with_gaps(
        self, blocks: Iterable[Unit], size: Size, bands: Bands, route: Route, watch: Watch
    ) -> Iterator[Unit]:
        filled, source = itertools.tee(blocks)
        halo = self._halo(route, watch)
        large = self._rows(fill_nodata(filled, halo), size, bands, route, watch)
        return mark_nodata(large, valid_rows(source, size, route.target))

    def _rows(
        self, blocks: Iterable[Unit], size: Size, bands: Bands, route: Route, watch: Watch
    ) -> Iterator[Unit]:
        if not bands.alpha:
            yield from self._band_rows(blocks, size, bands, route, watch)
            return
        if self._options.alpha_is_data:
            front, last = itertools.tee(blocks)
            colour = self._band_rows(_channels(front, slice(-1)), size, bands, route, watch)
            data = self._colour_rows(_channels(last, slice(-1, None)), size, route, watch)
            yield from joined_rows(colour, data)
            return
        bled, source, known = itertools.tee(bleed_rows(blocks, self._halo(route, watch)), 3)
        # Opacity is a part of a whole: overshoot beyond [0, 1] has no meaning in any dtype.
        small = _channels(known, slice(-1, None))
        ends = partial(keep_ends, small, size=size, target=route.target)
        seen = {engine.card.channels for engine in self.engines(route, watch)}
        if self._options.alpha == "network" and bands.colour == "rgb" and seen == {_RGBA}:
            colour, large = itertools.tee(self._colour_rows(bled, size, route, watch))
            alpha = ends(_channels(large, slice(-1, None)))
            yield from joined_rows(_channels(colour, slice(-1)), alpha)
            return
        colour = self._band_rows(_channels(bled, slice(-1)), size, bands, route, watch)
        alpha_blocks = _channels(source, slice(-1, None))
        if self._options.alpha == "network":
            alpha = self._colour_rows(alpha_blocks, size, route, watch)
        else:
            alpha = resize_rows(alpha_blocks, in_size=size, out_size=route.target)
        yield from joined_rows(colour, ends(alpha))

    def _halo(self, route: Route, watch: Watch) -> int:
        """Return the largest halo of the networks, in input pixels; a resize alone has two."""
        return max((engine.card.halo for engine in self.engines(route, watch)), default=2)

    def _reach(self, size: Size, route: Route, watch: Watch) -> float:
        """Return how far a pixel of the result depends on a picture, in its pixels."""
        reach = 2.0 * max(1.0, size[0] / route.target[0], size[1] / route.target[1])
        scale = 1
        for engine in self.engines(route, watch):
            reach += (engine.card.halo + REACH) / scale
            scale *= engine.card.scale
        return reach

    def _band_rows(
        self, blocks: Iterable[Unit], size: Size, bands: Bands, route: Route, watch: Watch
    ) -> Iterator[Unit]:
        """Upscale blocks without alpha: grey or RGB together, other bands each as grey."""
        if bands.colour != "bands":
            return self._colour_rows(blocks, size, route, watch)
        copies = itertools.tee(blocks, bands.count)
        single = (
            self._colour_rows(_channels(copy, slice(n, n + 1)), size, route, watch)
            for n, copy in enumerate(copies)
        )
        return joined_rows(*single)

    def frame(self, frame: Unit, route: Route, watch: Watch | None = None) -> Unit:
        """Upscale a grey or RGB frame of unit pixels that fits into memory, as `rows` does.

        Args:
            frame: (H, W, C) unit pixels.
            route: The passes and the target size.
            watch: The job, or the part of it, of the frame.

        Returns:
            (*target, C) unit pixels, unclamped.

        Raises:
            Cancelled: The job was cancelled.
        """
        watch = watch or self._watch
        height, width, channels = frame.shape
        if len(route.passes) == 1:
            (engine,) = self.engines(route, watch)
            scale = engine.card.scale
            if (engine.card.channels, (scale * height, scale * width)) == (channels, route.target):
                # Faster in one piece.
                return engine.upscale(frame, watch, clamped=route.clamped)
        return np.concatenate(list(self._colour_rows((frame,), (height, width), route, watch)))

    def _colour_rows(
        self, blocks: Iterable[Unit], size: Size, route: Route, watch: Watch
    ) -> Iterator[Unit]:
        """Upscale grey or RGB blocks through all passes of a route, then to its exact size."""
        for engine in self.engines(route, watch):
            blocks = _through(engine, blocks, FLOAT32, size, route.clamped, watch)
            size = (size[0] * engine.card.scale, size[1] * engine.card.scale)
        if size != route.target:
            blocks = resize_rows(blocks, in_size=size, out_size=route.target)
        return iter(blocks)

    def __call__(
        self,
        pixels: NDArray[np.generic],
        *,
        scale: float | None = None,
        size: Size | None = None,
        bands: Bands | None = None,
        values: Values | None = None,
        exact: bool | None = None,
        clamped: bool | None = None,
        watch: Watch | None = None,
    ) -> Pixels:
        """Upscale an array.

        Args:
            pixels: (H, W) or (H, W, C) of whole numbers or floats.
            scale: The scale; or
            size: the (height, width) of the result. With neither, the model's own scale.
            bands: What the channels mean; None takes `Bands.of`: grey, grey and alpha, RGB, RGB
                and alpha for 1 to 4 of them, and bands for more.
            values: What the numbers mean; None takes `Values.of`: all that the dtype holds for
                whole numbers, [0, 1] for floats. Where it names `nodata`, those pixels have no
                value and are nodata in the result.
            exact: Whether half precision would lose detail; None takes `values.exact`. Floats of an
                8-bit picture are not exact.
            clamped: Whether the result will be clamped to black and white; its local means equal
                the input's after clamping. None: whole numbers are clamped.
            watch: The picture's job: notified of fallbacks, and may be cancelled.

        Returns:
            The upscaled picture, same dtype and number of axes.

        Raises:
            ArgumentError: The array is empty, of another shape, does not fit `bands` or `values`,
                or the scale is bad.
            Cancelled: The job was cancelled.
        """
        if pixels.ndim not in (2, 3) or pixels.size == 0:
            raise ArgumentError(
                f"a picture is (H, W) or (H, W, C) and not empty, got shape {pixels.shape}",
                "pass the pictures of a batch one at a time",
            )
        values = values or Values.of(pixels.dtype)
        block = pixels[..., None] if pixels.ndim == 2 else pixels
        bands = bands or Bands.of(block.shape[2])
        if bands.channels != block.shape[2]:
            raise ArgumentError(
                f"the array has {block.shape[2]} channels, its bands have {bands.channels}",
                "pass the Bands of this array, or none",
            )
        whole: Size = (block.shape[0], block.shape[1])
        exact = values.exact if exact is None else exact
        clamped = values.whole if clamped is None else clamped
        route = plan_route(whole, self.offered, scale, size, exact=exact, clamped=clamped)
        tops = range(0, whole[0], _BLOCK_ROWS)
        small = (block[top : top + _BLOCK_ROWS] for top in tops)
        large: Pixels = np.concatenate(list(self.rows(small, whole, bands, values, route, watch)))
        return large[..., 0] if pixels.ndim == 2 else large


def load(
    model: str = zoo.DEFAULT,
    *,
    scale: int | None = None,
    backend: str = "auto",
    precision: PrecisionRequest = "auto",
    tile: int | Literal["auto"] = "auto",
    device: str = "auto",
    notice: Callable[[str], None] | None = None,
) -> Upscaler:
    """Load a model once, to upscale many arrays.

    Args:
        model: A family (`default`), a model (`default-x4`) or a model file: `.onnx`,
            `.safetensors`, or a community checkpoint (`.pth`, ncnn's `.param`).
        scale: The scale to load of a family; None keeps all of them available.
        backend: `auto`, `openvino`, `torch` or `onnxruntime`.
        precision: `auto`, `fp32`, `bf16`, `fp16` or `int8`; `auto` runs uint8 in the device's
            fastest format that does not visibly change the model's output, and finer pictures in
            fp32.
        tile: Tile edge in input pixels, or `auto`.
        device: `auto` or a device as the runtime names it.
        notice: Called with each choice and fallback, each line once; None is silent.

    Returns:
        A callable: `large = load("default", scale=4)(small)`.

    Raises:
        UnknownNameError: There is no such model or backend.
        ModelError: The model's file cannot be used.
    """
    options = RunOptions(
        tile=None if tile == "auto" else tile, backend=backend, precision=precision, device=device
    )
    return Upscaler(model, options, scale, watch=Watch(on_note=notice))


def upscale(
    pixels: NDArray[np.generic],
    *,
    scale: float | None = None,
    size: Size | None = None,
    model: str = zoo.DEFAULT,
    bands: Bands | None = None,
    values: Values | None = None,
) -> Pixels:
    """Upscale one array; for many, `load` the model once.

    Args:
        pixels: See `Upscaler.__call__`.
        scale: Any number above 0; 4 if no size is given either.
        size: (height, width) of the result, instead of a scale.
        model: A family, a model or a model file.
        bands: What the channels mean, if not grey, RGB, or either with alpha.
        values: What the numbers mean, if not the whole range of their dtype.

    Returns:
        The upscaled picture, same dtype and number of axes.
    """
    return load(model)(pixels, scale=scale, size=size, bands=bands, values=values)


def _channels(blocks: Iterable[Unit], channels: slice) -> Iterator[Unit]:
    """Take some channels of blocks; they are bound here, as blocks come later."""
    return (block[..., channels] for block in blocks)


def _through(
    engine: Engine,
    blocks: Iterable[Pixels],
    values: Values,
    size: Size,
    clamped: bool,
    watch: Watch,
) -> Iterator[Pixels]:
    """Run blocks through one network, anchored; grey as equal channels, without alpha as opaque."""
    blocks = iter(blocks)
    first = next(blocks)
    blocks = itertools.chain((first,), blocks)
    channels, wanted = first.shape[2], engine.card.channels
    if channels not in (wanted, 1) and (channels, wanted) != (_RGB, _RGBA):
        raise ArgumentError(
            f"model {engine.card.name} takes {wanted} channel, the picture has {channels}",
            "use an RGB model for colour pictures",
        )
    if channels == 1 < wanted:
        blocks = (np.repeat(block, _RGB, axis=2) for block in blocks)
    if channels < wanted == _RGBA:
        blocks = (np.dstack((block, _opaque(block, values))) for block in blocks)
    # Grey's channels are equal, as they are anchored: the first stands for all.
    return engine.upscale_rows(
        blocks,
        values,
        height=size[0],
        width=size[1],
        channels=channels,
        clamped=clamped,
        watch=watch,
    )


def _opaque(block: Pixels, values: Values) -> Pixels:
    """Return the alpha of opaque pixels."""
    return np.full_like(block[..., :1], values.white)
