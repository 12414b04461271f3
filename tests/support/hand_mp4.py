"""MP4 files patched by hand: boxes that FFmpeg's muxers do not write."""

from __future__ import annotations

import struct
from pathlib import Path

_WAY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_VIDEO_ENTRY = 8 + 78  # bytes of a video sample entry before its boxes


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, *parts: bytes) -> bytes:
    return box(kind, bytes(4), *parts)


def stereo(layout: int) -> bytes:
    """Return the box that says how two views lie in a frame: 1 is top and bottom."""
    return full_box(b"st3d", bytes([layout]))


def spherical(yaw: int = 0) -> bytes:
    """Return the box of an equirectangular projection, turned by whole degrees."""
    head = full_box(b"prhd", struct.pack(">3i", yaw << 16, 0, 0))
    projection = box(b"proj", head, full_box(b"equi", bytes(16)))
    return box(b"sv3d", full_box(b"svhd", b"by hand\0"), projection)


def dolby_vision(profile: int) -> bytes:
    kind = b"dvcC" if profile <= 7 else b"dvvC"
    return box(kind, bytes([1, 0, profile << 1, 1 << 3 | 0b101, 1 << 4]), bytes(19))


def add_to_video_entry(path: Path, *boxes: bytes) -> Path:
    """Add boxes to the sample entry of the first track; what holds it lies behind the frames."""
    data = bytearray(path.read_bytes())
    more = b"".join(boxes)
    at, end, sizes = 0, len(data), []
    for kind in (*_WAY, None):
        while kind is not None and data[at + 4 : at + 8] != kind:
            at += struct.unpack_from(">I", data, at)[0]
            assert at < end, kind
        size = struct.unpack_from(">I", data, at)[0]
        sizes.append(at)
        end = at + size
        if kind is not None:
            at += 16 if kind == b"stsd" else 8
    assert data.index(b"mdat") < data.index(b"moov")
    data[end:end] = more
    for place in sizes:
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(more))
    path.write_bytes(data)
    return path


def add_to_user_data(path: Path, *boxes: bytes) -> Path:
    """Add a box of user data to the whole film."""
    data = bytearray(path.read_bytes())
    at = data.index(b"moov") - 4
    size = struct.unpack_from(">I", data, at)[0]
    more = box(b"udta", *boxes)
    data[at + size : at + size] = more
    struct.pack_into(">I", data, at, size + len(more))
    path.write_bytes(data)
    return path
