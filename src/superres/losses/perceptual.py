"""Losses that compare features of a classification network.

Johnson et al., ECCV 2016, arXiv:1603.08155. Named layers of VGG16 are compared by their mean
absolute difference, as ESRGAN does before the rectifier (Wang et al., ECCV Workshops 2018,
arXiv:1809.00219). Departs from it: VGG16, whose last convolution is conv5_3, instead of VGG19's
conv5_4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from superres.networks.features import FeatureNetwork, load_weights


class Perceptual(nn.Module):
    """The weighted sum, over layers of VGG16, of their features' mean absolute difference.

    Args:
        layers: A weight for each layer, as `networks.features` names them: `conv5_3` compares
            before the rectifier, `relu5_3` after it.

    Raises:
        UnknownNameError: VGG16 has no layer of such a name.
        ArgumentError: No layer was requested.
    """

    def __init__(self, layers: Mapping[str, float]) -> None:
        super().__init__()
        self._weights = dict(layers)
        self._shares: dict[tuple[int, ...], Tensor] = {}
        self.features: nn.Module = FeatureNetwork("vgg16", layers)

    def forward(self, restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
        """Compare (B, C, H, W) in [0, 1], C 3 or 1; no gradient goes to the truth.

        Raises:
            ArgumentError: The pictures are too small for the layers.
        """
        with torch.no_grad():
            truth: dict[str, Tensor] = self.features(truth_BCHW)
        restored: dict[str, Tensor] = self.features(restored_BCHW)
        # torch leaves what a function of its own returns untyped
        sums = cast(
            "list[Tensor]",
            [_AbsoluteSum.apply(restored[layer], truth[layer]) for layer in self._weights],
        )
        counts = tuple(truth[layer].numel() for layer in self._weights)
        if counts not in self._shares:  # made once for each size of picture
            shares = [w / n for w, n in zip(self._weights.values(), counts, strict=True)]
            self._shares[counts] = torch.tensor(shares, device=truth_BCHW.device)
        return torch.stack(sums).dot(self._shares[counts])


class _AbsoluteSum(torch.autograd.Function):
    """The sum of absolute differences in fp32, of features in any number format."""

    # torch types the context as Any.
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        restored: Tensor,
        truth: Tensor,
    ) -> Tensor:
        difference = torch.empty_like(restored, dtype=torch.float32)
        torch.sub(restored, truth, out=difference)
        ctx.dtype = restored.dtype
        ctx.save_for_backward(difference)
        return difference.abs().sum()

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor, None]:
        (difference,) = cast("tuple[Tensor]", ctx.saved_tensors)
        return (difference.sign() * gradient).to(cast("torch.dtype", ctx.dtype)), None


def load_perceptual(path: Path, layers: Mapping[str, float]) -> Perceptual:
    """Build the loss with VGG16's trained weights, frozen.

    Args:
        path: The weights; `zoo.feature_weights("vgg16")` finds them.
        layers: A weight for each layer.

    Raises:
        UnknownNameError: VGG16 has no layer of such a name.
        ArgumentError: No layer was requested.
        ModelError: The file cannot be used.
    """
    loss = Perceptual(layers)
    load_weights(loss, path)
    return loss
