"""Loading of networks from weight files and .onnx, and saving as .safetensors with a card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from superres.atomic import atomic_write_bytes
from superres.errors import ModelError
from superres.layers.config import NetworkConfig
from superres.modelfiles.card import CARD_KEY, Card
from superres.modelfiles.files import is_foreign, read_card
from superres.modelfiles.onnx_weights import named_weights
from superres.networks.catalog import network_config


def hash_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all tensors: names, types, shapes and bytes, in order of names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_network(network: nn.Module, card: Card, path: Path, *, half: bool = False) -> Card:
    """Write a network's weights and its card to a .safetensors file, atomically.

    Args:
        network: The network.
        card: Its card; hash and parameter count are filled in.
        path: The file to write.
        half: Store fp16 instead of fp32.

    Returns:
        The card as written.
    """
    dtype = torch.float16 if half else torch.float32
    weights = {
        # Counters, which batch normalisation has, are not weights.
        name: (value.to(dtype) if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    written = card.model_copy(
        update={
            "weights_sha256": hash_weights(weights),
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
        }
    )
    atomic_write_bytes(path, save(weights, metadata={CARD_KEY: written.model_dump_json()}))
    return written


def load_network(path: Path) -> tuple[nn.Module, Card]:
    """Build the network of a weight file's card and fill it with the file's weights.

    Returns:
        The network in fp32 on the CPU, in evaluation mode, and its card.

    Raises:
        ModelError: The file is damaged, its hash is wrong, its weights do not fit its
            architecture, or its card's needs are not the architecture's. For community
            checkpoints see `interop.recognise.read_foreign`.
        UnknownNameError: The card names an architecture that the catalogue does not have.
    """
    if path.suffix == ".onnx":
        card = read_card(path)
        network = _build(path, card)
        # An export may round: the card's hash need not be that of the file's weights.
        weights = _exported_weights(path, card, network)
    else:
        card, weights = _read(path)
        if card.weights_sha256 and card.weights_sha256 != (found := hash_weights(weights)):
            raise ModelError(
                f"{path} has the hash {found[:12]}..., its card says {card.weights_sha256[:12]}...",
                "the file was changed or damaged; download it again",
            )
        network = _build(path, card)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split("\n\t")[1:2]) or str(error)
        raise ModelError(
            f"{path} holds weights that do not fit {card.architecture}: {reason}",
            "the card's config and the weights must come from one training run",
        ) from error
    return network.float().eval(), card


def _build(path: Path, card: Card) -> nn.Module:
    """Build the network of a card, and check the card's needs."""
    config = network_config(card.architecture, card.config)
    needs = _needs(config)
    if needs != card.model_dump(include=set(needs)):
        raise ModelError(
            f"{path} has a card that contradicts {card.architecture}, which needs "
            + ", ".join(f"{name} {value}" for name, value in needs.items()),
            "the card was edited or is of another version; export the model again",
        )
    return config.build()


def _exported_weights(path: Path, card: Card, network: nn.Module) -> dict[str, Tensor]:
    """Read a network's weights from its .onnx file; batch counters, not weights, are kept."""
    state = network.state_dict()
    shapes = {name: tuple(w.shape) for name, w in state.items() if w.is_floating_point()}
    found = named_weights(path, card, shapes)
    read = {name: torch.tensor(values) for name, values in found.items()}
    return {**{name: w for name, w in state.items() if name not in shapes}, **read}


def _read(path: Path) -> tuple[Card, dict[str, Tensor]]:
    """Read a file's card and weights."""
    if is_foreign(path):
        from superres.interop.recognise import (
            read_foreign,  # which uses this module's functions
        )

        return read_foreign(path)
    card = read_card(path)
    try:
        return card, load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is damaged: {error}", "download or train the file again"
        ) from error


def card_for(name: str, architecture: str, values: Mapping[str, object]) -> Card:
    """Return the card of an untrained network: its complete config and its derived needs."""
    config = network_config(architecture, values)
    return Card.model_validate(
        {
            "name": name,
            "architecture": architecture,
            "config": config.model_dump(),
            **_needs(config),
        }
    )


def _needs(config: NetworkConfig) -> dict[str, object]:
    """Return the needs that a card repeats from its config, for readers without torch."""
    return {
        "scale": config.scale,
        "channels": config.channels,
        "halo": config.halo,
        "multiple_of": config.multiple_of,
        "minimum": config.minimum,
        "exact_halo": config.exact_halo,
        "input": config.input,
        "graphs": tuple(graph.model_dump() for graph in config.graphs),
    }
