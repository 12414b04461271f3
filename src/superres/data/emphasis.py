"""Sampling weights of pictures, by their file names."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import PurePath

import torch

from superres.data.resident import ResidentPairs
from superres.errors import DataError


def emphasised(pairs: ResidentPairs, emphasis: Mapping[str, float]) -> ResidentPairs:
    """Return pairs weighted by their file names, as a recipe says.

    Args:
        pairs: The pictures.
        emphasis: Weights by pattern, such as `{"portrait-*": 3.0}`. The first pattern that
            matches a picture's file name counts; other names have the weight 1.

    Raises:
        DataError: All weights are 0.
    """
    if not emphasis:
        return pairs
    weights = [_weight(PurePath(name).name, emphasis) for name in pairs.names]
    if not any(weights):
        raise DataError(
            f"all of {len(weights)} pictures have the weight 0",
            "give at least one a weight above 0 in data.emphasis",
        )
    return dataclasses.replace(pairs, weights=torch.tensor(weights, dtype=torch.float64))


def _weight(name: str, emphasis: Mapping[str, float]) -> float:
    return next((weight for pattern, weight in emphasis.items() if fnmatchcase(name, pattern)), 1.0)
