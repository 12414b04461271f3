"""A loaded model and what it does to pixels: any bands, any target size, whole or row by row."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from superres import zoo
from superres.errors import ArgumentError
from superres.frame import Bands, Pixels, Unit, Values, from_unit, to_unit
from superres.images.bleed import bleed_rows
from superres.images.nodata import fill_nodata, mark_nodata, valid_rows
from superres.images.resize import resize_rows
from superres.infer.engine import Engine
from superres.runtimes.open import open_backend
from superres.runtimes.runtime import (
    BackendFacts,
    BackendOptions,
    Notice,
    PrecisionRequest,
    no_notice,
)

Size = tuple[int, int]  # (height, width)

_MAX_PASSES = 3  # x4 three times is x64; more is a typing error, not a wish
_BLOCK_ROWS = 64


@dataclass(frozen=True, slots=True)
class RunOptions(BackendOptions):
    """How networks are run, and what on; see docs/upscale.md.

    Attributes:
        tile: Tile edge in input pixels; None lets the planner choose.
        ensemble: Average over the eight flips and turns (slower by eight, a little sharper).
        alpha: Enlarge alpha by the network, or by bicubic resizing.
    """

    tile: int | None = None
    ensemble: bool = False
    alpha: Literal["network", "resize"] = "network"


@dataclass(frozen=True, slots=True)
class Route:
    """How a picture gets from its size to the target's.

    Attributes:
        passes: Scales of the networks, in order; empty if the target is not larger.
        target: (height, width) of the result; a resize ends the route if the passes overshoot.
        exact: Whether the picture is finer than 8 bits. Half precision would spoil that, so
            networks run in fp32 unless a number format is asked for.
    """

    passes: tuple[int, ...]
    target: Size
    exact: bool = False


def plan_route(
    size: Size,
    offered: tuple[int, ...],
    scale: float | None,
    target: Size | None,
    *,
    exact: bool = False,
) -> Route:
    """Choose the passes: the next larger network, or the largest one and then again.

    Args:
        size: (height, width) of the picture.
        offered: Scales of the networks there are.
        scale: The scale that is wanted; or
        target: the (height, width) that is wanted. With neither, the largest network runs once.
        exact: Whether the picture is finer than 8 bits; see `Route`.

    Raises:
        ArgumentError: Both are given, one is not positive, or it would take over three passes.
    """
    if scale is not None and target is not None:
        raise ArgumentError(
            f"a scale ({scale}) and a size ({target[1]}x{target[0]}) exclude each other",
            "pass one of them",
        )
    if target is None:
        wanted = max(offered) if scale is None else scale
        if not (wanted > 0 and math.isfinite(wanted)):
            raise ArgumentError(f"the scale must be above 0, got {scale}", "try a scale of 4")
        target = (max(1, round(size[0] * wanted)), max(1, round(size[1] * wanted)))
    if min(target) < 1:
        raise ArgumentError(
            f"the size must be at least 1x1, got {target[1]}x{target[0]}", "pass WIDTHxHEIGHT"
        )
    needed = max(target[0] / size[0], target[1] / size[1])
    passes: list[int] = []
    while needed > 1.0:
        if len(passes) == _MAX_PASSES:
            raise ArgumentError(
                f"enlarging {size[1]}x{size[0]} to {target[1]}x{target[0]} takes over "
                f"{_MAX_PASSES} passes of x{max(offered)}",
                f"the largest scale is {max(offered) ** _MAX_PASSES}",
            )
        passes.append(min((s for s in offered if s >= needed), default=max(offered)))
        needed /= passes[-1]
    return Route(tuple(passes), target, exact=exact)


class Upscaler:
    """A model name with its opened networks; made once, used for many pictures.

    Args:
        model: A family (`default`), a model (`default-x4`) or a model file.
        options: How networks are run.
        notice: Called with one line for each choice and fallback.
        scale: The one scale to use of a family; None keeps all of them at hand.

    Raises:
        UnknownNameError: There is no such model.
        ArgumentError: It has no such scale.
        ModelError: Its file cannot be used.
    """

    def __init__(
        self, model: str, options: RunOptions, notice: Notice, scale: int | None = None
    ) -> None:
        self.model = model
        self.offered = (
            zoo.scales(model)
            if scale is None
            else (zoo.resolve(model, scale=scale, notice=notice).card.scale,)
        )
        self._options = options
        self._notice = notice
        self._engines: dict[tuple[int, bool], Engine] = {}

    def _engine(self, scale: int, exact: bool) -> Engine:
        """Return the engine of one scale; exact runs in fp32 unless a format was asked for."""
        exact = exact and self._options.precision == "auto"
        if (scale, exact) not in self._engines:
            found = zoo.resolve(self.model, scale=scale, notice=self._notice)
            # The choice is the same for every scale, so it is told once.
            told = any(exact == other for _, other in self._engines)
            options = self._options.exact() if exact else self._options
            self._engines[scale, exact] = Engine(
                found.card,
                open_backend(found, options, notice=no_notice if told else self._notice),
                tile=self._options.tile,
                ensemble=self._options.ensemble,
                fallback=lambda: open_backend(found, self._options.exact(), notice=self._notice),
                notice=self._notice,
            )
        return self._engines[scale, exact]

    def engines(self, route: Route) -> tuple[Engine, ...]:
        """Return the engines of a route's passes, in order, opened at their first use.

        Raises:
            ModelError: Weights cannot be used.
            BackendError: No backend can run them.
        """
        return tuple(self._engine(scale, route.exact) for scale in route.passes)

    def stop(self) -> None:
        """Cut short what is under way, because its consumer has gone; any thread may call it."""
        for engine in self._engines.values():
            engine.stop()

    def facts(self, route: Route) -> BackendFacts | None:
        """Return the facts of the backend that a route begins on; None if it has no pass."""
        return self.engines(route)[0].facts if route.passes else None

    def rows(
        self,
        blocks: Iterable[Unit],
        size: Size,
        bands: Bands,
        route: Route,
        *,
        gaps: bool = False,
    ) -> Iterator[Unit]:
        """Enlarge a picture that comes in blocks of rows.

        Bands that are no colours go through the networks one by one, as grey.

        Args:
            blocks: (h, W, C) unit pixels from top to bottom.
            size: (height, width) of the whole picture.
            bands: What the channels mean.
            route: The passes and the target size.
            gaps: Whether pixels may be NaN, as they have no value. Networks see what lies around
                them instead; in the result each of them is NaN as a whole, and no other is.

        Yields:
            (h, target width, C) unit pixels, unclamped, from top to bottom.
        """
        if gaps:
            filled, source = itertools.tee(blocks)
            large = self.rows(fill_nodata(filled, self._halo(route)), size, bands, route)
            yield from mark_nodata(large, valid_rows(source, size, route.target))
            return
        if not bands.alpha:
            yield from self._band_rows(blocks, size, bands, route)
            return
        bled, source = itertools.tee(bleed_rows(blocks, self._halo(route)))
        colour = self._band_rows((block[..., :-1] for block in bled), size, bands, route)
        alpha_blocks = (block[..., -1:] for block in source)
        if self._options.alpha == "network":
            alpha = self._colour_rows(alpha_blocks, size, route)
        else:
            alpha = resize_rows(alpha_blocks, in_size=size, out_size=route.target)
        # Opacity is a part of a whole: overshoot beyond [0, 1] has no meaning in any dtype.
        yield from _joined(colour, (block.clip(0.0, 1.0) for block in alpha))

    def _halo(self, route: Route) -> int:
        """Return how far the widest network sees, in input pixels; a resize alone sees two."""
        return max((engine.card.halo for engine in self.engines(route)), default=2)

    def _band_rows(
        self, blocks: Iterable[Unit], size: Size, bands: Bands, route: Route
    ) -> Iterator[Unit]:
        """Enlarge blocks without alpha: grey or RGB at once, other bands each as grey."""
        if bands.colour != "bands":
            return self._colour_rows(blocks, size, route)
        copies = itertools.tee(blocks, bands.count)
        single = (
            self._colour_rows((block[..., n : n + 1] for block in copy), size, route)
            for n, copy in enumerate(copies)
        )
        return functools.reduce(_joined, single)

    def frame(self, frame: Unit, route: Route) -> Unit:
        """Enlarge a grey or RGB frame that fits into memory, as `rows` does.

        Args:
            frame: (H, W, C) unit pixels.
            route: The passes and the target size.

        Returns:
            (*target, C) unit pixels, unclamped.
        """
        height, width, channels = frame.shape
        if len(route.passes) == 1:
            (engine,) = self.engines(route)
            scale = engine.card.scale
            if (engine.card.channels, (scale * height, scale * width)) == (channels, route.target):
                return engine.enlarge(frame)  # in one piece it is faster
        return np.concatenate(list(self._colour_rows((frame,), (height, width), route)))

    def _colour_rows(self, blocks: Iterable[Unit], size: Size, route: Route) -> Iterator[Unit]:
        """Enlarge grey or RGB blocks through all passes of a route, then to its exact size."""
        for engine in self.engines(route):
            blocks = _through(engine, blocks, size)
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
    ) -> Pixels:
        """Enlarge an array.

        Args:
            pixels: (H, W) or (H, W, C) of whole numbers or floats.
            scale: How much larger; or
            size: the (height, width) of the result. With neither, the model's own scale.
            bands: What the channels mean; None takes `Bands.of`: grey, grey and alpha, RGB, RGB
                and alpha for 1 to 4 of them, and bands for more.
            values: What the numbers mean; None takes `Values.of`: all that the dtype holds for
                whole numbers, [0, 1] for floats. Where it names `nodata`, those pixels have no
                value and are nodata in the result.
            exact: Whether half precision would spoil them; None goes by `values`. Floats of an
                8-bit picture are not exact.

        Returns:
            The enlarged picture, same dtype and number of axes.

        Raises:
            ArgumentError: The array is empty, of another shape, not what `bands` and `values` say,
                or the scale is bad.
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
                f"the array has {block.shape[2]} channels, its bands say {bands.channels}",
                "pass the Bands of this array, or none",
            )
        whole: Size = (block.shape[0], block.shape[1])
        exact = values.exact if exact is None else exact
        route = plan_route(whole, self.offered, scale, size, exact=exact)
        tops = range(0, whole[0], _BLOCK_ROWS)
        small = (to_unit(block[top : top + _BLOCK_ROWS], values) for top in tops)
        units = self.rows(small, whole, bands, route, gaps=values.nodata is not None)
        large: Pixels = np.concatenate([from_unit(unit, values) for unit in units])
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
    """Load a model once, to call it on many arrays.

    Args:
        model: A family (`default`), a model (`default-x4`) or a model file: `.onnx`,
            `.safetensors`, or weights made elsewhere (`.pth`, ncnn's `.param`).
        scale: The scale to load of a family; None keeps all of them at hand.
        backend: `auto`, `openvino`, `torch` or `onnxruntime`.
        precision: `auto`, `fp32`, `bf16` or `fp16`; `auto` runs uint8 in the device's own format,
            and finer pictures in fp32.
        tile: Tile edge in input pixels, or `auto`.
        device: `auto` or a device in the backend's words.
        notice: Called with one line for each choice and fallback; None keeps quiet.

    Returns:
        A callable: `large = load("default", scale=4)(small)`.

    Raises:
        UnknownNameError: There is no such model or backend.
        ModelError: The model's file cannot be used.
    """
    options = RunOptions(
        tile=None if tile == "auto" else tile, backend=backend, precision=precision, device=device
    )
    return Upscaler(model, options, notice or no_notice, scale)


