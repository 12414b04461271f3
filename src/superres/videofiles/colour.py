"""Conversion of video frames to RGB in [0, 1], and back.

swscale resamples chroma between its own grid and luma's, and honours the stream's chroma location;
matrix and range are computed here, in float32. swscale would compute them in fixed point: FFmpeg 8
turns white into 236 in 16-bit RGB, and is off by up to 3 levels in 10 bits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from superres.errors import PictureError
from superres.frame import Unit
from superres.videofiles.probe import UNSAID, Colour, reason

BT709, BT601 = 1, 6
LIMITED, FULL = 1, 2
# Weights of red and blue in luma, by the matrix's number in ITU-T H.273, table 4.
_WEIGHTS: dict[int, tuple[float, float]] = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC, 1953
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),  # BT.2020 with constant luminance, treated as non-constant
}
_LARGEST_SD = (576, 1024)  # players assume BT.601 for untagged video, above this BT.709
_SMOOTH = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
_PIECE_PX = 2**14  # pixels computed at a time: fits the cache


@dataclass(frozen=True, slots=True)
class Numbers:
    """Meaning of the samples of a pixel format.

    Attributes:
        kind: Luma and chroma, only luma, or red, green and blue.
        bits: Bits a sample in the planes used for computing: 8, 10, 12 or 16.
        full: Whether black is 0 and white the largest value; else 16 and 235 of 255.
        matrix: The matrix's number, one of those above.
    """

    kind: Literal["yuv", "grey", "rgb"]
    bits: int
    full: bool
    matrix: int

    @property
    def planes(self) -> str:
        """The pixel format used for computing: full chroma, otherwise the same."""
        if self.kind == "rgb":
            # Packed: swscale converts every 8-bit RGB format to this one exactly.
            return "rgb24" if self.bits == 8 else f"gbrp{self.bits}le"
        name = "gray" if self.kind == "grey" else "yuv444p"
        return name if self.bits == 8 else f"{name}{self.bits}le"


def knows_matrix(matrix: int) -> bool:
    """Return whether a matrix, by its H.273 number, is supported exactly."""
    return matrix in _WEIGHTS


def matrix_of(matrix: int, size: tuple[int, int]) -> int:
    """Return a matrix's number; for an unspecified or unknown one, what players assume."""
    if matrix in _WEIGHTS:
        return matrix
    if matrix in (0, UNSAID) and size[0] <= _LARGEST_SD[0] and size[1] <= _LARGEST_SD[1]:
        return BT601
    return BT709


def numbers_of(pix_fmt: str, colour: Colour, size: tuple[int, int]) -> Numbers:
    """Return the meaning of a pixel format's samples.

    Args:
        pix_fmt: FFmpeg's name of it.
        colour: The stream's colour description.
        size: (height, width), which decides between BT.601 and BT.709 if the stream does not.
    """
    format = av.VideoFormat(pix_fmt)
    parts = [part for part in format.components if not part.is_alpha]
    deepest = max(part.bits for part in parts)
    bits = next((bits for bits in (8, 10, 12) if deepest <= bits), 16)
    matrix = matrix_of(colour.matrix, size)
    if format.is_rgb or format.has_palette or format.is_bayer:
        return Numbers("rgb", bits, True, matrix)
    if len(parts) == 1:
        return Numbers("grey", bits, colour.range != LIMITED, matrix)
    full = colour.range == FULL or pix_fmt.startswith("yuvj")
    return Numbers("yuv", bits, full, matrix)


def colour_of_copy(source: Numbers, said: Colour, copy_fmt: str) -> tuple[Numbers, Colour]:
    """Return the sample meaning of an upscaled copy, and its colour description.

    The source's description is repeated. An unspecified matrix is stated, as players would assume
    another one for a larger video.

    Args:
        source: The source's sample meaning.
        said: Its stream's colour description.
        copy_fmt: The copy's pixel format.
    """
    copy = replace(numbers_of(copy_fmt, said, (0, 0)), matrix=source.matrix)
    if copy.kind == "rgb":
        return copy, replace(said, range=FULL, matrix=0)
    if copy.kind == source.kind:
        copy = replace(copy, full=source.full)
        if copy.kind == "grey":
            return copy, said
        return copy, replace(
            said,
            range=FULL if source.full else said.range,
            matrix=source.matrix if said.matrix in (0, UNSAID) else said.matrix,
        )
    copy = replace(copy, full=False, matrix=BT709)
    return copy, replace(said, range=LIMITED, matrix=BT709)


