"""Int8 forms of small models."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from int8_graph import convolutions, measure_ranges, quantised, read_in_fp32
from quantise import write
from superres.modelfiles.checkpoint import load_network
from superres.modelfiles.files import INT8_SUFFIX, ModelFile, open_model_file, read_card
from superres.runtimes.export import export_onnx


def int8_form(model: ModelFile, folder: Path, *, losses: dict[str, float]) -> ModelFile:
    """Write a copy of a model, and its int8 form, which loses so many dB by set."""
    assert model.safetensors is not None
    network, card = load_network(model.safetensors)
    path = folder / "formed.onnx"
    export_onnx(network, card, path)
    graph = read_in_fp32(path)
    pictures = np.random.default_rng(0).random((4, card.channels, 24, 24), np.float32)
    form = quantised(graph, measure_ranges(graph, pictures), set(convolutions(graph)[:-1]))
    rounded = card.model_copy(update={"precision": "int8", "losses_db": losses})
    write(form, rounded, path.with_suffix(INT8_SUFFIX))
    shutil.copy(model.safetensors, path.with_suffix(".safetensors"))
    assert read_card(path.with_suffix(INT8_SUFFIX)).precision == "int8"
    return open_model_file(path)
