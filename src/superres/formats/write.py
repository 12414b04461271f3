"""Write a picture file from rows that come one block after another; whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips
from numpy.typing import NDArray

from superres.errors import ArgumentError, OutputError
from superres.formats.holding import Notes, held_layout, held_metadata, held_pixels, held_values
from superres.formats.output_format import OutputFormat, format_of, output_format
from superres.frame import Bands, Values
from superres.metadata.exif_in_tiff import add_to_tiff, forget_tiff_resolution
from superres.metadata.header import Metadata
from superres.metadata.tags import TagError
from superres.vips.encode import Encoding, encode
from superres.vips.library import prepare_library, reason_of
from superres.vips.reserved import (
    MAX_RESERVED_BYTES,
    append_png_xmp,
    fill,
    fill_png,
    forget_png_resolution,
    png_room,
)
from superres.vips.temporary import appearing_whole, unwritable


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a picture is encoded.

    Attributes:
        quality: Of lossy coding, 1 to 100; None takes each format's default.
        lossless: Lose no detail in WebP and AVIF, at several times the size.
        compression: Effort of PNG's and TIFF's deflate, 0 (none) to 9.
    """

    quality: int | None = None
    lossless: bool = False
    compression: int = 2

    def __post_init__(self) -> None:
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ArgumentError(f"quality must be 1 to 100, got {self.quality}", "95 is a good one")
        if not 0 <= self.compression <= 9:
            raise ArgumentError(
                f"compression must be 0 to 9, got {self.compression}", "2 is fast, 9 is small"
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
    format: str | None = None,
    options: WriteOptions = WriteOptions(),
) -> tuple[str, ...]:
    """Pull blocks of rows, encode them as they come, and let the finished file appear.

    PNG, JPEG and TIFF are encoded row by row in bounded memory; WebP and AVIF have encoders that
    need the whole picture. A file of this name that exists is replaced at the very end.

    Args:
        target: A path, or a binary stream, which is given the finished file's bytes.
        blocks: (h, width, channels) arrays of the dtype, from top to bottom.
        height: Rows that the blocks hold together.
        width: Pixels a row.
        bands: What the channels mean.
        values: What their numbers mean.
        metadata: What the file carries besides; sizes and resolution in it are made true.
        format: Name of the format; None goes by the path's suffix.
        options: How to encode.

    Returns:
        Notes on what the format cannot hold, in words.

    Raises:
        OutputError: The format cannot hold a picture of this size, or the target cannot be
            written. The target is then as it was.
        ArgumentError: The format is unknown, or the blocks are not what was announced.
        BaseException: Whatever `blocks` raises comes through as it is, after cleaning up.
    """
    prepare_library()
    kind = _format(target, format)
    _check_size(kind, height, width)
    pushed, layout_notes = held_layout(kind, bands)
    pushed_values, bits, values_notes = held_values(kind, values)
    held, metadata_notes = held_metadata(kind, metadata, bands, height=height, width=width)
    reserve = _reserve(kind, held)
    encoding = Encoding(
        format=kind.name,
        height=height,
        width=width,
        bands=pushed,
        dtype=pushed_values.dtype,
        bits=bits,
        metadata=_left_to_libvips(kind, held),
        reserve=reserve,
        quality=options.quality or kind.quality,
        lossless=_lossless(kind, options),
        compression=options.compression,
    )
    announced = _checked(blocks, height, width, bands, values)
    rows = (held_pixels(x, bands=pushed, values=pushed_values, bits=bits) for x in announced)
    with appearing_whole(target) as path:
        try:
            encode(path, rows, encoding)
        except pyvips.Error as error:
            reason = reason_of(error, otherwise="its encoder gave no reason")
            raise unwritable(target, reason) from error
        late_notes = _finish(path, kind, held, reserve)
    return (*layout_notes, *values_notes, *metadata_notes, *late_notes)


