"""Comparison of a finished file with its source: what was kept, and what was not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from superres.media import format_for, open_picture
from superres.video.contents import Contents, read_contents, time_fault
from superres.video.join import place_of_video
from superres.video.production import VideoPlan
from superres.videofiles.colour import BT709, Numbers, knows_matrix, numbers_of
from superres.videofiles.probe import UNSAID, Colour, VideoFacts, probe
from superres.videofiles.streams import Track
from superres.videofiles.turn import turn_of


@dataclass(frozen=True, slots=True)
class Findings:
    """Report on a finished result.

    Attributes:
        codec: The encoder, or "png".
        pix_fmt: The pixel format.
        kept: What it keeps of the source besides the frames.
        not_kept: What it does not keep.
        notes: What was wrong with the source, or was changed.
    """

    codec: str
    pix_fmt: str
    kept: tuple[str, ...]
    not_kept: tuple[str, ...]
    notes: tuple[str, ...]


# Tags that say how a file was made, or that are compared separately.
_TRIFLES = {
    "encoder", "duration", "handler_name", "vendor_id", "major_brand", "minor_version",
    "compatible_brands", "language", "timecode", "filename", "mimetype",
}  # fmt: skip
_DELAY_TICK_S = Fraction(1, 1000)  # unit of a track's delay in MP4 and MOV
# Their bytes are in the file's header, and are read with it.
_WITHOUT_PACKETS = {"attachment", "cover"}
# Layers of MPEG audio, which MP4 and MPEG-TS do not tell apart, by FFmpeg's names of decoders.
_MPEG_AUDIO = {"mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"}
_STATISTICS = ("_STATISTICS_", "BPS", "NUMBER_OF_", "DURATION", "SOURCE_ID")  # by Matroska's tools
# H.273's numbers for what pictures without a profile are assumed to be, or that look the same.
_USUAL_PRIMARIES = (UNSAID, BT709)
_USUAL_TRANSFERS = (UNSAID, BT709, 6, 13, 14, 15)


def findings(
    plan: VideoPlan,
    target: Path | BinaryIO,
    notes_of_source: Sequence[str],
    times: Sequence[float] = (),
    lost_in_frames: Sequence[str] = (),
) -> Findings:
    """Report what a finished result kept of its source.

    Args:
        plan: The plan of the result.
        target: The result; a pipe cannot be read back.
        notes_of_source: What was wrong with the source.
        times: When each frame should be shown, in seconds.
        lost_in_frames: What the source's frames hold and those that were read do not.
    """
    facts, encoding = plan.facts, plan.encoding
    source = numbers_of(facts.pix_fmt, facts.colour, facts.size)
    notes = list(notes_of_source)
    if encoding is None:
        assert isinstance(target, Path)
        is_folder = target.is_dir()
        kept = ["time stamps (in timestamps.txt)"] if is_folder else []
        lost = [] if is_folder else _judge_animation(target, times, kept)
        if facts.display and turn_of(facts.display):
            kept.append("rotation (frames are turned)")
        form = "a folder" if is_folder else "an animation"
        lost += [f"{words}: {form} holds pictures only" for words in beside_frames(facts)]
    elif isinstance(target, Path):
        notes += changes(facts, source, encoding.numbers, encoding.colour)
        after = probe(target, place_of_video(facts, plan.rest))
        contents = read_contents(target, after.index)
        kept, lost = compare(
            facts, after, contents, times, colour=encoding.colour, refused=plan.rest.refused
        )
    else:
        notes += changes(facts, source, encoding.numbers, encoding.colour)
        notes.append("what went into the pipe was not read back")
        refused = plan.rest.refused
        kept = [track.words for track in facts.tracks if track.index not in refused]
        lost = [_refused(track, refused) for track in facts.tracks if track.index in refused]
    png_format = "rgb24" if source.bits == 8 else "rgb48"
    return Findings(
        codec=encoding.encoder if encoding else _picture_format(target),
        pix_fmt=encoding.pix_fmt if encoding else png_format,
        kept=tuple(kept),
        not_kept=(*lost, *lost_in_frames),
        notes=tuple(notes),
    )


def _picture_format(target: Path | BinaryIO) -> str:
    if isinstance(target, Path) and target.is_file():
        return format_for(target).name
    return "png"


def _judge_animation(target: Path, times: Sequence[float], kept: list[str]) -> list[str]:
    """Compare the times in a finished animation; return what is lost."""
    picture = open_picture(target, max_planes=max(1, len(times)))
    delays_ms = picture.metadata.animation.delays_ms if picture.metadata.animation else (0,)
    starts = [ms / 1000 for ms in (0, *accumulate(delays_ms[:-1]))]
    fault = time_fault(Contents(tuple(starts), {}), times, float(_DELAY_TICK_S))
    if not fault:
        kept.append(f"time stamps (to {float(_DELAY_TICK_S)} s)")
    return [f"time stamps: {fault}"] if fault else []


def beside_frames(facts: VideoFacts) -> list[str]:
    """Describe all that a video holds besides its frames and their times."""
    aspect = facts.aspect if facts.aspect and facts.aspect != 1 else None
    tags = [name for name in facts.metadata if not _is_trifle(name)]
    said = [
        f"colour {name}"
        for name, usual in (("primaries", _USUAL_PRIMARIES), ("transfer", _USUAL_TRANSFERS))
        if getattr(facts.colour, name) not in usual
    ]
    found = [
        *(track.words for track in facts.tracks),
        f"pixel aspect ratio ({aspect})" if aspect else "",
        "" if turn_of(facts.display) else "rotation by other angles than 90°",
        *said,
        "HDR mastering display" if facts.mastering else "",
        "HDR content light level" if facts.light else "",
        f"timecode ({facts.timecode})" if facts.timecode else "",
        f"chapters ({len(facts.chapters)})" if facts.chapters else "",
        *facts.carried,
        f"tags ({', '.join(tags)})" if tags else "",
    ]
    return [words for words in found if words]


def compare(
    before: VideoFacts,
    after: VideoFacts,
    contents: Contents,
    times: Sequence[float],
    *,
    colour: Colour,
    refused: Mapping[int, str],
) -> tuple[list[str], list[str]]:
    """Describe what was kept and what was not, as found in the finished file.

    Args:
        before: The source's facts.
        after: The result's facts.
        contents: What was read back from the result's packets.
        times: When each frame should be shown, in seconds; not compared if empty.
        colour: The colour description that the result should have.
        refused: Why some of the source's other streams could not be copied.
    """
    kept: list[str] = []
    lost: list[str] = []
    _judge_times(before, after, contents, times, kept, lost)
    _judge_video(before, after, colour, kept, lost)
    left = list(after.tracks)
    for track in before.tracks:
        if track.index in refused:
            lost.append(_refused(track, refused))
        else:
            _judge_track(track, left, contents, kept, lost)
    for name, data in before.carried.items():
        (kept if after.carried.get(name) == data else lost).append(name)
    _judge_tags(before.metadata, after.metadata, "", kept, lost)
    _judge_tags(before.video_metadata, after.video_metadata, " of the video", kept, lost)
    return kept, lost


def _refused(track: Track, refused: Mapping[int, str]) -> str:
    return f"{track.words}: the container cannot hold it ({refused[track.index]})"


def _judge_track(
    track: Track, left: list[Track], contents: Contents, kept: list[str], lost: list[str]
) -> None:
    """Find a stream of the source among the result's streams that are not matched yet."""
    alike = [t for t in left if t.kind == track.kind and _is_same_codec(t.codec, track.codec)]
    if not alike:
        lost.append(f"{track.words}: the finished file does not have it")
        return
    found = alike[0]
    left.remove(found)
    if found.kind not in _WITHOUT_PACKETS and not contents.packets.get(found.index):
        lost.append(f"{track.words}: it is empty in the finished file")
        return
    kept.append(track.words)
    language = track.metadata.get("language", "und")
    if found.metadata.get("language", "und") != language != "und":
        lost.append(f"language {language} of {track.words}")
    lost += [
        f"purpose of {track.words}: {purpose}"
        for purpose in track.purposes
        if purpose not in found.purposes
    ]
    _judge_tags(track.metadata, found.metadata, f" of {track.words}", [], lost)


