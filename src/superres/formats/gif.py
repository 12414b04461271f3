"""GIF."""

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
    animation_error,
)


class Gif:
    """GIF: palettes of 256 colours, with one transparent."""

    name = "gif"
    title = "GIF"
    suffixes = (".gif",)
    holding = ReadOnly("a GIF holds 256 colours", "write PNG (.png) or lossless WebP (.webp)")

    def sniff(self, head: bytes) -> bool:
        """Look for GIF's signature."""
        return head.startswith((b"GIF87a", b"GIF89a"))

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a GIF's header; animations are refused."""
        import pyvips

        from superres.vips.decode import Loader, open_image

        loader = Loader(self.name, self.title, pyvips.Image.gifload_source, many=_moving)
        return open_image(source, loader, limits)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Refuse: see `holding`."""
        raise OutputError(f"{path} cannot be written: {self.holding.reason}", self.holding.hint)


def _moving(source: Path | bytes, frames: int) -> PictureError:
    return animation_error(source, f"an animated GIF of {frames} frames")
