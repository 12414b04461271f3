"""Edit lists of MP4 files that show more than one stretch of a track.

FFmpeg cuts such a track as listed, but is off by up to some frames after a cut, and plays the
track's beginning where a list pauses later on. It does follow a list of one stretch, with or
without a delay before it. ISO/IEC 14496-12, section 8.6.6.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from superres.videofiles.boxes import Box, boxes_in, bytes_of
from superres.videofiles.stamps import Stretch, read_packets

if TYPE_CHECKING:
    from av.container import InputContainer

# Exceptions from missing, truncated or invalid boxes.
_DAMAGED = (OSError, struct.error, ValueError, IndexError, StopIteration, ZeroDivisionError)
_MP4 = "mov"  # among FFmpeg's names of the demuxer
IGNORED = {"ignore_editlist": "1"}
"""FFmpeg's option to read tracks as they are stored."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """An entry of an edit list, in ticks of its track.

    Attributes:
        at: Its start, in the file's time.
        begin: Start of what is shown, in the track's own time; None for nothing.
        length: Its duration.
    """

    at: Fraction
    begin: int | None
    length: Fraction


def edit_lists(source: Path) -> Mapping[int, Sequence[_Edit]]:
    """Return an MP4 file's lists that show more than one stretch, by the track's number.

    They begin with what is shown first: FFmpeg itself follows a delay before it. Other files, and
    those with damaged boxes, have none.
    """
    found: dict[int, Sequence[_Edit]] = {}
    with suppress(*_DAMAGED), source.open("rb") as file:
        whole = Box("", 0, file.seek(0, 2))
        for movie in _within(file, whole, "moov"):
            movie_scale = next(_scale(file, head) for head in _within(file, movie, "mvhd"))
            for track in _within(file, movie, "trak"):
                scale = next(_scale(file, head) for head in _within(file, track, "mdia", "mdhd"))
                edits = [
                    edit
                    for table in _within(file, track, "edts", "elst")
                    for edit in _entries(file, table, Fraction(scale, movie_scale))
                ]
                shown = list(itertools.dropwhile(lambda edit: edit.begin is None, edits))
                if len(shown) > 1:
                    head = next(iter(_within(file, track, "tkhd")))
                    found[_number(file, head)] = shown
    return found


def read_stretches(
    lists: Mapping[int, Sequence[_Edit]], edited: InputContainer, stored: InputContainer
) -> dict[int, list[Stretch]]:
    """Assign the packets of a file's tracks to the entries of their lists.

    Args:
        lists: The tracks' lists.
        edited: The file, newly opened.
        stored: The file, opened with `IGNORED`.

    Returns:
        The stretches of each stream that has one of these lists, by its index.
    """
    names = {stream.index: stream.id for stream in edited.streams if stream.id in lists}
    if not names or _MP4 not in edited.format.name.split(","):
        return {}
    own: dict[tuple[int, int | None], int] = {}  # a packet's own time, by its file position
    for packet in read_packets(stored, [stored.streams[index] for index in names]):
        if packet.pts is not None:
            own[packet.stream_index, packet.pos] = packet.pts
    found: dict[int, list[Stretch]] = {index: [] for index in names}
    numbers = dict.fromkeys(names, -1)
    moved: dict[int, int] = {}  # FFmpeg's shift of a packet's own time: one per entry
    begun: dict[int, int] = {}  # first packet of stretches of which nothing was shown yet
    for packet in read_packets(edited, [edited.streams[index] for index in names]):
        index = packet.stream_index
        numbers[index] += 1
        time = own.get((index, packet.pos))
        if packet.pts is None or time is None:
            continue
        if moved.get(index) != packet.pts - time:
            moved[index], begun[index] = packet.pts - time, numbers[index]
        if packet.is_discard or index not in begun:
            continue
        edit = _edit_of(lists[names[index]], time, int(packet.duration or 0), found[index])
        if edit is not None:
            found[index].append(_stretch(edit, begun.pop(index), moved[index]))
    return found


def _stretch(edit: _Edit, first: int, moved: int) -> Stretch:
    since, until = round(edit.at), round(edit.at + edit.length)
    if edit.begin is None:
        return Stretch(first, 0, since, until, shown=False)
    return Stretch(first, since - edit.begin - moved, since, until)


def _edit_of(
    edits: Sequence[_Edit], time: int, length: int, before: Sequence[Stretch]
) -> _Edit | None:
    """Return the first unused entry that a packet can belong to."""
    met = before[-1].until if before else -1
    for edit in edits:
        begin = edit.begin if edit.begin is not None else -1
        if round(edit.at + edit.length) > met and begin - length < time < begin + edit.length:
            return edit
    return None


def _within(file: BinaryIO, box: Box, *kinds: str) -> list[Box]:
    """Return the boxes within a box at the end of a path of kinds."""
    found = [box]
    for kind in kinds:
        found = [
            inner
            for outer in found
            for inner in boxes_in(file, outer.start, outer.end)
            if inner.kind == kind
        ]
    return found


def _scale(file: BinaryIO, head: Box) -> int:
    """Return the ticks a second that a movie's or a track's media header states."""
    data = bytes_of(file, head.start, head.end)
    return struct.unpack_from(">I", data, 20 if data[0] else 12)[0]


def _number(file: BinaryIO, head: Box) -> int:
    data = bytes_of(file, head.start, head.end)
    return struct.unpack_from(">I", data, 20 if data[0] else 12)[0]


def _entries(file: BinaryIO, table: Box, ticks: Fraction) -> list[_Edit]:
    data = bytes_of(file, table.start, table.end)
    (count,) = struct.unpack_from(">I", data, 4)
    form = struct.Struct(">Qqhh" if data[0] else ">Iihh")
    edits: list[_Edit] = []
    at = Fraction(0)
    for place in range(count):
        length, begin, _, _ = form.unpack_from(data, 8 + place * form.size)
        edits.append(_Edit(at, None if begin < 0 else begin, length * ticks))
        at += length * ticks
    return edits
