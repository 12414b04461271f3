"""Small videos made on the spot, and a network that is as fast as copying."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.stream import Disposition
from av.video.plane import VideoPlane
from av.video.stream import VideoStream

from superres.runtimes.runtime import RuntimeFacts

HEIGHT, WIDTH = 24, 32
RATE = 25


def has_encoder(name: str) -> bool:
    return name in av.codecs_available


def luma(number: int, size=(HEIGHT, WIDTH), bits=8) -> np.ndarray:
    """Return a slanted ramp that moves by 4 levels a frame, so that each frame is known by it."""
    height, width = size
    rows, columns = np.indices((height, width))
    values = 40 + 4 * (number % 30) + rows + columns // 2
    return values * 2 ** (bits - 8)


def picture(number: int, size=(HEIGHT, WIDTH), pix_fmt="yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame(size[1], size[0], pix_fmt)
    bits = frame.format.components[0].bits
    dtype = np.uint8 if bits == 8 else np.uint16
    chroma = (110, 150, 255)  # and alpha
    for index, plane in enumerate(frame.planes):
        values = view(plane, dtype)
        values[...] = (
            luma(number, size, bits) if index == 0 else chroma[index - 1] * 2 ** (bits - 8)
        )
    return frame


def whole_plane(plane: VideoPlane, dtype: type[np.uint8 | np.uint16]) -> np.ndarray:
    """Return all numbers of a plane, padding included, onto its memory."""
    buffer = cast("bytearray", plane)  # PyAV's stub leaves its buffer out
    return np.frombuffer(buffer, dtype)


def view(plane, dtype: type[np.uint8 | np.uint16] = np.uint8) -> np.ndarray:
    """Return the numbers of a plane, onto its memory."""
    stride = plane.line_size // np.dtype(dtype).itemsize
    return whole_plane(plane, dtype)[: plane.height * stride].reshape(-1, stride)[:, : plane.width]


def write_clip(
    path,
    *,
    frames=6,
    size=(HEIGHT, WIDTH),
    codec="ffv1",
    pix_fmt="yuv420p",
    stamps=None,
    time_base=Fraction(1, 12800),
    format=None,
    options=None,
    colour=None,
    aspect=None,
    rotation=0,
    metadata=None,
    chapters=(),
    sound=False,
    subtitles=None,
    attachment=None,
):
    """Write a clip and return its path."""
    step = int(1 / (RATE * time_base))
    stamps = [step * number for number in range(frames)] if stamps is None else stamps
    with av.open(str(path), "w", format=format) as clip:
        video = clip.add_stream(codec, rate=RATE, options=options or {})
        assert isinstance(video, VideoStream)
        video.height, video.width = size
        video.pix_fmt = pix_fmt
        video.time_base = video.codec_context.time_base = time_base
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        for name, value in (colour or {}).items():
            setattr(video.codec_context, name, value)
        if rotation:
            video.set_display_rotation(rotation)
        clip.metadata.update(metadata or {})
        clip.set_chapters([
            {"id": number, "start": 100 * number, "end": 100 * number + 100,
             "time_base": Fraction(1, 1000), "metadata": {"title": title}}
            for number, title in enumerate(chapters)
        ])  # fmt: skip
        encoder = sound if isinstance(sound, str) else "aac"
        audio = clip.add_stream(encoder, rate=16000, layout="mono") if sound else None
        text = clip.add_stream(subtitles) if subtitles else None
        if attachment:
            clip.add_attachment("font.ttf", "application/x-truetype-font", attachment)
        if text is not None:
            text.time_base = Fraction(1, 1000)
            text.codec_context.time_base = Fraction(1, 1000)
            text.codec_context.subtitle_header = b"[Script Info]\n"
        for number, stamp in enumerate(stamps):
            frame = picture(number, size, pix_fmt)
            for name, value in (colour or {}).items():
                setattr(frame, name, value)
            frame.pts, frame.time_base = stamp, time_base
            clip.mux(video.encode(frame))
        clip.mux(video.encode(None))
        if audio is not None:
            form = cast("av.AudioCodecContext", audio.codec_context).format.name
            dtype = {"s16": np.int16, "s32": np.int32, "flt": np.float32}[form.removesuffix("p")]
            samples = np.zeros((1, 16000 * max(1, frames) // RATE), dtype)
            tone = av.AudioFrame.from_ndarray(samples, form, "mono")
            tone.sample_rate, tone.pts = 16000, 0
            clip.mux(audio.encode(tone))
            clip.mux(audio.encode(None))
        if text is not None:
            packet = av.Packet(b"Hello")
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = 0
            packet.duration = 200
            clip.mux(packet)
    return path


def with_picture_stream(source, target, *, cover=True, first=False, frames=1):
    """Copy a clip and add a stream of JPEGs: its cover, or some thumbnails that say nothing."""
    jpegs = [jpeg(number) for number in range(frames)]
    with av.open(str(source)) as given, av.open(str(target), "w") as copy:

        def add():
            beside = copy.add_mux_stream("mjpeg", rate=RATE, width=WIDTH, height=HEIGHT)
            beside.time_base = Fraction(1, RATE)
            beside.disposition = Disposition(0x400 if cover else 0)
            return beside

        beside = add() if first else None
        copies = {s.index: copy.add_stream_from_template(s, opaque=True) for s in given.streams}
        for index, stream in copies.items():
            stream.disposition = given.streams[index].disposition
        beside = beside or add()
        for number, data in enumerate(jpegs):
            packet = av.Packet(data)
            packet.stream, packet.time_base = beside, Fraction(1, RATE)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            copy.mux(packet)
        for packet in given.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                copy.mux(packet)
    return target


def jpeg(number=0) -> bytes:
    """Return one picture as a JPEG file."""
    encoder = cast("av.VideoCodecContext", av.CodecContext.create("mjpeg", "w"))
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
    encoder.time_base = Fraction(1, RATE)
    frame = picture(number)
    frame = frame.reformat(format="yuvj420p")
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))


def read_clip(path) -> tuple[list[int], list[np.ndarray], Fraction]:
    """Return the stamps, the planes of luma and the time base of a clip's first video."""
    stamps, planes = [], []
    with av.open(str(path)) as clip:
        base = clip.streams.video[0].time_base
        assert base is not None
        for frame in clip.decode(video=0):
            stamps.append(frame.pts)
            dtype = np.uint8 if frame.format.components[0].bits == 8 else np.uint16
            planes.append(view(frame.planes[0], dtype).copy())
    return stamps, planes, base


