"""Parameters in shared memory: matrices of one shape stacked, all others in one row.

A step's arithmetic then takes one operation for all of them, instead of one for each, on every
device; and clipping, averaging and casting the network take one for everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_ALIGNED = 64  # elements; the vector units and matrix units of all devices like such addresses


@dataclass(frozen=True, slots=True)
class Block:
    """Parameters that move together.

    Attributes:
        values: A stack (n, *shape) of matrices, each of which lies in memory row by row; or the
            row (m,) of all others, with zeros between them. Its `grad` is laid out alike.
        members: Indices of the parameters, counted over matrices and then others.
        views: Each member's own part of `values`.
    """

    values: nn.Parameter
    members: tuple[int, ...]
    views: tuple[Tensor, ...]

    def parts(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Return each member's part of a tensor that is laid out as `values`."""
        if self.values.ndim > 1:
            return tensor.unbind()
        start = self.values.storage_offset()
        return tuple(
            tensor.as_strided(view.shape, view.stride(), view.storage_offset() - start)
            for view in self.views
        )


class SharedMemory:
    """Moves parameters and their gradients into one buffer each; they stay what they were.

    Args:
        matrices: Parameters of two or more axes, to be stacked by shape.
        others: All other parameters.

    Attributes:
        values: All parameters, (m,), and zeros between them.
        gradients: Their gradients, laid out alike. Autograd adds to them in place.
        matrices: The blocks of matrices.
        others: The block of all others; None if there are none.
    """

    def __init__(self, matrices: Iterable[Tensor], others: Iterable[Tensor]) -> None:
        self._matrices, self._others = list(matrices), list(others)
        self._parameters = [*self._matrices, *self._others]
        stacks: dict[tuple[torch.Size, tuple[int, ...]], list[int]] = {}
        for index, matrix in enumerate(self._matrices):
            stacks.setdefault((matrix.shape, _strides(matrix)), []).append(index)
        offsets: dict[int, int] = {}
        end = 0
        for members in stacks.values():
            for index in members:
                offsets[index] = end
                end += self._parameters[index].numel()
            end = _aligned(end)
        row = end
        for index in range(len(self._matrices), len(self._parameters)):
            offsets[index] = end
            end = _aligned(end + self._parameters[index].numel())

        first = self._parameters[0]
        assert all(p.dtype == first.dtype and p.device == first.device for p in self._parameters), (
            "all parameters are of one dtype and on one device"
        )
        self.values = torch.zeros(end, dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        self._gradients = [self._view(self.gradients, n, offsets[n]) for n in range(len(offsets))]
        views = [self._view(self.values, n, offsets[n]) for n in range(len(offsets))]
        with torch.no_grad():
            for parameter, view, gradient in zip(
                self._parameters, views, self._gradients, strict=True
            ):
                view.copy_(parameter)
                if parameter.grad is not None:
                    gradient.copy_(parameter.grad)
                parameter.data = view
                parameter.grad = gradient

        def block(members: Sequence[int], size: Sequence[int], strides: Sequence[int]) -> Block:
            start = offsets[members[0]]
            values = nn.Parameter(self.values.as_strided(size, strides, start))
            values.grad = self.gradients.as_strided(size, strides, start)
            return Block(values, tuple(members), tuple(views[index] for index in members))

        self.matrices = tuple(
            block(members, (len(members), *shape), (math.prod(shape), *strides))
            for (shape, strides), members in stacks.items()
        )
        rest = range(len(self._matrices), len(self._parameters))
        self.others = block(rest, (end - row,), (1,)) if rest else None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks, matrices first."""
        return self.matrices if self.others is None else (*self.matrices, self.others)

    def holds(self, parameter: Tensor) -> bool:
        """Return whether a parameter lies in this memory."""
        return parameter.untyped_storage().data_ptr() == self.values.untyped_storage().data_ptr()

    def view(self, parameter: Tensor, tensor: Tensor) -> Tensor:
        """Return a parameter's part of a tensor that is laid out as `values`."""
        return tensor.as_strided(parameter.shape, parameter.stride(), parameter.storage_offset())

    def gather(self) -> None:
        """Take in gradients that were set by hand, as `parameter.grad = …`; None counts as 0."""
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            if parameter.grad is gradient:
                continue
            if parameter.grad is None:
                gradient.zero_()
            else:
                gradient.copy_(parameter.grad)
            parameter.grad = gradient

    @property
    def parameters(self) -> Sequence[Tensor]:
        """All parameters, matrices first."""
        return self._parameters

    def clear(self) -> None:
        """Set all gradients to 0."""
        self.gather()
        self.gradients.zero_()

    def _view(self, buffer: Tensor, index: int, offset: int) -> Tensor:
        parameter = self._parameters[index]
        return buffer.as_strided(parameter.shape, _strides(parameter), offset)


def in_memory_order(stack: Tensor) -> Tensor:
    """Return a stack (n, rows, …) of a block as matrices (n, rows, columns), without copying it.

    In channels-last layout the columns are in another order than in the weight; to what follows
    from products of rows alone, as Muon's steps do, that makes no difference.
    """
    count, rows = stack.shape[:2]
    columns = math.prod(stack.shape[2:])
    return stack.as_strided(
        (count, rows, columns), (rows * columns, columns, 1), stack.storage_offset()
    )


def _strides(parameter: Tensor) -> tuple[int, ...]:
    """Return a parameter's own strides if its rows lie one after another, else plain ones."""
    rows = parameter.shape[0] if parameter.ndim else 1
    strides = parameter.stride()
    dense = torch.empty_like(parameter).stride() == strides  # it keeps only those without gaps
    if dense and (parameter.ndim < 2 or rows == 1 or strides[0] * rows == parameter.numel()):
        return strides
    return torch.empty(parameter.shape, device="meta").stride()


def _aligned(end: int) -> int:
    return -(-end // _ALIGNED) * _ALIGNED
