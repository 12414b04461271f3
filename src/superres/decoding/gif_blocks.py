"""Blocks of a GIF (GIF89a), as a check for truncation: decoders show the frames before a cut."""

from __future__ import annotations

from typing import BinaryIO

_SCREEN_BYTES = 13
_IMAGE_BYTES = 9
_HAS_PALETTE, _PALETTE_SIZE = 0x80, 0x07
_MAX_BLOCKS = 1_000_000


def ends_inside_a_block(stream: BinaryIO) -> bool:
    """Return whether a GIF ends in the middle of a block; a missing trailer does not count."""
    screen = stream.read(_SCREEN_BYTES)
    if len(screen) < _SCREEN_BYTES:
        return True
    stream.seek(_palette_bytes(screen[10]), 1)
    for _ in range(_MAX_BLOCKS):
        kind = stream.read(1)
        if kind in (b"", b";"):
            return False
        if kind == b"!":
            stream.seek(1, 1)
        elif kind == b",":
            image = stream.read(_IMAGE_BYTES)
            if len(image) < _IMAGE_BYTES:
                return True
            stream.seek(_palette_bytes(image[8]) + 1, 1)
        else:
            return False  # garbage after the last block, which decoders ignore
        if not _skip_parts(stream):
            return True
    return False


def _palette_bytes(flags: int) -> int:
    return 3 * (2 << (flags & _PALETTE_SIZE)) if flags & _HAS_PALETTE else 0


def _skip_parts(stream: BinaryIO) -> bool:
    """Skip the sub-blocks of a block's data; return whether the terminator is present."""
    while size := stream.read(1):
        if not size[0]:
            return True
        stream.seek(size[0], 1)
    return False
