"""A run's initial weights: new ones, or those of a pretrained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from superres.errors import ModelError, RecipeError
from superres.modelfiles.checkpoint import load_network
from superres.train.recipe import NetworkSection
from superres.watch import Watch
from superres.zoo import resolve

_LISTED = 4


def start_weights(network: nn.Module, section: NetworkSection, watch: Watch) -> str:
    """Load the pretrained weights that a recipe names into a network.

    Args:
        network: The network, initialised; changed in place.
        section: The recipe's network section.
        watch: Notified of loaded, newly initialised and unused weights.

    Returns:
        The name and hash of the pretrained model; "" if there is none.

    Raises:
        ModelError: A weight to load is missing in the model or has another shape.
    """
    if not section.pretrained:
        return ""
    file = resolve(section.pretrained, scale=None)
    if file.weights is None:
        raise ModelError(
            f"{section.pretrained} has no weights that training can start from",
            "download it with superres models pull, or name a .safetensors file",
        )
    source, card = load_network(file.weights)
    theirs, ours = source.state_dict(), network.state_dict()
    new = [name for name in ours if name.startswith(section.reinitialise)]
    wanted = [name for name in ours if name not in new]
    unfit = [name for name in misfits(theirs, ours) if name not in new]
    if unfit:
        raise ModelError(
            f"{len(unfit)} weights of {card.name} do not fit {section.architecture}, "
            f"the first is {_misfit(unfit[0], theirs, ours)}",
            f"list them in network.reinitialise, such as {unfit[0].split('.')[0]}.",
        )
    network.load_state_dict({**ours, **{name: theirs[name] for name in wanted}})
    watch.note(f"{len(wanted)} of {len(ours)} weights were taken from {card.name}")
    for words, names in (
        ("were initialised anew", new),
        (f"of {card.name} were not used", [name for name in theirs if name not in wanted]),
    ):
        if names:
            watch.note(f"{len(names)} weights {words}: {_listed(names)}")
    return f"{card.name} {card.weights_sha256[:12]}"


def misfits(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[str]:
    """Return the names of our weights that are missing in theirs or have another shape there."""
    return [n for n, w in ours.items() if n not in theirs or theirs[n].shape != w.shape]


def freeze(network: nn.Module, section: NetworkSection) -> None:
    """Freeze the parameters that a recipe names.

    Raises:
        RecipeError: A name matches no parameter, or all parameters are frozen.
    """
    parameters = dict(network.named_parameters())
    for prefix in section.frozen:
        if not any(name.startswith(prefix) for name in parameters):
            raise RecipeError(
                f"network.frozen names {prefix!r}, but no parameter of {section.architecture} "
                "starts with it",
                f"its parameters are {_listed(list(parameters))}",
            )
    for name, parameter in parameters.items():
        parameter.requires_grad_(not name.startswith(section.frozen))
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise RecipeError(
            f"network.frozen leaves no parameter of {section.architecture} to train",
            "freeze fewer of them",
        )


def _misfit(name: str, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> str:
    """Describe a weight's misfit: missing there, or of another shape."""
    wanted = "x".join(map(str, ours[name].shape))
    if name not in theirs:
        return f"{name} ({wanted}), which is not there"
    return f"{name}: {'x'.join(map(str, theirs[name].shape))} there, {wanted} here"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
