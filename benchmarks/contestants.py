"""Contestants of the plane of quality and time: our networks and the published ones, as files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from runners import Files, Run
from superres import zoo
from superres.errors import SuperresError
from superres.evaluate.benchmark import ArrayUpscaler
from superres.frame import Values, from_unit, to_unit
from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.files import ModelFile
from superres.runtimes.export import export_onnx

HUB = Path(__file__).parent.parent / "hub"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One network with its weights.

    Attributes:
        name: An embedded model, a file's stem in `hub/`, or the stem of published weights.
        scale: Large size over small size.
        origin: Whose weights these are.
        label: Its short name in the figure.
        repairs: Whether it was trained to repair damage, which PSNR punishes.
    """

    name: str
    scale: int
    origin: Literal["ours", "published"]
    label: str
    repairs: bool = False


# A missing one is left out, and said to be. `realesr-animevideov3-x2` is the x4 network, halved.
CONTESTANTS = (
    Contestant("default-x4", 4, "ours", "default"),
    Contestant("fast-x4", 4, "ours", "fast"),
    Contestant("gated-x4", 4, "ours", "gated"),
    Contestant("gated-fresh-x4", 4, "ours", "gated-fresh"),
    Contestant("espcn-x4", 4, "ours", "espcn"),
    Contestant("real-x4", 4, "ours", "real", repairs=True),
    Contestant("spanx4_ch48", 4, "published", "SPAN 48"),
    Contestant("spanx4_ch52", 4, "published", "SPAN 52"),
    Contestant("smfanet-x4", 4, "published", "SMFANet"),
    Contestant("smfanet-plus-x4", 4, "published", "SMFANet+"),
    Contestant("realesr-animevideov3-x4", 4, "published", "Compact", repairs=True),
    Contestant("default-x2", 2, "ours", "default"),
    Contestant("fast-x2", 2, "ours", "fast"),
    Contestant("gated-x2", 2, "ours", "gated"),
    Contestant("espcn-x2", 2, "ours", "espcn"),
    Contestant("spanx2_ch48", 2, "published", "SPAN 48"),
    Contestant("spanx2_ch52", 2, "published", "SPAN 52"),
    Contestant("smfanet-x2", 2, "published", "SMFANet"),
    Contestant("smfanet-plus-x2", 2, "published", "SMFANet+"),
)


def find(contestant: Contestant, folders: Sequence[Path]) -> ModelFile | None:
    """Return a contestant's model; None if it is nowhere.

    Args:
        contestant: The contestant.
        folders: Where published weights lie, at any depth.
    """
    places = (HUB, *folders) if contestant.origin == "ours" else folders
    for folder in places:
        for suffix in (".safetensors", ".param", ".pth"):
            for path in sorted(folder.rglob(contestant.name + suffix)):
                return zoo.resolve(str(path), scale=contestant.scale)
    if contestant.origin == "published":
        return None
    try:
        model = zoo.lookup(contestant.name)
    except SuperresError:
        return None
    return model if model.onnx or model.weights else None


def prepare(model: ModelFile, folder: Path) -> tuple[ModelFile, Files]:
    """Return a model with an .onnx, written into a folder if it has none, and all its files."""
    weights = model.weights
    if model.onnx is None:
        assert weights is not None
        path = folder / f"{model.card.name}.onnx"
        network, card = load_network(weights)
        export_onnx(network, card, path, half=False)
        model = dataclasses.replace(model, onnx=path)
    assert model.onnx is not None
    param = weights if weights is not None and weights.suffix == ".param" else None
    return model, Files(onnx=model.onnx, weights=weights, ncnn=param)


def whole_frames(run: Run, card: Any) -> ArrayUpscaler:  # noqa: ANN401 - a Card
    """Return an upscaler that gives a network whole frames, mirrored to a size that it takes."""

    def upscale(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        height, width, channels = pixels.shape
        unit = np.broadcast_to(to_unit(pixels), (height, width, 3))
        down, right = (_padded(edge, card) - edge for edge in (height, width))
        padded = np.pad(unit, ((0, down), (0, right), (0, 0)), mode="symmetric")
        x = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)
        scale = card.scale
        large = run(x)[0].transpose(1, 2, 0)[: scale * height, : scale * width]
        if channels == 1:
            large = large.mean(axis=2, keepdims=True)
        return from_unit(np.ascontiguousarray(large, np.float32), Values.of(pixels.dtype))

    return upscale


def _padded(edge: int, card: Any) -> int:  # noqa: ANN401 - a Card
    return card.multiple_of * math.ceil(max(edge, card.minimum) / card.multiple_of)
