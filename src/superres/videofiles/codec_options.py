"""Encoding options of a video, independent of the encoder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodecOptions:
    """A user's choices for the encoding.

    Attributes:
        codec: A codec (`h264`, `hevc`, `av1`, `vp9`, `ffv1`, `prores`) or an FFmpeg encoder;
            None chooses by the container and the depth.
        crf: The quality, where the encoder has such a number; lower is better.
        pix_fmt: FFmpeg's name of the pixel format; None stays as close to the source as possible.
        more: Other options of the encoder, as names and values.
    """

    codec: str | None = None
    crf: float | None = None
    pix_fmt: str | None = None
    more: tuple[tuple[str, str], ...] = ()
