"""Comparison of a finished file with its source: what was kept, what was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av

from superres.video.production import VideoPlan
from superres.videofiles.colour import Numbers, knows_matrix, numbers_of
from superres.videofiles.probe import UNSAID, Colour, VideoFacts, probe


@dataclass(frozen=True, slots=True)
class Findings:
    """What a finished result is and has.

    Attributes:
        codec: The encoder, or "png".
        pix_fmt: The pixel format.
        kept: What it has of the source besides its pictures.
        not_kept: What it has not.
        notes: What was wrong with the source, or was changed.
    """

    codec: str
    pix_fmt: str
    kept: tuple[str, ...]
    not_kept: tuple[str, ...]
    notes: tuple[str, ...]


# Tags that containers write about themselves, or under another name.
_TRIFLES = {
    "encoder", "duration", "handler_name", "vendor_id", "major_brand", "minor_version",
    "compatible_brands", "creation_time", "language",
}  # fmt: skip


def findings(plan: VideoPlan, target: Path | BinaryIO, notes_of_source: Sequence[str]) -> Findings:
    """Look into a finished result for what it kept.

    Args:
        plan: What was to be made.
        target: What was made; of a pipe, which cannot be looked into again, only the tracks are
            known.
        notes_of_source: What was wrong with the source.
    """
    facts, encoding = plan.facts, plan.encoding
    source = numbers_of(facts.pix_fmt, facts.colour, facts.size)
    notes = list(notes_of_source)
    if encoding is None:
        kept = ["time stamps (in timestamps.txt)"]
        lost = [f"{track.words}: a folder holds pictures only" for track in facts.tracks]
    else:
        notes += changes(facts, source, encoding.numbers, encoding.colour)
        after = probe(target) if isinstance(target, Path) else None
        kept, lost = compare(facts, after, colour=encoding.colour, refused=plan.rest.refused)
    if any(part.is_alpha for part in av.VideoFormat(facts.pix_fmt).components):
        lost.append("transparency")
    png_format = "rgb24" if source.bits == 8 else "rgb48"
    return Findings(
        codec=encoding.encoder if encoding else "png",
        pix_fmt=encoding.pix_fmt if encoding else png_format,
        kept=tuple(kept),
        not_kept=tuple(lost),
        notes=tuple(notes),
    )


def compare(
    before: VideoFacts, after: VideoFacts | None, *, colour: Colour, refused: Mapping[int, str]
) -> tuple[list[str], list[str]]:
    """Return what was kept and what was not, in words.

    Args:
        before: What the source holds.
        after: What the result holds; None if it cannot be looked into.
        colour: What the result was to say of its colours.
        refused: Why some of the source's other streams could not go along.
    """
    kept: list[str] = []
    lost: list[str] = []
    if after is not None:
        _judge_video(before, after, colour, kept, lost)
    for track in before.tracks:
        if track.index in refused:
            lost.append(f"{track.words}: the container cannot hold it ({refused[track.index]})")
        else:
            kept.append(track.words)
    if after is not None:
        _judge_tags(before.metadata, after.metadata, kept, lost)
    return kept, lost


def changes(before: VideoFacts, source: Numbers, copy: Numbers, colour: Colour) -> list[str]:
    """Return what the copy's pixels cannot be as the source's are, in words."""
    notes: list[str] = []
    if copy.bits < source.bits:
        notes.append(f"{source.bits} bits become {copy.bits}")
    if source.full and not copy.full and copy.kind == source.kind:
        notes.append("full range becomes limited, as players expect of the codec")
    if copy.kind != source.kind:
        notes.append(f"pixels in {before.pix_fmt} are encoded as luma and chroma by BT.709")
    elif source.kind == "yuv" and before.colour.matrix in (0, UNSAID):
        name = "BT.601" if source.matrix in (5, 6) else "BT.709"
        notes.append(
            f"the source names no colour matrix; players assume {name}, which is now stated"
        )
    elif source.kind == "yuv" and not knows_matrix(before.colour.matrix):
        notes.append(
            f"the colour matrix {colour.matrix} of H.273 is computed as BT.709, there and back"
        )
    return notes


def _judge_video(
    before: VideoFacts, after: VideoFacts, colour: Colour, kept: list[str], lost: list[str]
) -> None:
    # What it is, what it should be, what it is in the result, and the value for people.
    facts: list[tuple[str, object, object, str]] = [
        (f"colour {name}", getattr(colour, name), getattr(after.colour, name), "")
        for name in ("matrix", "primaries", "transfer")
        if getattr(colour, name) != UNSAID
    ]
    if colour.range:
        facts.append(("colour range", colour.range, after.colour.range, ""))
    if before.aspect and before.aspect != 1:
        facts.append(("pixel aspect ratio", before.aspect, after.aspect, str(before.aspect)))
    if before.display:
        facts.append(("rotation", before.display, after.display, ""))
    if before.mastering:
        facts.append(("HDR mastering display", True, bool(after.mastering), ""))
    if before.light:
        facts.append(("HDR content light level", True, bool(after.light), ""))
    if before.chapters:
        count = len(before.chapters)
        facts.append(("chapters", count, len(after.chapters), str(count)))
    moved = (after.start or 0) - (before.start or 0)
    if abs(moved) > after.time_base:
        lost.append(f"where time begins: all streams are {float(moved):.3f} s later")
    if (before.time_base / after.time_base).denominator == 1:
        kept.append("time stamps")
    else:
        lost.append(f"exact time stamps: the container rounds them to {after.time_base} s")
    for name, wanted, found, words in facts:
        whole = f"{name} ({words})" if words else name
        (kept if wanted == found else lost).append(whole)


def _judge_tags(
    before: Mapping[str, str], after: Mapping[str, str], kept: list[str], lost: list[str]
) -> None:
    names = [name for name in before if name.lower() not in _TRIFLES]
    there = {name.lower(): value for name, value in after.items()}
    missing = [name for name in names if there.get(name.lower()) != before[name]]
    if len(names) > len(missing):
        kept.append(f"tags ({', '.join(name for name in names if name not in missing)})")
    lost += [f"tag {name}: the container does not hold it" for name in missing]
