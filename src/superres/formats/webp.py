"""WebP."""

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
    stream_of,
)

if TYPE_CHECKING:
    import pyvips

_EFFORTS = {"fast": 0, "default": 4, "small": 6}


class Webp:
    """WebP: 8 bits, RGB, lossy or lossless; its encoder needs the whole picture."""

    name = "webp"
    title = "WebP"
    suffixes = (".webp",)
    holding = Holding(
        dtypes=("uint8",),
        grey=False,
        longest_edge=16_383,
        quality=95,
        exif_bytes=MAX_RESERVED_BYTES,
        dpi_in_exif=True,
        frames=True,
    )

    def sniff(self, head: bytes) -> bool:
        """Check for a RIFF of the form WEBP."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a WebP's header; the frames of an animation are planes."""
        import pyvips

        from superres.containers.riff_chunks import read_webp_facts
        from superres.decoding.compression import webp_quality, webp_says_lossless
        from superres.vips.decode import Found, Loader, open_image

        with closing(stream_of(source)) as stream:
            found = Found(
                read_webp_facts(stream),
                coded_quality=webp_quality(stream),
                lossless=webp_says_lossless(stream),
            )
        loader = Loader(self.name, self.title, pyvips.Image.webpload_source, frames=True)
        return open_image(source, loader, limits, found)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode a WebP."""
        from superres.containers.kept import not_found
        from superres.containers.riff_chunks import read_webp_facts
        from superres.formats.carried import held_metadata
        from superres.formats.saving import save_with_exif

        def saver(image: pyvips.Image, file: str, keep: int) -> None:
            image.webpsave(
                file,
                Q=options.quality or self.holding.quality,
                lossless=options.lossless,
                exact=True,  # keeps colour under transparent pixels
                smart_subsample=True,
                effort=_EFFORTS[options.compression],
                page_height=header.height,
                keep=keep,
            )

        held, notes = held_metadata(self.holding, self.title, header)
        held = replace(held, animation=header.metadata.animation)
        late_notes = save_with_exif(path, rows, header, saver, held=held, check=options.check)
        with path.open("rb") as file:
            return (*notes, *(late_notes or not_found(held, read_webp_facts(file))))
