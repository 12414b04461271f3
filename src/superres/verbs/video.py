"""The verb `video`: an upscaled copy of a video, with everything else it holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from superres.cli.needs import needs
from superres.cli.options import (
    AsJson,
    Backend,
    Device,
    Ensemble,
    Fit,
    Precision,
    Scale,
    Size,
    Stretch,
    Tile,
    check_scale,
    parse_size,
)
from superres.cli.output import print_json, print_result, print_status
from superres.cli.progress import time_text
from superres.errors import ArgumentError

if TYPE_CHECKING:
    from superres.infer.route import SizeRequest
    from superres.jobs.report import VideoReport


def video(  # a verb's options are its arguments; they become a VideoJob at once
    source: Annotated[
        str, typer.Argument(metavar="IN", help="A video, a folder of frames, or an animation.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="A video, an animation (.webp, .png, .gif), a folder of frames (ends in /), or "
            "- for stdout. [next to the input]",
        ),
    ] = None,
    scale: Scale = None,
    size: Size = None,
    fit: Fit = False,
    stretch: Stretch = False,
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
        typer.Option(help="h264, hevc, av1, vp9, prores, ffv1, or an FFmpeg encoder."),
    ] = None,
    crf: Annotated[
        float | None, typer.Option(help="Encoding quality; lower is better. [the codec's]")
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
    fps: Annotated[
        float | None, typer.Option(help="Frames a second, of a folder of frames.")
    ] = None,
    stream: Annotated[
        int | None,
        typer.Option(min=0, help="Index of the video stream to upscale. [the one players show]"),
    ] = None,
    ensemble: Ensemble = False,
    backend: Backend = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads for the network. [all]")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Reject frames with more pixels than this.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the output and other unfinished work."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upscale a video; keep time stamps, sound, subtitles, chapters, tags and colours.

    \b
    Examples:
      superres video clip.mp4 -o large.mp4 -s 2
      superres video clip.mp4 -o large.mkv --size 1920x1080 --codec hevc --crf 18
      superres video clip.mp4 -o frames/ -s 4
      superres video clip.mp4 -o - -s 2 | mpv -
      superres video frames/ -o large.mp4 -s 2 --fps 24
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    check_scale(scale, size)
    if fit and stretch:
        raise ArgumentError("--fit and --stretch are both given", "use one of them")
    if source == "-":
        raise ArgumentError("video reads files, got -", "name a file")
    if output == "-" and as_json:
        raise ArgumentError(
            "--json and the video would both go to stdout", "write the video to a file: -o"
        )
    if output == "-" and sys.stdout.isatty():
        raise ArgumentError(
            "the video would be printed to the terminal", "name a file: -o, or redirect stdout"
        )

    from superres.cli.batch import open_pipes
    from superres.cli.progress import BatchProgress
    from superres.jobs.outputs import make_folder_of
    from superres.jobs.spec import VideoJob, checked_arguments
    from superres.model_pool import ModelPool
    from superres.upscaler import RunOptions
    from superres.videofiles.codec_options import CodecOptions

    os.environ.setdefault("SVT_LOG", "1")  # its AV1 encoder writes to stderr by itself
    with needs("video", "video"):
        from superres.jobs.video import upscale_video

    taken = parse_size(size, fit=fit, stretch=stretch)
    target, form = _target(Path(source), output, taken, scale, model)
    with checked_arguments():
        job = VideoJob(
            source=Path(source),
            target=target,
            existing="replace" if overwrite else "refuse",
            model=model,
            scale=scale,
            size=taken,
            run=RunOptions(
                tile=tile or None,
                ensemble=ensemble,
                backend=backend,
                precision=precision,
                device=device,
                threads=threads,
            ),
            max_pixels=max_pixels,
            fps=fps,
            stream=stream,
            form=form,
            codec=CodecOptions(codec, crf, pix_fmt, tuple(map(_pair, codec_option or ()))),
            container=format,
        )
    for path in job.outputs:
        make_folder_of(path)
    with BatchProgress(1) as bar:
        watch = bar.watch(Path(source).name, "frames")
        try:
            report = upscale_video(job, ModelPool(), watch, open_pipes([job]))
        except KeyboardInterrupt:
            if job.outputs:
                bar.print_status("the same command resumes after the last finished segment")
            raise
        for note in report.notes:
            if not bar.was_noticed(note):
                bar.print_status(f"note: {note}")
    _conclude(report, as_json=as_json)


def _target(
    source: Path, output: str | None, size: SizeRequest | None, scale: float | None, model: str
) -> tuple[Path | Literal["-"], Literal["file", "folder"]]:
    """Return the target and its kind: a file, a folder of frames, or stdout."""
    if output == "-":
        return "-", "file"
    if output is None:
        from superres.zoo import scales

        words = size.label if size else f"x{scale or max(scales(model)):g}"
        beside = source.with_stem(f"{source.stem}_{words}")
        if source.is_dir():
            return beside, "folder"
        return beside.with_suffix(_suffix(source)), "file"
    target = Path(output)
    if output.endswith(("/", "\\")) or os.path.isdir(target):
        return target, "folder"
    return target, "file"


def _suffix(source: Path) -> str:
    """Return the suffix of a result: the source's, or that of a container for files of its kind."""
    from superres.media import is_picture
    from superres.videofiles.containers import CONTAINERS

    if any(source.suffix.lower() in container.suffixes for container in CONTAINERS):
        return source.suffix
    return ".mp4" if is_picture(source) else ".mkv"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ArgumentError(
            f"--codec-option takes NAME=VALUE, got {text!r}", "such as --codec-option preset=slow"
        )
    return name, value


def _conclude(report: VideoReport, *, as_json: bool) -> None:
    """Print the result's path and what was kept."""
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
        f"{before} → {after}, {report.frames} frames in {time_text(report.seconds)}, "
        f"{report.fps:.1f} frames/s ({how})"
    )
