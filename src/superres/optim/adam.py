"""Adam's step for one parameter, used by every optimiser here for biases and slopes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_BETAS = (0.9, 0.999)
_TINY = 1e-8


# The state's values are tensors and a step count; torch types them as Any.
def adam_step(weight: Tensor, gradient: Tensor, state: dict[str, Any], rate: float) -> None:
    """Move a weight in place: Kingma and Ba, ICLR 2015, arXiv:1412.6980, without weight decay.

    Args:
        weight: The parameter.
        gradient: Its gradient, of its shape.
        state: Empty at first; holds the moments and the step count.
        rate: Learning rate.
    """
    if not state:
        state["first"] = torch.zeros_like(weight)
        state["second"] = torch.zeros_like(weight)
        state["count"] = 0.0
    state["count"] += 1.0
    count: float = state["count"]
    beta1, beta2 = _BETAS
    state["first"].lerp_(gradient, 1.0 - beta1)
    state["second"].mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
    # The second moment's correction stands before the quotient, which saves an operation.
    root = (1.0 - beta2**count) ** 0.5
    spread = state["second"].sqrt().add_(_TINY * root)
    weight.addcdiv_(state["first"], spread, value=-rate * root / (1.0 - beta1**count))
