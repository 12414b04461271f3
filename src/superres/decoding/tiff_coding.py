"""Table of TIFF's compressions: their names, and which are read here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from superres.errors import PictureError

# Compressions that builds of libtiff may lack, or never had; TIFF 6.0's others are in every build.
_NAMES: Final = {
    1: "no compression",
    2: "CCITT RLE",
    3: "CCITT Group 3",
    4: "CCITT Group 4",
    5: "LZW",
    6: "JPEG from before 1995",
    7: "JPEG",
    8: "Deflate",
    9: "JBIG (T.85)",
    10: "JBIG (T.43)",
    32766: "NeXT 2-bit RLE",
    32767: "Sony raw",
    32769: "packed raw",
    32770: "Samsung raw",
    32771: "CCITT RLE in words",
    32773: "PackBits",
    32809: "ThunderScan",
    32867: "Kodak raw",
    32895: "IT8 CT with padding",
    32896: "IT8 line work RLE",
    32897: "IT8 monochrome picture",
    32898: "IT8 binary line work",
    32908: "Pixar film LZW",
    32909: "Pixar log",
    32946: "Deflate from before 1996",
    32947: "DCS",
    33003: "JPEG 2000 (Aperio, YCbCr)",
    33004: "JPEG 2000 (Aperio)",
    33005: "JPEG 2000 (Aperio, RGB)",
    33007: "PNG (NIKON NDPI)",
    34661: "JBIG",
    34676: "SGI log",
    34677: "SGI log of 24 bits",
    34712: "JPEG 2000",
    34713: "Nikon raw",
    34715: "JBIG2",
    34718: "Microsoft MDI binary",
    34719: "Microsoft MDI progressive",
    34720: "Microsoft MDI vector",
    34887: "LERC",
    34892: "lossy JPEG of a DNG",
    34925: "LZMA",
    34926: "ZSTD (old number)",
    34927: "WebP (old number)",
    34933: "PNG",
    34934: "JPEG XR",
    48124: "Jetraw",
    50000: "ZSTD",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL of a DNG",
    65000: "Kodak raw",
    65535: "Pentax raw",
}
CAMERA_CODINGS: Final = frozenset({32767, 32769, 32770, 32867, 34713, 34892, 52546, 65000, 65535})
_JPEG: Final = (6, 7)
_BITS: Final = (1, 2, 4, 8, 16, 32, 64)
_SAVE_AGAIN: Final = "save it with LZW or Deflate"
_UNREAD: Final = re.compile(r"is not configured|not implemented|not supported|Unsupported")


@dataclass(frozen=True, slots=True)
class Coding:
    """Compression of a picture in a TIFF.

    Attributes:
        number: TIFF's number of the compression.
        bits: Bits of a sample.
    """

    number: int
    bits: int

    @property
    def words(self) -> str:
        """Its display name."""
        name = _NAMES.get(self.number, f"an unknown compression, number {self.number}")
        return f"{self.bits}-bit {name}" if self.number in _JPEG and self.bits != 8 else name


def coding_error(name: str, coding: Coding, reason: str) -> PictureError | None:
    """Build the error for a TIFF whose coding is not read here.

    Args:
        name: The file's name.
        coding: Its coding.
        reason: The decoder's message.

    Returns:
        The error; None if the reason is another.
    """
    if coding.bits not in _BITS and coding.number not in _JPEG:
        return PictureError(
            f"{name} is a TIFF of {coding.bits}-bit samples; those of "
            f"{', '.join(map(str, _BITS[:-1]))} and {_BITS[-1]} bits are read",
            "save it as 8-bit or 16-bit TIFF first",
        )
    if coding.bits in _BITS and not _UNREAD.search(reason):
        return None
    return PictureError(
        f"{name} is a TIFF compressed with {coding.words}, which is not read here",
        f"{_SAVE_AGAIN}: tifffile, ImageMagick and the program that wrote it can",
    )
