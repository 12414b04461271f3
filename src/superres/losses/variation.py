"""Losses of the restored picture alone: its total variation."""

from __future__ import annotations

from torch import Tensor


def total_variation(restored_BCHW: Tensor) -> Tensor:
    """Return the mean absolute step between vertical neighbours, plus that between horizontal.

    The anisotropic form of the noise penalty of Rudin et al., Physica D 1992. A direction without
    neighbours counts as 0.
    """
    down = restored_BCHW.diff(dim=2).abs()
    across = restored_BCHW.diff(dim=3).abs()
    return down.sum() / max(1, down.numel()) + across.sum() / max(1, across.numel())
