"""PNG's raw profiles: blocks that ImageMagick and darktable write as hexadecimal text."""

from __future__ import annotations

import re
from collections.abc import Callable

from superres.metadata.photoshop import IPTC, SIGNATURE, resource

_START = b"Raw profile type "
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# A line with the name, one with the number of bytes, then digits with line breaks.
_LAYOUT = re.compile(rb"\n([^\n]{1,80})\n *(\d{1,9})\n([0-9a-fA-F\s]*)\Z")


class RawProfiles:
    """The blocks found so far; of duplicates the first counts.

    Attributes:
        exif: The EXIF block.
        xmp: The XMP packet.
        iptc: The IPTC record, bare.
        photoshop: Photoshop's resources.
        icc: The ICC profile.
        notes: What is damaged or unknown.
    """

    def __init__(self) -> None:
        self.exif: bytes | None = None
        self.xmp: bytes | None = None
        self.iptc: bytes | None = None
        self.photoshop: bytes | None = None
        self.icc: bytes | None = None
        self.notes: list[str] = []

    def take(self, keyword: bytes, text: Callable[[], bytes | None]) -> bool:
        """Read a text chunk if it is a raw profile.

        Args:
            keyword: The chunk's keyword.
            text: Returns its text; None if it is damaged.

        Returns:
            Whether it is one.
        """
        if not keyword.startswith(_START):
            return False
        kind = keyword.removeprefix(_START).strip().decode("latin-1").lower()
        body = _decoded(text() or b"")
        if body is None:
            self.notes.append(f"the PNG's raw profile {kind!r} is damaged and not kept")
        elif not self._sort_in(kind, body):
            self.notes.append(f"the PNG's raw profile {kind!r} is not kept")
        return True

    def _sort_in(self, kind: str, body: bytes) -> bool:
        """Store a block by its name, or by its first bytes."""
        if kind in ("exif", "app1") and body.startswith((_EXIF, b"II*\0", b"MM\0*")):
            self.exif = self.exif or body.removeprefix(_EXIF)
        elif kind in ("xmp", "app1") and (kind == "xmp" or body.startswith(_XMP)):
            self.xmp = self.xmp or body.removeprefix(_XMP)
        elif kind in ("iptc", "8bim", "app13"):
            block = body.removeprefix(SIGNATURE)
            if block.startswith(b"8BIM"):
                self.photoshop = self.photoshop or block
                self.iptc = self.iptc or resource(block, IPTC)
            else:
                self.iptc = self.iptc or block
        elif kind in ("icc", "icm"):
            self.icc = self.icc or body
        else:
            return False
        return True


def _decoded(text: bytes) -> bytes | None:
    """Return the bytes of a profile; None if their number is not as stated."""
    found = _LAYOUT.match(text)
    if found is None:
        return None
    digits = b"".join(found[3].split())
    if len(digits) != 2 * int(found[2]):
        return None
    return bytes.fromhex(digits.decode("ascii"))
