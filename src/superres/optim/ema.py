"""Moving average of a network's weights, which scores better than any single step's."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Keeps the exponential moving average of a network's state.

    The decay rises from 0.1 to its full value, (1 + n) / (10 + n), so that the random start is
    forgotten quickly. Tensors that share memory (`SharedMemory`) are averaged in one operation.

    Args:
        network: The network to follow, on its device; its tensors stay where they are.
        decay: The full decay; 0.999 averages over about 1000 steps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {}
        self._counters: list[str] = []
        self._places = _places(network)
        whole: dict[int, tuple[Tensor, Tensor]] = {}  # by address: what is followed, and its mean
        for name, value in network.state_dict().items():
            if not value.is_floating_point():  # a counter or a mask has no mean
                self._counters.append(name)
                self.weights[name] = value.clone()
                continue
            address = value.untyped_storage().data_ptr()
            if address not in whole:
                followed = _storage_of(value)
                whole[address] = followed, followed.clone()
            self.weights[name] = whole[address][1].as_strided(
                value.shape, value.stride(), value.storage_offset()
            )
        self._followed = [followed for followed, _ in whole.values()]
        self._means = [mean for _, mean in whole.values()]

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Update the average from the network; `step` counts from 0.

        Raises:
            AssertionError: A tensor of the network has moved in memory.
        """
        assert _places(network) == self._places
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._means, self._followed, None)
        if self._counters:
            current = network.state_dict()
            for name in self._counters:
                self.weights[name].copy_(current[name])

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Restore an average.

        Raises:
            KeyError, RuntimeError: It is of another network.
        """
        for name, value in self.weights.items():
            value.copy_(weights[name])


def _places(network: nn.Module) -> list[int]:
    """Return the address of each tensor."""
    return [value.data_ptr() for value in network.state_dict(keep_vars=True).values()]


def _storage_of(value: Tensor) -> Tensor:
    """Return all elements of a tensor's memory, those of other tensors too, (n,)."""
    storage = value.untyped_storage()
    count = storage.nbytes() // value.element_size()
    return torch.empty(0, dtype=value.dtype, device=value.device).set_(storage, 0, (count,), (1,))
