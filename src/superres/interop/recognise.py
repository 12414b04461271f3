"""Recognition of weights without a card: a card derived from the weights alone.

`weight_files` and `ncnn_files` read, `layouts` and `ncnn_layouts` recognise. A network is allocated
only after all names and shapes have been compared with its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from superres.errors import ModelError, SuperresError
from superres.interop.elsewhere import network_elsewhere
from superres.interop.envelopes import spellings, without_counters
from superres.interop.layouts import LAYOUTS, Recognised, recognise
from superres.interop.ncnn_files import read_ncnn
from superres.interop.ncnn_layouts import published_weights
from superres.interop.weight_files import describe, read_tensors
from superres.interop.weight_names import Weights
from superres.modelfiles.card import Card, Training
from superres.modelfiles.checkpoint import card_for, hash_weights
from superres.networks.catalog import network_config

_NCNN = (".param", ".bin")


def read_foreign(path: Path) -> tuple[Card, Weights]:
    """Read a weight file of another program.

    Args:
        path: A `.pth`, `.pt`, `.ckpt` or `.safetensors` file, or either file of an ncnn pair.

    Returns:
        A card with unknown origin, data and licence, and the weights in fp32 under our names.

    Raises:
        ModelError: The file cannot be read safely, its network is unknown, or its weights do not
            match the network's.
    """
    if path.suffix in _NCNN:
        seen = published_weights(read_ncnn(path.with_suffix(".param")))
    else:
        seen = read_tensors(path)
    try:
        found = _recognised(seen)
        card = card_for(path.stem, found.architecture, found.config)
    except SuperresError as error:
        raise ModelError(f"{path}: {error.message}", error.hint) from error
    facts = {
        "parameters": sum(weight.numel() for weight in found.weights.values()),
        "training": Training(degradation="unknown"),
        "weights_sha256": hash_weights(found.weights),
    }
    return card.model_copy(update=facts), found.weights


def _recognised(weights: Weights) -> Recognised:
    """Return the network of weights, with all names and shapes checked."""
    found = _found(weights)
    # On the device `meta` weights take no memory, however many a crafted file claims.
    with torch.device("meta"), _WithoutValues():
        network = network_config(found.architecture, found.config).build()
    state = network.state_dict()
    found = replace(found, weights=_counted(without_counters(found.weights, state), state))
    wanted = {name: tuple(weight.shape) for name, weight in state.items()}
    had = {name: tuple(weight.shape) for name, weight in found.weights.items()}
    for name in (*wanted, *had):
        if wanted.get(name) != had.get(name):
            raise ModelError(
                f"it looks like {found.architecture}, but {name} is {had.get(name, 'missing')}, "
                f"expected {wanted.get(name, 'nothing')}",
                "it is an unknown variant, or damaged",
            )
    return found


def _found(weights: Weights) -> Recognised:
    """Return the network that the weights' names identify.

    Raises:
        ModelError: It is unknown or not supported.
    """
    known = ", ".join(layout.name for layout in LAYOUTS)
    for spelling in spellings(weights):
        if other := network_elsewhere(spelling):
            raise ModelError(
                f"its weights are of {other}, which is not supported: {describe(weights)}",
                f"supported are {known}; superres models list shows what comes with superres",
            )
        if found := recognise(spelling):
            return found
    raise ModelError(
        f"its weights are not of a known network: {describe(weights)}", f"supported are {known}"
    )


def _counted(weights: Weights, state: Mapping[str, Tensor]) -> Weights:
    """Return weights with batch counters, which inference does not need and some programs drop."""
    missing = (name for name in state if name.endswith(".num_batches_tracked"))
    return {**{name: torch.tensor(0) for name in missing}, **weights}


class _WithoutValues(TorchFunctionMode):
    """Skips initial values of weights and ranges; on the device `meta` they import 800 modules."""

    def __torch_function__(
        self,
        func: Callable[..., Any],  # any function of torch
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - that function's return type
        named = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else named["tensor"]
        if func is torch.arange and not named:
            return torch.empty(len(range(*args)), dtype=torch.int64)
        return func(*args, **named)
