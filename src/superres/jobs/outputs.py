"""Outputs of jobs: existing ones and missing folders, and how they follow their source."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from superres.atomic import (
    OVERWRITE,
    OVERWRITE_OR_SKIP,
    SHORTER,
    Inputs,
    check_name,
    check_new_folder,
    check_target,
)
from superres.errors import OutputError
from superres.formats.format import ReadOnly
from superres.jobs.spec import DegradeJob, JobHead, PictureJob, VideoJob
from superres.media import WriteOptions, check_options, format_for
from superres.metadata.picture import Compression, Profile


def check_outputs(job: JobHead, inputs: Inputs | Iterable[Path] | None = None) -> None:
    """Check that a job's outputs may be written, before anything is read or computed.

    Args:
        job: The job.
        inputs: Files that no output may replace; None takes the job's own inputs.

    Raises:
        OutputError: An output is an input, is a folder or device, already exists and may not be
            replaced, or its folder is missing; or two outputs are the same file.
    """
    taken = (
        inputs if isinstance(inputs, Inputs) else Inputs(job.inputs if inputs is None else inputs)
    )
    check_names(job)
    outputs = job.outputs
    if len(outputs) > 1 and Inputs(outputs[:1]).holds(outputs[1]):
        raise OutputError(f"two outputs of the job share the path {outputs[0]}", "name two files")
    for target in outputs:
        if isinstance(job, VideoJob) and job.form == "folder":
            check_new_folder(target, taken)
        else:
            hint = OVERWRITE_OR_SKIP if isinstance(job, PictureJob) else OVERWRITE
            check_target(target, taken, overwrite=job.existing == "replace", hint=hint)


def check_names(job: JobHead) -> None:
    """Check that the file system accepts the names of a job's outputs and of their folders.

    Raises:
        OutputError: One is too long.
    """
    for target in job.outputs:
        check_name(target, "name a shorter output" if isinstance(job, DegradeJob) else SHORTER)


def is_skipped(job: JobHead) -> bool:
    """Return whether a job is skipped because its result already exists."""
    return job.existing == "skip" and bool(job.outputs) and os.path.exists(job.outputs[0])


def make_folder_of(target: Path) -> None:
    """Create a file's folder.

    Raises:
        OutputError: It cannot be created, or a name is too long.
    """
    check_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {target.parent} cannot be created: {error.strerror}",
            "check its path and permissions, or name another output",
        ) from error


def profile_for(target: str | Path, requested: Profile = "keep") -> Profile:
    """Return how a source's colours are read: in sRGB for a target that holds no profile.

    Args:
        target: The path or the name of a format, as for `format_for`.
        requested: How they are read for other targets.

    Raises:
        OutputError: The format is read only.
        UnknownNameError: There is no such format.
    """
    holding = format_for(target).holding
    return requested if isinstance(holding, ReadOnly) or holding.icc else "srgb"


def options_for(
    target: str | Path,
    *,
    quality: int | None,
    lossless: bool | None,
    lossless_source: str | None,
    compression: Compression = "default",
) -> WriteOptions:
    """Return how a result is encoded.

    Args:
        target: The path or the name of a format, as for `format_for`.
        quality: The requested quality; None for none.
        lossless: The requested kind of coding; None follows the source if the result has its format
            and no quality is requested.
        lossless_source: The source's format if that can lose detail and did not; else None.
        compression: The effort of the encoder.

    Raises:
        ArgumentError: The format cannot be lossless, or not be without compression; or a quality
            is requested beside lossless.
        OutputError: The format is read only.
        UnknownNameError: There is no such format.
    """
    written = format_for(target)
    if lossless is None and quality is None:
        lossless = written.name == lossless_source
    options = WriteOptions(quality=quality, lossless=bool(lossless), compression=compression)
    check_options(written, options)
    return options
