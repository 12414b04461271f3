"""Projection of 360° video and layout of two views, passed to muxers.

FFmpeg's muxers write both from a stream's side data, which av cannot set. So a stream with them is
created: one packet goes into an MP4 in memory, its sample entry gets the boxes of Google's
Spherical Video V2, and muxers get the stream that the demuxer makes of it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av
from av.error import FFmpegError

from superres.videofiles.side_data import NAMES

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

MUXER_OPTIONS: Mapping[str, str] = {"strict": "unofficial"}
"""Option without which the MP4 muxer leaves the boxes out."""

APPLES_BOX = "vexu"
"""What the MP4 muxer then writes too, and the MOV muxer instead. It cannot express two views in one
frame or the viewing direction, but players prefer it to the other boxes."""

_CONTAINERS = ("mp4", "mov")  # the first that holds the codec
_WAY = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_EQUIRECTANGULAR, _CUBE, _TILE = 0, 1, 2  # FFmpeg's AVSphericalProjection
_LAYOUTS = {0: 0, 2: 1, 1: 2}  # FFmpeg's AVStereo3DType to the box st3d's


def boxes_of(carried: Mapping[str, bytes]) -> bytes:
    """Return the boxes for a video's projection and layout; b"" for neither.

    Args:
        carried: FFmpeg's AVSphericalMapping and AVStereo3D as bytes, by display name.
    """
    boxes = b""
    stereo = carried.get(NAMES["STEREO3D"], b"")
    if (
        len(stereo) >= 4
        and (layout := _LAYOUTS.get(struct.unpack("=i", stereo[:4])[0])) is not None
    ):
        boxes += _full_box(b"st3d", bytes([layout]))
    spherical = carried.get(NAMES["SPHERICAL"], b"")
    if len(spherical) >= 36:
        kind, yaw, pitch, roll, left, top, right, bottom, padding = struct.unpack(
            "=4i5I", spherical[:36]
        )
        head = _full_box(b"prhd", struct.pack(">3i", yaw, pitch, roll))
        if kind in (_EQUIRECTANGULAR, _TILE):
            shape = _full_box(b"equi", struct.pack(">4I", top, bottom, left, right))
        elif kind == _CUBE:
            shape = _full_box(b"cbmp", struct.pack(">2I", 0, padding))
        else:
            return boxes
        boxes += _box(b"sv3d", _full_box(b"svhd", b"superres\0"), _box(b"proj", head, shape))
    return boxes


@contextmanager
def carrying(
    stream: VideoStream,
    packet: Packet[VideoStream],
    carried: Mapping[str, bytes],
    container: str,
) -> Generator[VideoStream]:
    """Yield a stream with the codec of another one, and a projection and a layout.

    Args:
        stream: The encoded video, open for reading.
        packet: Its first packet.
        carried: See `boxes_of`.
        container: FFmpeg's name of the container that the stream is for.

    Yields:
        The template stream for a copy; `stream` itself, if there is neither, or if neither MP4
        nor MOV holds the codec.
    """
    if container == "mov":  # it would claim one view a track
        carried = {name: data for name, data in carried.items() if name != NAMES["STEREO3D"]}
    boxes = boxes_of(carried)
    memory = _in_memory(stream, packet) if boxes else None
    if memory is None:
        yield stream
        return
    with av.open(io.BytesIO(_with_boxes(memory, boxes))) as patched:
        yield patched.streams.video[0]


def _in_memory(stream: VideoStream, packet: Packet[VideoStream]) -> bytes | None:
    for name in _CONTAINERS:
        memory = io.BytesIO()
        try:
            with av.open(memory, "w", format=name) as copy:
                packet.stream = copy.add_stream_from_template(stream, opaque=True)
                packet.dts = packet.pts
                copy.mux(packet)
        except (FFmpegError, ValueError):
            continue
        return memory.getvalue()
    return None


def _with_boxes(data: bytes, boxes: bytes) -> bytes:
    """Add boxes to the only track's sample entry; its packets come before, and do not move."""
    made = bytearray(data)
    at, end = 0, len(made)
    holders: list[int] = []
    for kind in (*_WAY, b""):  # the last is the sample entry, of any codec
        while kind and not made.startswith(kind, at + 4):
            at += struct.unpack_from(">I", made, at)[0]
        end = at + struct.unpack_from(">I", made, at)[0]
        holders.append(at)
        at += 16 if kind == b"stsd" else 8
    made[end:end] = boxes
    for place in holders:
        size = struct.unpack_from(">I", made, place)[0]
        struct.pack_into(">I", made, place, size + len(boxes))
    return bytes(made)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full_box(kind: bytes, *parts: bytes) -> bytes:
    return _box(kind, bytes(4), *parts)
