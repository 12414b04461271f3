"""Jobs as data: what is read, what is made of it, and where that goes.

A job holds no open file and no network, and comes back from its JSON as the same job: it can be
queued, kept and run elsewhere. A pipe is named `-` here; its stream is handed to the runner.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from superres import zoo
from superres.burst.options import FuseOptions
from superres.degrade.config import DegradationConfig
from superres.errors import ArgumentError, SuperresError, first_fault
from superres.toml_tables import as_table
from superres.upscaler import RunOptions
from superres.video.codec_options import CodecOptions

PIPE: Final = "-"  # stdin or stdout
Place = Path | Literal["-"]
Existing = Literal["refuse", "replace", "skip"]

Quality = Annotated[int, Field(ge=1, le=100)]
_File = Annotated[
    Path,
    # A file that is called - would come back as a pipe.
    PlainSerializer(lambda path: "./-" if path == Path("-") else str(path), when_used="json"),
]
_Place = Annotated[Literal["-"] | _File, Field(union_mode="left_to_right")]


def _degradation_to_json(config: DegradationConfig) -> dict[str, Any]:
    """Return a degradation with its steps as a list: a store of JSON may not keep keys in order."""
    table = config.model_dump(mode="json")
    return {**table, "steps": list(table["steps"].items())}


def _degradation_from_json(value: object) -> object:
    """Turn a list of steps, if that is what they are, into the table that a degradation has."""
    table = as_table(value)
    if table is None or not isinstance(table.get("steps"), list):
        return value
    steps = TypeAdapter(list[tuple[str, dict[str, Any]]])  # Any: as JSON holds it
    return {**table, "steps": dict(steps.validate_python(table["steps"]))}


_Degradation = Annotated[
    DegradationConfig,
    BeforeValidator(_degradation_from_json),
    PlainSerializer(_degradation_to_json, when_used="json"),
]


class JobHead(BaseModel, frozen=True):
    """What every job has.

    Attributes:
        existing: What to do if an output already exists. A job that is to `skip` does so where
            many are run (`jobs.run.run_all`); a single job raises.
    """

    # A kind's schema is built when its first job is made.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)

    existing: Existing = "refuse"

    @property
    @abstractmethod
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Path, ...]:
        """The files that are written, the result first; none if it goes into a pipe."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, str]:
        """Source and target in words."""


class FileJob(JobHead, frozen=True):
    """What jobs of one source and one target have.

    Attributes:
        source: The file, or `-`.
        target: The file to make, or `-`.
    """

    source: _Place
    target: _Place

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that are read."""
        return (self.source,) if isinstance(self.source, Path) else ()

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The file that is written; none if the result goes into a pipe."""
        return (self.target,) if isinstance(self.target, Path) else ()

    @property
    def names(self) -> tuple[str, str]:
        """Source and target in words."""
        return str(self.source), str(self.target)


class UpscaleJob(FileJob, frozen=True):
    """What pictures and videos have in common.

    Attributes:
        model: A family (`default`), a model (`default-x4`), a model file, or, for pictures,
            `auto`, which looks at each one and chooses between `default` and `real`.
        scale: How much larger; or
        size: (height, width) of the result. With neither, the model's largest scale.
        run: How networks are run.
        max_pixels: Largest picture or frame, before and after, that is taken on; None takes
            `media.MAX_PIXELS`.
    """

    model: str = zoo.DEFAULT
    scale: Annotated[float, Field(gt=0)] | None = None
    size: tuple[PositiveInt, PositiveInt] | None = None
    run: RunOptions = RunOptions()
    max_pixels: PositiveInt | None = None


