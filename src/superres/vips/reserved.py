"""Reserved room in a file for bytes that libvips would change, filled after it has written.

libvips passes EXIF through a library that drops private tags and breaks maker notes. So it gets a
placeholder of the right length, which is overwritten in the finished file. That works in JPEG, WebP
and AVIF, whose other bytes do not depend on the content of an EXIF block.
"""

from __future__ import annotations

import functools
import mmap
import secrets
import struct
from pathlib import Path

import pyvips

from superres.metadata.header import KEEP_FLAGS, set_blob

_MARK_BYTES = 32
_MOVE_BYTES = 2**20


def stand_in(size: int) -> bytes:
    """Return an EXIF block that, as libvips writes it, reserves at least `size` bytes."""
    return _marked(size - _overhead())


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
