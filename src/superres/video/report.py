"""What was done to a video, and what of it was kept."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av

from superres.upscaler import Upscaler
from superres.video.colour import numbers_of
from superres.video.decode import FrameReader
from superres.video.enlarge import VideoNetworks
from superres.video.kept import changes, compare
from superres.video.plan import Plan
from superres.video.probe import VideoFacts, probe
from superres.watch import Watch


@dataclass(frozen=True, slots=True)
class VideoReport:
    """What was done to one video.

    Attributes:
        source: The input's path.
        target: The output's path, or "-".
        model: The model that was asked for.
        scale: Output width over input width.
        input_size: (height, width).
        output_size: (height, width).
        frames: Frames in the result.
        went_on_at: How many of them an earlier run had finished.
        seconds: Wall time of this run.
        fps: Frames a second that this run made.
        codec: The encoder, or "png".
        pix_fmt: The pixel format of the result.
        backend: What ran the network; "" if none was needed.
        device: Where it ran.
        precision: The number format it ran in, at the end.
        tile: Tile edge in input pixels, at the end.
        kept: What the result has of the source besides its pictures.
        not_kept: What it has not.
        repeated: When frames are shown, in seconds, that stand in for ones that were lost.
        notes: What was wrong with the source, was changed, or fell back.
    """

    source: str
    target: str
    model: str
    scale: float
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    frames: int
    went_on_at: int
    seconds: float
    fps: float
    codec: str
    pix_fmt: str
    backend: str
    device: str
    precision: str
    tile: int
    kept: tuple[str, ...]
    not_kept: tuple[str, ...]
    repeated: tuple[float, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON's own types."""
        return dataclasses.asdict(self)


def make_report(
    plan: Plan,
    target: Path | BinaryIO,
    upscaler: Upscaler | VideoNetworks,
    reader: FrameReader,
    *,
    went_on_at: int,
    made: int,
    seconds: float,
    watch: Watch,
) -> VideoReport:
    """Report on a finished video.

    Args:
        plan: What was to be made.
        target: What was made; a file is looked into again for what it kept.
        upscaler: What ran.
        reader: What decoded the source, and met its flaws.
        went_on_at: How many frames an earlier run had finished.
        made: How many this one made.
        seconds: How long it took.
        watch: The job, and what it said on the way.
    """
    facts, encoding, route = plan.facts, plan.encoding, plan.route
    state = upscaler.state(route, watch)
    backend = state.facts if state else None
    source = numbers_of(facts.pix_fmt, facts.colour, facts.size)
    notes = [*watch.notes, *reader.notes()]
    if encoding is None:
        kept = ["time stamps (in timestamps.txt)"]
        lost = [f"{track.words}: a folder holds pictures only" for track in facts.tracks]
    else:
        notes += changes(facts, source, encoding.numbers, encoding.colour)
        # A pipe cannot be looked into again: of it only the tracks are known.
        after = probe(target) if isinstance(target, Path) else None
        kept, lost = compare(facts, after, colour=encoding.colour, refused=plan.rest.refused)
    if _has_alpha(facts):
        lost.append("transparency")
    png_format = "rgb24" if source.bits == 8 else "rgb48"
    return VideoReport(
        source=str(plan.source),
        target=str(target) if isinstance(target, Path) else "-",
        model=upscaler.model,
        scale=route.target[1] / facts.size[1],
        input_size=facts.size,
        output_size=route.target,
        frames=went_on_at + made,
        went_on_at=went_on_at,
        seconds=seconds,
        fps=made / seconds,
        codec=encoding.encoder if encoding else "png",
        pix_fmt=encoding.pix_fmt if encoding else png_format,
        backend=backend.name if backend else "",
        device=backend.device if backend else "",
        precision=backend.precision if backend else "",
        tile=state.tile if state else 0,
        kept=tuple(kept),
        not_kept=tuple(lost),
        repeated=reader.repeated,
        notes=tuple(dict.fromkeys(notes)),
    )


def _has_alpha(facts: VideoFacts) -> bool:
    return any(part.is_alpha for part in av.VideoFormat(facts.pix_fmt).components)
