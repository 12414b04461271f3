"""Queries and renaming of weights by name."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from superres.errors import ModelError

Weights = dict[str, Tensor]
Rules = tuple[tuple[str, str], ...]

_HINT = "the file is damaged, or of a network that only looks like a known one"


def renamed(weights: Weights, rules: Rules) -> Weights:
    """Rename the beginning of each weight's name by the first matching rule.

    Args:
        weights: The weights by name; a name that no rule matches is kept.
        rules: Pairs of a regular expression and its replacement.

    Raises:
        ModelError: Two weights would have the same name.
    """
    patterns = [(re.compile(pattern), new) for pattern, new in rules]
    named: Weights = {}
    before: dict[str, str] = {}
    for name, value in weights.items():
        rule = next((rule for rule in patterns if rule[0].match(name)), None)
        new = rule[0].sub(rule[1], name, count=1) if rule else name
        if new in named:
            raise ModelError(f"the weights {before[new]} and {name} both stand for {new}", _HINT)
        named[new], before[new] = value, name
    return named


def count(weights: Mapping[str, Tensor], name: str, *, first: int = 0, step: int = 1) -> int:
    """Count the weights whose names differ in one number, up to the first missing one.

    Args:
        weights: The weights by name.
        name: The name, with {} for the number.
        first: The first number.
        step: The distance between numbers.
    """
    numbers = itertools.count(first, step)
    found = itertools.takewhile(lambda number: name.format(number) in weights, numbers)
    return sum(1 for _ in found)


def convolution(weights: Mapping[str, Tensor], name: str) -> tuple[int, int]:
    """Return the outputs and inputs of a convolution's weight.

    Raises:
        ModelError: It is missing, or is not a convolution's.
    """
    out, seen, _, _ = _shape(weights, name, 4)
    return out, seen


def matrix(weights: Mapping[str, Tensor], name: str) -> tuple[int, int]:
    """Return the rows and columns of a weight.

    Raises:
        ModelError: It is missing, or has other axes.
    """
    rows, columns = _shape(weights, name, 2)
    return rows, columns


def edge(many: int, few: int, name: str) -> int:
    """Return the factor of a pixel shuffle or unshuffle between two numbers of channels.

    Raises:
        ModelError: The ratio of the channels is not a square number.
    """
    found = math.isqrt(many // few)
    if found**2 * few != many:
        raise ModelError(
            f"the weight {name} has {many} channels, which is not a square number times {few}",
            _HINT,
        )
    return found


def shuffled_scale(weights: Mapping[str, Tensor], names: Sequence[str]) -> int:
    """Return the product of the factors of the pixel shuffles after these convolutions.

    Raises:
        ModelError: One is missing, or is not that of a convolution before a pixel shuffle.
    """
    return math.prod(edge(*convolution(weights, name), name) for name in names)


def _shape(weights: Mapping[str, Tensor], name: str, axes: int) -> tuple[int, ...]:
    value = weights.get(name)
    if value is None:
        raise ModelError(f"the weight {name} is missing", _HINT)
    if value.ndim != axes or not value.numel():
        raise ModelError(
            f"the weight {name} has the shape {tuple(value.shape)}, expected {axes} axes",
            _HINT,
        )
    return tuple(value.shape)
