"""JPEG."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from superres.errors import PictureError
from superres.formats.format import MAX_RESERVED_BYTES, Holding
from superres.metadata.iptc import MAX_JPEG_IPTC_BYTES
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

    from superres.metadata.header import Metadata


class Jpeg:
    """JPEG: 8 bits, no alpha, always lossy; XMP and IPTC are limited to one segment each."""

    name = "jpeg"
    title = "JPEG"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo")
    holding = Holding(
        dtypes=("uint8",),
        alpha=False,
        longest_edge=65_500,  # the format allows 65,535, its encoders stop here
        lossless=False,
        quality=95,
        iptc_bytes=MAX_JPEG_IPTC_BYTES,
        photoshop_bytes=MAX_JPEG_IPTC_BYTES,
        comments=True,
        xmp_bytes=60_000,  # libvips silently drops more; a segment would hold 65,502
        exif_bytes=MAX_RESERVED_BYTES,
        dpi_in_exif=True,
    )

    def sniff(self, head: bytes) -> bool:
        """Check for the start of an image, and a marker after it."""
        return head.startswith(b"\xff\xd8\xff")

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a JPEG's header."""
        import pyvips

        from superres.containers.jpeg_segments import read_jpeg_facts
        from superres.decoding.compression import jpeg_quality
        from superres.mending.flaws import flaw_notes
        from superres.mending.jpeg import mend_jpeg
        from superres.vips.decode import Found, Loader, open_image

        with closing(stream_of(source)) as stream:
            facts = read_jpeg_facts(stream)
            mended = mend_jpeg(source, stream)
        with closing(mended.file.open() if mended.file else stream_of(source)) as stream:
            quality = jpeg_quality(stream)
        found = Found(
            facts,
            coded_quality=quality,
            patched=mended.file,
            notes=flaw_notes(mended.flaws),
        )
        loader = Loader(
            self.name,
            self.title,
            pyvips.Image.jpegload_source,
            explain=partial(_unread, name_of(source)),
        )
        return open_image(source, loader, limits, found)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode a JPEG row by row, without chroma subsampling."""
        from superres.formats.carried import held_metadata
        from superres.formats.saving import save_with_exif

        def saver(image: pyvips.Image, file: str, keep: int) -> None:
            quality = options.quality or self.holding.quality
            image.jpegsave(file, Q=quality, subsample_mode="off", keep=keep)

        held, notes = held_metadata(self.holding, self.title, header)
        late_notes = save_with_exif(path, rows, header, saver, held=held, check=options.check)
        return (*notes, *(late_notes or _finish(path, held)))


def _finish(path: Path, held: Metadata) -> Notes:
    """Put comments into the finished file; note what is not found in it."""
    from superres.containers.jpeg_segments import (
        after_applications,
        comment_segments,
        read_jpeg_facts,
    )
    from superres.containers.kept import not_found
    from superres.vips.reserved import insert

    if held.comments:
        with path.open("rb") as file:
            at = after_applications(file)
        insert(path, at, comment_segments(held.comments))
    with path.open("rb") as file:
        return not_found(held, read_jpeg_facts(file))


def _unread(name: str, reason: str) -> PictureError | None:
    """Return the error for a JPEG that the decoder does not support; None for damage."""
    if not reason.startswith("Unsupported JPEG"):
        return None
    what = reason.removeprefix("Unsupported JPEG ")
    return PictureError(
        f"{name} is a JPEG of a kind that is not read here ({what}): 8-bit JPEGs are",
        "save it as 16-bit PNG or TIFF, or as 8-bit JPEG: ImageMagick can",
    )
