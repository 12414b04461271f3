"""Export of a torch network with its card as .onnx, for runtimes without torch."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from superres.atomic import atomic_write_bytes
from superres.errors import ModelError
from superres.frame import VIDEO_MULTIPLE
from superres.layers.graphs import ENLARGE, Graph, Port
from superres.layers.reparameterised import for_inference
from superres.modelfiles.card import CARD_KEY, Card
from superres.modelfiles.onnx_weights import ALIASES_KEY
from superres.version import __version__

_export = cast("Any", torch.onnx).export  # these two have incomplete types
_check_model = cast("Any", onnx.checker).check_model
_OPSET = 18  # the oldest that torch's exporter writes without conversion; OpenCV's dnn reads it
_OPEN = ("batch", "height", "width")
_OPEN_LARGE = ("batch", "large_height", "large_width")
_HALF_MAX = float(np.finfo(np.float16).max)
_NOISY_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir")


def export_onnx(network: nn.Module, card: Card, path: Path, *, half: bool = True) -> None:
    """Write a network and its card as .onnx, atomically.

    Batch, height and width stay dynamic. The same network and card give the same bytes. The
    graphs that the card lists share one file and its weights. A reparameterised network is
    written in its merged form, in fp32.

    Args:
        network: The network, on any device; it is run on the CPU in fp32.
        card: Its card, written into the metadata unchanged.
        path: The file to write.
        half: Store weights as fp16, each cast to fp32 before use: half the size, and the runtime
            may compute in any format.

    Raises:
        ModelError: An operation has no ONNX form, a size was traced as a constant, or a weight is
            beyond fp16's range.
        OutputError: The file cannot be written.
    """
    running = for_inference(network)
    alone = card.graphs[0].name == ENLARGE  # then it is traced directly
    traced = running if alone else _Graphs(running, card.graphs)
    model = _translate(traced, card)
    _strip(model)
    aliases: dict[str, str] = {}
    if running is network:
        aliases = _keep_names(model, dict(traced.named_parameters()))
    # Merged weights stay fp32: rounded, they would differ from the trained network.
    if half and running is network:
        _store_half(model, dict(traced.named_parameters()), card)
    entry = model.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.model_dump_json()
    if aliases:
        entry = model.metadata_props.add()
        entry.key, entry.value = ALIASES_KEY, json.dumps(aliases, sort_keys=True)
    model.producer_name, model.producer_version = "superres", __version__
    model.graph.name = card.name
    _check_model(model, full_check=True)
    atomic_write_bytes(path, model.SerializeToString(deterministic=True))


class _Graphs(nn.Module):
    """All graphs of a network as one, with the outputs of all.

    Args:
        network: The network.
        graphs: Its graphs; they share tensors of one name.
    """

    def __init__(self, network: nn.Module, graphs: tuple[Graph, ...]) -> None:
        super().__init__()
        self.network = network
        self.graphs = graphs

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run every graph on its inputs among the tensors, given in the order of `_inputs`."""
        named = dict(zip(_inputs(self.graphs), tensors, strict=True))
        made: list[Tensor] = []
        for graph in self.graphs:
            run: Callable[..., Tensor | tuple[Tensor, ...]] = getattr(self.network, graph.name)
            answer = run(*(named[port.name] for port in graph.inputs))
            made += (answer,) if isinstance(answer, Tensor) else answer
        return tuple(made)


def _inputs(graphs: tuple[Graph, ...]) -> dict[str, Port]:
    """Return the inputs of all graphs, each tensor once."""
    return {port.name: port for graph in graphs for port in graph.inputs}


def _outputs(graphs: tuple[Graph, ...]) -> dict[str, Port]:
    return {port.name: port for graph in graphs for port in graph.outputs}


