"""Where a run's first weights come from: fresh ones, or those of a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from superres.errors import ModelError
from superres.models.checkpoint import load_network
from superres.train.recipe import NetworkSection
from superres.zoo import find


def start_weights(
    network: nn.Module, section: NetworkSection, notice: Callable[[str], None]
) -> str:
    """Put the weights that a recipe starts from into a network.

    Args:
        network: The network with fresh weights; changed in place.
        section: The recipe's network section.
        notice: Called with a line that counts what was taken and what stays fresh.

    Returns:
        The name and hash of the model started from; "" for a fresh start.

    Raises:
        ModelError: A weight that is to be taken is missing there or has another shape.
    """
    if not section.start_from:
        return ""
    file = find(section.start_from, scale=None)
    if file.safetensors is None:
        raise ModelError(
            f"{section.start_from} has no .safetensors file to start from",
            "an .onnx file holds a finished graph; name the training run's model.safetensors",
        )
    source, card = load_network(Path(file.safetensors))
    theirs, ours = source.state_dict(), network.state_dict()
    wanted = [name for name in ours if not name.startswith(section.fresh)]
    unfit = [n for n in wanted if n not in theirs or theirs[n].shape != ours[n].shape]
    if unfit:
        raise ModelError(
            f"{len(unfit)} weights of {card.name} do not fit {section.architecture}, "
            f"the first is {unfit[0]}",
            f"list what shall start afresh in network.fresh, such as {unfit[0].split('.')[0]}.",
        )
    network.load_state_dict({**ours, **{name: theirs[name] for name in wanted}})
    notice(f"{len(wanted)} of {len(ours)} weights start from {card.name}, the others afresh")
    return f"{card.name} {card.weights_sha256[:12]}"
