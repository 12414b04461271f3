"""Graphs of a model: the parts of a network that a runtime computes, and their tensors.

A network of single pictures is one graph, `ENLARGE`. One of bursts is two: `STEP` takes the
reference, a frame and the states, and gives each state's successor, named with `NEXT` behind it;
`FINISH` makes the picture of reference and states. States begin as zeros. One of videos is two as
well: `ALIGN` takes whole frames with what was made of the one before; `RESTORE` makes the larger
frame of that, and what the next frame shall know. All graphs of a model share its weights, and one
file. This module needs no torch, so that a card can be read without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from superres.frame import BURST_EXTRAS

InputKind = Literal["image", "burst", "video"]

ENLARGE, STEP, FINISH, ALIGN, RESTORE = "enlarge", "step", "finish", "align", "restore"
INPUT, OUTPUT = "small", "large"
REFERENCE, FRAME = "reference", "frame"
PREVIOUS, BEFORE, MEMORY, ALIGNED = "previous", "before", "memory", "aligned"
NEXT = "_next"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Port(_Strict):
    """One tensor (N, channels, scale*h, scale*w) that goes into a graph or comes out of it.

    Attributes:
        name: What it is called, in model files too.
        channels: Its channels.
        scale: Its height and width over those of the small picture.
        held: Whether it only goes back into the network: a runtime may keep it where it computes,
            in any number format.
    """

    name: str
    channels: int = Field(ge=1)
    scale: int = Field(default=1, ge=1)
    held: bool = False


class Graph(_Strict):
    """What a runtime computes at once.

    Attributes:
        name: What it is called; in torch the network's method, `ENLARGE` apart.
        inputs: What it takes, in order.
        outputs: What it gives, in order.
        exact: Whether it has to be computed in fp32, as places in half precision are whole pixels.
        whole: Whether it takes whole frames, of multiples of `VIDEO_MULTIPLE`, and no tiles.
    """

    name: str
    inputs: tuple[Port, ...] = Field(min_length=1)
    outputs: tuple[Port, ...] = Field(min_length=1)
    exact: bool = False
    whole: bool = False


def image_graphs(channels: int, scale: int) -> tuple[Graph, ...]:
    """Return the graph of a network of single pictures."""
    small, large = Port(name=INPUT, channels=channels), _large(OUTPUT, channels, scale)
    return (Graph(name=ENLARGE, inputs=(small,), outputs=(large,)),)


def burst_graphs(channels: int, scale: int, states: Mapping[str, int]) -> tuple[Graph, ...]:
    """Return the graphs of a network of bursts.

    Args:
        channels: Channels of a picture.
        scale: Large size over small size.
        states: Names and channels of what it keeps from frame to frame.
    """
    reference, frame = (
        Port(name=name, channels=channels + BURST_EXTRAS) for name in (REFERENCE, FRAME)
    )
    kept = tuple(Port(name=name, channels=count, held=True) for name, count in states.items())
    after = tuple(port.model_copy(update={"name": port.name + NEXT}) for port in kept)
    large = _large(OUTPUT, channels, scale)
    return (
        Graph(name=STEP, inputs=(reference, frame, *kept), outputs=after),
        Graph(name=FINISH, inputs=(reference, *kept), outputs=(large,)),
    )


def video_graphs(channels: int, scale: int, *, memory: int, aligned: int) -> tuple[Graph, ...]:
    """Return the graphs of a network of videos.

    Args:
        channels: Channels of a frame.
        scale: Large size over small size.
        memory: Channels that go from frame to frame beside the larger frame.
        aligned: Channels that `RESTORE` takes.
    """
    frames = (Port(name=FRAME, channels=channels), Port(name=PREVIOUS, channels=channels))
    known = (_large(BEFORE, channels, scale), Port(name=MEMORY, channels=memory))
    made = (_large(OUTPUT, channels, scale), Port(name=MEMORY + NEXT, channels=memory))
    return (
        Graph(
            name=ALIGN,
            inputs=(*frames, *known),
            outputs=(Port(name=ALIGNED, channels=aligned),),
            exact=True,
            whole=True,
        ),
        Graph(name=RESTORE, inputs=(Port(name=INPUT, channels=aligned),), outputs=made),
    )


def _large(name: str, channels: int, scale: int) -> Port:
    return Port(name=name, channels=channels, scale=scale)
