"""Unsupported files, identified by their first bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from superres.decoding.camera_raw import raw_error, raw_kind
from superres.errors import PictureError
from superres.formats.heif import SEQUENCE_BRANDS, brands_of
from superres.metadata.picture import animation_error, name_of

# By their first bytes: what they are, and which programs convert them to a supported format.
_OTHERS = {
    b"%PDF": ("a PDF", "pdftoppm, ImageMagick"),
    b"BM": ("a damaged BMP", "ImageMagick"),
    b"8BPS": ("a Photoshop document", "Photoshop, GIMP, ImageMagick"),
    b"\0\0\1\0": ("an icon (ICO)", "GIMP, ImageMagick"),
    b"\0\0\2\0": ("a cursor or a TGA", "GIMP, ImageMagick"),
    b"\0\0\x0a\0": ("a TGA", "GIMP, ImageMagick"),
    b"icns": ("an icon (ICNS)", "Preview, ImageMagick"),
    b"gimp xcf": ("a GIMP picture", "GIMP"),
    b"v/1\x01": ("an OpenEXR picture", "ImageMagick, Blender"),
    b"#?RADIANCE": ("a Radiance picture", "ImageMagick, libvips"),
    b"#?RGBE": ("a Radiance picture", "ImageMagick, libvips"),
    b"qoif": ("a QOI picture", "ImageMagick, GIMP"),
    b"DDS ": ("a DirectDraw texture", "GIMP, ImageMagick"),
    b"SIMPLE  =": ("a FITS file", "Siril, astropy"),
    b"AT&TFORM": ("a DjVu document", "ddjvu"),
    b"II\xbc": ("a JPEG XR picture", "JxrDecApp, ImageMagick"),
    b"FLIF": ("a FLIF picture", "flif"),
    b"BPG\xfb": ("a BPG picture", "bpgdec"),
    b"\x0a\x05\x01": ("a PCX picture", "GIMP, ImageMagick"),
    b"\x01\xda": ("an SGI picture", "GIMP, ImageMagick"),
    b"<svg": ("an SVG drawing", "Inkscape, rsvg-convert"),
    b"<?xml": ("an XML text", "Inkscape, if it is an SVG drawing"),
    b"<!DOCTYPE": ("a web page", "a browser: save the picture itself"),
    b"<html": ("a web page", "a browser: save the picture itself"),
    b"PK\x03\x04": ("a zip archive", "an archiver: unpack it"),
    b"Rar!": ("a RAR archive", "an archiver: unpack it"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "an archiver: unpack it"),
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
    words = head.lstrip(b"\xef\xbb\xbf \t\r\n")  # of text files
    first, last = ", ".join(readable[:-1]), readable[-1]
    for start, (what, programs) in _OTHERS.items():
        if head.startswith(start) or words.startswith(start):
            return PictureError(
                f"{name} is {what}; {first} and {last} are read",
                f"save it as PNG or TIFF first, with {programs}",
            )
    return PictureError(
        f"{name} is not a {first} or {last} picture: it begins with {head[:8]!r}",
        "check what it is; its content counts, not its name",
    )
