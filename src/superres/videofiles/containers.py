"""Containers of video files: names, and capabilities besides the video itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from superres.errors import ArgumentError

Thing = Literal[
    "every time stamp",
    "chapters",
    "tags",
    "covers",
    "attachments",
    "time code",
    "rotation",
    "360° projection",
]
"""Capabilities that differ between containers, whatever the codec."""


@dataclass(frozen=True, slots=True)
class Container:
    """An output container.

    Attributes:
        name: FFmpeg's name of it.
        suffixes: Its file suffixes.
        holds: What it can hold besides streams.
        covers: How it stores a cover picture: as a track of one packet, as an attachment, or not
            at all.
    """

    name: str
    suffixes: tuple[str, ...]
    holds: frozenset[Thing]
    covers: Literal["track", "attachment"] | None = None


def _all(*things: Thing) -> frozenset[Thing]:
    return frozenset(things)


_WEBM = _all("chapters", "tags", "time code", "rotation", "360° projection")
_MOV = _WEBM | _all("every time stamp")

CONTAINERS: tuple[Container, ...] = (
    Container("mp4", (".mp4", ".m4v"), _MOV | _all("covers"), covers="track"),
    Container("mov", (".mov",), _MOV),
    Container("matroska", (".mkv",), _WEBM | _all("covers", "attachments"), covers="attachment"),
    Container("webm", (".webm",), _WEBM),
    Container("mpegts", (".ts", ".mts", ".m2ts"), _all()),
)
"""The one table of output containers."""

BY_NAME: Mapping[str, Container] = {container.name: container for container in CONTAINERS}


def container_of(name: str) -> str:
    """Return FFmpeg's name of the container that a suffix (`.mkv`) or a format (`mkv`) means.

    Raises:
        ArgumentError: It is not an output container.
    """
    suffix = f".{name.removeprefix('.').lower()}"
    for container in CONTAINERS:
        if suffix in container.suffixes or suffix[1:] == container.name:
            return container.name
    known = ", ".join(suffix for container in CONTAINERS for suffix in container.suffixes)
    raise ArgumentError(
        f"superres video does not write {suffix} files"
        if suffix != "."
        else "the output has no suffix",
        f"name it {known}, or end it in / for a folder of frames",
    )
