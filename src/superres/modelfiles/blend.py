"""Weighted mean of two networks of the same shape, with its card.

Wang et al., "ESRGAN", ECCV Workshops 2018, arXiv:1809.00219, section 3.4 ("network interpolation"):
one network is trained for PSNR, the other is fine-tuned from it with a discriminator, and alpha
balances few artefacts against much detail. Batch counters, which are not weights, are the first
network's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from superres.errors import ArgumentError, ModelError
from superres.modelfiles.card import Card, Training
from superres.modelfiles.checkpoint import hash_weights, load_network
from superres.networks.catalog import network_config
from superres.version import __version__


class Blend(NamedTuple):
    """A blended network.

    Attributes:
        network: In evaluation mode.
        card: Its card, which names both parents.
        kin: Whether the cards say that one parent was fine-tuned from the other, or both from a
            third. Only then do their weights correspond; else the mean is worse than both.
    """

    network: nn.Module
    card: Card
    kin: bool


def blend(first: Path, second: Path, *, alpha: float, name: str) -> Blend:
    """Interpolate between two networks.

    Args:
        first: A weight file; the result at alpha 0.
        second: Another of the same architecture and config; the result at alpha 1.
        alpha: Weight of the second, 0 to 1.
        name: Name of the new model.

    Returns:
        The network, with a card that names both parents and has no scores.

    Raises:
        ArgumentError: `alpha` is out of its range.
        ModelError: A file cannot be used, or the two differ in architecture or config.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ArgumentError(f"alpha must be 0 to 1, got {alpha:g}", "0.5 is half of each")
    network, card = load_network(first)
    other, other_card = load_network(second)
    _check_alike(card, other_card)
    parents = [
        (alike.name, alike.weights_sha256 or hash_weights(model.state_dict()))
        for alike, model in ((card, network), (other_card, other))
    ]
    theirs = other.state_dict()
    network.load_state_dict(
        {
            key: torch.lerp(weight, theirs[key], alpha) if weight.is_floating_point() else weight
            for key, weight in network.state_dict().items()
        }
    )
    shares = (1.0 - alpha, alpha)
    training = Training(
        data=tuple(dict.fromkeys((*card.training.data, *other_card.training.data))),
        degradation=_joined((card.training.degradation, other_card.training.degradation)),
        started_from=f"blend with alpha {alpha:g}: "
        + " + ".join(
            f"{share:g} {parent} {digest[:12]}"
            for share, (parent, digest) in zip(shares, parents, strict=True)
        ),
    )
    blended = card.model_copy(
        update={
            "name": name,
            "training": training,
            "scores": (),
            "licence": _joined((card.licence, other_card.licence)),
            "weights_sha256": "",
            "superres_version": __version__,
        }
    )
    return Blend(network, blended, _are_kin(card, other_card))


def _are_kin(card: Card, other: Card) -> bool:
    """Say whether one network was fine-tuned from the other, or both from a third."""
    origins = {one.training.started_from for one in (card, other)}
    names = {f"{one.name} {one.weights_sha256[:12]}" for one in (card, other)}
    return bool(origins & names) or (len(origins) == 1 and "" not in origins)


def _check_alike(card: Card, other: Card) -> None:
    """Raise with the first difference in architecture and config."""
    hint = "both must be of one architecture and config, best one trained on from the other"
    if card.architecture != other.architecture:
        raise ModelError(
            f"{card.name} is a {card.architecture}, {other.name} is a {other.architecture}", hint
        )
    # With defaults filled in: an older card may lack today's fields.
    one, two = (
        network_config(alike.architecture, alike.config).model_dump() for alike in (card, other)
    )
    for key, value in one.items():
        if value != two[key]:
            raise ModelError(
                f"{card.name} has {key} {value}, {other.name} has {key} {two[key]}", hint
            )


def _joined(words: Iterable[str]) -> str:
    """Return a fact of both parents; "" if one of them lacks it."""
    unique = list(dict.fromkeys(words))
    return " and ".join(unique) if all(unique) else ""
