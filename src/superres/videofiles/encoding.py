"""Encoding settings of an upscaled video, resolved before any work."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
from av.codec.codec import UnknownCodecError, find_best_pix_fmt_of_list

from superres.errors import ArgumentError
from superres.videofiles.codec_options import CodecOptions
from superres.videofiles.colour import LIMITED, Numbers, colour_of_copy, numbers_of
from superres.videofiles.probe import PICTURES, Colour, VideoFacts

# Common codec names, and FFmpeg's best encoder for each.
_ENCODERS = {
    "h264": "libx264",
    "avc": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "prores": "prores_ks",
}
# Encoders whose names contain these tell players that black is 0; others cannot.
_SAYS_RANGE = ("264", "265", "hevc", "av1", "vp9", "ffv1")
# The loss is hard to see, and the encoder leaves the processor to the network; slower presets give
# smaller files of the same quality.
_DEFAULTS = {
    "libx264": {"crf": "18", "preset": "faster"},
    "libx265": {"crf": "20", "preset": "faster"},
    "libsvtav1": {"crf": "24"},
    "libvpx-vp9": {"crf": "24", "cpu-used": "4", "row-mt": "1"},
}
# Option for an encoder's own parameters, and its names of the two kinds of static HDR metadata.
_PARAMETERS = {
    "libx264": "x264-params",
    "libx265": "x265-params",
    "libsvtav1": "svtav1-params",
}
_HDR_NAMES = {
    "libx264": ("mastering-display", "cll"),
    "libx265": ("master-display", "max-cll"),
    "libsvtav1": ("mastering-display", "content-light"),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """Resolved encoding settings.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        options: Its options.
        pix_fmt: The pixel format.
        numbers: The meaning of its samples.
        colour: The stream's colour description.
        size: (height, width).
        time_base: The unit of time stamps in seconds.
        rate: Frames a second, on average.
        aspect: Width of a pixel over its height; None if unspecified.
    """

    encoder: str
    options: tuple[tuple[str, str], ...]
    pix_fmt: str
    numbers: Numbers
    colour: Colour
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None


def choose_pix_fmt(facts: VideoFacts, container: str, options: CodecOptions) -> str:
    """Choose the pixel format of a copy: the requested one, or the nearest that the encoder has.

    Args:
        facts: The source's facts.
        container: FFmpeg's name of the copy's container.
        options: The user's request.

    Raises:
        ArgumentError: There is no such codec or format, or they do not go together.
    """
    return _pix_fmt(facts, _encoder(facts, container, options), options.pix_fmt)


def choose_encoding(
    facts: VideoFacts, size: tuple[int, int], container: str, options: CodecOptions
) -> Encoding:
    """Resolve the encoding of an upscaled copy of a video.

    Args:
        facts: The source's facts.
        size: (height, width) of the copy.
        container: FFmpeg's name of the copy's container.
        options: The user's request.

    Raises:
        ArgumentError: There is no such codec or format, or they do not go together.
    """
    encoder = _encoder(facts, container, options)
    pix_fmt = _pix_fmt(facts, encoder, options.pix_fmt)
    source = numbers_of(facts.pix_fmt, facts.colour, facts.size)
    numbers, colour = colour_of_copy(source, facts.colour, pix_fmt)
    if numbers.kind != "rgb" and not any(word in encoder for word in _SAYS_RANGE):
        numbers, colour = replace(numbers, full=False), replace(colour, range=LIMITED)
    return Encoding(
        encoder=encoder,
        options=tuple(_options(facts, encoder, options).items()),
        pix_fmt=pix_fmt,
        numbers=numbers,
        colour=colour,
        size=size,
        time_base=facts.time_base,
        rate=facts.rate,
        aspect=facts.aspect,
    )


def chroma_steps(pix_fmt: str) -> tuple[int, int]:
    """Return the (rows, columns) of luma that share a chroma sample; sizes are multiples of it."""
    format = av.VideoFormat(pix_fmt, 16, 16)
    chroma = [part for part in format.components if part.is_chroma]
    if not chroma:
        return 1, 1
    return 16 // chroma[0].height, 16 // chroma[0].width


def _encoder(facts: VideoFacts, container: str, options: CodecOptions) -> str:
    """Return the name of an encoder that the installed av has."""
    deep = numbers_of(facts.pix_fmt, facts.colour, facts.size).bits > 8
    # Plays nearly everywhere; almost no player supports H.264 of more than 8 bits.
    default = "vp9" if container == "webm" else "hevc" if deep else "h264"
    requested = options.codec or default
    name = _ENCODERS.get(requested.lower(), requested)
    try:
        codec = av.Codec(name, "w")
    except UnknownCodecError as error:
        have = [short for short, long in _ENCODERS.items() if long in av.codecs_available]
        raise ArgumentError(
            f"the installed av has no encoder {name}",
            f"use --codec with one that it has: {', '.join(dict.fromkeys(have))}, ffv1, mpeg4",
        ) from error
    if codec.type != "video":
        raise ArgumentError(f"the encoder {name} makes {codec.type}", "such as --codec h264")
    return codec.name


def _pix_fmt(facts: VideoFacts, encoder: str, requested: str | None) -> str:
    """Return the pixel format: the requested one, or the encoder's that loses the least."""
    formats = [format.name for format in av.Codec(encoder, "w").video_formats or ()]
    if requested is not None:
        if formats and requested not in formats:
            raise ArgumentError(
                f"the encoder {encoder} does not support the pixel format {requested}",
                f"it supports {', '.join(formats)}",
            )
        try:
            return av.VideoFormat(requested).name
        except ValueError as error:
            raise ArgumentError(
                f"there is no pixel format named {requested!r}", "such as yuv420p or yuv420p10le"
            ) from error
    # Names with a j state the colour range, which we state separately; transparency is not
    # upscaled, so alpha in a format gains nothing.
    source = facts.pix_fmt.replace("yuvj", "yuv")
    if facts.codec == PICTURES and encoder in _DEFAULTS:
        # Few players support these codecs with chroma that is not subsampled.
        source = (
            "yuv420p10le" if numbers_of(source, facts.colour, facts.size).bits > 8 else "yuv420p"
        )
    plain = [name for name in formats if "j" not in name and not _has_alpha(name)]
    if source in plain or not (plain or _has_alpha(source)):
        return source
    best, _ = find_best_pix_fmt_of_list(plain or ["yuv420p"], source)
    return best.name if best is not None else plain[0]


