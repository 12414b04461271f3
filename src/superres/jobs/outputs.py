"""Output policy: existing outputs and missing folders."""

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
from superres.jobs.spec import DegradeJob, JobHead, PictureJob, VideoJob


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
