"""Saver through libvips: rows pushed by the caller's thread, encoded in another as they come."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyvips
from numpy.typing import NDArray

from superres.formats.format import EncoderError
from superres.metadata.header import KEEP_FLAGS, MM_PER_INCH, Metadata, set_blob
from superres.metadata.iptc import wrap_iptc
from superres.metadata.picture import Header, Notes
from superres.vips.carrier import Carrier, CarrierError
from superres.vips.library import reason_of
from superres.vips.reserved import fill, stand_in

Saver = Callable[[pyvips.Image, str, int], None]

NO_ROOM = ("EXIF and XMP are not kept: this libvips left no room for them",)

_LAST_WAIT_S = 2.0
_INTERPRETATIONS = {
    ("grey", "uint16"): "grey16",
    ("rgb", "uint16"): "rgb16",
    ("grey", "uint8"): "b-w",
    ("rgb", "uint8"): "srgb",
    ("grey", "float32"): "b-w",
    ("rgb", "float32"): "scrgb",
}


def save(
    path: Path,
    rows: Iterable[NDArray[Any]],
    header: Header,
    saver: Saver,
    *,
    reserve: int = 0,
    check: Callable[[], None] | None = None,
) -> None:
    """Encode rows as they come.

    Args:
        path: The file.
        rows: (h, width, channels) blocks from top to bottom, `height` rows of each plane.
        header: Their description; libvips writes its metadata, except fields that are None.
        saver: Calls the format's saver with the image, the file, and the flags of the metadata
            to write.
        reserve: Bytes to reserve for EXIF, which is put into the finished file.
        check: Called while the encoder is waited for; what it raises ends the work.

    Raises:
        EncoderError: libvips cannot encode or write.
        BaseException: Whatever `rows` or `check` raises passes through unchanged.
    """
    carrier = Carrier(
        header.height * header.planes, header.width, header.bands.channels, header.values.dtype
    )
    # pyvips passes bytes on unchanged, and names that are not UTF-8 have no other form.
    file = cast("str", os.fsencode(path))
    failures: list[BaseException] = []

    def encode() -> None:
        try:
            image = _described(carrier.image(), header, reserve)
            saver(image, file, _kept(header.metadata, reserve))
        except BaseException as error:  # raised in the caller's thread
            failures.append(error)
        finally:
            carrier.release()

    encoder = threading.Thread(target=encode, name="superres-encode", daemon=True)
    encoder.start()
    try:
        for block in rows:
            carrier.push(block)
        while encoder.is_alive():
            encoder.join(0.5)  # short waits, else Windows ignores Ctrl-C
            if check:
                check()
    except CarrierError:
        encoder.join()
    except BaseException:
        carrier.abort()
        # An encoder inside a large AVIF cannot be stopped; the process need not wait for it.
        encoder.join(_LAST_WAIT_S)
        raise
    for error in failures:
        if isinstance(error, pyvips.Error):
            raise EncoderError(reason_of(error, otherwise="its encoder gave no reason")) from error
        raise error


def save_with_exif(
    path: Path,
    rows: Iterable[NDArray[Any]],
    header: Header,
    saver: Saver,
    *,
    held: Metadata,
    check: Callable[[], None] | None = None,
) -> Notes:
    """Encode rows as they come, and put EXIF unchanged into the finished JPEG, WebP or AVIF.

    Args:
        path: The file.
        rows: (h, width, channels) blocks from top to bottom.
        header: Their description.
        saver: See `save`.
        held: The metadata for the file.
        check: See `save`.

    Returns:
        Notes on what did not fit.

    Raises:
        EncoderError: libvips cannot encode or write.
    """
    exif = held.exif
    header = replace(header, metadata=replace(held, exif=None))
    save(path, rows, header, saver, reserve=len(exif or b""), check=check)
    return () if not exif or fill(path, exif) else NO_ROOM


def _described(image: pyvips.Image, header: Header, reserve: int) -> pyvips.Image:
    """Set the meaning of the channels, and attach the metadata."""
    metadata = header.metadata
    iptc = None
    if metadata.iptc or metadata.photoshop:
        iptc = wrap_iptc(metadata.iptc, metadata.photoshop or b"")
    kind = header.bands.colour, header.values.dtype
    image = image.copy(interpretation=_INTERPRETATIONS[kind])
    for name, data in (
        ("icc-profile-data", metadata.icc),
        ("xmp-data", metadata.xmp),
        ("iptc-data", iptc),
        ("exif-data", stand_in(reserve) if reserve else None),
    ):
        if data:
            set_blob(image, name, data)
    if metadata.animation:
        image.set_type(pyvips.GValue.gint_type, "page-height", header.height)
        image.set_type(pyvips.GValue.gint_type, "loop", metadata.animation.loop)
        # pyvips takes a list for an array of integers; its stubs leave it out.
        delays = cast("Any", list(metadata.animation.delays_ms))
        image.set_type(pyvips.GValue.array_int_type, "delay", delays)
    if metadata.dpi:
        across, down = metadata.dpi
        image = image.copy(xres=across / MM_PER_INCH, yres=down / MM_PER_INCH)
        image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
    return image


def _kept(metadata: Metadata, reserve: int) -> int:
    """Return the flags of the metadata present; libvips would make up missing EXIF."""
    keep = KEEP_FLAGS["exif"] if reserve else 0
    if metadata.photoshop and not metadata.iptc:
        keep += KEEP_FLAGS["iptc"]
    return keep + sum(flag for name, flag in KEEP_FLAGS.items() if getattr(metadata, name))
