"""BMP and PNM: formats without compression, read row by row without a library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from superres.errors import OutputError
from superres.formats.format import ReadOnly
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
    from superres.decoding.pnm import PnmHeader
    from superres.frame import Bands, Values
    from superres.metadata.header import Metadata

_HINT = "write PNG (.png), or TIFF (.tif) for floats"


class Bmp:
    """BMP: 8 bits, grey, RGB or palette, with alpha where the header has a mask for it."""

    name = "bmp"
    title = "BMP"
    suffixes = (".bmp", ".dib")
    holding = ReadOnly("a BMP keeps no metadata, and is many times as large as a PNG", _HINT)

    def sniff(self, head: bytes) -> bool:
        """Check for BM, followed by a valid header length."""
        from superres.decoding.bmp import is_bmp

        return is_bmp(head)

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a BMP's header and palette."""
        from superres.decoding.bmp import BmpError, read_bmp_header
        from superres.decoding.plain_rows import rows_at
        from superres.frame import UINT8, Bands
        from superres.metadata.header import Metadata, icc_space

        with closing(stream_of(source)) as stream:
            try:
                header = read_bmp_header(stream)
            except BmpError as error:
                hint = "save it as 24-bit BMP, or as PNG" if "not read" in str(error) else ""
                raise unreadable(source, self.title, str(error), hint) from error
        icc = header.icc if header.icc and icc_space(header.icc) == "RGB" else None
        return _picture(
            self,
            source,
            limits,
            (header.height, header.width),
            Bands.of(header.channels),
            UINT8,
            Metadata(icc=icc if header.channels >= 3 else None, dpi=header.dpi),
            partial(
                rows_at,
                source,
                self.title,
                start=header.start,
                row_bytes=header.row_bytes,
                height=header.height,
                upward=header.upward,
                decode=header.pixels,
            ),
        )

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Refuse: see `holding`."""
        raise OutputError(f"{path} cannot be written: {self.holding.reason}", self.holding.hint)


class Pnm:
    """PBM, PGM, PPM, PAM and PFM: 8 or 16 bits or 32-bit float, grey or RGB, PAM with alpha."""

    name = "pnm"
    title = "PNM"
    suffixes = (".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm")
    holding = ReadOnly("a PNM keeps no metadata", _HINT)

    def sniff(self, head: bytes) -> bool:
        """Check for a P with a number or letter, and whitespace."""
        return head[:1] == b"P" and head[1:2] in b"1234567fF" and head[2:3] in b" \t\r\n#"

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a PNM's header."""
        from superres.decoding.pnm import PnmError, read_pnm_header
        from superres.metadata.header import Metadata

        with closing(stream_of(source)) as stream:
            try:
                header = read_pnm_header(stream)
            except PnmError as error:
                raise unreadable(source, self.title, str(error)) from error
        return _picture(
            self,
            source,
            limits,
            (header.height, header.width),
            header.bands,
            header.values,
            Metadata(),
            partial(_pnm_rows, source, self.title, header),
        )

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Refuse: see `holding`."""
        raise OutputError(f"{path} cannot be written: {self.holding.reason}", self.holding.hint)


def _picture(
    format: Bmp | Pnm,
    source: Path | bytes,
    limits: ReadLimits,
    size: tuple[int, int],
    bands: Bands,
    values: Values,
    metadata: Metadata,
    rows: Callable[..., Iterator[NDArray[Any]]],
) -> Picture:
    height, width = size
    limits.check_size(name_of(source), height, width)
    return Picture(
        height=height,
        width=width,
        bands=bands,
        values=values,
        metadata=metadata,
        format=format.name,
        title=format.title,
        notes=(),
        _decode=lambda plane, block: rows(block=block),
    )


def _pnm_rows(
    source: Path | bytes, title: str, header: PnmHeader, *, block: int
) -> Iterator[NDArray[Any]]:
    from superres.decoding.plain_rows import rows_at
    from superres.decoding.pnm import PnmError, text_rows

    try:
        if header.form.startswith("text"):
            with closing(stream_of(source)) as stream:
                yield from text_rows(stream, header, block)
            return
        yield from rows_at(
            source,
            title,
            start=header.start,
            row_bytes=header.row_bytes,
            height=header.height,
            upward=header.upward,
            block=block,
            decode=header.pixels,
        )
    except PnmError as error:
        raise unreadable(source, title, str(error)) from error
