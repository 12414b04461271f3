"""Which kind of picture a file is, by its first bytes; its name is never asked."""

from __future__ import annotations

from typing import Literal

from superres.errors import PictureError

Kind = Literal["png", "jpeg", "webp", "tiff", "avif", "heic"]
HEAD_BYTES = 256
READABLE = "PNG, JPEG, WebP, TIFF, AVIF and HEIC"
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SEQUENCE_BRANDS = (b"avis", b"msf1", b"hevc", b"hevx", b"hevs")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2")
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


def kind_of(head: bytes, name: str) -> Kind:
    """Return the kind of picture that begins so.

    Args:
        head: The file's first `HEAD_BYTES` bytes, or all if there are fewer.
        name: What to call the file in errors.

    Raises:
        PictureError: The file is empty, animated, or of no kind that is read.
    """
    if not head:
        raise PictureError(f"{name} is empty (0 bytes)", "check where it was copied from")
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(_TIFF_STARTS):
        return "tiff"
    if head[4:8] == b"ftyp":
        return _kind_of_heif(head, name)
    raise _unknown(head, name)


def animation_error(name: str, what: str) -> PictureError:
    """Build the error for an input that moves."""
    return PictureError(
        f"{name} is {what}; one still picture is asked",
        "`superres video` will take animations; save one frame as a still picture meanwhile",
    )


def pages_error(name: str, pages: int) -> PictureError:
    """Build the error for an input of several pages."""
    return PictureError(
        f"{name} holds {pages} pictures (pages); one is asked",
        "`superres burst` will take many frames of one scene; save one page as its own file",
    )


def _kind_of_heif(head: bytes, name: str) -> Kind:
    """Tell AVIF from HEIC by the brands in the first box."""
    size = int.from_bytes(head[:4], "big")
    box = head[8 : max(size, 16)]
    major, brands = box[:4], {box[at : at + 4] for at in range(8, len(box), 4)}
    if major in _SEQUENCE_BRANDS:
        raise animation_error(name, "an image sequence (animated AVIF or HEIC)")
    if major == b"avif" or b"avif" in brands:
        return "avif"
    if major in _HEIC_BRANDS or b"heic" in brands:
        return "heic"
    brand = major.decode("ascii", errors="replace")
    raise PictureError(
        f"{name} is no picture but another file of the MP4 family (brand {brand!r})",
        "`superres video` will take films",
    )


def _unknown(head: bytes, name: str) -> PictureError:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for start, what in _OTHERS.items():
        if text.startswith(start):
            if start == b"GIF8":
                return animation_error(name, "a GIF, which is read as an animation")
            return PictureError(
                f"{name} is {what}; {READABLE} are read", "save it as PNG or TIFF first"
            )
    return PictureError(
        f"{name} is no {READABLE.replace(' and ', ' or ')} picture: it begins with {head[:8]!r}",
        "check what it is; only its content counts, not its name",
    )
