"""Table of picture formats, through which pictures are read and written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from superres.errors import ArgumentError, OutputError, unknown_name
from superres.formats.format import EncoderError, Format, Holding, Paged, ReadOnly
from superres.formats.gif import Gif
from superres.formats.heif import Avif, Heic
from superres.formats.holding import held_header, held_pixels
from superres.formats.jpeg import Jpeg
from superres.formats.optional import Jpeg2000, JpegXl
from superres.formats.png import Png
from superres.formats.tiff import Tiff
from superres.formats.uncompressed import Bmp, Pnm
from superres.formats.unknown import unknown_error
from superres.formats.webp import Webp
from superres.frame import Bands, Values
from superres.metadata.picture import (
    MAX_PIXELS,
    Header,
    Picture,
    Profile,
    ReadLimits,
    WriteOptions,
    animation_error,
    pages_error,
    read_pixels,
    stream_of,
    unopened,
)
from superres.vips.temporary import atomic_output, unwritable

if TYPE_CHECKING:
    from superres.metadata.header import Metadata

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "Page",
    "Picture",
    "WriteOptions",
    "check_options",
    "format_for",
    "is_picture",
    "is_written",
    "may_be_animated",
    "open_picture",
    "picture_suffixes",
    "read_pixels",
    "write_pages",
    "write_picture",
]

# In the order in which a file is tested. A new format is a file in `formats` and a row here.
FORMATS: tuple[Format, ...] = (
    Png(),
    Jpeg(),
    Webp(),
    Tiff(),
    Avif(),
    Heic(),
    Gif(),
    Bmp(),
    Pnm(),
    Jpeg2000(),
    JpegXl(),
)
HEAD_BYTES = 256
_DEFAULTS = WriteOptions()


def picture_suffixes() -> frozenset[str]:
    """Return the suffixes of all picture files, read or written, in lower case with the dot."""
    return frozenset(suffix for each in FORMATS for suffix in each.suffixes)


def is_picture(path: str | Path) -> bool:
    """Return whether a file has the suffix of a format that is read or written."""
    return Path(path).suffix.lower() in picture_suffixes()


def is_written(path: str | Path) -> bool:
    """Return whether a file has the suffix of a format that is written."""
    return Path(path).suffix.lower() in _written_suffixes()


def format_for(target: str | Path) -> Format:
    """Return the format to write, by a file's suffix or by its name.

    Args:
        target: A path; or a format's name or a suffix without its dot ("jpg"), in any case.

    Raises:
        OutputError: The format is read only.
        UnknownNameError: There is no such format.
    """
    if isinstance(target, Path):
        key, requested = target.suffix.lower(), str(target)
    else:
        key, requested = target.lower(), f"the format {target!r}"
    for each in FORMATS:
        plain = (each.name, *(suffix.removeprefix(".") for suffix in each.suffixes))
        if key in (each.suffixes if isinstance(target, Path) else plain):
            _holding(each, requested)
            return each
    if isinstance(target, Path):
        kind = f"output format for {target.name!r} with the suffix"
        raise unknown_name(kind, key, _written_suffixes())
    written = (each.name for each in FORMATS if isinstance(each.holding, Holding))
    raise unknown_name("output format", target, written)


def may_be_animated(source: Path | bytes) -> bool:
    """Return whether a file, by its first bytes, has a format that holds animations.

    Raises:
        PictureError: It is missing or cannot be read.
    """
    found = _sniffed(_head(source))
    return found is not None and isinstance(found.holding, Holding) and found.holding.frames


def open_picture(
    source: Path | bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    max_planes: int = 1,
    max_pages: int = 1,
    profile: Profile = "keep",
) -> Picture:
    """Read a picture's header and choose how its pixels will be read.

    The first bytes determine the format; the name does not matter.

    Args:
        source: A file, or the bytes of one.
        max_pixels: Largest number of pixels that is accepted, by the header.
        max_planes: Largest number of slices or frames that is accepted.
        max_pages: Largest number of pages that is accepted; the first is returned.
        profile: Keep the file's ICC profile, or convert its pixels to sRGB.

    Raises:
        PictureError: The file is missing, empty, damaged, too large, animated, has too many
            planes, or has an unsupported format or channels.
    """
    head = _head(source)
    found = _sniffed(head)
    if found is None:
        raise unknown_error(source, head, [each.title for each in FORMATS])
    picture = found.open(source, ReadLimits(max_pixels, profile))
    if picture.planes > max_planes and picture.metadata.animation:
        what = f"an animated {picture.title} of {picture.planes} frames"
        raise animation_error(source, what)
    if picture.planes > max_planes or picture.pages > max_pages:
        raise pages_error(source, max(picture.planes, picture.pages))
    return picture


def check_options(written: Format, options: WriteOptions) -> None:
    """Check that a format can be encoded as requested.

    Raises:
        ArgumentError: It cannot be lossless, or not be without compression.
    """
    holding = written.holding
    if not isinstance(holding, Holding):
        return
    if options.lossless and not holding.lossless:
        raise ArgumentError(
            f"{written.title} cannot be lossless", "write PNG, TIFF, or lossless WebP or AVIF"
        )
    if options.compression == "none" and not holding.stored:
        raise ArgumentError(
            f"{written.title} cannot be written without compression",
            "write PNG or TIFF, or request fast",
        )


def write_picture(
    target: Path | BinaryIO,
    blocks: Iterable[NDArray[Any]],
    *,
    height: int,
    width: int,
    bands: Bands,
    values: Values,
    metadata: Metadata,
    planes: int = 1,
    format: str | None = None,
    options: WriteOptions = _DEFAULTS,
) -> tuple[str, ...]:
    """Encode blocks of rows as they come; only the finished file appears under its name.

    PNG, JPEG and TIFF are encoded row by row in bounded memory; WebP and AVIF have encoders that
    need the whole picture. An existing file of this name is replaced at the very end.

    Args:
        target: A path, or a binary stream, which receives the finished file's bytes.
        blocks: (h, width, channels) arrays of the dtype, from top to bottom, plane after plane.
        height: Rows of a plane.
        width: Pixels of a row.
        bands: What the channels mean.
        values: What their numbers mean.
        metadata: What else the file carries; sizes and resolution in it are updated.
        planes: Number of pictures of this size and kind.
        format: Name of the format; None takes the path's suffix.
        options: How to encode.

    Returns:
        Notes on what the format cannot hold.

    Raises:
        OutputError: The format cannot hold a picture of this size or these bands, or the target
            cannot be written. The target is then unchanged.
        ArgumentError: The format is unknown, or the blocks do not fit the header.
        BaseException: Whatever `blocks` raises passes through unchanged, after cleanup.
    """
    written = _format(target, format)
    if height < 1 or width < 1:
        raise ArgumentError(
            f"a picture has at least 1 x 1 px, requested {height} x {width}", "choose a larger size"
        )
    holding = _holding(written, str(target))
    check_options(written, options)
    header = Header(height, width, bands, values, metadata, planes)
    held, notes = held_header(holding, written.title, header)
    rows = _held_rows(blocks, header, held)
    with atomic_output(target) as path:
        try:
            late_notes = written.write(path, rows, held, options)
        except EncoderError as error:
            raise unwritable(target, str(error)) from error
    return (*notes, *late_notes)


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be written.

    Attributes:
        blocks: (h, width, channels) arrays of the dtype, from top to bottom.
        header: Their description.
    """

    blocks: Iterable[NDArray[Any]]
    header: Header


