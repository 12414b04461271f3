"""Saving through libvips: rows encoded as they come, its failures as `EncoderError`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyvips
from numpy.typing import NDArray

from superres.formats.format import EncoderError
from superres.metadata.header import Metadata
from superres.metadata.picture import Header, Notes
from superres.vips.encode import Encoding, encode
from superres.vips.library import reason_of
from superres.vips.reserved import fill

NO_ROOM = ("EXIF and XMP are not kept: this libvips left no room for them",)


def save(
    path: Path,
    rows: Iterable[NDArray[Any]],
    header: Header,
    saver: Callable[[pyvips.Image, str, int], None],
    *,
    reserve: int = 0,
) -> None:
    """Encode rows as they come.

    Args:
        path: The file.
        rows: (h, width, channels) blocks from top to bottom.
        header: What they are; its metadata is what libvips writes.
        saver: Calls the format's saver with the image, the file, and what metadata to keep.
        reserve: Bytes to reserve for EXIF, which is put into the finished file.

    Raises:
        EncoderError: libvips cannot encode or write.
        BaseException: Whatever `rows` raises comes through as it is.
    """
    encoding = Encoding(
        height=header.height,
        width=header.width,
        bands=header.bands,
        dtype=header.values.dtype,
        metadata=header.metadata,
        save=saver,
        reserve=reserve,
    )
    try:
        encode(path, rows, encoding)
    except pyvips.Error as error:
        raise EncoderError(reason_of(error, otherwise="its encoder gave no reason")) from error


def save_with_exif(
    path: Path,
    rows: Iterable[NDArray[Any]],
    header: Header,
    saver: Callable[[pyvips.Image, str, int], None],
    *,
    held: Metadata,
) -> Notes:
    """Encode rows as they come, and put EXIF into the finished JPEG, WebP or AVIF as it is.

    Args:
        path: The file.
        rows: (h, width, channels) blocks from top to bottom.
        header: What they are.
        saver: See `save`.
        held: The metadata that the file is to carry.

    Returns:
        What found no room, in words.

    Raises:
        EncoderError: libvips cannot encode or write.
    """
    exif = held.exif
    header = replace(header, metadata=replace(held, exif=None))
    save(path, rows, header, saver, reserve=len(exif or b""))
    return () if not exif or fill(path, exif) else NO_ROOM
