"""Conversion of older card formats.

Format 1 said `frames`: one, many or video, and nothing of graphs, which follow from the config of
the few architectures that there were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from superres.layers.graphs import Graph, burst_graphs, image_graphs, video_graphs

FORMAT: Final = 2  # the one that is written
_INPUTS = {"one": "image", "many": "burst", "video": "video"}
_Values = Mapping[str, Any]  # as JSON gives them


def upgraded(card: _Values) -> _Values:
    """Return a card's values in today's format.

    Args:
        card: The values, of any format up to today's; graphs of single pictures may be left out.

    Raises:
        ValueError: The format is newer.
    """
    version = card.get("format", FORMAT)
    if isinstance(version, int) and version > FORMAT:
        raise ValueError(f"it is of format {version}, this superres reads up to {FORMAT}")
    values = dict(card)
    if version == 1:
        values["format"] = FORMAT
        values["input"] = _INPUTS.get(values.pop("frames", "one"))
    images = values.get("input", "image") == "image"
    graphs = _image if images else _GRAPHS.get(str(values.get("architecture")))
    if graphs is not None and "graphs" not in values and (images or version == 1):
        # Values that are missing or wrong are told by the checks that follow, each by its name.
        with suppress(KeyError, TypeError, ValueError):
            values["graphs"] = graphs(values)
    return values


def _image(card: _Values) -> tuple[Graph, ...]:
    return image_graphs(card.get("channels", 3), card["scale"])


def _burst_recurrent(card: _Values) -> tuple[Graph, ...]:
    config, channels = card["config"], card.get("channels", 3)
    states = {"merged": config["features"], "sums": (channels + 1) * config["nodes"] ** 2}
    return burst_graphs(channels, card["scale"], states)


def _highres_net(card: _Values) -> tuple[Graph, ...]:
    config = card["config"]
    waiting = int(config["most"]).bit_length() * (config["features"] + 2)
    return burst_graphs(card.get("channels", 3), card["scale"], {"waiting": waiting})


def _video_recurrent(card: _Values) -> tuple[Graph, ...]:
    channels, scale, memory = card.get("channels", 3), card["scale"], card["config"]["memory"]
    aligned = channels * (scale**2 + 2) + memory + 1
    return video_graphs(channels, scale, memory=memory, aligned=aligned)


# Architectures of format 1 that take more than single pictures.
_GRAPHS: Mapping[str, Callable[[_Values], tuple[Graph, ...]]] = {
    "burst_recurrent": _burst_recurrent,
    "highres_net": _highres_net,
    "video_recurrent": _video_recurrent,
}