def upscale(
    pixels: NDArray[np.generic],
    *,
    scale: float | None = None,
    size: Size | None = None,
    model: str = zoo.DEFAULT,
    bands: Bands | None = None,
    values: Values | None = None,
) -> Pixels:
    """Enlarge one array with a model of the package; `load` is cheaper for many.

    Args:
        pixels: See `Upscaler.__call__`.
        scale: How much larger, any number above 0; 4 if there is no size either.
        size: (height, width) of the result, in place of a scale.
        model: A family, a model or a model file.
        bands: What the channels mean, where that is not grey, RGB, or either with alpha.
        values: What the numbers mean, where that is not all that their dtype can hold.

    Returns:
        The enlarged picture, same dtype and number of axes.
    """
    return load(model)(pixels, scale=scale, size=size, bands=bands, values=values)


def _through(engine: Engine, blocks: Iterable[Unit], size: Size) -> Iterator[Unit]:
    """Run blocks through one network; grey ones through an RGB network as three equal channels."""
    blocks = iter(blocks)
    first = next(blocks)
    blocks = itertools.chain((first,), blocks)
    channels, wanted = first.shape[2], engine.card.channels
    if channels == wanted:
        return engine.enlarge_rows(blocks, height=size[0], width=size[1])
    if channels == 1:
        tripled = (np.repeat(block, wanted, axis=2) for block in blocks)
        large = engine.enlarge_rows(tripled, height=size[0], width=size[1])
        return (block.mean(axis=2, keepdims=True) for block in large)
    raise ArgumentError(
        f"model {engine.card.name} takes {wanted} channel, the picture has {channels}",
        "use an RGB model for colour pictures",
    )


def _joined(first: Iterator[Unit], second: Iterator[Unit]) -> Iterator[Unit]:
    """Join two streams of row blocks along the channels, whatever heights the blocks have."""
    waiting: list[Unit] = []
    for block in first:
        while sum(map(len, waiting)) < len(block):
            waiting.append(next(second))
        ready = np.concatenate(waiting)
        yield np.concatenate((block, ready[: len(block)]), axis=2)
        waiting = [ready[len(block) :]]
