"""PNG chunks that libvips ignores: animation, resolution, gamma, text."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

_SIGNATURE_BYTES = 8
_MAX_CHUNKS = 1_000_000
_MAX_TEXT_BYTES = 16 * 2**20
_INCH_M = 0.0254
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_USUAL_GAMMA = range(45000, 46000)  # 1 / 2.2, in units of 1e-5
# Keywords that programs write into every file, and that do not describe the picture.
_IDLE_KEYWORDS = ("Software", "date:create", "date:modify", "date:timestamp", "signature")


@dataclass(frozen=True, slots=True)
class PngFacts:
    """Content of the chunks of a PNG.

    Attributes:
        animated: Whether it is an APNG.
        dpi: Horizontal and vertical pixels per inch, None if not stated.
        exif: The EXIF block, None if there is none.
        xmp: The XMP packet, None if there is none.
        profile: Whether it has an ICC profile.
        notes: What it carries that will not be kept.
    """

    animated: bool
    dpi: tuple[float, float] | None
    exif: bytes | None
    xmp: bytes | None
    profile: bool
    notes: tuple[str, ...]


def read_png_facts(stream: BinaryIO) -> PngFacts:
    """Walk a PNG's chunks without touching its pixels; stop silently where it ends."""
    found: dict[bytes, bytes] = {}
    keywords: list[str] = []
    xmp: bytes | None = None
    stream.seek(_SIGNATURE_BYTES)
    for _ in range(_MAX_CHUNKS):
        start = stream.read(8)
        if len(start) < 8 or start[4:] == b"IEND":
            break
        size, name = int.from_bytes(start[:4], "big"), start[4:]
        wanted = name in (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"pHYs", b"gAMA")
        if not wanted or size > _MAX_TEXT_BYTES:
            found.setdefault(name, b"")
            stream.seek(size + 4, 1)
            continue
        body = stream.read(size)
        stream.seek(4, 1)
        if not name.endswith(b"Xt"):
            found.setdefault(name, body)
            continue
        keyword = body.split(b"\0", 1)[0]
        if keyword == _XMP_KEYWORD and name == b"iTXt":
            xmp = xmp or _international_text(body)
        else:
            keywords.append(keyword.decode("latin-1"))
    return PngFacts(
        animated=b"acTL" in found,
        dpi=_dpi(found.get(b"pHYs", b"")),
        exif=found.get(b"eXIf") or None,
        xmp=xmp,
        profile=b"iCCP" in found,
        notes=(*_text_notes(keywords), *_colour_notes(found)),
    )


def _dpi(body: bytes) -> tuple[float, float] | None:
    """Read a pHYs chunk: pixels a unit across and down, and whether the unit is the metre."""
    if len(body) != 9:
        return None
    across, down, unit = struct.unpack(">IIB", body)
    if unit != 1 or not across or not down:
        return None
    return across * _INCH_M, down * _INCH_M


def _international_text(body: bytes) -> bytes | None:
    """Return the text of an iTXt chunk: keyword, two flags, language, keyword, then text."""
    try:
        _, rest = body.split(b"\0", 1)
        packed = rest[0] == 1
        text = rest[2:].split(b"\0", 2)[2]
    except (ValueError, IndexError):
        return None
    if not packed:
        return text
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(text, _MAX_TEXT_BYTES + 1)
    except zlib.error:
        return None
    return plain if inflate.eof and len(plain) <= _MAX_TEXT_BYTES else None


def _text_notes(keywords: list[str]) -> tuple[str, ...]:
    lost = sorted({word for word in keywords if word not in _IDLE_KEYWORDS})
    return (f"PNG text is not kept: {', '.join(lost)}",) if lost else ()


def _colour_notes(found: dict[bytes, bytes]) -> tuple[str, ...]:
    """Say which ways of describing colour are lost; an ICC profile or sRGB outranks gamma."""
    if b"cICP" in found:
        return ("the PNG's cICP colour description is not kept",)
    gamma = int.from_bytes(found.get(b"gAMA", b"")[:4], "big")
    if gamma and gamma not in _USUAL_GAMMA and not {b"iCCP", b"sRGB"} & found.keys():
        return (f"the PNG's gamma of {gamma / 1e5:.5g} is not kept; it will be shown as sRGB",)
    return ()