def _has_alpha(pix_fmt: str) -> bool:
    return any(part.is_alpha for part in av.VideoFormat(pix_fmt).components)


def _options(facts: VideoFacts, encoder: str, options: CodecOptions) -> dict[str, str]:
    found = dict(_DEFAULTS.get(encoder, {}))
    if options.crf is not None:
        found["crf"] = f"{options.crf:g}"
    own = _hdr(facts, encoder)
    if encoder == "libx265":
        own = ["log-level=error", *own]  # else it writes to stderr itself
    if own:
        found[_PARAMETERS[encoder]] = ":".join(own)
    for name, value in options.more:
        # An encoder's own parameters are a list, to which the user's are added.
        found[name] = f"{found[name]}:{value}" if name in _PARAMETERS.values() else value
    return found


def _hdr(facts: VideoFacts, encoder: str) -> list[str]:
    """Return static HDR metadata as parameters of an encoder."""
    if encoder not in _HDR_NAMES:
        return []
    display, light = _HDR_NAMES[encoder]
    found: list[str] = []
    if facts.mastering:
        # AVMasteringDisplayMetadata: ten fractions (red, green, blue, white, darkest, brightest)
        # and whether each of the two kinds is present.
        *numbers, has_primaries, has_luminance = struct.unpack("=22i", facts.mastering[:88])
        values = [
            Fraction(top, bottom or 1)
            for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)
        ]
        if has_primaries and has_luminance:
            # The encoders of the two ITU codecs count in steps, AV1's in units: SMPTE ST 2086.
            steps, nits = (1, 1) if encoder == "libsvtav1" else (50_000, 10_000)
            points = [f"({_number(x * steps)},{_number(y * steps)})" for x, y in _pairs(values[:8])]
            red, green, blue, white = points
            low, high = (_number(value * nits) for value in values[8:])
            found.append(f"{display}=G{green}B{blue}R{red}WP{white}L({high},{low})")
    if facts.light:
        found.append(f"{light}={','.join(map(str, struct.unpack('=2I', facts.light[:8])))}")
    return found


def _pairs(values: list[Fraction]) -> Iterator[tuple[Fraction, Fraction]]:
    return zip(values[::2], values[1::2], strict=True)


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6f}"
