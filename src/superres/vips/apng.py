"""Animated PNG: frames composed as they are shown, and files of frames joined into one.

After the W3C's PNG specification, third edition, chapters 11.3.6 and 14.4. libvips knows stills
alone. So each frame is handed to it as a PNG of its own, and what it writes is joined by chunks.
"""

from __future__ import annotations

import struct
import threading
import zlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyvips
from numpy.typing import NDArray

from superres.containers.png_chunks import PNG_SIGNATURE, png_chunk
from superres.metadata.header import Animation
from superres.metadata.picture import stream_of, unreadable

_MOST_FRAMES = 100_000
_MOST_HEAD_BYTES = 2**26  # of all chunks before the pixels
_HAS_ALPHA = (4, 6)  # colour types
_TO_BACKGROUND, _TO_PREVIOUS = 1, 2
_PER_FILE = {b"acTL", b"IHDR"}
_FOR_PIXELS = {b"PLTE", b"tRNS"}
_OF_STORED_COLOURS = {*_FOR_PIXELS, b"sBIT", b"bKGD", b"hIST"}

Canvas = NDArray[Any]  # of uint8 or uint16


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame: its place, times and operations, and where its pixels are in the file."""

    height: int
    width: int
    top: int
    left: int
    delay_ms: int
    dispose: int
    blend: int
    parts: tuple[tuple[int, int], ...]  # offset and length of compressed pixels


@dataclass(frozen=True, slots=True)
class Movie:
    """The frames of an animated PNG.

    Attributes:
        height: Rows of a frame as it is shown.
        width: Pixels of a row.
        animation: Their times.
        alpha: Whether a frame as shown may be transparent somewhere.
    """

    source: Path | bytes
    header: bytes  # the body of IHDR
    before: tuple[tuple[bytes, bytes], ...]  # the chunks before the pixels, by name
    frames: tuple[_Frame, ...]
    height: int
    width: int
    animation: Animation
    alpha: bool

    def stills(self) -> Stills:
        """Return the frames as PNG files of their own."""
        return Stills(self)


def read_movie(source: Path | bytes) -> Movie:
    """Read where the frames of an animated PNG are.

    Raises:
        PictureError: It is cut off, a chunk is damaged, or frames do not fit in the picture.
    """
    with closing(stream_of(source)) as stream:
        return _read(source, stream)


def _read(source: Path | bytes, stream: BinaryIO) -> Movie:
    def wrong(reason: str) -> Exception:
        return unreadable(source, "PNG", reason)

    header, plays, before = b"", 0, list[tuple[bytes, bytes]]()
    frames = list[_Frame]()
    control: tuple[int, ...] | None = None
    parts = list[tuple[int, int]]()
    expected = held = 0

    def finish() -> None:
        if control is not None:
            if not parts:
                raise wrong("a frame has no pixels")
            frames.append(_frame(control, tuple(parts)))
            parts.clear()

    stream.seek(len(PNG_SIGNATURE))
    while True:
        start = stream.read(8)
        if len(start) < 8:
            raise wrong("it ends too early")
        length, name = int.from_bytes(start[:4], "big"), start[4:]
        at = stream.tell()
        if name in (b"IDAT", b"fdAT"):
            body = stream.read(min(length, 4))  # an fdAT's number
            checksum = zlib.crc32(body, zlib.crc32(name))
            left = length - len(body)
            while left:
                piece = stream.read(min(left, 2**20))
                if not piece:
                    raise wrong("it ends too early")
                checksum, left = zlib.crc32(piece, checksum), left - len(piece)
        else:
            held += length
            if held > _MOST_HEAD_BYTES:
                raise wrong("its chunks are larger than any picture's")
            body = stream.read(length)
            checksum = zlib.crc32(body, zlib.crc32(name))
        if stream.read(4) != struct.pack(">I", checksum):
            raise wrong(f"the checksum of a chunk {name.decode('latin-1')!r} is wrong")
        if name == b"IEND":
            break
        if name == b"IHDR" and length == 13:
            header = body
        elif name == b"acTL" and length == 8:
            plays = int.from_bytes(body[4:], "big")
        elif name in (b"fcTL", b"fdAT"):
            sequence = int.from_bytes(body[:4], "big")
            if sequence != expected:
                raise wrong(f"chunk {sequence} of its animation comes where {expected} belongs")
            expected += 1
            if name == b"fdAT" and control is not None and length >= 4:
                parts.append((at + 4, length - 4))
            elif name == b"fdAT" or length != 26 or len(frames) == _MOST_FRAMES:
                raise wrong("its animation is damaged")
            else:
                finish()
                control = struct.unpack(">IIIIHHBB", body[4:])
        elif name == b"IDAT":
            if control is not None:
                parts.append((at, length))
        elif name not in _PER_FILE and control is None:
            before.append((name, body))
    finish()
    if len(header) != 13 or not frames:
        raise wrong("its animation has no frames")
    width, height = struct.unpack(">II", header[:8])
    for frame in frames:
        right, bottom = frame.left + frame.width, frame.top + frame.height
        if min(frame.width, frame.height) < 1 or right > width or bottom > height:
            raise wrong("a frame lies partly outside the picture")
    first = frames[0]
    alpha = (
        header[9] in _HAS_ALPHA
        or any(name == b"tRNS" for name, _ in before)
        or (first.height, first.width) != (height, width)
        or any(one.dispose == _TO_BACKGROUND for one in frames)
        or first.dispose == _TO_PREVIOUS
    )
    delays = tuple(frame.delay_ms for frame in frames)
    return Movie(
        source, header, tuple(before), tuple(frames), height, width, Animation(delays, plays), alpha
    )


def _frame(control: tuple[int, ...], parts: tuple[tuple[int, int], ...]) -> _Frame:
    width, height, left, top, numerator, denominator, dispose, blend = control
    delay = round(1000 * numerator / (denominator or 100))
    return _Frame(height, width, top, left, delay, dispose, blend, parts)


class Stills:
    """The frames of an animated PNG as PNG files of their own, composed in order.

    A frame is made of those before it. So the canvas is kept for the next one, and composing
    begins anew only where frames are not requested in their order.

    Args:
        movie: The frames.
    """

    def __init__(self, movie: Movie) -> None:
        self._movie = movie
        self._lock = threading.Lock()
        self._done = 0
        self._shown: Canvas | None = None  # the last of them
        self._canvas: Canvas | None = None  # as the next frame finds it

    def still(self, number: int) -> bytes:
        """Return a frame as it is shown, with the chunks of the file before its pixels.

        Raises:
            PictureError: Its pixels are damaged.
        """
        with self._lock:
            if number < self._done - 1:
                self._done, self._canvas = 0, None
            while self._done <= number:
                self._shown = self._compose(self._movie.frames[self._done])
                self._done += 1
            assert self._shown is not None
            return self._file(self._shown)

    def _compose(self, frame: _Frame) -> Canvas:
        movie, pixels = self._movie, self._pixels(frame)
        canvas = self._canvas
        if canvas is None:
            canvas = np.zeros((movie.height, movie.width, 4), pixels.dtype)
        rows = slice(frame.top, frame.top + frame.height)
        columns = slice(frame.left, frame.left + frame.width)
        shown = canvas.copy()
        area = shown[rows, columns]
        shown[rows, columns] = _over(pixels, area) if frame.blend else pixels
        after = canvas if frame.dispose == _TO_PREVIOUS else shown
        if frame.dispose == _TO_BACKGROUND:
            after = shown.copy()
            after[rows, columns] = 0
        self._canvas = after
        return shown

    def _pixels(self, frame: _Frame) -> Canvas:
        """Return a frame's own pixels, (h, w, 4)."""
        movie = self._movie
        with closing(stream_of(movie.source)) as stream:
            packed = b"".join(_take(stream, *part) for part in frame.parts)
        header = struct.pack(">II", frame.width, frame.height) + movie.header[8:]
        needed = [(name, body) for name, body in movie.before if name in _FOR_PIXELS]
        try:
            image = pyvips.Image.pngload_buffer(
                _png([(b"IHDR", header), *needed, (b"IDAT", packed)]), fail_on="warning"
            )
            deep = image.format == "ushort"
            image = image.colourspace("rgb16" if deep else "srgb")
            if image.bands == 3:
                image = image.bandjoin(65535 if deep else 255)
            image = image.cast("ushort" if deep else "uchar")
            data = image.write_to_memory()
        except pyvips.Error as error:
            raise unreadable(movie.source, "PNG", "the pixels of a frame are damaged") from error
        dtype = np.uint16 if deep else np.uint8
        return np.frombuffer(data, dtype).reshape(frame.height, frame.width, 4)

    def _file(self, shown: Canvas) -> bytes:
        movie = self._movie
        channels = 4 if movie.alpha else 3
        pixels = np.ascontiguousarray(shown[..., :channels])
        depth = 8 * pixels.dtype.itemsize
        big = pixels.astype(pixels.dtype.newbyteorder(">"))
        rows = np.zeros((movie.height, 1 + big[0].nbytes), np.uint8)  # each after its filter: none
        rows[:, 1:] = big.view(np.uint8).reshape(movie.height, -1)
        kind = 6 if movie.alpha else 2
        header = struct.pack(">IIBBBBB", movie.width, movie.height, depth, kind, 0, 0, 0)
        kept = [(name, body) for name, body in movie.before if name not in _OF_STORED_COLOURS]
        return _png([(b"IHDR", header), *kept, (b"IDAT", zlib.compress(rows.tobytes(), 1))])


