"""JPEG 2000 and JPEG XL: read where libvips was built with their decoders."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from superres.errors import OutputError, PictureError
from superres.formats.format import ReadOnly
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    name_of,
)


class _Optional:
    """A format read by one operation of libvips, if that is present."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    holding: ReadOnly
    operation: str
    library: str
    converters: str

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read the header, or report the missing library."""
        from superres.vips.decode import Loader, open_image
        from superres.vips.library import loader_named

        load = loader_named(self.operation)
        if load is None:
            raise PictureError(
                f"{name_of(source)} is a {self.title} picture, and this libvips was built without "
                f"{self.library}, which would read it",
                f"save it as PNG or TIFF first, with {self.converters}; or install a libvips with "
                f"{self.library}",
            )
        return open_image(source, Loader(self.name, self.title, load, spare_bits=True), limits)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Refuse: see `holding`."""
        raise OutputError(f"{path} cannot be written: {self.holding.reason}", self.holding.hint)


class Jpeg2000(_Optional):
    """JPEG 2000: JP2, JPX and bare codestreams."""

    name = "jp2"
    title = "JPEG 2000"
    suffixes = (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc")
    holding = ReadOnly("JPEG 2000 is read only", "write PNG, TIFF, or lossless AVIF or WebP")
    operation = "jp2kload_source"
    library = "OpenJPEG"
    converters = "ImageMagick, GIMP, or opj_decompress"

    def sniff(self, head: bytes) -> bool:
        """Check for JP2's signature box, or the start of a codestream."""
        return head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"))


class JpegXl(_Optional):
    """JPEG XL: bare codestreams and box files."""

    name = "jxl"
    title = "JPEG XL"
    suffixes = (".jxl",)
    holding = ReadOnly("JPEG XL is read only", "write PNG, or lossless AVIF or WebP")
    operation = "jxlload_source"
    library = "libjxl"
    converters = "ImageMagick, GIMP, or djxl"

    def sniff(self, head: bytes) -> bool:
        """Check for the start of a codestream, or the signature box."""
        return head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"))
