"""A picture file of any of the formats, by how it begins."""

from __future__ import annotations

from collections.abc import Callable

from strict_readers.avif import read_avif
from strict_readers.contents import Contents, CorruptError
from strict_readers.gif import read_gif
from strict_readers.jpeg import read_jpeg
from strict_readers.png import read_png
from strict_readers.tiff import read_tiff
from strict_readers.webp import read_webp

# By how their files begin; a test of a format of its own adds a row.
READERS: dict[bytes, Callable[[bytes], Contents]] = {
    b"\x89PNG": read_png,
    b"\xff\xd8": read_jpeg,
    b"RIFF": read_webp,
    b"GIF8": read_gif,
    b"II": read_tiff,
    b"MM": read_tiff,
}


def read_strictly(data: bytes) -> Contents:
    """Read a picture file from its first byte to its last.

    Raises:
        CorruptError: It breaks a rule of its format.
    """
    return _reader(data)(data)


def _reader(data: bytes) -> Callable[[bytes], Contents]:
    for start, reader in READERS.items():
        if data.startswith(start):
            return reader
    if data[4:8] == b"ftyp":
        return read_avif
    raise CorruptError(f"a file that begins with {data[:12]!r}")
