"""GIF."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from superres.formats.format import Holding
from superres.metadata.picture import (
    Header,
    Notes,
    Picture,
    ReadLimits,
    WriteOptions,
    stream_of,
    unreadable,
)

if TYPE_CHECKING:
    import pyvips

_TICK_MS, _USUAL_MS = 10, 100
_INSTANT = f"browsers show frames of {_TICK_MS} ms or less for {_USUAL_MS} ms: lower the frame rate"
_TICKS = f"the times of frames are rounded to {_TICK_MS} ms: GIF holds no finer ones"
_EFFORTS = {"fast": 1, "default": 7, "small": 10}
_PALETTE = "colours reduced to 256 a frame, transparency to all or nothing: GIF holds no more"


class Gif:
    """GIF: stills and animations, each frame with a palette of 256 colours."""

    name = "gif"
    title = "GIF"
    suffixes = (".gif",)
    holding = Holding(
        dtypes=("uint8",),
        grey=False,
        longest_edge=65_535,
        lossless=False,
        xmp_bytes=0,
        exif_bytes=0,
        dpi=False,
        icc=False,
        frames=True,
    )

    def sniff(self, head: bytes) -> bool:
        """Check for GIF's signature."""
        return head.startswith((b"GIF87a", b"GIF89a"))

    def open(self, source: Path | bytes, limits: ReadLimits) -> Picture:
        """Read a GIF's header; the frames of an animation are planes."""
        import pyvips

        from superres.decoding.gif_blocks import ends_inside_a_block
        from superres.vips.decode import Loader, open_image

        with closing(stream_of(source)) as stream:
            if ends_inside_a_block(stream):
                raise unreadable(source, self.title, "it ends too early")
        loader = Loader(self.name, self.title, pyvips.Image.gifload_source, frames=True)
        return open_image(source, loader, limits)

    def write(
        self, path: Path, rows: Iterable[NDArray[Any]], header: Header, options: WriteOptions
    ) -> Notes:
        """Encode a GIF frame by frame."""
        from superres.formats.carried import held_metadata
        from superres.formats.saving import save

        def saver(image: pyvips.Image, file: str, keep: int) -> None:
            effort = _EFFORTS[options.compression]
            image.gifsave(file, page_height=header.height, effort=effort, keep=keep)

        held, notes = held_metadata(self.holding, self.title, header)
        animation = header.metadata.animation
        if animation:
            delays_ms = _whole_ticks(animation.delays_ms)
            if delays_ms != animation.delays_ms:
                notes = (*notes, _TICKS)
            if min(delays_ms, default=_USUAL_MS) <= _TICK_MS:
                notes = (*notes, _INSTANT)
            animation = replace(animation, delays_ms=delays_ms)
        metadata = replace(held, animation=animation)
        save(path, rows, replace(header, metadata=metadata), saver, check=options.check)
        return (*notes, _PALETTE)


def _whole_ticks(delays_ms: tuple[int, ...]) -> tuple[int, ...]:
    """Round the times at which frames end, so that errors do not add up."""
    ends = [(end + _TICK_MS // 2) // _TICK_MS * _TICK_MS for end in accumulate(delays_ms)]
    return tuple(end - begin for begin, end in pairwise((0, *ends)))
