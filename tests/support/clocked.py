"""Clips whose frames show their own number and whose sound clicks with them, and how to read both.

A frame's number stands in its pixels as eight bars, black or white, which survive an encoder and
any upscaling. With every fifth frame a click of 5 ms begins.
"""

from __future__ import annotations

import heapq
import itertools
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from clips import view

HEIGHT, WIDTH = 48, 64
RATE = 25
EVERY = 5  # frames, and one clicks
SOUND_FRAME_S = 0.027  # of MP3, the longest that is used here
_BITS = 8
_CLICK_S, _QUIET_S = 0.005, 0.05
_LOUD = 0.25


@dataclass(frozen=True)
class Played:
    """What a file shows and plays, as FFmpeg decodes it; times are in seconds.

    Attributes:
        numbers: The frames' numbers, as they read.
        times: When they are shown.
        clicks: When clicks begin.
        shown_until: When the last frame ends.
        heard_until: When the sound ends.
    """

    numbers: list[int]
    times: list[float]
    clicks: list[float]
    shown_until: float
    heard_until: float


def write_clocked(
    path: Path,
    *,
    frames: int = 50,
    first: int = 0,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    audio: str | None = "aac",
    sound_rate: int = 48000,
    format: str | None = None,
    container_options: dict[str, str] | None = None,
    pauses: Sequence[tuple[int, float]] = (),
) -> Path:
    """Write a clip of numbered frames, and return its path.

    Args:
        path: The file.
        frames: How many.
        first: The first one's number.
        codec: The video's encoder.
        options: Its options.
        audio: The sound's encoder; None for no sound.
        sound_rate: Samples a second.
        format: The container, if the name does not say it.
        container_options: FFmpeg's own options of it.
        pauses: Frames before which the video stands still, and for how many seconds.
    """
    options = options or {"g": "12", "bf": "2", "crf": "5", "threads": "1"}
    with av.open(str(path), "w", format=format, container_options=container_options or {}) as clip:
        video = cast("VideoStream", clip.add_stream(codec, rate=RATE, options=options))
        video.height, video.width, video.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, RATE)
        sound = (
            cast("AudioStream", clip.add_stream(audio, sound_rate, layout="mono"))
            if audio
            else None
        )
        clip.start_encoding()
        packets = [_video_packets(video, frames, first, pauses)]
        if sound is not None:
            packets.append(_sound_packets(sound, first, frames, sound_rate))
        for packet in heapq.merge(*packets, key=_decoded):
            clip.mux(packet)
    return path


def remux(
    source: Path,
    target: Path,
    *,
    format: str | None = None,
    offsets: Sequence[float] = (0.0, 0.0),
    options: dict[str, str] | None = None,
    without: Sequence[tuple[int, float, float]] = (),
) -> Path:
    """Copy a clip packet by packet.

    Args:
        source: The clip.
        target: The copy.
        format: Its container, if the name does not say it.
        offsets: Seconds by which each stream is moved, and the last goes for all others.
        options: FFmpeg's options of the container.
        without: Stream, from and until when packets are left out, in seconds.
    """
    with (
        av.open(str(source)) as given,
        av.open(str(target), "w", format=format, container_options=options or {}) as copy,
    ):
        copies = [copy.add_stream_from_template(stream, opaque=True) for stream in given.streams]
        for packet in given.demux():
            if packet.dts is None or packet.pts is None:
                continue
            index, base = packet.stream_index, packet.time_base
            at = float(packet.pts * base)
            if any(one == index and begin <= at < end for one, begin, end in without):
                continue
            moved = round(offsets[min(index, len(offsets) - 1)] / base)
            packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
            packet.stream = copies[index]
            copy.mux(packet)
    return target


def together(target: Path, *parts: Path) -> Path:
    """Write files one after the other into one, as `cat` does."""
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def played(path: Path) -> Played:
    """Decode a file, and read its frames' numbers and its clicks."""
    numbers: list[int] = []
    times: list[float] = []
    until = 0.0
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            assert frame.pts is not None
            base = cast("Fraction", frame.time_base)
            numbers.append(_number(frame))
            times.append(float(frame.pts * base))
            until = float((frame.pts + (frame.duration or 0)) * base)
    clicks, heard_until = _clicks(path)
    return Played(numbers, times, clicks, until, heard_until)


