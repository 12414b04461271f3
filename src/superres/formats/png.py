"""PNG."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from superres.formats.format import EncoderError, Holding
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
    from superres.metadata.header import Animation, Metadata


class Png:
    """PNG: 8 or 16 bits, grey or RGB, with alpha, without loss."""

    name = "png"
    title = "PNG"
    suffixes = (".png", ".apng")
    holding = Holding(
        dtypes=("uint8", "uint16"),
        stored=True,
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
        from superres.encoding.file_parts import WriteError
        from superres.encoding.png_file import write_png
        from superres.formats.carried import held_metadata

        held, notes = held_metadata(self.holding, self.title, header)
        animation = header.metadata.animation if header.planes > 1 else None
        header = replace(header, planes=1, metadata=held)
        try:
            if animation is None:
                write_png(path, rows, header, options.compression, options.check)
            else:
                _write_frames(path, rows, header, options, animation)
        except WriteError as error:
            raise EncoderError(str(error)) from error
        return (*notes, *_not_found(path, held))


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


def _write_frames(
    path: Path,
    rows: Iterable[NDArray[Any]],
    header: Header,
    options: WriteOptions,
    animation: Animation,
) -> None:
    """Write each frame as a still, and join them."""
    from superres.encoding.png_file import write_png
    from superres.metadata.header import Metadata
    from superres.vips.apng import MovieWriter

    frames = _Frames(rows, header.height)
    bare = replace(header, metadata=Metadata(icc=header.metadata.icc))
    with tempfile.TemporaryDirectory(prefix=".superres-", dir=path.parent) as folder:
        single = Path(folder) / "frame.png"
        writer = MovieWriter(path, (header.height, header.width), animation)
        for number in range(len(animation.delays_ms)):
            one = bare if number else header
            write_png(single, frames.next(), one, options.compression, options.check)
            writer.add(single)
        frames.finish()
        writer.finish()


def _not_found(path: Path, held: Metadata) -> Notes:
    """Note what is not found in the finished file."""
    from superres.containers.kept import not_found
    from superres.containers.png_chunks import read_png_facts

    with path.open("rb") as file:
        return not_found(held, read_png_facts(file))
