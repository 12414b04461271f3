"""Spectral normalisation of convolutions: weights divided by their largest singular value.

Miyato et al., ICLR 2018, arXiv:1802.05957. Its state is that of torch's own parametrisation, and
its numbers too; it takes a third of the operations, as the power iteration gives the singular value
on its way, and the gradient is written down instead of being derived.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization

_FIRST_ITERATIONS = 15
_TINY = 1e-12


class _Conv2d(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:  # torch's name for it
        # Under autocast the norm would be measured in 8 or 11 bits.
        with torch.autocast(input.device.type, enabled=False):
            weight = self.weight
        return functional.conv2d(input, weight, self.bias, self.stride, self.padding)


class _Spectral(nn.Module):
    """Divides a weight by its largest singular value, which power iteration approximates."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        for name, length in zip(("_u", "_v"), matrix.shape, strict=True):
            start = functional.normalize(matrix.new_empty(length).normal_(), dim=0, eps=_TINY)
            self.register_buffer(name, start)
        for _ in range(_FIRST_ITERATIONS):
            self._iterate(matrix)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight divided; in training mode, after one step of the power iteration."""
        with torch.no_grad():
            matrix = weight.flatten(1)
            if self.training:
                norm = self._iterate(matrix)
            else:
                norm = torch.dot(self._u, torch.mv(matrix, self._v))
        return cast("Tensor", _Divided.apply(weight, norm, self._u, self._v))

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> Tensor:
        """Take a step of the iteration and return the singular value, u' W v = |W' u|."""
        # New tensors, as those of earlier forward passes may yet be needed for their gradients.
        left = torch.mv(matrix, self._v)
        self._u = left.div_(_norm(left))
        right = torch.mv(matrix.transpose(0, 1), self._u)
        norm = _norm(right)
        self._v = right.div_(norm)
        return norm


def _norm(vector: Tensor) -> Tensor:
    # untyped in torch
    return cast("Tensor", torch.linalg.vector_norm(vector))


class _Divided(torch.autograd.Function):
    """W / (u' W v), with constant u and v."""

    # torch types the context as Any, and calls both with what the other gave.
    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        weight, norm, u, v = given
        divided = weight / norm
        ctx.save_for_backward(divided, norm, u, v)
        return divided

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = given
        divided, norm, u, v = cast("tuple[Tensor, ...]", ctx.saved_tensors)
        along = torch.sum(gradient * divided)
        rank_one = ((u * along)[:, None] * v).view(gradient.shape)
        return (gradient - rank_one).div_(norm), None, None, None


def spectral_conv(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, bias: bool = True
) -> nn.Module:
    """Return a convolution that keeps H and W, or halves even ones with a kernel of 4 and stride 2.

    Each forward in training mode takes one step of the power iteration.
    """
    padding = (kernel - 1) // 2
    layer = _Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)
    register_parametrization(layer, "weight", _Spectral(layer.weight))
    return layer