def seconds(path) -> list[float]:
    stamps, _, base = read_clip(path)
    return [float(stamp * base) for stamp in stamps]


class Repeater:
    """A runtime whose network repeats pixels."""

    facts = RuntimeFacts("fake", "nowhere", "fp32", best_tile=256, bytes_per_px=1, free_bytes=2**40)

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def run(self, graph, tensors):
        large = tensors["small"].repeat(self.scale, axis=2).repeat(self.scale, axis=3)
        return {"large": large}


# Of clips whose frames stand each for itself.
INTRA = {"options": {"g": "1"}, "time_base": Fraction(1, 1000)}


def spoil(source, target, which, *, how="zero"):
    """Copy a clip packet by packet; those of some places are made nonsense, or left out."""
    with av.open(str(source)) as given, av.open(str(target), "w") as copy:
        stream = copy.add_stream_from_template(given.streams.video[0], opaque=True)
        for place, packet in enumerate(given.demux(video=0)):
            if not packet.size or (place in which and how == "drop"):
                continue
            if place in which:
                broken = av.Packet(bytes(255 - byte for byte in bytes(packet)))
                broken.pts, broken.dts = packet.pts, packet.dts
                broken.duration, broken.time_base = packet.duration, packet.time_base
                broken.is_keyframe = packet.is_keyframe
                packet = broken
            packet.stream = stream
            copy.mux(packet)
    return target
