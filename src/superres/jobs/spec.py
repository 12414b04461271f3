"""Jobs as data: sources, processing options and targets.

A job holds no open file and no network, and survives a round trip through JSON unchanged: it can be
queued, stored and run elsewhere. A pipe is named `-` here; its stream is passed to the runner.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from superres import zoo
from superres.burst.options import FuseOptions
from superres.degrade.config import DegradationConfig
from superres.errors import ArgumentError, SuperresError, first_fault
from superres.infer.route import SizeRequest
from superres.metadata.picture import Compression
from superres.toml_tables import as_table
from superres.upscaler import RunOptions
from superres.videofiles.codec_options import CodecOptions

PIPE: Final = "-"  # stdin or stdout
Place = Path | Literal["-"]
Existing = Literal["refuse", "replace", "skip"]

Quality = Annotated[int, Field(ge=1, le=100)]


def place_in_words(place: Place) -> str:
    """Return a pipe as `-`, and a file of that name as `./-`, to distinguish it."""
    return "./-" if place == Path(PIPE) else str(place)


def _possible(path: Path) -> Path:
    """Check that a path is possible."""
    if "\0" in str(path):
        raise ArgumentError(
            f"the path {str(path)!r} has a NUL character, which no file's may have", "correct it"
        )
    return path


_File = Annotated[
    Path, AfterValidator(_possible), PlainSerializer(place_in_words, when_used="json")
]
_Place = Annotated[Literal["-"] | _File, Field(union_mode="left_to_right")]


def _degradation_to_json(config: DegradationConfig) -> dict[str, Any]:
    """Return a degradation with its steps as a list, as JSON stores may reorder keys."""
    table = config.model_dump(mode="json")
    return {**table, "steps": list(table["steps"].items())}


def _degradation_from_json(value: object) -> object:
    """Turn a list of steps, if given one, into a degradation's table."""
    table = as_table(value)
    if table is None or not isinstance(table.get("steps"), list):
        return value
    steps = TypeAdapter(list[tuple[str, dict[str, Any]]])  # Any: JSON values
    return {**table, "steps": dict(steps.validate_python(table["steps"]))}


_Degradation = Annotated[
    DegradationConfig,
    BeforeValidator(_degradation_from_json),
    PlainSerializer(_degradation_to_json, when_used="json"),
]


def _size_of_pair(value: object) -> object:
    """Turn a plain (height, width), if given one, into a request for exactly that."""
    if isinstance(value, list | tuple):
        pair = cast("Sequence[object]", value)  # pydantic checks the items
        if len(pair) == 2:
            return {"height": pair[0], "width": pair[1]}
    return cast("object", value)


_Size = Annotated[SizeRequest, BeforeValidator(_size_of_pair)]


class JobHead(BaseModel, frozen=True):
    """The common fields of jobs.

    Attributes:
        existing: The policy for an existing output. `skip` applies to batches (`jobs.run.run_all`);
            a single job raises.
    """

    # Each kind's schema is built with its first job.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, defer_build=True)

    existing: Existing = "refuse"

    @property
    @abstractmethod
    def inputs(self) -> tuple[Path, ...]:
        """The files to read."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[Path, ...]:
        """The files to write, the result first; none if it goes into a pipe."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, str]:
        """The source and target as text."""


class FileJob(JobHead, frozen=True):
    """The fields of jobs with one source and one target.

    Attributes:
        source: The file, or `-`.
        target: The file to write, or `-`.
    """

    source: _Place
    target: _Place

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files to read."""
        return (self.source,) if isinstance(self.source, Path) else ()

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The file to write; none if the result goes into a pipe."""
        return (self.target,) if isinstance(self.target, Path) else ()

    @property
    def names(self) -> tuple[str, str]:
        """The source and target as text."""
        return place_in_words(self.source), place_in_words(self.target)


class UpscaleJob(FileJob, frozen=True):
    """The common fields of pictures and videos.

    Attributes:
        model: A family (`default`), a model (`default-x4`), a model file, or, for pictures, `auto`,
            which chooses between `default` and `real` for each.
        scale: The scale factor; or
        size: The requested size, as shown; a plain (height, width) is an exact one. With neither,
            the model's largest scale.
        run: The options for running networks.
        max_pixels: Limit on pixels of a picture or frame, input and output; None takes
            `media.MAX_PIXELS`.
    """

    model: str = zoo.DEFAULT
    scale: Annotated[float, Field(gt=0)] | None = None
    size: _Size | None = None
    run: RunOptions = RunOptions()
    max_pixels: PositiveInt | None = None