def _translate(network: nn.Module, card: Card) -> onnx.ModelProto:
    """Trace a network of all graphs with dynamic sizes."""
    inputs, outputs = _inputs(card.graphs), _outputs(card.graphs)
    # Sizes that differ from each other and from 1, or the tracer merges them into one symbol.
    whole = any(graph.whole for graph in card.graphs)
    multiple, least = (VIDEO_MULTIPLE, 2 * VIDEO_MULTIPLE) if whole else (card.multiple_of, 8)
    height = card.multiple_of * math.ceil(max(card.minimum, least) / card.multiple_of)
    width = height + multiple
    samples = tuple(
        torch.zeros(2, port.channels, port.scale * height, port.scale * width)
        for port in inputs.values()
    )
    # `_Graphs.forward` takes its tensors as one variadic argument.
    sizes: tuple[object, ...] = _open_sizes(card)
    shapes = (sizes,) if isinstance(network, _Graphs) else sizes
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    training = network.training
    try:
        with _quiet():
            program = _export(
                network.cpu().float().eval(),
                samples,
                input_names=list(inputs),
                output_names=list(outputs),
                opset_version=_OPSET,
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter's errors have no common root below Exception
        raise ModelError(
            f"model {card.name} cannot be written as ONNX: {str(error).strip().splitlines()[0]}",
            "its network uses an operation or a shape that the exporter does not support",
        ) from error
    finally:
        network.train(training).to(device)
    model: onnx.ModelProto = program.model_proto
    _check_open_sizes(model, card)
    return model


def _open_sizes(card: Card) -> tuple[object, ...]:
    """Return the dynamic axes of each input: whole frames are multiples.

    Declared so, repeated halving needs no rounding, which costs the tracer minutes.
    """
    rows, columns = (cast("Any", torch.export.Dim(name, min=2)) for name in ("rows", "columns"))
    free = torch.export.Dim.DYNAMIC
    whole = _inputs(tuple(graph for graph in card.graphs if graph.whole))
    shapes: list[object] = []
    for name, port in _inputs(card.graphs).items():
        edge = VIDEO_MULTIPLE * port.scale
        frame = {0: free, 2: edge * rows, 3: edge * columns}
        shapes.append(frame if name in whole else {0: free, 2: free, 3: free})
    return tuple(shapes)


def _check_open_sizes(model: onnx.ModelProto, card: Card) -> None:
    ports = {**_inputs(card.graphs), **_outputs(card.graphs)}
    large = {name for name, port in ports.items() if port.scale > 1}
    for value in model.graph.input:
        axes = value.type.tensor_type.shape.dim
        names = _OPEN_LARGE if value.name in large else _OPEN
        for name, axis in zip(names, (axes[0], axes[2], axes[3]), strict=True):
            if not axis.dim_param:
                raise ModelError(
                    f"the {name} of model {card.name} was fixed to {axis.dim_value} in its ONNX "
                    "form",
                    "its forward() turns a size into a Python number; keep to tensor operations",
                )
            axis.dim_param = name
    for value in model.graph.output:
        axes = value.type.tensor_type.shape.dim
        names = _OPEN_LARGE if value.name in large else _OPEN
        for name, axis in zip(names, (axes[0], axes[2], axes[3]), strict=True):
            axis.Clear()
            axis.dim_param = name


def _strip(model: onnx.ModelProto) -> None:
    """Remove the tracer's traces of its machine: paths of sources, lines of code."""
    graph = model.graph
    del graph.value_info[:]  # inner sizes, which every runtime infers again
    del model.metadata_props[:]
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _keep_names(model: onnx.ModelProto, parameters: Mapping[str, nn.Parameter]) -> dict[str, str]:
    """Give an initialiser a parameter's name if, and only if, it has its values.

    PReLU slopes are exported as (1, C, 1, 1) under a number; a convolution with a folded
    normalisation under the name of the unfolded one. Equal parameters, such as biases that
    start at 0, are exported once.

    Returns:
        The parameters without their own initialiser, and the one that has their values.
    """
    values = {name: p.detach().float().cpu().numpy() for name, p in parameters.items()}
    stored = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    renamed = {
        name: f"{name}.folded"
        for name, array in stored.items()
        if name in values and not np.array_equal(array, values[name])
    }
    aliases: dict[str, str] = {}
    for name in sorted(values.keys() - stored.keys()):
        wanted = values[name].reshape(1, -1, 1, 1) if values[name].ndim == 1 else values[name]
        alike = [
            other
            for other, array in stored.items()
            if other not in values and other not in renamed and np.array_equal(array, wanted)
        ]
        if alike and stored[alike[0]].dtype == np.float32:
            renamed[alike[0]] = name
        elif equal := [
            other
            for other, array in stored.items()
            if np.array_equal(array, wanted) or np.array_equal(array, values[name])
        ]:
            aliases[name] = renamed.get(equal[0], equal[0])
        elif not values[name].any():
            aliases[name] = ""  # all-zero biases are left out of the graph
    for initializer in model.graph.initializer:
        initializer.name = renamed.get(initializer.name, initializer.name)
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    return aliases


def _store_half(model: onnx.ModelProto, parameters: Mapping[str, nn.Parameter], card: Card) -> None:
    """Store the network's parameters as fp16, each followed by a cast to fp32.

    Convolutions with a folded normalisation have the parameter's name but not its values; they
    stay fp32, or fp16 weights would be rounded twice.
    """
    casts: list[onnx.NodeProto] = []
    for initializer in model.graph.initializer:
        parameter = parameters.get(initializer.name)
        if parameter is None or initializer.data_type != onnx.TensorProto.FLOAT:
            continue
        name, values = initializer.name, numpy_helper.to_array(initializer)
        if not np.array_equal(values.ravel(), parameter.detach().float().cpu().numpy().ravel()):
            continue
        if not np.abs(values).max(initial=0.0) <= _HALF_MAX:
            raise ModelError(
                f"weight {name} of model {card.name} reaches {np.abs(values).max():g}, above "
                f"fp16's largest number {_HALF_MAX:g}",
                "export with half=False",
            )
        stored = f"{name}.half"
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@contextmanager
def _quiet() -> Generator[None]:
    """Silence the exporter's messages about missing packages and its own deprecations."""
    levels = {name: logging.getLogger(name).level for name in _NOISY_LOGGERS}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            # The exporter gives axes of one size one name; ours are named afterwards.
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