def _is_same_codec(one: str, other: str) -> bool:
    return one == other or {one, other} <= _MPEG_AUDIO


def changes(before: VideoFacts, source: Numbers, copy: Numbers, colour: Colour) -> list[str]:
    """Describe how the copy's pixels have to differ from the source's."""
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
    # Name, expected value, value in the result, and the value as messages show it.
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
    if before.timecode:
        facts.append(("timecode", before.timecode, after.timecode, before.timecode))
    if before.chapters:
        facts.append(("chapters", before.chapters, after.chapters, str(len(before.chapters))))
    for name, wanted, found, words in facts:
        whole = f"{name} ({words})" if words else name
        (kept if wanted == found else lost).append(whole)


def _judge_times(
    before: VideoFacts,
    after: VideoFacts,
    contents: Contents,
    times: Sequence[float],
    kept: list[str],
    lost: list[str],
) -> None:
    moved = (after.start or 0) - (before.start or 0)
    if abs(moved) > max(after.time_base, _DELAY_TICK_S):
        lost.append(f"where time begins: all streams are {float(moved):.3f} s later")
    fault = time_fault(contents, times, float(after.time_base)) if times else None
    if fault:
        lost.append(f"time stamps: {fault}")
    elif (before.time_base / after.time_base).denominator == 1:
        kept.append("time stamps")
    else:
        lost.append(f"exact time stamps: the container rounds them to {after.time_base} s")


def _judge_tags(
    before: Mapping[str, str],
    after: Mapping[str, str],
    whose: str,
    kept: list[str],
    lost: list[str],
) -> None:
    names = [name for name in before if not _is_trifle(name)]
    there = {name.lower(): value for name, value in after.items()}
    missing = [name for name in names if _moment(there.get(name.lower())) != _moment(before[name])]
    if len(names) > len(missing):
        kept.append(f"tags{whose} ({', '.join(name for name in names if name not in missing)})")
    lost += [f"tag {name}{whose}: the container does not hold it" for name in missing]


def _is_trifle(name: str) -> bool:
    return name.lower() in _TRIFLES or name.startswith(_STATISTICS)


def _moment(value: str | None) -> str | None:
    """Return a tag's value; a time loses the fraction of 0 that some containers add."""
    return value.replace(".000000Z", "Z") if value is not None else None