def _format(target: Path | BinaryIO, name: str | None) -> OutputFormat:
    if name is not None:
        return output_format(name)
    if isinstance(target, Path):
        return output_format(format_of(target))
    raise ArgumentError("a stream has no suffix that names a format", "name one: png, tiff, jpeg")


def _check_size(kind: OutputFormat, height: int, width: int) -> None:
    if height < 1 or width < 1:
        raise ArgumentError(
            f"a picture has at least 1 x 1 px, asked for {height} x {width}", "ask for a larger one"
        )
    if max(height, width) > kind.longest_edge:
        raise OutputError(
            f"{kind.title} holds at most {kind.longest_edge} px an edge, "
            f"the picture has {height} x {width} (height x width)",
            "write PNG or TIFF, which have no such limit",
        )


def _lossless(kind: OutputFormat, options: WriteOptions) -> bool:
    if options.lossless and not kind.lossless:
        raise ArgumentError(
            f"{kind.title} cannot be lossless", "write PNG, TIFF, or lossless WebP or AVIF"
        )
    return options.lossless


def _checked(
    blocks: Iterable[NDArray[Any]], height: int, width: int, bands: Bands, values: Values
) -> Iterator[NDArray[Any]]:
    """Pass blocks on; raise where they are not what was announced."""
    done = 0
    for block in blocks:
        if block.ndim != 3 or block.shape[1:] != (width, bands.channels):
            raise ArgumentError(
                f"blocks must be (h, {width}, {bands.channels}), got {block.shape}",
                "yield rows of the announced width and bands",
            )
        if block.dtype.name != values.dtype:
            raise ArgumentError(
                f"blocks must be {values.dtype}, got {block.dtype.name}",
                "convert them with from_unit",
            )
        done += len(block)
        if done > height:
            break
        if len(block):
            yield block.astype(np.dtype(values.dtype), copy=False)  # in this machine's byte order
    if done != height:
        raise ArgumentError(
            f"the blocks hold {'more than ' if done > height else ''}{min(done, height)} rows, "
            f"{height} were announced",
            "yield exactly the announced rows",
        )


def _left_to_libvips(kind: OutputFormat, held: Metadata) -> Metadata:
    """Return what libvips writes as it should be; the rest is put into the finished file."""
    return replace(
        held,
        exif=None,
        xmp=None if kind.name == "png" else held.xmp,
        iptc=None if kind.name == "tiff" else held.iptc,
    )


def _reserve(kind: OutputFormat, held: Metadata) -> int:
    """Return how much room is asked for in the file while libvips writes it."""
    if kind.name == "tiff":
        return 0
    if kind.name != "png":
        return len(held.exif or b"")
    room = png_room(held.exif, held.xmp)
    return room if room <= MAX_RESERVED_BYTES else png_room(held.exif, None)


def _finish(path: Path, kind: OutputFormat, held: Metadata, reserve: int) -> Notes:
    """Put into the finished file what libvips would have spoilt; note what finds no room."""
    if kind.name == "tiff":
        return _finish_tiff(path, held)
    exif, xmp = held.exif, held.xmp
    if kind.name == "png":
        if held.dpi is None:
            forget_png_resolution(path)
        if xmp and png_room(exif, xmp) > MAX_RESERVED_BYTES:
            append_png_xmp(path, xmp)
            xmp = None
        done = not reserve or fill_png(path, exif, xmp)
    else:
        done = not exif or fill(path, exif)
    return () if done else ("EXIF and XMP are not kept: this libvips left no room for them",)


def _finish_tiff(path: Path, held: Metadata) -> Notes:
    try:
        with path.open("r+b") as file:
            if held.dpi is None:
                forget_tiff_resolution(file)
            if held.exif or held.iptc:
                add_to_tiff(file, exif=held.exif, iptc=held.iptc)
    except TagError as error:
        return (f"EXIF and IPTC are not kept: {error}",)
    return ()