class PictureJob(UpscaleJob, frozen=True):
    """One picture to upscale.

    Attributes:
        profile: Keep the ICC profile, or convert to sRGB.
        page: The page to upscale, from 1, of a file with several; None takes all.
        format: Format of the result; None derives it from the target's name, or from the source
            for a pipe.
        quality: Quality of lossy formats; None takes each format's default.
        lossless: Whether coding must be lossless; None follows the source if the result has its
            format and no quality is requested.
        compression: Effort of the encoder, for speed or for size.
    """

    kind: Literal["picture"] = "picture"
    profile: Literal["keep", "srgb"] = "keep"
    page: PositiveInt | None = None
    format: str | None = None
    quality: Quality | None = None
    lossless: bool | None = None
    compression: Compression = "default"

    @model_validator(mode="after")
    def _check_vectors(self) -> Self:
        if self.run.normal_map and self.profile != "keep":
            raise ArgumentError(
                f"a normal map holds vectors; conversion to {self.profile} was requested",
                "keep the profile, as --profile keep does",
            )
        if self.run.normal_map and self.run.alpha == "resize":
            raise ArgumentError(
                "alpha of a normal map is upscaled as data; it was requested as transparency",
                "leave --alpha out, or use --alpha data",
            )
        return self


class VideoJob(UpscaleJob, frozen=True):
    """One video to upscale; `run.alpha`, `wrap` and `normal_map` do not apply.

    Attributes:
        source: The video, folder of frames or animated picture; not a pipe, as it is read twice.
        fps: Frames per second of a folder; None takes the times that it lists.
        stream: Index of the file's stream to upscale; None takes the one that players show.
        form: Whether the target is a file (a video, or by its suffix an animated picture) or a
            folder of frames.
        codec: The result's encoding.
        container: Its container (`mkv`); None derives it from the target's suffix.
        segment_frames: Frames per segment, the most that a killed run may lose.
    """

    kind: Literal["video"] = "video"
    source: _File
    fps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    stream: Annotated[int, Field(ge=0)] | None = None
    form: Literal["file", "folder"] = "file"
    codec: CodecOptions = CodecOptions()
    container: str | None = None
    segment_frames: PositiveInt = 60


class BurstJob(JobHead, frozen=True):
    """Several small frames of one scene to fuse into one large picture.

    Attributes:
        frames: The frames, of one size, depth and number of channels.
        target: The large picture; its suffix selects the format.
        fuse: The options of the fusion.
        masks: A picture per frame, or one for all, black where pixels are invalid; or none.
        coverage: The coverage map's file: 16-bit grey, white where all frames contribute.
        quality: Quality of lossy formats; None takes each format's default.
        lossless: Whether coding must be lossless; None follows the first frame if the result has
            its format and no quality is requested.
    """

    kind: Literal["burst"] = "burst"
    frames: tuple[_File, ...]
    target: _File
    fuse: FuseOptions = FuseOptions()
    masks: tuple[_File, ...] = ()
    coverage: _File | None = None
    quality: Quality | None = None
    lossless: bool | None = None

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The frames, then the masks."""
        return *self.frames, *self.masks

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The large picture, and its coverage map if requested."""
        return (self.target, self.coverage) if self.coverage else (self.target,)

    @property
    def names(self) -> tuple[str, str]:
        """The first frame, representing all of them, and the target."""
        return place_in_words(self.frames[0]) if self.frames else "", place_in_words(self.target)


class DegradeJob(FileJob, frozen=True):
    """One large picture to degrade as in training.

    Attributes:
        source: The large picture.
        target: The small one; its suffix selects the format.
        degradation: The degradation to apply.
        scale: Large size over small size.
        seed: The seed of the random flaws.
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
    return json.dumps(job.model_dump(mode="json"))  # pydantic's own rejects non-Unicode names


def job_from_json(text: str | bytes) -> Job:
    """Return the job from the text of `job_to_json`.

    Raises:
        ArgumentError: It is not JSON, or not a job's: a key is unknown or missing, or a value is
            invalid.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(
            f"the job is not JSON that can be read: {error}",
            "write it with superres.jobs.spec.job_to_json",
        ) from error
    with checked_arguments():
        return _jobs().validate_python(values)


@cache
def _jobs() -> TypeAdapter[Job]:
    """Return the reader of all kinds of jobs, which is slow to build."""
    return TypeAdapter(Job)


@contextmanager
def checked_arguments() -> Generator[None]:
    """Turn pydantic's errors inside the block into ours.

    Raises:
        ArgumentError: A value is invalid.
    """
    try:
        yield
    except ValidationError as error:
        causes = (one.get("ctx", {}).get("error") for one in error.errors())
        ours = [cause for cause in causes if isinstance(cause, SuperresError)]
        if ours:  # our own rule, with its own message
            raise ours[0] from error
        raise ArgumentError(
            f"the job is not valid: {first_fault(error)}", "correct the value, or leave it out"
        ) from error
