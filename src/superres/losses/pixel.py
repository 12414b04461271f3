"""Losses that compare pixel with pixel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def l1(restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """Return the mean absolute difference."""
    return functional.l1_loss(restored_BCHW, truth_BCHW)


def l2(restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return functional.mse_loss(restored_BCHW, truth_BCHW)


def charbonnier(restored_BCHW: Tensor, truth_BCHW: Tensor, *, epsilon: float = 1e-3) -> Tensor:
    """Return the mean of sqrt(d**2 + epsilon**2), a smooth L1 (Lai et al., CVPR 2017, eq. 2)."""
    difference_BCHW = restored_BCHW - truth_BCHW
    return torch.sqrt(difference_BCHW.square() + epsilon**2).mean()


def rmse(restored_BCHW: Tensor, truth_BCHW: Tensor, *, epsilon: float = 1e-2) -> Tensor:
    """Return the mean over samples of the root of their mean squared difference.

    Between L2, which is dominated by the hardest samples, and the mean of PSNRs, which is
    dominated by nearly perfect ones: `epsilon`**2 is added under the root.
    """
    difference_BCHW = restored_BCHW - truth_BCHW
    return torch.sqrt(difference_BCHW.square().flatten(1).mean(1) + epsilon**2).mean()