class ToRgb:
    """Converts decoded frames to RGB; one instance per thread.

    Args:
        size: (height, width) that all frames are resized to; streams may change theirs.
        colour: The stream's colour description, for frames without one.
    """

    def __init__(self, size: tuple[int, int], colour: Colour) -> None:
        self._size = size
        self._colour = colour
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> Unit:
        """Return (H, W, 3) float32 in [0, 1], planar in memory."""
        height, width = self._size
        said = Colour(
            range=int(frame.color_range) or self._colour.range,
            matrix=int(frame.colorspace) if frame.colorspace != UNSAID else self._colour.matrix,
            primaries=UNSAID,
            transfer=UNSAID,
        )
        numbers = numbers_of(frame.format.name, said, (frame.height, frame.width))
        planes = _reformat(self._reformatter, frame, numbers, numbers.planes, self._size)
        to_rgb, black = (values.astype(np.float32) for values in _to_rgb(numbers))
        views = _views(planes, numbers)
        rgb = np.empty((3, height, width), np.float32)
        for rows in _pieces(height, width):
            codes = np.stack([view[rows].reshape(-1) for view in views]).astype(np.float32)
            piece = to_rgb @ codes
            piece += black[:, None]
            np.clip(piece.reshape(3, -1, width), 0.0, 1.0, out=rgb[:, rows])
        return rgb.transpose(1, 2, 0)


class FromRgb:
    """Converts RGB to frames for encoding; one instance per thread.

    Args:
        pix_fmt: FFmpeg's name of the target pixel format.
        numbers: The meaning of its samples.
        colour: The colour description of the frames.
        size: (height, width) of the frames.
    """

    def __init__(
        self, pix_fmt: str, numbers: Numbers, colour: Colour, size: tuple[int, int]
    ) -> None:
        self._pix_fmt = pix_fmt
        self._numbers = numbers
        self._colour = colour
        self._size = size
        to_rgb, black = _to_rgb(numbers)
        # With 3 planes this is the inverse; for grey it takes luma's weights.
        from_rgb = np.linalg.inv(to_rgb) if len(to_rgb.T) == 3 else _luma(numbers) / to_rgb[0]
        self._from_rgb = from_rgb.astype(np.float32)
        self._offset = (-from_rgb @ black).astype(np.float32)[:, None]
        self._stretch, self._finish = VideoReformatter(), VideoReformatter()

    def __call__(self, rgb: Unit, like: av.VideoFrame) -> av.VideoFrame:
        """Return a frame of RGB pixels.

        Args:
            rgb: (H, W, 3), clipped to [0, 1] and rounded to nearest.
            like: The small frame they came from: the new one takes over its chroma location and
                its side data (closed captions, HDR10+).
        """
        height, width = self._size
        numbers, top = self._numbers, float(2**self._numbers.bits - 1)
        frame = self._empty(like)
        views = _views(frame, numbers)
        for rows in _pieces(height, width):
            # Planar arrays, as networks return them, are not copied here.
            piece = np.clip(rgb[rows].transpose(2, 0, 1), 0.0, 1.0).reshape(3, -1)
            codes = self._from_rgb @ piece
            codes += self._offset
            np.clip(np.rint(codes, out=codes), 0.0, top, out=codes)
            for view, plane in zip(views, codes, strict=True):
                np.copyto(view[rows], plane.reshape(-1, width), casting="unsafe")
        frame = _reformat(self._finish, frame, numbers, self._pix_fmt, self._size)
        frame.color_range = self._colour.range
        frame.colorspace = self._colour.matrix
        frame.color_primaries = self._colour.primaries
        frame.color_trc = self._colour.transfer
        frame.pict_type = 0  # the source's would force the encoder's key frames
        return frame

    def _empty(self, like: av.VideoFrame) -> av.VideoFrame:
        """Return a frame to write into, with all properties of a small one.

        Resizing the small one is av's only way to pass its properties on.
        """
        frame = self._stretch.reformat(
            like,
            width=self._size[1],
            height=self._size[0],
            format=self._numbers.planes,
            interpolation=Interpolation.POINT,
        )
        if frame is like:  # nothing was resized, and it is not ours to write into
            return av.VideoFrame(self._size[1], self._size[0], self._numbers.planes)
        return frame


