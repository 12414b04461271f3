"""Pixel range and mean colour that published networks were trained with.

Ours take pixels in [0, 1]. What EDSR and RCAN do to pixels before the first convolution and after
the last is stored as weights in their authors' checkpoints, and only in code in BasicSR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from superres.errors import ModelError
from superres.interop.weight_names import Weights

_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
_USUAL = (255.0, 1.0)  # values of white; a stored mean has only six digits


@dataclass(frozen=True, slots=True)
class PixelRange:
    """The pixel values that a network was trained with.

    Attributes:
        white: The value of white; black is 0.
        centred: Whether DIV2K's mean colour is subtracted before the network and added after it.
    """

    white: float
    centred: bool


OF_BASICSR = PixelRange(
    255.0, centred=True
)  # BasicSR has mean and range in its code, not as weights


def stored_range(weights: Weights) -> PixelRange:
    """Read the pixel range from the mean colour that the authors of EDSR and RCAN store.

    Networks without it (traiNNer-redux's by default) take pixels up to 1 unchanged.

    Raises:
        ModelError: Another colour is subtracted, pixels are scaled, or what is added differs.
    """
    bias = weights.get("sub_mean.bias")
    if bias is None:
        return PixelRange(1.0, centred=False)
    found = [-float(value) for value in bias.flatten()]
    white = sum(found) / sum(_DIV2K_MEAN)
    one = torch.eye(3)
    parts = [(weights.get(f"{name}_mean.weight"), one) for name in ("sub", "add")]
    parts += [(weights.get("add_mean.bias"), torch.tensor(found))]
    plain = all(part is None or _near(part, wanted) for part, wanted in parts)
    if white <= 0 or not plain or not _near(bias / -white, torch.tensor(_DIV2K_MEAN)):
        shown = ", ".join(f"{value:.4f}" for value in found[:3])
        raise ModelError(
            f"the network subtracts ({shown}) from its pixels, expected a multiple of DIV2K's "
            f"mean {_DIV2K_MEAN} that is added again, and no other change",
            "networks trained with another mean colour, or with scaled colours, are not supported",
        )
    usual = next((one for one in _USUAL if abs(white / one - 1) < 1e-3), white)
    return PixelRange(usual, centred=True)


def _near(part: Tensor, wanted: Tensor) -> bool:
    return part.numel() == wanted.numel() and bool(
        ((part.flatten() - wanted.flatten()).abs() <= 1e-3 * wanted.abs().max()).all()
    )


def without_means(weights: Weights) -> Weights:
    """Return all weights except the mean colour's."""
    return {k: v for k, v in weights.items() if not re.match(r"(sub|add)_mean\.", k)}


def in_unit_range(weights: Weights, white: float, first: str, last: str) -> Weights:
    """Move the factor from [0, 1] to [0, white] into the first and the last convolution.

    Args:
        weights: The weights by name.
        white: The value of white that they were trained with.
        first: The first convolution's name.
        last: The last one's.
    """
    if white == 1:
        return weights
    factors = {
        f"{first}.weight": white,
        f"{last}.weight": 1 / white,
        f"{last}.bias": 1 / white,
    }
    return {k: v * factors[k] if k in factors else v for k, v in weights.items()}
