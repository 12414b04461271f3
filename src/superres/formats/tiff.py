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

from superres.formats.format import EncoderError, Holding
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    name_of,
    stream_of,
    unreadable,
)

if TYPE_CHECKING:
    from superres.decoding.tiff_pages import TiffPage
    from superres.mending.patches import Patched
    from superres.metadata.header import Metadata

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEAD_BYTES = 32
_BIG_TIFF_BYTES = 3 * 2**30  # deflate can also enlarge noise a little


class Tiff:
    """TIFF: 8 or 16 bits or 32-bit float, grey or RGB, with alpha, lossless; pages."""

    name = "tiff"
    title = "TIFF"
    suffixes = (".tif", ".tiff")
    holding = Holding(
        dtypes=("uint8", "uint16", "float32"),
        stored=True,
        iptc_bytes=2**31 - 1,
        photoshop_bytes=2**31 - 1,
        pages=True,
    )

    def sniff(self, head: bytes) -> bool:
        """Check for TIFF's and BigTIFF's signatures in both byte orders."""
        return head.startswith(_STARTS)

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read the header and tags of a page."""
        from superres.decoding.camera_raw import raw_error, raw_kind
        from superres.decoding.tiff_pages import read_tiff_pages
        from superres.metadata.tags import TagError

        with closing(stream_of(source)) as stream:
            kind = raw_kind(stream.read(_HEAD_BYTES))
            if kind:
                raise raw_error(source, kind)
            try:
                found = read_tiff_pages(stream)
            except TagError as error:
                raise unreadable(source, self.title, str(error)) from error
        if found.camera_raw:
            raise raw_error(source)

        def page(number: int) -> Picture:
            opened = self._open_page(source, found.pages[number - 1], found.notes, limits)
            return replace(opened, pages=len(found.pages), _page=page)

        return page(1)

    def add_page(self, path: Path, page: Path) -> None:
        """Append the finished file of a page."""
        from superres.metadata.tags import TagError
        from superres.vips.tiff_join import add_page

        try:
            add_page(path, page)
        except TagError as error:
            raise EncoderError(str(error)) from error

    def _open_page(
        self, source: Path | bytes, page: TiffPage, notes: Notes, limits: ReadLimits
    ) -> Picture:
        import pyvips

        from superres.containers.tiff_facts import read_tiff_facts
        from superres.decoding.tiff_coding import coding_error
        from superres.mending.tiff import page_view
        from superres.metadata.tags import TagError
        from superres.vips.decode import Found, Loader, open_image

        patched: Patched | None = None
        with closing(stream_of(source)) as stream:
            view = page_view(source, stream, page.at)
        with closing(view.open()) as stream:
            try:
                facts = read_tiff_facts(stream)
            except TagError as error:
                raise unreadable(source, self.title, str(error)) from error
        name = name_of(source)
        if page.index is None:
            mended = _mended(source, page.at)
            if mended is None:
                raise unreadable(source, self.title, "its picture lies partly outside the file")
            patched = mended[0]
        found = Found(
            facts,
            alpha=facts.alpha,
            notes=notes,
            patched=patched,
            mend=None if patched else partial(_mended, source, page.at),
        )
        loader = Loader(
            self.name,
            self.title,
            pyvips.Image.tiffload_source,
            orientation="tag",
            own_exif=True,
            explain=partial(coding_error, name, page.coding),
            options={"page": page.index or 0},
        )
        return open_image(source, loader, limits, found)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode a TIFF row by row, as a BigTIFF above 3 GB."""
        from superres.encoding.file_parts import WriteError
        from superres.encoding.tiff_file import write_tiff
        from superres.formats.carried import held_metadata
        from superres.metadata.tags import TagError

        held, notes = held_metadata(self.holding, self.title, header)
        item = np.dtype(header.values.dtype).itemsize
        plain_bytes = header.height * header.width * header.bands.channels * item
        try:
            write_tiff(
                path,
                rows,
                replace(header, metadata=held),
                options.compression,
                big=options.past_4_gb or plain_bytes > _BIG_TIFF_BYTES,
                check=options.check,
            )
        except (WriteError, TagError) as error:
            raise EncoderError(str(error)) from error
        return (*notes, *_finish(path, held))


def _mended(source: Path | bytes, at: int) -> tuple[Patched, Notes] | None:
    """Return the picture whose directory is at an offset, repaired, and notes on its flaws."""
    from superres.mending.flaws import flaw_notes
    from superres.mending.tiff import clean_tiff

    with closing(stream_of(source)) as stream:
        clean = clean_tiff(source, stream, at)
    return (clean.file, flaw_notes(clean.flaws)) if clean else None


def _finish(path: Path, held: Metadata) -> Notes:
    """Add EXIF, IPTC and Photoshop's resources to the finished file; note what it lacks."""
    from superres.containers.exif_in_tiff import add_to_tiff
    from superres.containers.kept import not_found
    from superres.containers.tiff_facts import read_tiff_facts
    from superres.metadata.tags import TagError

    try:
        with path.open("r+b") as file:
            if held.exif or held.iptc or held.photoshop:
                add_to_tiff(file, exif=held.exif, iptc=held.iptc, photoshop=held.photoshop)
            return not_found(held, read_tiff_facts(file), as_tags=True)
    except TagError as error:
        return (f"EXIF and IPTC are not kept: {error}",)