def program_frames(path: Path) -> list[float]:
    """Return when frames are shown, as the program ffprobe says, in seconds."""
    words = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries"]
    words += ["frame=best_effort_timestamp_time", "-of", "csv=p=0", str(path)]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return [float(line.strip(",")) for line in lines if line.strip(",")]


def program_rate(path: Path) -> Fraction:
    """Return the average rate of the first video, as the program ffprobe says."""
    words = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries"]
    words += ["stream=avg_frame_rate", "-of", "csv=p=0", str(path)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return Fraction(said.split()[0].strip(","))


def _video_packets(
    video: VideoStream, frames: int, first: int, pauses: Sequence[tuple[int, float]]
) -> Iterator[av.Packet]:
    late = 0
    for place in range(frames):
        late += sum(round(seconds * RATE) for at, seconds in pauses if at == place)
        frame = _numbered(first + place)
        frame.pts, frame.time_base = place + late, Fraction(1, RATE)
        yield from video.encode(frame)
    yield from video.encode(None)


def _sound_packets(sound: AudioStream, first: int, frames: int, rate: int) -> Iterator[av.Packet]:
    for frame in _clicking(sound, first, frames, rate):
        yield from sound.encode(frame)
    yield from sound.encode(None)


def _decoded(packet: av.Packet) -> float:
    return float((packet.dts or 0) * packet.time_base)


def _numbered(number: int) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    for plane, level in zip(frame.planes, (40, 128, 128), strict=True):
        view(plane)[...] = level
    luma, bar = view(frame.planes[0]), WIDTH // _BITS
    for bit in range(_BITS):
        if number >> bit & 1:
            luma[HEIGHT // 3 : HEIGHT * 5 // 6, bit * bar : (bit + 1) * bar] = 210
    return frame


def _number(frame: av.VideoFrame) -> int:
    luma = view(frame.planes[0])[: frame.height, : frame.width]
    bars = luma[frame.height // 2 : frame.height * 2 // 3].reshape(-1, _BITS, frame.width // _BITS)
    inner = bars[:, :, frame.width // _BITS // 4 : -(frame.width // _BITS // 4)]
    return sum(1 << bit for bit, level in enumerate(inner.mean(axis=(0, 2))) if level > 125)


def _clicking(sound: AudioStream, first: int, frames: int, rate: int) -> list[av.AudioFrame]:
    samples = np.zeros(frames * rate // RATE, np.float32)
    length = round(_CLICK_S * rate)
    click = (0.8 * np.sin(np.arange(length) * 2 * np.pi * 2000 / rate)).astype(np.float32)
    for place in range(frames):
        if (first + place) % EVERY == 0:
            begin = place * rate // RATE
            samples[begin : begin + length] = click[: len(samples) - begin]
    frame = av.AudioFrame.from_ndarray(samples[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    wanted = cast("Any", sound.codec_context).format
    return av.AudioResampler(wanted.name if wanted else "fltp", "mono", rate).resample(frame)


def _clicks(path: Path) -> tuple[list[float], float]:
    """Return when clicks begin, and when the sound ends."""
    loud: list[float] = []
    until = 0.0
    with av.open(str(path)) as clip:
        for frame in clip.decode(audio=0) if clip.streams.audio else ():
            assert frame.pts is not None
            values = np.abs(frame.to_ndarray().astype(np.float64)).reshape(-1)
            begin = float(frame.pts * cast("Fraction", frame.time_base))
            loud += [begin + place / frame.sample_rate for place in np.flatnonzero(values > _LOUD)]
            until = begin + frame.samples / frame.sample_rate
    clicks = [at for before, at in itertools.pairwise([-1.0, *loud]) if at - before > _QUIET_S]
    return clicks, until
