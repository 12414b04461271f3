"""TIFF, classic or BigTIFF."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from superres.formats.format import Holding
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    pages_error,
    stream_of,
    unreadable,
)

if TYPE_CHECKING:
    import pyvips

    from superres.mending.patches import Patched
    from superres.metadata.header import Metadata

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_BIG_TIFF_BYTES = 3 * 2**30  # deflate can also make noise a little larger


class Tiff:
    """TIFF: 8 or 16 bits or 32-bit float, grey or RGB, with alpha, lossless; one page."""

    name = "tiff"
    title = "TIFF"
    suffixes = (".tif", ".tiff")
    holding = Holding(dtypes=("uint8", "uint16", "float32"), iptc_bytes=2**31 - 1)

    def sniff(self, head: bytes) -> bool:
        """Look for TIFF's and BigTIFF's marks in both byte orders."""
        return head.startswith(_STARTS)

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a TIFF's header and tags; several pages are refused."""
        import pyvips

        from superres.metadata.tags import TagError
        from superres.metadata.tiff_facts import read_tiff_facts
        from superres.vips.decode import Found, Loader, open_image

        with closing(stream_of(source)) as stream:
            try:
                facts = read_tiff_facts(stream)
            except TagError as error:
                raise unreadable(source, self.title, str(error)) from error
        if facts.pages > 1:
            raise pages_error(source, facts.pages)
        found = Found(
            exif=facts.exif,
            alpha=facts.alpha,
            iptc=facts.iptc,
            notes=facts.notes,
            mend=partial(_mended, source, facts.first),
        )
        loader = Loader(
            self.name,
            self.title,
            pyvips.Image.tiffload_source,
            orientation="tag",
            own_exif=True,
        )
        return open_image(source, loader, limits, found)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode a TIFF row by row, as a BigTIFF above 3 GB."""
        from superres.formats.carried import held_metadata
        from superres.formats.saving import save

        plain, dtype = options.compression == 0, np.dtype(header.values.dtype)
        values = header.height * header.width * header.bands.channels

        def saver(image: pyvips.Image, file: str, keep: int) -> None:
            image.tiffsave(
                file,
                compression="none" if plain else "deflate",
                level=max(1, options.compression),
                predictor="none" if plain else "float" if dtype.kind == "f" else "horizontal",
                bigtiff=values * dtype.itemsize > _BIG_TIFF_BYTES,
                resunit="inch",
                keep=keep,
            )

        held, notes = held_metadata(self.holding, self.title, header)
        header = replace(header, metadata=replace(held, exif=None, iptc=None))
        save(path, rows, header, saver)
        return (*notes, *_finish(path, held))


def _mended(source: Path | bytes, at: int) -> tuple[Patched, Notes] | None:
    """Return the picture whose directory is at an offset, without flaws, and notes on them."""
    from superres.mending.flaws import flaw_notes
    from superres.mending.tiff import clean_tiff

    with closing(stream_of(source)) as stream:
        clean = clean_tiff(source, stream, at)
    return (clean.file, flaw_notes(clean.flaws)) if clean else None


def _finish(path: Path, held: Metadata) -> Notes:
    """Put into the finished file what libvips leaves out, as tags."""
    from superres.metadata.exif_in_tiff import add_to_tiff, forget_tiff_resolution
    from superres.metadata.tags import TagError

    try:
        with path.open("r+b") as file:
            if held.dpi is None:
                forget_tiff_resolution(file)
            if held.exif or held.iptc:
                add_to_tiff(file, exif=held.exif, iptc=held.iptc)
    except TagError as error:
        return (f"EXIF and IPTC are not kept: {error}",)
    return ()
