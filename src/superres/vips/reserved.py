"""Reserved room in a file for bytes that libvips would change, filled after it has written.

libvips passes EXIF through a library that drops private tags and breaks maker notes, and writes
XMP into PNG in a text chunk that other programs do not read. So it gets a placeholder of the right
length, which is overwritten in the finished file. That works in JPEG, PNG, WebP and AVIF, whose
other bytes do not depend on the content of an EXIF block.
"""

from __future__ import annotations

import functools
import mmap
import secrets
import struct
import zlib
from pathlib import Path

import pyvips

from superres.containers.png_chunks import png_chunk
from superres.metadata.header import KEEP_FLAGS, set_blob

_MARK_BYTES = 32
_MOVE_BYTES = 2**20
_SIGNATURE_BYTES = 8  # of a PNG, before its first chunk
_CHUNK_FRAME_BYTES = 12  # of a PNG's chunk: length, name, checksum
_XMP_HEAD = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, no language, no translated keyword
_LAST_CHUNK = bytes.fromhex("0000000049454e44ae426082")


def stand_in(size: int) -> bytes:
    """Return an EXIF block that, as libvips writes it, reserves at least `size` bytes."""
    return _marked(size - _overhead())


def png_room(exif: bytes | None, xmp: bytes | None) -> int:
    """Return how many bytes to reserve in a PNG for the chunks of EXIF and XMP."""
    return max(0, len(_chunks(exif, xmp)) - _CHUNK_FRAME_BYTES)


def fill(path: Path, exif: bytes) -> bool:
    """Replace the placeholder in a JPEG, WebP or AVIF by an EXIF block.

    Returns:
        Whether there was room for it.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        start, room = _find(data)
        if room < len(exif):
            return False
        data[start : start + room] = exif.ljust(room, b"\0")
    return True


def fill_png(path: Path, exif: bytes | None, xmp: bytes | None) -> bool:
    """Replace the placeholder's chunk by the chunks of EXIF and XMP.

    Returns:
        Whether there was room for them.
    """
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        # By the chunk's own length: libvips may round the block inside up to an even length.
        start, end = _png_chunk(data, b"eXIf")
        spare = end - start - len(_chunks(exif, xmp))
        if spare < 0 or data.find(_mark(), start, end) < 0:
            return False
        # Both may be padded: EXIF with zeros, XMP with spaces.
        filled = _chunks(exif + bytes(spare), xmp) if exif else _chunks(None, _padded(xmp, spare))
        data[start:end] = filled
    return True


def insert(path: Path, at: int, data: bytes) -> None:
    """Insert bytes into a finished file; what follows moves."""
    with path.open("r+b") as file:
        position = file.seek(0, 2)
        while position > at:
            size = min(_MOVE_BYTES, position - at)
            position -= size
            file.seek(position)
            moved = file.read(size)
            file.seek(position + len(data))
            file.write(moved)
        file.seek(at)
        file.write(data)


def append_png_xmp(path: Path, xmp: bytes) -> None:
    """Append XMP that is too large for reserved room after a PNG's pixels."""
    with path.open("r+b") as file:
        file.seek(-len(_LAST_CHUNK), 2)
        file.write(_chunks(None, xmp) + _LAST_CHUNK)


def forget_png_resolution(path: Path) -> None:
    """Remove the unit of libvips' made-up resolution, which leaves a ratio of 1:1."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        start, end = _png_chunk(data, b"pHYs")
        if start < end:
            chunk = data[start + 4 : end - 5] + b"\0"
            data[start + 4 : end] = chunk + struct.pack(">I", zlib.crc32(chunk))


def _padded(xmp: bytes | None, spare: int) -> bytes:
    return (xmp or b"") + b" " * spare


def _chunks(exif: bytes | None, xmp: bytes | None) -> bytes:
    """Return PNG chunks for EXIF and XMP; one of them may be missing."""
    chunks = b""
    for name, body in ((b"eXIf", exif), (b"iTXt", xmp and _XMP_HEAD + xmp)):
        if body:
            chunks += png_chunk(name, body)
    return chunks


def _png_chunk(data: mmap.mmap, name: bytes) -> tuple[int, int]:
    """Return the start and end of a chunk before a PNG's pixels; 0, 0 if it is missing."""
    at = _SIGNATURE_BYTES
    while (found := data[at + 4 : at + 8]) not in (b"IDAT", b""):
        end = at + _CHUNK_FRAME_BYTES + int.from_bytes(data[at : at + 4], "big")
        if found == name:
            return at, end
        at = end
    return 0, 0


def _find(data: mmap.mmap) -> tuple[int, int]:
    """Return the placeholder's offset and length in a file; 0, 0 if it is missing."""
    mark = data.find(_mark())
    start = data.rfind(b"II*\0", 0, mark) if mark >= 0 else -1
    if start < 0:
        return 0, 0
    # The comment comes last in the block; its length follows the mark.
    comment = int.from_bytes(data[mark + _MARK_BYTES : mark + _MARK_BYTES + 4], "little")
    return start, mark - start + comment


@functools.cache
def _mark() -> bytes:
    """Return the bytes that identify the placeholder; random, so no picture has them."""
    # After a zero, libexif would clear the first eight bytes of the comment that it begins.
    return b"M" + secrets.token_bytes(_MARK_BYTES - 1)


@functools.cache
def _overhead() -> int:
    """Measure how many bytes libvips' own tags take before the placeholder's comment."""
    image = pyvips.Image.black(1, 1).copy(interpretation="b-w")
    set_blob(image, "exif-data", _marked(0))
    written = bytes(image.pngsave_buffer(keep=KEEP_FLAGS["exif"]))
    mark = written.find(_mark())
    return mark - written.rfind(b"II*\0", 0, mark)


def _marked(size: int) -> bytes:
    """Return an EXIF block with a comment of `size` bytes, which starts with mark and size."""
    size = max(size, _MARK_BYTES + 4)
    comment = (_mark() + struct.pack("<I", size)).ljust(size, b"\0")
    main = struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0)
    inner = struct.pack("<HHHIII", 1, 0x9286, 7, size, 44, 0)
    return b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 8) + main + inner + comment
