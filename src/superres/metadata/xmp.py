"""XMP packets in UTF-8, which every format takes, made true of another size."""

from __future__ import annotations

import codecs
import re

NOT_TEXT = "XMP is damaged (it is not text) and not kept"
# Both ways of writing a property: as an attribute and as an element.
_PROPERTY = rb"""(\b(?:%(names)s)(?:\s*=\s*["']|\s*>\s*))\d+(\s*["']|\s*</(?:%(names)s)\s*>)"""
_ORIENTATION_NAMES = b"tiff:Orientation"
_WIDTH_NAMES = b"tiff:ImageWidth|exif:PixelXDimension"
_HEIGHT_NAMES = b"tiff:ImageLength|exif:PixelYDimension"
# How a packet in 16 or 32 bits begins: with a byte order mark, or with "<".
_WIDE_STARTS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


def settle_xmp(xmp: bytes) -> bytes | None:
    """Return the packet in UTF-8, with orientation 1 and without zeros at its end.

    Args:
        xmp: A packet as a file holds it, in UTF-8, UTF-16 or UTF-32.

    Returns:
        The packet, None if it is not text.
    """
    encoding = next((name for start, name in _WIDE_STARTS if xmp.startswith(start)), "utf-8")
    try:
        text = xmp.decode(encoding).rstrip("\0")
    except UnicodeDecodeError:
        return None
    if not text or "\0" in text:
        return None
    return _set_numbers(text.encode(), _ORIENTATION_NAMES, 1)


def fit_xmp(xmp: bytes, *, height: int, width: int) -> bytes:
    """Return the packet with the size of the picture it will be part of, where it states one."""
    return _set_numbers(_set_numbers(xmp, _WIDTH_NAMES, width), _HEIGHT_NAMES, height)


def _set_numbers(xmp: bytes, names: bytes, value: int) -> bytes:
    return re.sub(_PROPERTY % {b"names": names}, rb"\g<1>%d\g<2>" % value, xmp)
