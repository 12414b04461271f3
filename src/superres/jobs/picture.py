"""Picture jobs: one file upscaled, from the input to the report; the main path."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superres import zoo
from superres.errors import OutputError
from superres.formats.format import Format, Holding
from superres.images.normals import check_normals
from superres.infer.prefetch import prefetch
from superres.infer.route import Fit, Route, SizeRequest, plan_route
from superres.jobs.auto_model import choose_model, largest_scale
from superres.jobs.outputs import check_outputs, options_for, profile_for
from superres.jobs.pipes import NO_PIPES, Pipes
from superres.jobs.report import Report, network_facts
from superres.jobs.spec import PIPE, PictureJob, checked_arguments
from superres.media import (
    MAX_PIXELS,
    Page,
    Picture,
    format_for,
    open_picture,
    write_pages,
    write_picture,
)
from superres.metadata.picture import Header, Profile
from superres.model_pool import ModelPool
from superres.upscaler import Upscaler
from superres.watch import Watch

MAX_PAGES = 10_000
_LARGE_FILE_BYTES = 3 * 2**30
_QUEUE_BLOCKS = 2  # blocks that wait between reading, running and writing


def upscale_picture(
    job: PictureJob, models: ModelPool, watch: Watch, pipes: Pipes = NO_PIPES
) -> Report:
    """Upscale one picture file.

    Args:
        job: The picture, its target and the options.
        models: The loaded models, which jobs share.
        watch: Notified of each choice and fallback, and of the rows written out of all rows.
        pipes: The streams for a job that names `-`.

    Returns:
        What was done.

    Raises:
        PictureError: The input is not a picture, is damaged or too large.
        OutputError: The target is the input, exists, or cannot be written.
        ArgumentError: The scale, size or format is not possible.
        BackendError: The network failed, also in fp32; nothing is written.
        Cancelled: The watch was cancelled; nothing is written.
    """
    began, max_pixels = time.perf_counter(), job.max_pixels or MAX_PIXELS
    check_outputs(job)
    upscaler = None if job.model == zoo.AUTO else models.upscaler(job.model, job.run)
    source, target = pipes.read(job.source), pipes.open_target(job.target)
    picture = open_picture(
        source,
        max_pixels=max_pixels,
        max_pages=MAX_PAGES,
        max_planes=MAX_PAGES,
        profile=_profile(job),
    )
    picture = picture if job.page is None else picture.page(job.page)
    upscaler = upscaler or models.upscaler(_choose_model(source, picture, watch), job.run)
    if job.run.normal_map:
        check_normals(picture.bands)
    route = _plan(job, picture, upscaler, max_pixels)
    format = job.format or (None if isinstance(target, Path) else picture.format)
    named = format or Path(job.names[1])
    if job.run.alpha_is_data and picture.bands.alpha:
        _check_data(format or job.names[1], format_for(named))
    options = options_for(
        named,
        quality=job.quality,
        lossless=job.lossless,
        lossless_source=picture.format if picture.lossless else None,
        compression=job.compression,
    )
    options = replace(options, check=watch.check)
    if picture.pages > 1 and job.page is None:
        pages = _Pages(job, picture, upscaler, watch, max_pixels)
        notes = write_pages(
            target, pages, format=format, options=replace(options, past_4_gb=pages.past_4_gb)
        )
    else:
        notes = write_picture(
            target,
            _planes(picture, upscaler, route, watch),
            height=route.target[0],
            width=route.target[1],
            bands=picture.bands,
            values=picture.values,
            metadata=picture.metadata,
            planes=picture.planes,
            format=format,
            options=options,
        )
    return Report(
        source=job.names[0],
        target=job.names[1],
        model=upscaler.model,
        scale=route.target[1] / picture.width,
        input_size=(picture.height, picture.width),
        output_size=route.target,
        **network_facts(upscaler.state(route, watch)),
        seconds=time.perf_counter() - began - watch.waited_s,
        notes=tuple(dict.fromkeys((*picture.notes, *watch.notes, *notes))),
    )


def upscale_file(
    source: str | Path,
    target: str | Path,
    *,
    scale: float | None = None,
    size: tuple[int | None, int | None] | None = None,
    fit: Fit = "exact",
    model: str = zoo.DEFAULT,
    overwrite: bool = False,
) -> Report:
    """Upscale one picture file, keeping depth, alpha, profile and tags.

    Args:
        source: The picture.
        target: The file to write; its suffix selects the format.
        scale: The scale factor, any number above 0; or
        size: (height, width) of the result; where one is None, the picture keeps its shape. With
            neither scale nor size, the model's largest scale.
        fit: Whether a size of another shape is an error (`exact`), bounds the result (`inside`), or
            distorts the picture (`stretch`).
        model: A family (`default`), a model (`default-x4`), a model file, or `auto`.
        overwrite: Whether an existing target may be replaced.

    Returns:
        What was done.

    Raises:
        SuperresError: See `upscale_picture`.
    """
    with checked_arguments():
        job = PictureJob(
            source=Path(source),
            target=Path(target),
            model=model,
            scale=scale,
            size=None if size is None else SizeRequest(*size, fit),
            existing="replace" if overwrite else "refuse",
        )
    return upscale_picture(job, ModelPool(), Watch())


def enlarge(
    source: str | Path,
    target: str | Path,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    model: str = zoo.DEFAULT,
    overwrite: bool = False,
) -> Report:
    """Upscale one picture file: the deprecated name of `upscale_file`."""
    warnings.warn(
        "superres.enlarge is now called superres.upscale_file, and will be removed",
        DeprecationWarning,
        stacklevel=2,
    )
    return upscale_file(source, target, scale=scale, size=size, model=model, overwrite=overwrite)


def _profile(job: PictureJob) -> Profile:
    """Return how the colours are read; those of vectors and of an unknown format stay."""
    target = job.format or job.target
    return job.profile if target == PIPE or job.run.normal_map else profile_for(target, job.profile)


def _choose_model(source: Path | bytes, picture: Picture, watch: Watch) -> str:
    """Return the family chosen for a picture, and note the reason."""
    choice = choose_model(picture)
    name = source if isinstance(source, Path) else "the picture in memory"
    watch.note(f"{name}: model {choice.model} ({choice.reason})")
    return choice.model


def _plan(job: PictureJob, picture: Picture, upscaler: Upscaler, max_pixels: int) -> Route:
    """Choose the passes; reject a result of too many pixels."""
    scale = job.scale
    if job.model == zoo.AUTO and not (scale or job.size):
        scale = largest_scale()
    size = (picture.height, picture.width)
    route = plan_route(
        size,
        upscaler.offered,
        scale,
        None if job.size is None else job.size.of(size),
        exact=picture.values.exact,
        clamped=picture.values.whole,
    )
    height, width = route.target
    if height * width > max_pixels:
        raise OutputError(
            f"the result would be {width}x{height}, {height * width:,} pixels, "
            f"the limit is {max_pixels:,}",
            "choose a smaller scale, or raise --max-pixels",
        )
    return route


def _check_data(requested: str, written: Format) -> None:
    """Check that the format holds alpha that is data, rather than composite colours by it."""
    if isinstance(written.holding, Holding) and not written.holding.alpha:
        raise OutputError(
            f"alpha is data, but {requested} is {written.title}, which does not hold alpha",
            "write PNG, TIFF or WebP; or leave out --alpha data, to composite on white",
        )


class _Pages:
    """The pages of a file, each upscaled after the previous one is written.

    All pages are planned before the first is upscaled, so that an impossible size costs no work.
    """

    def __init__(
        self, job: PictureJob, first: Picture, upscaler: Upscaler, watch: Watch, max_pixels: int
    ) -> None:
        self._first, self._upscaler, self._watch = first, upscaler, watch
        self._routes: list[Route] = []
        plain_bytes = 0
        for number in range(1, first.pages + 1):
            page = first.page(number)
            route = _plan(job, page, upscaler, max_pixels)
            height, width = route.target
            item = np.dtype(page.values.dtype).itemsize
            plain_bytes += height * width * page.bands.channels * item
            self._routes.append(route)
        self.past_4_gb = plain_bytes > _LARGE_FILE_BYTES
        watch.note(f"{first.pages} pages, each upscaled by itself; the sizes are the first one's")

    def __iter__(self) -> Iterator[Page]:
        total = sum(route.target[0] for route in self._routes)
        done = 0
        for number, route in enumerate(self._routes, 1):
            picture = self._first.page(number)
            for note in picture.notes:
                self._watch.note(note)
            header = Header(*route.target, picture.bands, picture.values, picture.metadata)
            yield Page(
                _rows(picture, self._upscaler, route, self._watch, before=done, total=total), header
            )
            done += route.target[0]


def _planes(
    picture: Picture, upscaler: Upscaler, route: Route, watch: Watch
) -> Iterator[NDArray[Any]]:
    """Upscale the planes one by one: a single one, or the frames of an animation."""
    rows = route.target[0]
    for plane in range(picture.planes):
        before, total = plane * rows, picture.planes * rows
        yield from _rows(picture, upscaler, route, watch, plane=plane, before=before, total=total)


def _rows(
    picture: Picture,
    upscaler: Upscaler,
    route: Route,
    watch: Watch,
    *,
    plane: int = 0,
    before: int = 0,
    total: int = 0,
) -> Iterator[NDArray[Any]]:
    """Read and run in two threads; the caller's thread encodes and writes.

    Args:
        picture: The opened source.
        upscaler: The loaded model.
        route: The passes.
        watch: Notified of the rows written.
        plane: Index of the plane.
        before: Rows of other pages and planes that are already written.
        total: Rows of all pages; 0 takes those of this one.
    """
    size, part = (picture.height, picture.width), watch.part()
    bands, values = picture.bands, picture.values
    small = prefetch(picture.rows(plane), depth=_QUEUE_BLOCKS)
    first = next(small)  # decoded while earlier jobs use the network
    watch.wait_turn()
    is_last = before + route.target[0] >= total
    small = itertools.chain([first], small, _passing(watch) if is_last else ())
    del first
    large, done = upscaler.rows(small, size, bands, values, route, part), 0
    for block in prefetch(large, depth=_QUEUE_BLOCKS, part=part):
        yield block
        done += len(block)
        watch.check()
        watch.progress(before + done, total or route.target[0])


def _passing(watch: Watch) -> Iterator[NDArray[Any]]:
    """Pass on the job's turn at the network where this is iterated; yield nothing."""
    watch.pass_turn()
    yield from ()
