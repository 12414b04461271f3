"""Feature networks shared by the losses of a run: each picture passes through once a step."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from superres.losses.lpips import Lpips
from superres.losses.perceptual import Perceptual
from superres.networks.features import FeatureNetwork


class _SeenOnce(nn.Module):
    """A trunk that remembers its answers, by picture, until they are forgotten."""

    def __init__(self, trunk: FeatureNetwork) -> None:
        super().__init__()
        self.trunk = trunk
        self._seen: list[tuple[Tensor, dict[str, Tensor]]] = []

    def forward(self, x_BCHW: Tensor) -> dict[str, Tensor]:
        """Return the features of all layers that any of the losses compares."""
        for picture, features in self._seen:
            if picture is x_BCHW:
                return features
        features: dict[str, Tensor] = self.trunk(x_BCHW)
        self._seen.append((x_BCHW, features))
        return features

    def forget(self) -> None:
        self._seen.clear()


class SharedTrunks:
    """The trunks of a run's losses, frozen, one of each kind.

    Args:
        device: Where they are.
        dtype: The number format of their weights and features, or None for fp32. The features are
            compared in fp32 in either case.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype | None) -> None:
        self._device, self._dtype = device, dtype
        self._trunks: dict[str, _SeenOnce] = {}

    def share(self, loss: Perceptual | Lpips) -> None:
        """Move a loss to the device, and let it use the trunk of those that came before it."""
        loss.to(self._device)
        trunk = cast("FeatureNetwork", loss.features)
        if self._dtype is not None:
            trunk.convert(self._dtype)
        if self._device.type != "mps":
            trunk.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        shared = self._trunks.get(trunk.name)
        if shared is None:
            shared = self._trunks[trunk.name] = _SeenOnce(trunk)
        else:
            deeper = max(shared.trunk, trunk, key=lambda one: len(list(one.children())))
            deeper.layers = shared.trunk.layers | trunk.layers
            shared.trunk = deeper
        loss.features = shared

    def forget(self) -> None:
        """Forget the pictures of the step."""
        for trunk in self._trunks.values():
            trunk.forget()