def _reformat(
    reformatter: VideoReformatter,
    frame: av.VideoFrame,
    numbers: Numbers,
    pix_fmt: str,
    size: tuple[int, int],
) -> av.VideoFrame:
    """Convert a frame to another layout and size; matrix and range stay the same."""
    same = FULL if numbers.full else LIMITED
    try:
        return reformatter.reformat(
            frame,
            width=size[1],
            height=size[0],
            format=pix_fmt,
            src_colorspace=BT709,
            dst_colorspace=BT709,
            src_color_range=same,
            dst_color_range=same,
            interpolation=_SMOOTH,
        )
    except FFmpegError as error:
        raise PictureError(
            f"pixels in {frame.format.name} cannot be converted to {pix_fmt}: {reason(error)}",
            "convert the video to another pixel format first",
        ) from error


# Any: uint8 or uint16; and a plane is a buffer, for which Python 3.11 has no type.
def _views(frame: av.VideoFrame, numbers: Numbers) -> list[NDArray[Any]]:
    """Return the samples of a frame as (H, W) views of its memory: Y, U, V or R, G, B."""
    dtype = np.dtype("u1" if numbers.bits == 8 else "<u2")
    packed = 3 if numbers.planes == "rgb24" else 1
    views: list[NDArray[Any]] = []
    for plane in frame.planes:
        stride = abs(plane.line_size) // dtype.itemsize
        rows = np.frombuffer(cast("Any", plane), dtype)[: plane.height * stride].reshape(-1, stride)
        rows = rows[:: -1 if plane.line_size < 0 else 1, : plane.width * packed]
        views += [rows[:, channel::packed] for channel in range(packed)]
    if numbers.kind == "rgb" and packed == 1:
        return [views[2], views[0], views[1]]  # stored as green, blue, red
    return views


def _to_rgb(numbers: Numbers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrix (3, planes) and offset (3,) from a format's samples to RGB in [0, 1]."""
    largest, unit = 2**numbers.bits - 1, 2 ** (numbers.bits - 8)
    white, low, swing = (
        (largest, 0, largest) if numbers.full else (219 * unit, 16 * unit, 224 * unit)
    )
    if numbers.kind == "rgb":
        return np.eye(3) / largest, np.zeros(3)
    if numbers.kind == "grey":
        return np.full((3, 1), 1.0 / white), np.full(3, -low / white)
    luma = _luma(numbers)[0]
    red = (np.array([1.0, 0.0, 0.0]) - luma) / (2.0 * (1.0 - luma[0]))
    blue = (np.array([0.0, 0.0, 1.0]) - luma) / (2.0 * (1.0 - luma[2]))
    to_rgb = np.linalg.inv(np.stack([luma, blue, red])) / [white, swing, swing]
    return to_rgb, -to_rgb @ [low, 128 * unit, 128 * unit]


def _luma(numbers: Numbers) -> NDArray[np.float64]:
    """Return luma's weights as (1, 3)."""
    red, blue = _WEIGHTS[numbers.matrix]
    return np.array([[red, 1.0 - red - blue, blue]])


def _pieces(height: int, width: int) -> list[slice]:
    rows = max(1, _PIECE_PX // width)
    return [slice(first, first + rows) for first in range(0, height, rows)]
