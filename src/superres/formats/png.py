"""PNG."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from superres.formats.format import MAX_RESERVED_BYTES, Holding
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    name_of,
    stream_of,
)

if TYPE_CHECKING:
    import pyvips

    from superres.metadata.header import Animation, Metadata

_FILTER = 0x20  # "up" alone: on upscaled pictures half the time of all five, files as small


class Png:
    """PNG: 8 or 16 bits, grey or RGB, with alpha, without loss."""

    name = "png"
    title = "PNG"
    suffixes = (".png", ".apng")
    holding = Holding(
        dtypes=("uint8", "uint16"),
        exif_bytes=MAX_RESERVED_BYTES,
        code_points="all",
        whole_word_icc=True,
        frames=True,
    )

    def sniff(self, head: bytes) -> bool:
        """Look for PNG's signature."""
        return head.startswith(b"\x89PNG\r\n\x1a\n")

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a PNG's header and chunks; the frames of an animation are planes."""
        import pyvips

        from superres.containers.png_chunks import read_png_facts
        from superres.vips.decode import Found, Loader, open_image

        with closing(stream_of(source)) as stream:
            facts = read_png_facts(stream)
        if facts.animated:
            return self._open_movie(source, limits)
        found = Found(facts, profile=facts.profile)
        loader = Loader(self.name, self.title, pyvips.Image.pngload_source)
        return open_image(source, loader, limits, found)

    def _open_movie(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Open an animation: each frame is read as the still that it is when it is shown."""
        from superres.vips.apng import read_movie

        movie = read_movie(source)
        limits.check_size(name_of(source), movie.height, movie.width)
        stills = movie.stills()

        def rows(plane: int, block: int) -> Iterator[NDArray[Any]]:
            yield from self.open(stills.still(plane), limits).rows(block=block)

        first = self.open(stills.still(0), limits)
        return replace(
            first,
            metadata=replace(first.metadata, animation=movie.animation),
            planes=len(movie.frames),
            _decode=rows,
        )

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode a PNG row by row."""
        from superres.formats.carried import held_metadata
        from superres.formats.saving import save

        def saver(image: pyvips.Image, file: str, keep: int) -> None:
            image.pngsave(file, compression=options.compression, filter=_FILTER, keep=keep)

        held, notes = held_metadata(self.holding, self.title, header)
        reserve = _reserve(held)
        # libvips would write XMP as a kind of text that other programs do not read.
        animation = header.metadata.animation if header.planes > 1 else None
        header = replace(header, planes=1, metadata=replace(held, exif=None, xmp=None))
        if animation is None:
            save(path, rows, header, saver, reserve=reserve)
            return (*notes, *_finish(path, held, reserve))
        frames = _Frames(rows, header.height)
        save(path, frames.next(), header, saver, reserve=reserve)
        notes = (*notes, *_finish(path, held, reserve))
        _add_frames(path, frames, header, saver, animation)
        return notes


class _Frames:
    """Rows of several frames, handed out frame by frame."""

    def __init__(self, rows: Iterable[NDArray[Any]], height: int) -> None:
        self._rows, self._height = iter(rows), height
        self._left: NDArray[Any] | None = None  # of a block that holds rows of two frames

    def next(self) -> Iterator[NDArray[Any]]:
        """Yield the rows of the next frame."""
        missing = self._height
        while missing:
            block = self._left if self._left is not None else next(self._rows)
            part, rest = block[:missing], block[missing:]
            self._left = rest if len(rest) else None
            missing -= len(part)
            yield part

    def finish(self) -> None:
        """Let what yields the rows come to its end."""
        for _ in self._rows:
            pass


def _add_frames(
    path: Path,
    frames: _Frames,
    header: Header,
    saver: Callable[[pyvips.Image, str, int], None],
    animation: Animation,
) -> None:
    """Make a finished first frame the first of an animation, and add the others."""
    from superres.formats.saving import save
    from superres.metadata.header import Metadata
    from superres.vips.apng import MovieWriter

    bare = replace(header, metadata=Metadata(icc=header.metadata.icc))
    with tempfile.TemporaryDirectory(prefix=".superres-", dir=path.parent) as folder:
        joined, single = Path(folder) / "joined.png", Path(folder) / "frame.png"
        writer = MovieWriter(joined, (header.height, header.width), animation)
        writer.add(path)
        for _ in animation.delays_ms[1:]:
            save(single, frames.next(), bare, saver)
            writer.add(single)
        frames.finish()
        writer.finish()
        joined.replace(path)


def _reserve(held: Metadata) -> int:
    """Return the bytes to reserve in the file while libvips writes it."""
    from superres.vips.reserved import png_room

    room = png_room(held.exif, held.xmp)
    return room if room <= MAX_RESERVED_BYTES else png_room(held.exif, None)


def _finish(path: Path, held: Metadata, reserve: int) -> Notes:
    """Put into the finished file what libvips would have changed; note what does not fit."""
    from superres.containers.kept import not_found
    from superres.containers.png_chunks import after_header, cicp_chunk, read_png_facts
    from superres.formats.saving import NO_ROOM
    from superres.vips.reserved import (
        append_png_xmp,
        fill_png,
        forget_png_resolution,
        insert,
        png_room,
    )

    exif, xmp = held.exif, held.xmp
    if held.dpi is None:
        forget_png_resolution(path)
    if xmp and png_room(exif, xmp) > MAX_RESERVED_BYTES:
        append_png_xmp(path, xmp)
        xmp = None
    if reserve and not fill_png(path, exif, xmp):
        return NO_ROOM
    if held.cicp:
        insert(path, after_header(), cicp_chunk(held.cicp))
    with path.open("rb") as file:
        return not_found(held, read_png_facts(file))
