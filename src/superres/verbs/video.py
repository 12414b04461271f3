"""The verb `video`: a video in, a larger one out, with all else that it holds."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from superres.cli.needs import needs
from superres.cli.options import (
    AsJson,
    Backend,
    Device,
    Ensemble,
    Precision,
    Scale,
    Size,
    Tile,
    check_scale,
)
from superres.cli.output import print_json, print_result, print_status
from superres.errors import ArgumentError
from superres.verbs.upscale import parse_size

if TYPE_CHECKING:
    from superres.cli.progress import BatchProgress
    from superres.video.report import VideoReport

_SECONDS_BETWEEN_LINES = 60.0


def video(  # a verb's options are its arguments; they become VideoOptions at once
    source: Annotated[str, typer.Argument(metavar="IN", help="A video.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A video, a folder of frames (ends in /), or - for stdout. [beside the input]",
        ),
    ] = None,
    scale: Scale = None,
    size: Size = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", "-n", metavar="MODEL", help="A name (see: superres models) or a file."
        ),
    ] = "default",
    tile: Tile = 0,
    format: Annotated[
        str | None, typer.Option("--format", "-f", help="mp4, mov, mkv, webm, ts. [by OUT's name]")
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(help="h264, hevc, av1, vp9, prores, ffv1, or an encoder of FFmpeg's."),
    ] = None,
    crf: Annotated[
        float | None, typer.Option(help="Quality of the encoding; lower is better. [the codec's]")
    ] = None,
    pix_fmt: Annotated[
        str | None, typer.Option("--pix-fmt", help="Such as yuv420p10le. [the input's]")
    ] = None,
    codec_option: Annotated[
        list[str] | None,
        typer.Option(
            "--codec-option", metavar="NAME=VALUE", help="Such as preset=slow; repeatable."
        ),
    ] = None,
    ensemble: Ensemble = False,
    backend: Backend = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads for the network. [all]")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Refuse frames of more pixels than this.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output, and other unfinished work.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Enlarge a video, keeping time stamps, sound, subtitles, chapters, tags and colours.

    \b
    Examples:
      superres video clip.mp4 -o large.mp4 -s 2
      superres video clip.mp4 -o large.mkv --size 1920x1080 --codec hevc --crf 18
      superres video clip.mp4 -o frames/ -s 4
      superres video clip.mp4 -o - -s 2 | mpv -
    """  # noqa: D301 - \b keeps the lines of the examples apart, and must be the one character
    check_scale(scale, size)
    if source == "-":
        raise ArgumentError("video reads files, got -", "name a file")
    if output == "-" and as_json:
        raise ArgumentError(
            "--json and the video would both go to stdout", "give the video a file: -o"
        )
    if output == "-" and sys.stdout.isatty():
        raise ArgumentError(
            "the video would be printed to the terminal", "give it a file: -o, or redirect stdout"
        )

    from superres.cli.progress import BatchProgress
    from superres.cli.targets import make_folder_of
    from superres.upscaler import RunOptions
    from superres.watch import Watch

    os.environ.setdefault("SVT_LOG", "1")  # its AV1 encoder writes to stderr by itself
    with needs("video", "video"):
        from superres.video.encoding import CodecOptions
        from superres.video.enlarge_video import enlarge_video
        from superres.video.plan import VideoOptions

    options = VideoOptions(
        model=model,
        scale=scale,
        size=parse_size(size) if size is not None else None,
        codec=CodecOptions(codec, crf, pix_fmt, tuple(map(_pair, codec_option or ()))),
        container=format,
        run=RunOptions(
            tile=tile or None,
            ensemble=ensemble,
            backend=backend,
            precision=precision,
            device=device,
            threads=threads,
        ),
        max_pixels=max_pixels,
        overwrite=overwrite,
    )
    target, kind = _target(Path(source), output, options.size, scale, model)
    if isinstance(target, Path):
        make_folder_of(target, "name another output with -o")
    with BatchProgress(1) as progress:
        teller = _Teller(progress, Path(source).name)
        try:
            report = enlarge_video(
                Path(source),
                target,
                options,
                kind=kind,
                watch=Watch(on_note=progress.notice, on_progress=teller.tell),
            )
        except KeyboardInterrupt:
            if isinstance(target, Path):
                progress.print_status("the same command goes on after the last finished segment")
            raise
        for note in report.notes:
            if not progress.was_noticed(note):
                progress.print_status(f"note: {note}")
    _conclude(report, as_json=as_json)


def _target(
    source: Path, output: str | None, size: tuple[int, int] | None, scale: float | None, model: str
) -> tuple[Path | BinaryIO, Literal["file", "folder"]]:
    """Return what to write: a file, a folder of frames, or stdout."""
    if output == "-":
        return sys.stdout.buffer, "file"
    if output is None:
        from superres.zoo import scales

        if size is not None:
            return source.with_stem(f"{source.stem}_{size[1]}x{size[0]}"), "file"
        return source.with_stem(f"{source.stem}_x{scale or max(scales(model)):g}"), "file"
    target = Path(output)
    if output.endswith(("/", "\\")) or target.is_dir():
        return target, "folder"
    return target, "file"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentError(
            f"--codec-option takes NAME=VALUE, got {text!r}", "such as --codec-option preset=slow"
        )
    return name, value


def _conclude(report: VideoReport, *, as_json: bool) -> None:
    """Show where the result stands, and say what it kept."""
    if as_json:
        print_json(report.to_dict())
    elif report.target != "-":
        print_result(report.target)
    for words, things in (("kept", report.kept), ("not kept", report.not_kept)):
        if things:
            print_status(f"{words}: {', '.join(things)}")
    before, after = (f"{w}×{h}" for h, w in (report.input_size, report.output_size))
    how = f"{report.model} on {report.backend} {report.device}, {report.precision}; "
    how = (how if report.backend else "") + f"{report.codec}, {report.pix_fmt}"
    print_status(
        f"{before} → {after}, {report.frames} frames in {_time(report.seconds)}, "
        f"{report.fps:.1f} frames/s ({how})"
    )


class _Teller:
    """Tells how a video gets on: all of it to a bar, and where there is none a line a minute."""

    def __init__(self, progress: BatchProgress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._told_s = time.monotonic()
        self._first: tuple[float, float] | None = None  # frames done, and when

    def tell(self, done: float, frames: float | None) -> None:
        """Say how many frames are done, and of how many."""
        now = time.monotonic()
        first_done, first_s = self._first = self._first or (done, now)
        fps = (done - first_done) / (now - first_s) if now > first_s else 0.0
        left = max(0.0, frames - done) if frames else None
        end = f", {_time(left / fps)} left" if left is not None and fps else ""
        if self._progress.visible:
            words = f"{self._name}  {done:.0f} frames, {fps:.1f}/s"
            self._progress.step(words, done, max(frames or 0, done + 1))
        elif now - self._told_s >= _SECONDS_BETWEEN_LINES:
            of = f" of {frames:.0f}" if frames else ""
            self._progress.print_status(f"{done:.0f}{of} frames, {fps:.1f} frames/s{end}")
            self._told_s = now


def _time(seconds: float) -> str:
    """Return a span of time as people read it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
    )