class PictureJob(UpscaleJob, frozen=True):
    """One picture, larger.

    Attributes:
        profile: Keep the ICC profile, or convert to sRGB.
        page: The one page of a file of several that is upscaled, from 1; None takes all.
        format: Format of the result; None goes by the target's name, in a pipe by the source.
        quality: Quality of lossy formats; None takes each format's default.
        lossless: Whether no detail may be lost in coding; None does as the source does, where the
            format of the result is the same and no quality is requested.
    """

    kind: Literal["picture"] = "picture"
    profile: Literal["keep", "srgb"] = "keep"
    page: PositiveInt | None = None
    format: str | None = None
    quality: Quality | None = None
    lossless: bool | None = None


class VideoJob(UpscaleJob, frozen=True):
    """One video, larger; `run.alpha` says nothing of it.

    Attributes:
        source: The video; it is read more than once, and cannot be a pipe.
        form: Whether the target is a video file, or a folder of frames.
        codec: How the result is encoded.
        container: Its container (`mkv`); None goes by the target's suffix.
        segment_frames: Frames in a segment: what a killed run may lose.
    """

    kind: Literal["video"] = "video"
    source: _File
    form: Literal["file", "folder"] = "file"
    codec: CodecOptions = CodecOptions()
    container: str | None = None
    segment_frames: PositiveInt = 60


class BurstJob(JobHead, frozen=True):
    """Several small frames of one scene, as one large picture.

    Attributes:
        frames: The frames, of one size, depth and number of channels.
        target: The large picture; its suffix names the format.
        fuse: What to make of them, and how.
        masks: A picture a frame, or one for all, black where pixels are not valid; or none.
        coverage: Where the coverage map goes: 16-bit grey, white where all frames were believed.
        quality: Quality of lossy formats; None takes each format's default.
    """

    kind: Literal["burst"] = "burst"
    frames: tuple[_File, ...]
    target: _File
    fuse: FuseOptions = FuseOptions()
    masks: tuple[_File, ...] = ()
    coverage: _File | None = None
    quality: Quality | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The frames, then the masks."""
        return *self.frames, *self.masks

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The large picture, and its coverage if that is wanted."""
        return (self.target, self.coverage) if self.coverage else (self.target,)

    @property
    def names(self) -> tuple[str, str]:
        """The first frame, which stands for all of them, and the target."""
        return str(self.frames[0]) if self.frames else "", str(self.target)


class DegradeJob(FileJob, frozen=True):
    """One large picture, as the small one that training sees of it.

    Attributes:
        source: The large picture.
        target: The small one; its suffix names the format.
        degradation: What is done to the picture.
        scale: Large size over small size.
        seed: Another one draws other flaws.
    """

    kind: Literal["degrade"] = "degrade"
    source: _File
    target: _File
    degradation: _Degradation
    scale: Annotated[int, Field(ge=1, le=16)] = 4
    seed: Annotated[int, Field(ge=0)] = 0


Job = Annotated[PictureJob | VideoJob | BurstJob | DegradeJob, Field(discriminator="kind")]


def job_to_json(job: Job) -> str:
    """Return a job as JSON, in ASCII."""
    return json.dumps(job.model_dump(mode="json"))  # pydantic's own refuses names beyond Unicode


def job_from_json(text: str | bytes) -> Job:
    """Return the job that `job_to_json` made this text of.

    Raises:
        ArgumentError: It is not JSON, or not that of a job: a key is unknown or missing, or a value
            cannot be.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ArgumentError(
            f"the job is not JSON: {error}", "write it with superres.jobs.spec.job_to_json"
        ) from error
    with checked_arguments():
        return _jobs().validate_python(values)


@cache
def _jobs() -> TypeAdapter[Job]:
    """Return what reads jobs of any kind; it takes a while to make."""
    return TypeAdapter(Job)


@contextmanager
def checked_arguments() -> Generator[None]:
    """Turn what pydantic says of a job, made inside the block, into an error of ours.

    Raises:
        ArgumentError: A value cannot be.
    """
    try:
        yield
    except ValidationError as error:
        cause = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(cause, SuperresError):  # a rule of ours, which has its own words
            raise cause from error
        raise ArgumentError(
            f"the job is not valid: {first_fault(error)}", "correct the value, or leave it out"
        ) from error
