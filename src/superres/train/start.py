"""Where a run's first weights come from: fresh ones, or those of a trained model."""

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
    """Put the weights that a recipe starts from into a network.

    Args:
        network: The network with fresh weights; changed in place.
        section: The recipe's network section.
        watch: Told what was taken, what stays fresh, and what is unused.

    Returns:
        The name and hash of the model started from; "" for a fresh start.

    Raises:
        ModelError: A weight that is to be taken is missing there or has another shape.
    """
    if not section.start_from:
        return ""
    file = resolve(section.start_from, scale=None)
    if file.weights is None:
        raise ModelError(
            f"{section.start_from} has no file of weights to start from",
            "fetch it with superres models pull, or name a file of weights",
        )
    source, card = load_network(file.weights)
    theirs, ours = source.state_dict(), network.state_dict()
    fresh = [name for name in ours if name.startswith(section.fresh)]
    wanted = [name for name in ours if name not in fresh]
    unfit = [name for name in misfits(theirs, ours) if name not in fresh]
    if unfit:
        raise ModelError(
            f"{len(unfit)} weights of {card.name} do not fit {section.architecture}, "
            f"the first is {_misfit(unfit[0], theirs, ours)}",
            f"list what shall start afresh in network.fresh, such as {unfit[0].split('.')[0]}.",
        )
    network.load_state_dict({**ours, **{name: theirs[name] for name in wanted}})
    watch.note(f"{len(wanted)} of {len(ours)} weights start from {card.name}, the others afresh")
    for words, names in (
        ("start afresh", fresh),
        (f"of {card.name} are not used", [name for name in theirs if name not in wanted]),
    ):
        if names:
            watch.note(f"{len(names)} weights {words}: {_listed(names)}")
    return f"{card.name} {card.weights_sha256[:12]}"


def misfits(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> list[str]:
    """Return the names of our weights that are missing among theirs or have another shape there."""
    return [n for n, w in ours.items() if n not in theirs or theirs[n].shape != w.shape]


def freeze(network: nn.Module, section: NetworkSection) -> None:
    """Keep the parameters that a recipe names as they are.

    Raises:
        RecipeError: A name fits no parameter, or all are named.
    """
    parameters = dict(network.named_parameters())
    for beginning in section.frozen:
        if not any(name.startswith(beginning) for name in parameters):
            raise RecipeError(
                f"network.frozen names {beginning!r}, no parameter of {section.architecture} "
                "begins so",
                f"they are {_listed(list(parameters))}",
            )
    for name, parameter in parameters.items():
        parameter.requires_grad_(not name.startswith(section.frozen))
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise RecipeError(
            f"network.frozen leaves no parameter of {section.architecture} to train",
            "name fewer of them",
        )


def _misfit(name: str, theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> str:
    """Say what is wrong with a weight: missing there, or of another shape."""
    wanted = "x".join(map(str, ours[name].shape))
    if name not in theirs:
        return f"{name} ({wanted}), which is not there"
    return f"{name}: {'x'.join(map(str, theirs[name].shape))} there, {wanted} here"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
