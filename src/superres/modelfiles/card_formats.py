"""Conversion of older card formats.

Format 1 had `frames` (one, many or video) and no graphs, which follow from the config of the few
architectures that existed then.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeGuard, cast

from superres.layers.graphs import Graph, burst_graphs, image_graphs, video_graphs

FORMAT: Final = 2  # the one written
_COUNTS = range(2**31)
_INPUTS = {"one": "image", "many": "burst", "video": "video"}
_Values = Mapping[str, Any]  # JSON's


def upgraded(card: _Values) -> _Values:
    """Return a card's values in the current format.

    Args:
        card: The values, of any format up to the current one; a single-frame model's graph may be
            left out.

    Raises:
        ValueError: The format is newer, or is not a number.
    """
    version = card.get("format", FORMAT)
    if not _is_whole(version):
        raise ValueError(f"its format is not a whole number but {reprlib.repr(version)}")
    if version > FORMAT:
        raise ValueError(
            f"it is of format {reprlib.repr(version)}, this superres reads up to {FORMAT}"
        )
    values = dict(card)
    if version == 1:
        values["format"] = FORMAT
        frames = values.pop("frames", "one")
        values["input"] = _INPUTS.get(frames) if isinstance(frames, str) else None
    images = values.get("input", "image") == "image"
    graphs = _image if images else _GRAPHS.get(str(values.get("architecture")))
    if graphs is not None and "graphs" not in values and (images or version == 1):
        # Missing or wrong values are reported by later checks, each by its name.
        with suppress(KeyError, ValueError):
            values["graphs"] = graphs(values)
    return values


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(values: object, key: str, default: int | None = None) -> int:
    """Return a count after checking it, before it is used in a computation.

    Raises:
        KeyError: It is missing, and there is no default.
        ValueError: It is not a count, or there are no values.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{key} was expected in a table")
    table = cast("dict[str, Any]", values)
    value = table[key] if default is None else table.get(key, default)
    if not _is_whole(value) or value not in _COUNTS:
        raise ValueError(f"{key} is not a count")
    return value


def _image(card: _Values) -> tuple[Graph, ...]:
    return image_graphs(_count(card, "channels", 3), _count(card, "scale"))


def _burst_recurrent(card: _Values) -> tuple[Graph, ...]:
    config, channels = card["config"], _count(card, "channels", 3)
    sums = (channels + 1) * _count(config, "nodes") ** 2
    states = {"merged": _count(config, "features"), "sums": sums}
    return burst_graphs(channels, _count(card, "scale"), states)


def _highres_net(card: _Values) -> tuple[Graph, ...]:
    config = card["config"]
    waiting = _count(config, "most").bit_length() * (_count(config, "features") + 2)
    return burst_graphs(_count(card, "channels", 3), _count(card, "scale"), {"waiting": waiting})


def _video_recurrent(card: _Values) -> tuple[Graph, ...]:
    channels, scale = _count(card, "channels", 3), _count(card, "scale")
    memory = _count(card["config"], "memory")
    aligned = channels * (scale**2 + 2) + memory + 1
    return video_graphs(channels, scale, memory=memory, aligned=aligned)


# Architectures of format 1 that take bursts or videos.
_GRAPHS: Mapping[str, Callable[[_Values], tuple[Graph, ...]]] = {
    "burst_recurrent": _burst_recurrent,
    "highres_net": _highres_net,
    "video_recurrent": _video_recurrent,
}
