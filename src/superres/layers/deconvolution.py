"""Transposed convolutions that upscale by exactly their factor, centred as closely as possible."""

from __future__ import annotations

from torch import nn


def padding_for(kernel: int, factor: int) -> int:
    """Return the output pixels to drop at the top left so that the kernel is centred."""
    return (kernel - factor + 1) // 2


def deconvolution(
    features_in: int, features_out: int, *, kernel: int, factor: int
) -> nn.ConvTranspose2d:
    """Return a layer from (B, features_in, H, W) to (B, features_out, factor*H, factor*W).

    Args:
        features_in: Input channels.
        features_out: Output channels.
        kernel: Kernel size in output pixels, at least the factor. A multiple of the factor gives
            every output pixel the same number of weights, and so no checkerboard.
        factor: Output size over input size; 1 takes odd kernels only.
    """
    padding = padding_for(kernel, factor)
    return nn.ConvTranspose2d(
        features_in,
        features_out,
        kernel,
        stride=factor,
        padding=padding,
        output_padding=2 * padding + factor - kernel,
    )
