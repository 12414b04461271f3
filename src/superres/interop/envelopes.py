"""Checkpoint envelopes: what training programs put around a network's state dict.

A checkpoint may keep it under a key, in nested dictionaries, next to an optimizer's state or a
discriminator; a wrapper's name may be prefixed to its names, and counters may be among them. Only
entries that are not weights of the network are left out here: all names and shapes are compared
with the network's afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from torch import Tensor

from superres.interop.weight_names import Weights

_DEPTH = 6  # of dictionaries, and of wrappers in names: a pickle can hold itself
# Keys that hold the network: averaged weights before those of the last step.
_AVERAGED = re.compile(r"(^|_)ema|averaged|swa")
_NETWORK = re.compile(
    r"^(params|weights|(model_)?state_?dict|(model|net|network|generator|netg|g|sr|student|online)"
    r"(_?(g|model|sr|net|network|state_?dict))?)$"
)
# Keys that hold something else, or parts used only in training.
_OTHER = re.compile(
    r"optim|sched|scaler|loss|criterion|critic|discr|(^|_)d$|netd|percep|vgg|lpips|teacher|metric"
)
# Inserted into names by torch's wrappers, at any depth of the network.
_AROUND_PARTS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
_COUNTERS = re.compile(
    r"(^|\.)(decay|epoch|(global_)?step|steps|iter|iteration|n_averaged|num_batches_tracked"
    r"|(num_)?updates|total_(ops|params))$"
)


def weights_inside(found: object) -> object:
    """Return the dictionary of weights inside an unpickled object, or the object if it has none.

    Args:
        found: The unpickled object.
    """
    for _ in range(_DEPTH):
        if not isinstance(found, dict):
            return found
        inside = cast("dict[object, object]", found)
        holding = [key for key, value in inside.items() if _holds_tensors(value, _DEPTH)]
        chosen = _network_of(holding)
        if chosen is None or any(_is_weight(value) for value in inside.values()):
            return inside
        found = inside[chosen]
    return found


def spellings(weights: Weights) -> Iterator[Weights]:
    """Yield weights under the names in the file, then without their common wrappers.

    Names may begin with several wrappers (`module.net_g.`). There may also be weights that are
    known not to be the network's, such as a discriminator's.
    """
    weights = _without(weights, _AROUND_PARTS)
    for _ in range(_DEPTH):
        yield weights
        first = dict.fromkeys(name.partition(".")[0] for name in weights if not _counts(name))
        chosen = next(iter(first)) if len(first) == 1 else _wrapper_of(first)
        start = f"{chosen}."
        inner = {
            name.removeprefix(start): value
            for name, value in weights.items()
            if name.startswith(start)
        }
        if not inner:
            return
        weights = inner


def without_counters(weights: Weights, wanted: Iterable[str]) -> Weights:
    """Return weights without the counters of training programs that the network does not have."""
    kept = set(wanted)
    return {
        name: value
        for name, value in weights.items()
        if name in kept or value.numel() != 1 or not _counts(name)
    }


def _counts(name: str) -> bool:
    """Return whether a name is that of a training program's counter."""
    return _COUNTERS.search(name) is not None


def _is_weight(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _holds_tensors(value: object, depth: int) -> bool:
    """Return whether a dictionary contains weights by name, at any depth."""
    if not isinstance(value, Mapping) or depth == 0:
        return False
    inside = cast("Mapping[object, object]", value)
    return any(
        isinstance(key, str) and (_is_weight(one) or _holds_tensors(one, depth - 1))
        for key, one in inside.items()
    )


def _network_of(keys: Iterable[object]) -> object | None:
    """Return the key that holds a network's weights; None if it is ambiguous."""
    names = [key for key in keys if isinstance(key, str) and not _OTHER.search(_plain(key))]
    usual = [name for name in names if _AVERAGED.search(_plain(name))]
    usual += [name for name in names if _NETWORK.search(_plain(name))]
    if usual:
        return usual[0]
    return names[0] if len(names) == 1 else None


def _wrapper_of(words: Iterable[str]) -> str | None:
    """Return the network's prefix if all other prefixes are known to be of something else."""
    names = list(words)
    known = (_AVERAGED, _NETWORK, _OTHER)
    if not all(any(one.search(_plain(name)) for one in known) for name in names):
        return None
    chosen = _network_of(names)
    return chosen if isinstance(chosen, str) else None


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def _without(weights: Weights, words: tuple[str, ...]) -> Weights:
    """Remove words from names; return all names unchanged if two would become equal."""
    named = {
        ".".join(part for part in name.split(".") if part not in words): value
        for name, value in weights.items()
    }
    return named if len(named) == len(weights) else weights