def write_pages(
    target: Path | BinaryIO,
    pages: Iterable[Page],
    *,
    format: str | None = None,
    options: WriteOptions = _DEFAULTS,
) -> tuple[str, ...]:
    """Encode pages one after the other, each as a picture of its own size and kind.

    A page is written to a temporary file and appended, so memory does not grow with their number.

    Args:
        target: A path, or a binary stream, which receives the finished file's bytes.
        pages: The pages; each is requested when the previous one is done.
        format: Name of the format; None takes the path's suffix.
        options: How to encode.

    Returns:
        Notes on what the format cannot hold, each once.

    Raises:
        OutputError: See `write_picture`; or the format does not hold pages.
        BaseException: Whatever `pages` raises passes through unchanged, after cleanup.
    """
    written = _format(target, format)
    holding = _holding(written, str(target))
    if not (holding.pages and isinstance(written, Paged)):
        raise OutputError(
            f"{written.title} as written here holds one page",
            "write TIFF (.tif), or choose one page with --page",
        )
    check_options(written, options)
    notes: dict[str, None] = {}
    with (
        atomic_output(target) as path,
        tempfile.TemporaryDirectory(prefix=".superres-", dir=path.parent) as folder,
    ):
        single = Path(folder) / "page"
        for page in pages:
            held, lost = held_header(holding, written.title, page.header)
            single.touch()
            try:
                rows = _held_rows(page.blocks, page.header, held)
                late = written.write(single, rows, held, options)
                written.add_page(path, single)
            except EncoderError as error:
                raise unwritable(target, str(error)) from error
            notes |= dict.fromkeys((*lost, *late))
            single.unlink()
    return tuple(notes)


