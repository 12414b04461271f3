"""Moving average of a network's weights, which scores better than any single step's."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps the exponential moving average of a network's state.

    The decay rises from 0.1 to its full value, (1 + n) / (10 + n), so that the random start is
    forgotten quickly.

    Args:
        network: The network to follow.
        decay: The full decay; 0.999 averages over about 1000 steps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Update the average from the network; `step` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        current = network.state_dict()
        averaged = [value for value in self.weights.values() if value.is_floating_point()]
        latest = [
            current[name] for name, value in self.weights.items() if value.is_floating_point()
        ]
        for mean, value in zip(averaged, latest, strict=True):
            mean.lerp_(value, 1.0 - decay)
        for name, value in self.weights.items():
            if not value.is_floating_point():  # a counter or a mask has no mean
                value.copy_(current[name])
