"""Losses that compare spectra."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor


def fourier_l1(restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    """Return the mean absolute difference of real and imaginary parts of the unscaled 2-D FFT.

    It favours fine detail, which L1 on pixels averages away (Sun et al., ICCV 2023,
    arXiv:2302.13800, add it to L1 with the weight 0.05).
    """
    difference_BCHW = restored_BCHW.float() - truth_BCHW.float()
    spectrum_BCHW = cast("Tensor", torch.fft.rfft2(difference_BCHW))  # untyped in torch
    return torch.view_as_real(spectrum_BCHW).abs().mean()
