"""Graphs of a model: the parts of a network that a runtime computes, and their tensors.

A single-frame network is one graph, `ENLARGE`. A burst network has two: `STEP` takes the reference,
a frame and the states, and returns each state's successor, named with the suffix `NEXT`; `FINISH`
decodes the picture from reference and states. States are initially zero. A video network also has
two: `ALIGN` takes whole frames with the previous one's outputs; `RESTORE` makes the upscaled frame
from the result, and the memory for the next frame. All graphs of a model share its weights, and one
file. This module needs no torch, so that a card can be read without it.
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
    """One input or output tensor of a graph, (N, channels, scale*h, scale*w).

    Attributes:
        name: Its name, also in model files.
        channels: Its channels.
        scale: Its height and width over those of the small picture.
        held: Whether it is only fed back into the network: a runtime may keep it on its device, in
            any number format.
    """

    name: str
    channels: int = Field(ge=1)
    scale: int = Field(default=1, ge=1)
    held: bool = False


class Graph(_Strict):
    """A part of a network that a runtime computes in one run.

    Attributes:
        name: Its name; in torch the network's method, except for `ENLARGE`.
        inputs: Its inputs, in order.
        outputs: Its outputs, in order.
        exact: Whether it must be computed in fp32: positions in half precision are whole pixels.
        whole: Whether it takes whole frames, multiples of `VIDEO_MULTIPLE`, instead of tiles.
    """

    name: str
    inputs: tuple[Port, ...] = Field(min_length=1)
    outputs: tuple[Port, ...] = Field(min_length=1)
    exact: bool = False
    whole: bool = False


def image_graphs(channels: int, scale: int) -> tuple[Graph, ...]:
    """Return the graph of a single-frame network."""
    small, large = Port(name=INPUT, channels=channels), _large(OUTPUT, channels, scale)
    return (Graph(name=ENLARGE, inputs=(small,), outputs=(large,)),)


def burst_graphs(channels: int, scale: int, states: Mapping[str, int]) -> tuple[Graph, ...]:
    """Return the graphs of a burst network.

    Args:
        channels: Channels of a picture.
        scale: Large size over small size.
        states: Names and channels of its recurrent states.
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
    """Return the graphs of a video network.

    Args:
        channels: Channels of a frame.
        scale: Large size over small size.
        memory: Channels passed from frame to frame besides the upscaled frame.
        aligned: Input channels of `RESTORE`.
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
