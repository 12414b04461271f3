"""PNG chunks that libvips ignores: animation, resolution, colours by numbers, text."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from superres.containers.raw_profiles import RawProfiles
from superres.metadata.blocks import Facts
from superres.metadata.colour_space import Cicp, Described, from_gamma, srgb
from superres.metadata.photoshop import IPTC, resource

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIGNATURE_BYTES = len(PNG_SIGNATURE)
_MAX_CHUNKS = 1_000_000
_MAX_TEXT_BYTES = 16 * 2**20
_INCH_M = 0.0254
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_READ = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"pHYs", b"gAMA", b"cHRM", b"cICP", b"sRGB", b"iCCP")
_MOVING = (b"acTL", b"fcTL", b"fdAT")
# Chunks that are read here or by libvips, or describe the storage or display of pixels.
_KNOWN = {
    b"IHDR",
    b"PLTE",
    b"IDAT",
    b"IEND",
    b"tRNS",
    b"bKGD",
    b"sBIT",
    b"hIST",
    b"tIME",
    *_READ,
    *_MOVING,
}
_NAMES = {
    b"caBX": "C2PA/JUMBF (caBX)",
    b"cLLI": "light level (cLLI)",
    b"mDCV": "mastering display (mDCV)",
    b"oFFs": "offset on the page (oFFs)",
    b"sCAL": "physical scale (sCAL)",
    b"pCAL": "meaning of numbers (pCAL)",
    b"sTER": "stereo layout (sTER)",
}
# Keywords that programs write into every file, which do not describe the picture.
_IDLE_KEYWORDS = ("Software", "date:create", "date:modify", "date:timestamp", "signature")


@dataclass(frozen=True, slots=True)
class PngFacts(Facts):
    """Content of the chunks of a PNG; the profile is there if it is valid or only in text.

    Attributes:
        animated: Whether it is an APNG.
        profile: Whether it has a chunk with an ICC profile.
    """

    animated: bool = False
    profile: bool = False


def read_png_facts(stream: BinaryIO) -> PngFacts:
    """Walk a PNG's chunks without reading its pixels; stop silently where it ends."""
    found: dict[bytes, bytes] = {}
    keywords: list[str] = []
    lost: dict[str, None] = {}
    xmp: bytes | None = None
    raw = RawProfiles()
    size = stream.seek(0, 2)
    stream.seek(_SIGNATURE_BYTES)
    for _ in range(_MAX_CHUNKS):
        start = stream.read(8)
        if len(start) == 8 and start[4:] == b"IEND":
            rest = size - stream.tell() - 4
            if rest > 0:
                lost[f"{rest:,} bytes behind the picture"] = None
            break
        if len(start) < 8:
            break
        length, name = int.from_bytes(start[:4], "big"), start[4:]
        if name not in _KNOWN:
            lost[_NAMES.get(name, f"chunk {name.decode('latin-1')!r}")] = None
        if name not in _READ or length > _MAX_TEXT_BYTES:
            found.setdefault(name, b"")
            stream.seek(length + 4, 1)
            continue
        body = stream.read(length)
        stream.seek(4, 1)
        if not name.endswith(b"Xt"):
            found.setdefault(name, body)
            continue
        keyword = body.split(b"\0", 1)[0]
        if keyword == _XMP_KEYWORD and name == b"iTXt":
            xmp = xmp or _international_text(body)
        elif not raw.take(keyword, lambda body=body, name=name: _text(name, body)):
            keywords.append(keyword.decode("latin-1"))
    colour = _colour(found)
    icc = _inflated(found.get(b"iCCP", b"").partition(b"\0")[2][1:]) or raw.icc
    return PngFacts(
        animated=b"acTL" in found and b"fcTL" in found,
        dpi=_dpi(found.get(b"pHYs", b"")),
        exif=found.get(b"eXIf") or raw.exif,
        xmp=xmp or raw.xmp,
        profile=b"iCCP" in found,
        notes=(*_text_notes(keywords), *raw.notes, *_colour_notes(found)),
        icc=icc,
        iptc=raw.iptc or (resource(raw.photoshop, IPTC) if raw.photoshop else None),
        photoshop=raw.photoshop,
        colour=colour,
        cicp=colour.cicp if colour else None,
        lost=tuple(lost),
    )


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk: its length, name, body and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def cicp_chunk(cicp: Cicp) -> bytes:
    """Return code points as a chunk, which belongs right after IHDR."""
    return png_chunk(b"cICP", bytes((cicp.primaries, cicp.transfer, 0, cicp.full)))


def icc_chunk(icc: bytes) -> bytes:
    """Return an ICC profile as a chunk."""
    return png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc, 9))


def resolution_chunk(dpi: tuple[float, float]) -> bytes:
    """Return the pixels per inch across and down as a chunk, which counts them per metre."""
    across, down = (max(1, min(round(number / _INCH_M), 2**31 - 1)) for number in dpi)
    return png_chunk(b"pHYs", struct.pack(">IIB", across, down, 1))


def xmp_chunk(xmp: bytes) -> bytes:
    """Return an XMP packet as a chunk of text, uncompressed, as readers expect it."""
    return png_chunk(b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + xmp)


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
    return _inflated(text)


def _text(name: bytes, body: bytes) -> bytes | None:
    """Return the text of a chunk of any of the three text types."""
    if name == b"iTXt":
        return _international_text(body)
    text = body.partition(b"\0")[2]
    return text if name == b"tEXt" else _inflated(text[1:])


def _inflated(packed: bytes) -> bytes | None:
    inflate = zlib.decompressobj()
    try:
        plain = inflate.decompress(packed, _MAX_TEXT_BYTES + 1)
    except zlib.error:
        return None
    return plain if inflate.eof and len(plain) <= _MAX_TEXT_BYTES else None


def _text_notes(keywords: list[str]) -> tuple[str, ...]:
    lost = sorted({word for word in keywords if word not in _IDLE_KEYWORDS})
    return (f"PNG text is not kept: {', '.join(lost)}",) if lost else ()


def _colour(found: dict[bytes, bytes]) -> Described | None:
    """Return the colours by numbers: cICP, else sRGB, else gAMA and cHRM; iCCP comes after cICP."""
    codes = found.get(b"cICP", b"")
    if len(codes) == 4 and codes[2] == 0:
        cicp = Cicp(codes[0], codes[1], 0, bool(codes[3]))
        return Described(cicp.space(), "cICP", cicp, outranks_icc=True)
    if found.get(b"sRGB"):
        return Described(srgb(), "sRGB")
    numbers = found.get(b"cHRM", b"")
    gamma = int.from_bytes(found.get(b"gAMA", b"")[:4], "big")
    if not gamma and len(numbers) != 32:
        return None
    chromaticities = None
    if len(numbers) == 32:
        values = [value / 1e5 for value in struct.unpack(">8I", numbers)]
        if all(values[1::2]):
            chromaticities = (*values[2:], *values[:2])
    source = " and ".join(n for n, there in (("gAMA", gamma), ("cHRM", chromaticities)) if there)
    if not source:
        return None
    return Described(from_gamma(1e5 / gamma if gamma else None, chromaticities), source)


def _colour_notes(found: dict[bytes, bytes]) -> tuple[str, ...]:
    """Note the colour descriptions that are not supported."""
    codes = found.get(b"cICP", b"")
    if b"cICP" in found and (len(codes) != 4 or codes[2]):
        return ("the PNG's cICP colour description is not one of RGB, and not kept",)
    return ()
