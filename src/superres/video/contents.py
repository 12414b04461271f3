"""Contents of a finished file: times of its frames, packets in each of its streams."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from av.error import FFmpegError

from superres.videofiles.probe import fraction, open_video


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read back from a finished file, packet by packet; nothing is decoded.

    Attributes:
        seconds: When the video's frames are shown, in order.
        packets: Number of packets in each stream, by its index.
    """

    seconds: tuple[float, ...]
    packets: dict[int, int]


def read_contents(path: Path, video: int) -> Contents:
    """Read a file from start to end.

    Args:
        path: The file.
        video: Index of the video stream.

    Raises:
        PictureError: It cannot be opened.
    """
    stamps: list[int] = []
    packets: dict[int, int] = {}
    with open_video(path) as container:
        base = fraction(container.streams[video].time_base)
        try:
            for packet in container.demux():
                if not packet.size:
                    continue  # from av itself, to flush decoders
                packets[packet.stream_index] = packets.get(packet.stream_index, 0) + 1
                if packet.stream_index == video and packet.pts is not None:
                    stamps.append(packet.pts)
        except FFmpegError:
            pass  # the file ends in a broken place: what comes after it counts as missing
    assert base is not None
    return Contents(tuple(float(stamp * base) for stamp in sorted(stamps)), packets)


def time_fault(found: Contents, wanted: Iterable[float], tick: float) -> str | None:
    """Return what is wrong with the times of a file's frames; None if nothing is.

    Args:
        found: The file's contents.
        wanted: When each frame should be shown, in seconds, from any origin.
        tick: The unit of the file's time stamps: times are rounded to it.
    """
    times = list(wanted)
    if len(found.seconds) != len(times):
        return f"{len(found.seconds)} of {len(times)} frames are in the finished file"
    if not times:
        return None
    moved = found.seconds[0] - times[0]
    off = max(abs(at - due - moved) for at, due in zip(found.seconds, times, strict=True))
    # Both times are rounded, and so is the first frame's, from which the others are measured.
    return f"frames are shown up to {off:.4f} s off" if off > 1.01 * tick + 1e-6 else None
