"""Reports of finished jobs: the common fields, and those of each kind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from superres.burst.alignment import FrameReport
    from superres.infer.engine import EngineState


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHead:
    """The common fields of reports.

    Attributes:
        source: The input's path, or "-"; of a burst, the reference frame.
        target: The output's path, or "-".
        input_size: (height, width).
        output_size: (height, width).
        seconds: Wall time, from opening the input to the finished output.
        notes: Conversions, losses and fallbacks.
    """

    source: str
    target: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return the report in JSON types."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(ReportHead):
    """The report of an upscaled picture.

    Attributes:
        model: The requested model, or the family that `auto` chose.
        scale: Output width over input width.
        backend: The backend of the network; "" if none was needed.
        device: Its device.
        precision: The final number format.
        tile: The final tile edge in input pixels.
    """

    model: str
    scale: float
    backend: str
    device: str
    precision: str
    tile: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoReport(Report):
    """The report of an upscaled video.

    Attributes:
        frames: Frames in the result.
        resumed_at: Frames finished by an earlier run.
        fps: Frames per second of this run.
        codec: The encoder, or "png".
        pix_fmt: The pixel format of the result.
        kept: Other contents of the source that the result has.
        not_kept: Other contents that it lacks.
        repeated: Times of repeated frames, which replace lost ones, in seconds.
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
    """The report of a fused burst.

    Attributes:
        coverage: The coverage map's path, or "".
        method: The method of fusion.
        model: The network that fused them, or that upscaled the reference.
        reference: Index of the reference frame.
        blur: The assumed point spread: `bicubic`, or the sigma of a Gaussian.
        used: Number of frames used.
        sources: The frames' paths.
        frames: Each frame's outcome, in order.
    """

    coverage: str
    method: str
    model: str
    reference: int
    blur: str | float
    used: int
    sources: tuple[str, ...]
    frames: tuple[FrameReport, ...]

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return the report in JSON types; each frame names its source."""
        whole = dataclasses.asdict(self)
        sources = whole.pop("sources")
        whole["frames"] = [
            {"source": source} | frame
            for source, frame in zip(sources, whole["frames"], strict=True)
        ]
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradeReport(ReportHead):
    """The report of a degraded picture."""


class NetworkFacts(TypedDict):
    """The fields of a `Report` about the network that ran."""

    backend: str
    device: str
    precision: str
    tile: int


def network_facts(state: EngineState | None) -> NetworkFacts:
    """Return a report's fields about the network that ran, or their defaults if none did.

    Args:
        state: Its final state.
    """
    if state is None:
        return NetworkFacts(backend="", device="", precision="", tile=0)
    facts = state.facts
    return NetworkFacts(
        backend=facts.name, device=facts.device, precision=facts.precision, tile=state.tile
    )
