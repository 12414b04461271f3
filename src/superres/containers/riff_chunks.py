"""WebP chunks: blocks of metadata, and what is not kept."""

from __future__ import annotations

from typing import BinaryIO

from superres.metadata.blocks import Facts

_MOST_CHUNKS = 100_000
_MOST_BYTES = 2**28
_BLOCKS = (b"EXIF", b"XMP ", b"ICCP")
_PICTURE = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")


def read_webp_facts(stream: BinaryIO) -> Facts:
    """Walk a WebP's chunks without decoding; stop where the file is truncated."""
    found: dict[bytes, bytes] = {}
    lost: list[str] = []
    file_bytes = stream.seek(0, 2)
    stream.seek(4)
    end = min(8 + int.from_bytes(stream.read(4), "little"), file_bytes)
    stream.seek(12)
    for _ in range(_MOST_CHUNKS):
        head = stream.read(8) if stream.tell() + 8 <= end else b""
        if len(head) < 8:
            break
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name in _BLOCKS and name not in found and size <= _MOST_BYTES:
            found[name] = stream.read(size)
            stream.seek(size % 2, 1)
            continue
        if name not in _PICTURE:
            word = name.decode("latin-1").strip()
            lost.append("C2PA/JUMBF" if name == b"C2PA" else f"chunk {word!r}")
        stream.seek(size + size % 2, 1)
    if file_bytes > end + 1:
        lost.append(f"{file_bytes - end:,} bytes behind the picture")
    return Facts(
        exif=found.get(b"EXIF"),
        xmp=found.get(b"XMP "),
        icc=found.get(b"ICCP"),
        lost=tuple(dict.fromkeys(lost)),
    )