def _take(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _over(source: Canvas, below: Canvas) -> Canvas:
    """Return straight-alpha pixels composited over others, (h, w, 4)."""
    full = float(np.iinfo(source.dtype).max)
    alpha: NDArray[np.float64] = source[..., 3:] / full
    under: NDArray[np.float64] = below[..., 3:] / full * (1 - alpha)
    whole = alpha + under
    colour: NDArray[np.float64] = source[..., :3] * alpha + below[..., :3] * under
    colour /= np.where(whole > 0, whole, 1.0)
    return np.rint(np.concatenate([colour, whole * full], axis=2)).astype(source.dtype)


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return PNG_SIGNATURE + b"".join(png_chunk(*one) for one in (*chunks, (b"IEND", b"")))


class MovieWriter:
    """Joins still PNGs of one size and kind into an animated one.

    Args:
        path: The file to write.
        size: (height, width) of the frames.
        animation: How they are shown.
    """

    def __init__(self, path: Path, size: tuple[int, int], animation: Animation) -> None:
        self._path, self._size, self._animation = path, size, animation
        self._sequence = self._frames = 0

    def add(self, frame: Path) -> None:
        """Append a frame's file; the first one's other chunks are the animation's."""
        first = self._frames == 0
        with frame.open("rb") as source, self._path.open("wb" if first else "ab") as target:
            source.seek(len(PNG_SIGNATURE))
            if first:
                target.write(PNG_SIGNATURE)
            began = False
            while True:
                start = source.read(8)
                length, name = int.from_bytes(start[:4], "big"), start[4:]
                if name == b"IEND" or len(start) < 8:
                    break
                body = source.read(length)
                checksum = source.read(4)
                if name == b"IDAT" and not began:
                    target.write(self._control())
                    began = True
                if first:
                    target.write(start + body + checksum)
                elif name == b"IDAT":
                    target.write(png_chunk(b"fdAT", self._number() + body))
                if first and name == b"IHDR":
                    count, loop = len(self._animation.delays_ms), self._animation.loop
                    target.write(png_chunk(b"acTL", struct.pack(">II", count, loop)))
        self._frames += 1

    def finish(self) -> None:
        """Write the end of the file."""
        with self._path.open("ab") as target:
            target.write(png_chunk(b"IEND", b""))

    def _control(self) -> bytes:
        """Return the chunk that begins a frame."""
        height, width = self._size
        delay_ms = min(self._animation.delays_ms[self._frames], 65535)
        body = struct.pack(">IIIIHHBB", width, height, 0, 0, delay_ms, 1000, 0, 0)
        return png_chunk(b"fcTL", self._number() + body)

    def _number(self) -> bytes:
        """Return the number of the animation's next chunk."""
        self._sequence += 1
        return struct.pack(">I", self._sequence - 1)
