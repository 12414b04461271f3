"""Reports of finished jobs: one head, and what each kind of job adds."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from superres.burst.alignment import FrameReport
    from superres.infer.engine import EngineState


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """What every report says.

    Attributes:
        source: The input's path, or "-"; of a burst, the frame that the others were aligned over.
        target: The output's path, or "-".
        input_size: (height, width).
        output_size: (height, width).
        seconds: Wall time, from opening the input to the finished output.
        notes: What was converted, could not be kept, or fell back.
    """

    source: str
    target: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: as JSON takes it
        """Return the report as JSON's own types."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(ReportHead):
    """What was done to one picture.

    Attributes:
        model: The requested model, or the family that `auto` chose.
        scale: Output width over input width.
        backend: What ran the network; "" if none was needed.
        device: Where it ran.
        precision: The number format it ran in, at the end.
        tile: Tile edge in input pixels, at the end.
    """

    model: str
    scale: float
    backend: str
    device: str
    precision: str
    tile: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReport(Report):
    """What was done to one video.

    Attributes:
        frames: Frames in the result.
        resumed_at: How many of them an earlier run had finished.
        fps: Frames a second that this run made.
        codec: The encoder, or "png".
        pix_fmt: The pixel format of the result.
        kept: What the result has of the source besides its pictures.
        not_kept: What it has not.
        repeated: When frames are shown, in seconds, that stand in for ones that were lost.
    """

    frames: int
    resumed_at: int
    fps: float
    codec: str
    pix_fmt: str
    kept: tuple[str, ...]
    not_kept: tuple[str, ...]
    repeated: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstReport(ReportHead):
    """What was done to a burst.

    Attributes:
        coverage: The coverage map's path, or "".
        method: How frames were fused.
        model: The network that fused them, or what upscaled the reference.
        reference: Index of the frame that the others were aligned over.
        blur: What a small pixel was taken to see: `bicubic`, or the sigma of a Gaussian.
        used: How many frames were used.
        sources: The frames' paths.
        frames: What became of each frame, in their order.
    """

    coverage: str
    method: str
    model: str
    reference: int
    blur: str | float
    used: int
    sources: tuple[str, ...]
    frames: tuple[FrameReport, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: as JSON takes it
        """Return the report as JSON's own types; each frame names its source."""
        whole = dataclasses.asdict(self)
        sources = whole.pop("sources")
        whole["frames"] = [
            {"source": source} | frame
            for source, frame in zip(sources, whole["frames"], strict=True)
        ]
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradeReport(ReportHead):
    """What was done to one picture to make it small."""


class NetworkFacts(TypedDict):
    """What a `Report` says of the network that ran."""

    backend: str
    device: str
    precision: str
    tile: int


def network_facts(state: EngineState | None) -> NetworkFacts:
    """Return what a report says of the network that ran; of none, that there was none.

    Args:
        state: How it ran, at the end.
    """
    if state is None:
        return NetworkFacts(backend="", device="", precision="", tile=0)
    facts = state.facts
    return NetworkFacts(
        backend=facts.name, device=facts.device, precision=facts.precision, tile=state.tile
    )
