"""Recognition of ncnn graphs by the order of their layers, and their weights' names in training.

Converters number the layers or keep long paths, so names identify nothing; the order of the
operations does. Each family is one regular expression over that order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch

from superres.errors import ModelError
from superres.interop.ncnn_files import NcnnLayer
from superres.interop.weight_names import Weights

_LETTERS = {
    "Convolution": "C",
    "PReLU": "P",
    "ReLU": "R",
    "Swish": "W",
    "Sigmoid": "S",
    "BinaryOp": "B",
    "Eltwise": "B",
    "Concat": "K",
    "Interp": "I",
    "PixelShuffle": "X",
    "Reorg": "U",
    "MemoryData": "M",
}  # kinds without a letter pass values on unchanged
_COMPACT = re.compile(r"(CP)+CXIB")
_SPAN = re.compile(r"(MBB?)?C(CWCWCSBBB){6}CKCCX")
# Scaling and adding are one operation (B), or two where the converter did not fuse them. The
# patterns are free of ambiguity, so a long crafted graph cannot cause backtracking.
_JOINED, _APART = r"((CR?K){4}CB){3}B", r"((CR?K){4}CBB){3}BB"
_RRDB = re.compile(rf"U?C(({_JOINED})+|({_APART})+)CB(ICR?)*CR?C")
_SPAN_BLOCKS = 6
_SPAN_RANGE = 255.0  # of centred pixels, in the published networks
_DIV2K_MEAN = torch.tensor((0.4488, 0.4371, 0.4040))
_RRDB_SLOPE = 0.2
_SAME = (-233, -234)  # ncnn's codes for padding that keeps the size
_NEAREST = 1  # of Interp
_HINT = "take the .pth or .safetensors form of the network"


def published_weights(layers: Sequence[NcnnLayer]) -> Weights:
    """Return a graph's weights under the names of the network's published checkpoints.

    Raises:
        ModelError: The graph is not RRDBNet, SRVGGNetCompact or SPAN, or differs from them.
    """
    order = "".join(_LETTERS.get(layer.kind, "") for layer in layers)
    _check_convolutions(layers)
    if _COMPACT.fullmatch(order):
        return _compact(layers)
    if _SPAN.fullmatch(order):
        return _span(layers)
    if _RRDB.fullmatch(order):
        return _rrdb(layers)
    if _COMPACT.fullmatch(order.removesuffix("I")):
        factor = layers[-1].number(1)
        raise ModelError(
            f"the graph resizes its network's output by {factor:g} afterwards",
            "name the graph without that last step, and request the scale with -s, such as -s 2",
        )
    kinds = ", ".join(dict.fromkeys(layer.kind for layer in layers if layer.kind in _LETTERS))
    raise ModelError(
        f"the ncnn graph is not of a known network: {order.count('C')} convolutions among {kinds}",
        f"RRDBNet, SRVGGNetCompact and SPAN are known; otherwise {_HINT}",
    )


def _check_convolutions(layers: Iterable[NcnnLayer]) -> None:
    """Check that convolutions and pixel shuffles are the plain ones of the known networks."""
    for layer in layers:
        if layer.kind == "Convolution":
            edge = layer.size(1)
            plain = (
                layer.size(11, edge) == edge
                and layer.number(2, 1) == layer.number(3, 1) == 1  # dilation and stride
                and layer.number(4) in (edge // 2, *_SAME)
                and layer.number(9) in (0, 2)  # no fused activation, or a leaky ReLU
            )
            if not plain:
                raise _departs(layer, "is not a plain convolution that keeps the size")
        elif layer.kind in ("PixelShuffle", "Reorg") and layer.number(1):
            raise _departs(layer, "orders pixels in another way than torch")


def _compact(layers: Sequence[NcnnLayer]) -> Weights:
    _check_slopes(layers, None)
    (last,) = (layer for layer in layers if layer.kind == "Interp")
    if last.number(0) != _NEAREST:
        raise _departs(last, "does not upscale by nearest neighbours")
    weighted = [layer for layer in layers if layer.weights]
    return _named((f"body.{n}" for n in range(len(weighted))), weighted)


def _span(layers: Sequence[NcnnLayer]) -> Weights:
    _check_slopes(layers, None)
    convolutions = [layer for layer in layers if layer.kind == "Convolution"]
    blocks = (f"block_{b}.c{c}_r" for b in range(1, _SPAN_BLOCKS + 1) for c in (1, 2, 3))
    names = ("conv_1", *blocks, "conv_2", "conv_cat", "upsampler.0")
    weights = _named(names, convolutions)
    constants = [layer for layer in layers if layer.kind == "MemoryData"]
    if not constants:
        return {**weights, "no_norm": torch.zeros(1)}
    mean = constants[0].weights[0].flatten()
    if mean.shape != _DIV2K_MEAN.shape or (mean - _DIV2K_MEAN).abs().max() > 1e-3:
        shown = ", ".join(f"{value:.3f}" for value in mean[:3])
        raise ModelError(
            f"the ncnn graph subtracts the mean colour ({shown}) from its pixels, expected DIV2K's",
            "networks trained with another mean colour are not read",
        )
    scaling, *_ = (layer for layer in layers if layer.kind == "BinaryOp" and layer.number(0) == 2)
    # A graph without it works on centred pixels of range 1; the first weights compensate for it.
    factor = scaling.number(2) if scaling.number(1) else 1.0
    weights["conv_1.weight"] = weights["conv_1.weight"] * (factor / _SPAN_RANGE)
    return weights


def _rrdb(layers: Sequence[NcnnLayer]) -> Weights:
    _check_slopes(layers, _RRDB_SLOPE)
    for layer in layers:
        if layer.kind == "Interp" and (layer.number(0), layer.number(1)) != (_NEAREST, 2):
            raise _departs(layer, "does not double by nearest neighbours")
    convolutions = [layer for layer in layers if layer.kind == "Convolution"]
    doublings = sum(layer.kind == "Interp" for layer in layers)
    blocks = (len(convolutions) - doublings - 4) // 15
    body = (
        f"body.{block}.rdb{dense}.conv{n}"
        for block in range(blocks)
        for dense in (1, 2, 3)
        for n in range(1, 6)
    )
    ups = (f"conv_up{n}" for n in range(1, doublings + 1))
    names = ("conv_first", *body, "conv_body", *ups, "conv_hr", "conv_last")
    return _named(names, convolutions)


def _check_slopes(layers: Iterable[NcnnLayer], known: float | None) -> None:
    """Check that ReLUs have the known negative slope; None allows no ReLUs."""
    for layer in layers:
        if layer.kind == "ReLU":
            slopes = (layer.number(0),)
        elif layer.kind == "Convolution" and layer.number(9):
            given = layer.settings.get(10, ())
            slopes = given if isinstance(given, tuple) else (given,)
        else:
            continue
        if known is None or not slopes or abs(slopes[0] - known) > 1e-3:
            raise _departs(layer, f"has a ReLU with the slopes {slopes} below 0, expected {known}")


def _named(names: Iterable[str], layers: Iterable[NcnnLayer]) -> Weights:
    return {
        f"{name}.{part}": weight
        for name, layer in zip(names, layers, strict=True)
        for part, weight in zip(("weight", "bias"), layer.weights, strict=False)
    }


def _departs(layer: NcnnLayer, how: str) -> ModelError:
    return ModelError(f"layer {layer.name} of the ncnn graph {how}", _HINT)
