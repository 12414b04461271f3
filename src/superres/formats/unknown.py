"""Unsupported files, identified by their first bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from superres.decoding.camera_raw import raw_error, raw_kind
from superres.errors import PictureError
from superres.formats.heif import SEQUENCE_BRANDS, brands_of
from superres.metadata.picture import animation_error, name_of

_OTHERS = {
    b"GIF8": "a GIF",
    b"%PDF": "a PDF",
    b"BM": "a BMP",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML text",
    b"PK\x03\x04": "a zip archive",
}


def unknown_error(source: Path | bytes, head: bytes, readable: Sequence[str]) -> PictureError:
    """Build the error for a file that no format recognises.

    Args:
        source: The file, or its bytes.
        head: Its first bytes.
        readable: Titles of the formats that are read.
    """
    name = name_of(source)
    if not head:
        return PictureError(f"{name} is empty (0 bytes)", "check where it was copied from")
    if kind := raw_kind(head):
        return raw_error(source, kind)
    brand = brands_of(head)[0]
    if brand in SEQUENCE_BRANDS:
        return animation_error(source, "an image sequence (animated AVIF or HEIC)")
    if brand:
        text = brand.decode("ascii", errors="replace")
        return PictureError(
            f"{name} is not a picture but another file of the MP4 family (brand {text!r})",
            "`superres video` takes videos",
        )
    words = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    first, last = ", ".join(readable[:-1]), readable[-1]
    for start, what in _OTHERS.items():
        if words.startswith(start):
            if start == b"GIF8":
                return animation_error(source, "a GIF, which is read as an animation")
            return PictureError(
                f"{name} is {what}; {first} and {last} are read", "save it as PNG or TIFF first"
            )
    return PictureError(
        f"{name} is not a {first} or {last} picture: it begins with {head[:8]!r}",
        "check what it is; its content counts, not its name",
    )
