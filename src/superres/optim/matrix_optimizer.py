"""Base of matrix optimisers: parameter groups, weight decay, and Adam for the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from superres.optim.adam import adam_step
from superres.optim.shared_memory import Block, SharedMemory


class MatrixOptimizer(torch.optim.Optimizer, ABC):
    """Base class with a subclass's step for matrices, and Adam for all other parameters.

    A group's `matrices` says which of the two it is. The parameters are moved into shared memory
    (`memory`), and a group holds its blocks: what torch sees are stacks of matrices and one row of
    all others.

    Args:
        matrices: Parameters of two or more axes; a convolution is treated as the matrix
            (out, in * height * width).
        others: All other parameters.
        rate: Learning rate of the matrices.
        other_rate: Learning rate of the others.
        decay: Weight decay of the matrices, relative to their rate: a step first multiplies them
            by 1 - rate * decay.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        *,
        rate: float,
        other_rate: float,
        decay: float = 0.0,
    ) -> None:
        self.memory = SharedMemory(matrices, others)
        stacks = [block.values for block in self.memory.matrices]
        row = [] if self.memory.others is None else [self.memory.others.values]
        groups = [
            {"params": stacks, "lr": rate, "matrices": True, "decay": decay},
            {"params": row, "lr": other_rate, "matrices": False, "decay": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter one step; one without a gradient moves as with a gradient of 0.

        Raises:
            AssertionError: A closure was given; the loss is never evaluated again here.
        """
        assert closure is None
        self.memory.gather()
        for group in self.param_groups:
            move = self.move_matrices if group["matrices"] else adam_step
            for block in group["params"]:
                if group["decay"]:
                    block.mul_(1.0 - group["lr"] * group["decay"])
                move(block, block.grad, self.state[block], group["lr"])

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set all gradients to 0, in place, as autograd adds to them where they are.

        Raises:
            AssertionError: They are to become None.
        """
        assert not set_to_none
        self.memory.clear()

    @torch.no_grad()
    def clip(self, largest: float) -> Tensor:
        """Scale all gradients down, if need be, so that their norm together is at most `largest`.

        Returns:
            Their norm before; NaN or Inf, if it is that, goes on into the gradients.
        """
        self.memory.gather()
        # untyped in torch
        norm = cast("Tensor", torch.linalg.vector_norm(self.memory.gradients))
        self.memory.gradients.mul_(largest / norm.clamp(min=largest))
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of each parameter, as `"{index}.{name}"`, in its own shape.

        The index counts matrices and then others, so that neither names nor shapes depend on how
        parameters are stacked.
        """
        parts: dict[int, dict[str, Tensor]] = {}
        for block in self.memory.blocks:
            for name, value in self.state.get(block.values, {}).items():
                if isinstance(value, Tensor):
                    split = block.parts(value)
                else:  # a step count
                    split = [torch.tensor(value, dtype=torch.float64)] * len(block.members)
                for index, part in zip(block.members, split, strict=True):
                    parts.setdefault(index, {})[name] = part
        return {
            f"{index}.{name}": part
            for index in sorted(parts)
            for name, part in parts[index].items()
        }

    @torch.no_grad()
    def load_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the result of `tensors`, also that of a version which stacked nothing.

        A parameter that never had a gradient there has no state, which equals one of zeros.

        Raises:
            RuntimeError: A shape is not that of this optimiser's parameter.
        """
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, _, name = key.partition(".")
            states.setdefault(int(index), {})[name] = value
        for block in self.memory.blocks:
            found = {index: states[index] for index in block.members if index in states}
            self.state[block.values] = _joined(block, found)

    # The state's values are tensors and step counts; torch types them as Any.
    @staticmethod
    @abstractmethod
    def move_matrices(
        weights: Tensor, gradients: Tensor, state: dict[str, Any], rate: float
    ) -> None:
        """Move a stack (n, *shape) of matrices one step in place; its state is empty at first."""


def _joined(block: Block, states: Mapping[int, Mapping[str, Tensor]]) -> dict[str, Tensor | float]:
    """Return the state of a block from those of its members."""
    joined: dict[str, Tensor | float] = {}
    if not states:
        return joined
    for name, example in next(iter(states.values())).items():
        values = {index: state[name] for index, state in states.items() if name in state}
        if example.ndim == 0:  # a step count
            joined[name] = max(map(float, values.values()))
            continue
        shape = block.views[0].shape
        stacked = block.values.ndim > 1
        if stacked and example.shape != shape:  # of rows or columns
            whole = block.values.new_zeros((len(block.members), *example.shape))
        else:
            whole = torch.zeros_like(block.values)
        parts = whole.unbind() if stacked else block.parts(whole)
        for index, part in zip(block.members, parts, strict=True):
            if index in values:
                if values[index].shape != part.shape:
                    raise RuntimeError(
                        f"{name} of parameter {index} is of shape {tuple(values[index].shape)}, "
                        f"expected {tuple(part.shape)}"
                    )
                part.copy_(values[index])
        joined[name] = whole
    return joined
