"""PNG."""

from __future__ import annotations

from collections.abc import Iterable
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
    animation_error,
    stream_of,
)

if TYPE_CHECKING:
    import pyvips

    from superres.metadata.header import Metadata

_FILTER = 0x20  # only "up": on upscaled pictures half the time of all five, files as small


class Png:
    """PNG: 8 or 16 bits, grey or RGB, with alpha, lossless."""

    name = "png"
    title = "PNG"
    suffixes = (".png", ".apng")
    holding = Holding(
        dtypes=("uint8", "uint16"),
        exif_bytes=MAX_RESERVED_BYTES,
        code_points="all",
        whole_word_icc=True,
    )

    def sniff(self, head: bytes) -> bool:
        """Check for PNG's signature."""
        return head.startswith(b"\x89PNG\r\n\x1a\n")

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a PNG's header and chunks; animations are refused."""
        import pyvips

        from superres.containers.png_chunks import read_png_facts
        from superres.vips.decode import Found, Loader, open_image

        with closing(stream_of(source)) as stream:
            facts = read_png_facts(stream)
        if facts.animated:
            raise animation_error(source, "an animated PNG")
        found = Found(
            exif=facts.exif,
            xmp=facts.xmp,
            dpi=facts.dpi,
            profile=facts.profile,
            notes=facts.notes,
            icc=facts.icc,
            iptc=facts.iptc,
            photoshop=facts.photoshop,
            colour=facts.colour,
            lost=facts.lost,
        )
        loader = Loader(self.name, self.title, pyvips.Image.pngload_source)
        return open_image(source, loader, limits, found)

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
        # libvips would write XMP in a text chunk that other programs do not read.
        header = replace(header, metadata=replace(held, exif=None, xmp=None))
        save(path, rows, header, saver, reserve=reserve)
        return (*notes, *_finish(path, held, reserve))


def _reserve(held: Metadata) -> int:
    """Return the bytes to reserve in the file while libvips writes it."""
    from superres.vips.reserved import png_room

    room = png_room(held.exif, held.xmp)
    return room if room <= MAX_RESERVED_BYTES else png_room(held.exif, None)


def _finish(path: Path, held: Metadata, reserve: int) -> Notes:
    """Write into the finished file what libvips would have changed; note what does not fit."""
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