def _head(source: Path | bytes) -> bytes:
    """Return a file's first bytes."""
    with closing(stream_of(source)) as stream:
        try:
            return stream.read(HEAD_BYTES)
        except OSError as error:  # on some systems a folder opens but cannot be read
            raise unopened(source, error) from error


def _sniffed(head: bytes) -> Format | None:
    """Return the format of a file with these first bytes; None if it is not in the table."""
    return next((each for each in FORMATS if each.sniff(head)), None)


def _written_suffixes() -> list[str]:
    written = [each for each in FORMATS if isinstance(each.holding, Holding)]
    return [suffix for each in written for suffix in each.suffixes]


def _format(target: Path | BinaryIO, name: str | None) -> Format:
    if name is not None:
        return format_for(name)
    if isinstance(target, Path):
        return format_for(target)
    raise ArgumentError("a stream has no suffix that names a format", "name one: png, tiff, jpeg")


def _holding(written: Format, requested: str) -> Holding:
    """Return a format's capabilities; raise if it is read only."""
    if isinstance(written.holding, ReadOnly):
        raise OutputError(
            f"{requested} cannot be written: {written.holding.reason}", written.holding.hint
        )
    return written.holding


def _held_rows(
    blocks: Iterable[NDArray[Any]], header: Header, held: Header
) -> Iterator[NDArray[Any]]:
    """Yield blocks converted to what the format can hold."""
    for block in _checked(blocks, header):
        yield held_pixels(block, header.values, bands=held.bands, held=held.values)


def _checked(blocks: Iterable[NDArray[Any]], header: Header) -> Iterator[NDArray[Any]]:
    """Yield blocks unchanged; raise if they do not fit the header."""
    shape, dtype = (header.width, header.bands.channels), header.values.dtype
    height, done = header.height * header.planes, 0
    for block in blocks:
        if block.ndim != 3 or block.shape[1:] != shape:
            raise ArgumentError(
                f"blocks must be (h, {shape[0]}, {shape[1]}), got {block.shape}",
                "yield rows of the width and bands that were passed",
            )
        if block.dtype.name != dtype:
            raise ArgumentError(
                f"blocks must be {dtype}, got {block.dtype.name}", "convert them with from_unit"
            )
        done += len(block)
        if done > height:
            break
        if len(block):
            yield block.astype(np.dtype(dtype), copy=False)  # in native byte order
    if done != height:
        raise ArgumentError(
            f"the blocks hold {'more than ' if done > height else ''}{min(done, height)} rows, "
            f"expected {height}",
            "yield each row once",
        )
