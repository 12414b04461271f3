"""LPIPS: perceptual distance by network features, weighted to match human judgement.

Zhang et al., CVPR 2018, arXiv:1801.03924, version 0.1 (linear layers on a fixed trunk). The metric
and the loss are this one module. Departs from its release: pictures are in [0, 1], not in [-1, 1]
(the normalisation is the same), and where all features are 0 the gradient is 0, not NaN.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.networks.features import FeatureNetwork, TrunkName, load_weights

# The compared layers and their channels.
_TAPS: dict[TrunkName, dict[str, int]] = {
    "vgg16": {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512, "relu5_3": 512},
    "alexnet": {"relu1": 64, "relu2": 192, "relu3": 384, "relu4": 256, "relu5": 256},
}
_TINY = 1e-10  # smallest norm that features are divided by; the release adds it to all norms


class Lpips(nn.Module):
    """The distance, with random weights until `load_lpips` fills them.

    Args:
        trunk: `alexnet` is usual in papers, `vgg16` in training.
    """

    def __init__(self, trunk: TrunkName) -> None:
        super().__init__()
        taps = _TAPS[trunk]
        self._layers = tuple(taps)
        self.features: nn.Module = FeatureNetwork(trunk, taps)
        self.lpips = nn.ModuleList(nn.Conv2d(count, 1, 1, bias=False) for count in taps.values())

    def forward(self, restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
        """Return each pair's distance, (B,), 0 for equal pictures; their mean is the loss.

        Under autocast the trunk runs in the smaller format, the comparison in fp32.

        Args:
            restored_BCHW: (B, C, H, W) in [0, 1], C 3 or 1.
            truth_BCHW: The same shape; no gradient goes to it.

        Raises:
            ArgumentError: The pictures are too small for the trunk.
        """
        with torch.no_grad():
            truth: dict[str, Tensor] = self.features(truth_BCHW)
        restored: dict[str, Tensor] = self.features(restored_BCHW)
        distances: list[Tensor] = []
        with torch.autocast(truth_BCHW.device.type, enabled=False):
            for layer, weigh in zip(self._layers, self.lpips, strict=True):
                difference_BFHW = _unit(restored[layer]) - _unit(truth[layer])
                distances.append(weigh(difference_BFHW.square()).mean((1, 2, 3)))
            return torch.stack(distances).sum(0)


def load_lpips(trunk: TrunkName, path: Path) -> Lpips:
    """Build the distance with its trained weights, frozen.

    Args:
        trunk: `alexnet` or `vgg16`.
        path: The weights of trunk and linear layers; `zoo.feature_weights(trunk)` finds them.

    Raises:
        ModelError: The file cannot be used.
    """
    distance = Lpips(trunk)
    load_weights(distance, path)
    return distance


def _unit(f_BFHW: Tensor) -> Tensor:
    """Scale the features of each position to norm 1, in fp32."""
    return functional.normalize(f_BFHW.float(), dim=1, eps=_TINY)
