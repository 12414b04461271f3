"""Trial encoding before any work: what encoder, container and the source's streams allow.

Three frames are encoded and joined with the first packets of the source's other streams, by the
same code and into the same container as the result, up to its last byte.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import av
import numpy as np
from av.error import FFmpegError

from superres.errors import ArgumentError, OutputError, SuperresError
from superres.video.encode import Segment, encode, segment_format, write_segment
from superres.video.join import Rest, join, place_of_video, stream_out
from superres.videofiles.colour import FromRgb
from superres.videofiles.containers import BY_NAME
from superres.videofiles.encoding import Encoding
from superres.videofiles.probe import VideoFacts, probe, reason

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_FRAMES = 3
_PACKETS = 20  # of the other streams, in total

# Null packets of MPEG-TS (ISO/IEC 13818-1, 2.4.3.3): FFmpeg does not recognise a file of only a
# few packets.
_STUFFING = 100 * (b"\x47\x1f\xff\x10" + 184 * b"\xff")


class _Rejected(Exception):  # noqa: N818 - it ends one trial, and the next one follows
    """FFmpeg's reason for rejecting streams in one file."""


@dataclass(frozen=True, slots=True)
class _Trial:
    """Subject of a trial: encoded frames and their container."""

    source: Path
    facts: VideoFacts
    container: str
    encoding: Encoding
    piped: bool
    folder: Path
    segment: Segment

    def run(self, rest: Rest) -> None:
        """Write a complete file with what `rest` names, or raise `_Rejected`."""
        target = self.folder / f"trial{BY_NAME[self.container].suffixes[0]}"
        try:
            if self.piped:
                with target.open("wb") as file:
                    stream_out(
                        cast("BinaryIO", _Pipe(file)), self.container, self.source, self.facts,
                        rest, encoding=self.encoding, packets=self._encoded,
                        most_packets=_PACKETS,
                    )  # fmt: skip
            else:
                join(
                    target, self.container, self.source, self.facts, rest,
                    encoding=self.encoding, folder=self.folder, segments=[self.segment],
                    most_packets=_PACKETS,
                )  # fmt: skip
            if self.container == "mpegts":
                with target.open("ab") as file:
                    file.write(_STUFFING)
            if probe(target, place_of_video(self.facts, rest)).size != self.encoding.size:
                raise _Rejected("its size differs when it is read back")
        except FFmpegError as error:
            raise _Rejected(reason(error)) from error
        except SuperresError as error:
            raise _Rejected(f"it cannot be read back ({error.message})") from error
        # PyAV's errors for streams it cannot copy, and for codecs a container cannot hold.
        except (ValueError, TypeError, AttributeError) as error:
            raise _Rejected(str(error)) from error

    def _encoded(self, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        return encode(stream, _frames(self.facts, self.encoding))


def try_out(
    source: Path, facts: VideoFacts, container: str, encoding: Encoding, *, piped: bool = False
) -> Rest:
    """Determine which of a source's streams can be copied along with the encoded video.

    Args:
        source: The source.
        facts: Its facts.
        container: FFmpeg's name of the output container.
        encoding: How the video is encoded.
        piped: Whether the result goes into a pipe, which cannot seek.

    Returns:
        What is copied, and why the rest is not.

    Raises:
        ArgumentError: The encoder rejects the frames, or the container its output.
        BackendError: The encoder failed.
    """
    with tempfile.TemporaryDirectory(prefix="superres-") as name:
        folder = Path(name)
        with _named_as_argument(encoding):
            segment = write_segment(
                folder, 0, segment_format(encoding), _frames(facts, encoding), encoding
            )
        trial = _Trial(source, facts, container, encoding, piped, folder, segment)
        bare = Rest((), {}, timecode=False)
        try:
            trial.run(bare)
        except _Rejected as error:
            raise ArgumentError(
                f"{container} cannot hold the output of {encoding.encoder}: {error}",
                "use another --codec, or another container (.mkv holds nearly all)",
            ) from error
        return _what_goes_along(trial, bare)


def _what_goes_along(trial: _Trial, bare: Rest) -> Rest:
    """Return all streams if they fit together, else each that fits with those before it."""
    facts, container = trial.facts, BY_NAME[trial.container]
    refused = {
        track.index: f"{trial.container} has no cover pictures"
        for track in facts.tracks
        if track.kind == "cover" and container.covers is None
    }
    indices = [track.index for track in facts.tracks if track.index not in refused]
    whole = Rest(tuple(indices), refused, timecode=True)
    try:
        trial.run(whole)
    except _Rejected:
        pass
    else:
        return whole
    rest = replace(bare, refused=refused)
    if facts.timecode:
        rest = _grown(trial, rest, replace(rest, timecode=True)) or rest
    for index in indices:
        wider = replace(rest, tracks=(*rest.tracks, index))
        try:
            trial.run(wider)
        except _Rejected as error:
            refused[index] = str(error)
        else:
            rest = wider
    return rest


def _grown(trial: _Trial, rest: Rest, wider: Rest) -> Rest | None:
    try:
        trial.run(wider)
    except _Rejected:
        return None
    return wider


def _frames(facts: VideoFacts, encoding: Encoding) -> Iterator[av.VideoFrame]:
    """Yield a few black frames, converted and stamped like the result's."""
    height, width = encoding.size
    black = np.zeros((3, height, width), np.float32).transpose(1, 2, 0)
    like = av.VideoFrame(facts.size[1], facts.size[0], facts.pix_fmt)
    from_rgb = FromRgb(encoding.pix_fmt, encoding.numbers, encoding.colour, encoding.size)
    step = max(1, round(1 / (encoding.rate * encoding.time_base)))
    start = round((facts.start or 0) / encoding.time_base)
    for place in range(_FRAMES):
        frame = from_rgb(black, like)
        frame.time_base, frame.pts, frame.duration = encoding.time_base, start + place * step, step
        yield frame


@contextmanager
def _named_as_argument(encoding: Encoding) -> Generator[None]:
    """Turn a segment that cannot be written into an error in the request."""
    try:
        yield
    except OutputError as error:
        raise ArgumentError(
            f"the output of {encoding.encoder} cannot be stored: {error.message}",
            "use another --codec, such as h264, hevc, av1, prores or ffv1",
        ) from error


class _Pipe(io.RawIOBase):
    """A pipe into a file that can be read afterwards."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:  # a buffer, for which Python 3.11 has no type
        return self._file.write(cast("bytes", data))
