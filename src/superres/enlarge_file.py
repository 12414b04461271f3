"""One picture file in, one larger file out, and a report: the main path, readable top to bottom."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from superres import zoo
from superres.atomic import check_target
from superres.auto_model import choose_model, largest_scale
from superres.errors import OutputError
from superres.frame import from_unit, to_unit
from superres.infer.prefetch import prefetch
from superres.media import MAX_PIXELS, Picture, WriteOptions, open_picture, write_picture
from superres.model_pool import ModelPool
from superres.upscaler import Route, RunOptions, Upscaler, plan_route
from superres.watch import Watch

_WAYS_OUT = "use --overwrite or --skip-existing"
_QUEUE_BLOCKS = 2  # blocks that wait between reading, running and writing


@dataclass(frozen=True, slots=True)
class EnlargeOptions:
    """What to make of a picture file, and how.

    Attributes:
        model: A family (`default`), a model (`default-x4`), a model file, or `auto`, which looks
            at each picture and chooses between `default` and `real`.
        scale: How much larger; or
        size: (height, width) of the result. With neither, the model's largest scale.
        profile: Keep the ICC profile, or convert to sRGB.
        run: How networks are run.
        max_pixels: Largest picture, in input and in output pixels, that is taken on.
        format: Format of the result; None goes by the target's name.
        quality: Quality of lossy formats, 1 to 100; None takes each format's default.
        overwrite: Whether an existing target may be replaced.
    """

    model: str = zoo.DEFAULT
    scale: float | None = None
    size: tuple[int, int] | None = None
    profile: Literal["keep", "srgb"] = "keep"
    run: RunOptions = field(default_factory=RunOptions)
    max_pixels: int | None = None
    format: str | None = None
    quality: int | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What was done to one file.

    Attributes:
        source: The input's path, or "-".
        target: The output's path, or "-".
        model: The model as it was asked for, or the family that `auto` chose.
        scale: Output width over input width.
        input_size: (height, width).
        output_size: (height, width).
        backend: What ran the network; "" if none was needed.
        device: Where it ran.
        precision: The number format it ran in, at the end.
        tile: Tile edge in input pixels, at the end.
        seconds: Wall time, from opening the input to the finished output.
        notes: What was converted, could not be kept, or fell back.
    """

    source: str
    target: str
    model: str
    scale: float
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    backend: str
    device: str
    precision: str
    tile: int
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON's own types."""
        return dataclasses.asdict(self)


class Enlarger:
    """Enlarges files with one set of options, several at once from any threads.

    Args:
        options: What to make and how.
        models: What other jobs have loaded; None loads for these alone.
    """

    def __init__(self, options: EnlargeOptions, models: ModelPool | None = None) -> None:
        self._options = options
        self._models = models or ModelPool()
        if options.model != zoo.AUTO:
            self._upscaler(options.model)  # a wrong name is told before any file is read

    def enlarge(
        self, source: Path | bytes, target: Path | BinaryIO, *, watch: Watch | None = None
    ) -> Report:
        """Enlarge one file.

        Args:
            source: The picture's path, or its bytes.
            target: The path to write, or a binary stream; a path appears whole or not at all.
            watch: The job: told of choices and fallbacks, and the rows written and all rows.

        Returns:
            What was done.

        Raises:
            PictureError: The input is no picture, damaged, too large or of several pages.
            OutputError: The target is the input, exists, or cannot be written.
            ArgumentError: Scale, size or format cannot be.
            BackendError: The network failed, also in fp32; nothing is written.
            Cancelled: The job was cancelled; nothing is written.
        """
        began, options = time.perf_counter(), self._options
        watch = watch or Watch()
        max_pixels = options.max_pixels or MAX_PIXELS
        if isinstance(target, Path):
            inputs = (source,) if isinstance(source, Path) else ()
            check_target(target, inputs, overwrite=options.overwrite, hint=_WAYS_OUT)
        picture = open_picture(source, max_pixels=max_pixels, profile=options.profile)
        size = (picture.height, picture.width)
        model, scale = options.model, options.scale
        if model == zoo.AUTO:
            model = self._choose(source, picture, watch)
            scale = scale if scale or options.size else largest_scale()
        upscaler = self._upscaler(model)
        route = plan_route(size, upscaler.offered, scale, options.size, exact=picture.values.exact)
        _check_size(route.target, max_pixels)
        rows = _rows(picture, upscaler, route, watch)
        notes = write_picture(
            target,
            _counted(rows, route.target[0], watch),
            height=route.target[0],
            width=route.target[1],
            bands=picture.bands,
            values=picture.values,
            metadata=picture.metadata,
            format=options.format or (picture.format if not isinstance(target, Path) else None),
            options=WriteOptions(quality=options.quality),
        )
        state = upscaler.state(route, watch)
        facts = state.facts if state else None
        return Report(
            source=str(source) if isinstance(source, Path) else "-",
            target=str(target) if isinstance(target, Path) else "-",
            model=model,
            scale=route.target[1] / picture.width,
            input_size=size,
            output_size=route.target,
            backend=facts.name if facts else "",
            device=facts.device if facts else "",
            precision=facts.precision if facts else "",
            tile=state.tile if state else 0,
            seconds=time.perf_counter() - began,
            notes=(*picture.notes, *watch.notes, *notes),
        )

    def _choose(self, source: Path | bytes, picture: Picture, watch: Watch) -> str:
        """Return the family that suits a picture, and tell why."""
        choice = choose_model(picture)
        name = source if isinstance(source, Path) else "the picture in memory"
        watch.note(f"{name}: model {choice.model} ({choice.reason})")
        return choice.model

    def _upscaler(self, model: str) -> Upscaler:
        """Return what runs a model, opened at its first use."""
        return self._models.upscaler(model, self._options.run)


def enlarge(
    source: str | Path,
    target: str | Path,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    model: str = zoo.DEFAULT,
    overwrite: bool = False,
) -> Report:
    """Enlarge one picture file, keeping depth, alpha, profile and tags.

    Args:
        source: The picture.
        target: The file to write; its suffix names the format.
        scale: How much larger, any number above 0; or
        size: (height, width) of the result. With neither, the model's largest scale.
        model: A family (`default`), a model (`default-x4`), a model file, or `auto`.
        overwrite: Whether an existing target may be replaced.

    Returns:
        What was done.

    Raises:
        SuperresError: See `Enlarger.enlarge`.
    """
    options = EnlargeOptions(model=model, scale=scale, size=size, overwrite=overwrite)
    return Enlarger(options).enlarge(Path(source), Path(target))


def _rows(
    picture: Picture, upscaler: Upscaler, route: Route, watch: Watch
) -> Iterator[NDArray[Any]]:
    """Read, run and round in two threads; the caller's thread encodes and writes."""
    size, part = (picture.height, picture.width), watch.part()
    small = prefetch(
        (to_unit(block, picture.values) for block in picture.rows()), depth=_QUEUE_BLOCKS
    )
    gaps = picture.values.nodata is not None
    large = upscaler.rows(small, size, picture.bands, route, part, gaps=gaps)
    rounded = (from_unit(block, picture.values) for block in large)
    return prefetch(rounded, depth=_QUEUE_BLOCKS, part=part)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise OutputError(
            f"the result would be {size[1]}x{size[0]}, {size[0] * size[1]:,} pixels, "
            f"the cap is {max_pixels:,}",
            "ask for a smaller scale, or raise --max-pixels",
        )


def _counted(
    blocks: Iterator[NDArray[Any]], total: int, watch: Watch
) -> Iterator[NDArray[np.generic]]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        watch.progress(done, total)
        watch.check()
