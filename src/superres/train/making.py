"""How what a network sees, and its truth, are made of patches that were drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

# Takes small and large patches, the step's number and the part of its batch, on which alone chance
# may depend besides the recipe's seed.
Make = Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Making:
    """What is drawn for a step, and what becomes of it.

    Attributes:
        edge: Edge of what is drawn, in small pixels.
        description: How the network's input comes to be, for the card.
        make: Makes input and truth; None takes the small and the large patches.
    """

    edge: int
    description: str
    make: Make | None = None
