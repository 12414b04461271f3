"""Drive libvips' encoders: rows are pushed by the caller's thread and encoded in another one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pyvips
from numpy.typing import NDArray

from superres.frame import Bands
from superres.metadata.header import KEEP_FLAGS, MM_PER_INCH, Metadata, set_blob
from superres.metadata.iptc import wrap_iptc
from superres.vips.carrier import Carrier, CarrierError
from superres.vips.reserved import stand_in

_LAST_WAIT_S = 2.0
_INTERPRETATIONS = {
    ("grey", "uint16"): "grey16",
    ("rgb", "uint16"): "rgb16",
    ("grey", "uint8"): "b-w",
    ("rgb", "uint8"): "srgb",
    ("grey", "float32"): "b-w",
    ("rgb", "float32"): "scrgb",
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """What is written, settled to the last bit.

    Attributes:
        height: Pixels.
        width: Pixels.
        bands: The channels that are pushed.
        dtype: The dtype that is pushed.
        metadata: What libvips writes beside the pixels; None is left out.
        save: Calls the format's saver with the image, the file, and the flags of the metadata that
            it is to write.
        reserve: Bytes to reserve for EXIF, which is put into the finished file.
    """

    height: int
    width: int
    bands: Bands
    dtype: str
    metadata: Metadata
    save: Callable[[pyvips.Image, str, int], None]
    reserve: int = 0


def encode(path: Path, rows: Iterable[NDArray[Any]], encoding: Encoding) -> None:
    """Write rows to a file as they come.

    Args:
        path: The file.
        rows: (h, width, channels) blocks from top to bottom, `height` rows in all.
        encoding: What to write.

    Raises:
        pyvips.Error: libvips cannot encode or write.
        BaseException: Whatever `rows` raises comes through as it is.
    """
    carrier = Carrier(encoding.height, encoding.width, encoding.bands.channels, encoding.dtype)
    failures: list[BaseException] = []

    def save() -> None:
        try:
            _save(_described(carrier.image(), encoding), path, encoding)
        except BaseException as error:  # carried over to the caller's thread and raised there
            failures.append(error)
        finally:
            carrier.desert()

    encoder = threading.Thread(target=save, name="superres-encode", daemon=True)
    encoder.start()
    try:
        for block in rows:
            carrier.push(block)
        while encoder.is_alive():
            encoder.join(0.5)  # in pieces, or Windows would not hear Ctrl-C
    except CarrierError:
        encoder.join()
    except BaseException:
        carrier.give_up()
        # An encoder deep in a large AVIF hears nothing; the process need not wait for it.
        encoder.join(_LAST_WAIT_S)
        raise
    if failures:
        raise failures[0]


def _described(image: pyvips.Image, encoding: Encoding) -> pyvips.Image:
    """Say what the channels mean, and attach the metadata."""
    metadata = encoding.metadata
    iptc = metadata.iptc and wrap_iptc(metadata.iptc)
    image = image.copy(interpretation=_INTERPRETATIONS[encoding.bands.colour, encoding.dtype])
    for name, data in (
        ("icc-profile-data", metadata.icc),
        ("xmp-data", metadata.xmp),
        ("iptc-data", iptc),
        ("exif-data", stand_in(encoding.reserve) if encoding.reserve else None),
    ):
        if data:
            set_blob(image, name, data)
    if metadata.dpi:
        across, down = metadata.dpi
        image = image.copy(xres=across / MM_PER_INCH, yres=down / MM_PER_INCH)
        image.set_type(pyvips.GValue.gstr_type, "resolution-unit", "in")
    return image


def _save(image: pyvips.Image, path: Path, encoding: Encoding) -> None:
    # pyvips passes bytes on untouched, and names that are no UTF-8 have no other form.
    file = cast("str", os.fsencode(path))
    metadata = encoding.metadata
    # Only what there is: asked to keep EXIF, libvips invents a block where there is none.
    keep = KEEP_FLAGS["exif"] if encoding.reserve else 0
    keep += sum(flag for name, flag in KEEP_FLAGS.items() if getattr(metadata, name))
    encoding.save(image, file, keep)
