"""Forward pass of a network in its run's number format, compiled by torch where that pays."""

from __future__ import annotations

import time
from typing import cast

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn

from superres.layers.supervised import AllOutputs
from superres.optim.half_weights import HalfWeights, called_layers
from superres.optim.matrix_optimizer import MatrixOptimizer
from superres.train.devices import autocast_dtype
from superres.watch import Watch

# A shorter run ends before the compiled steps have won back the time that compiling takes.
_LEAST_MINUTES = 10.0
_LEAST_STEPS = 5000
_DIFFERENCE = 0.02  # largest mean difference of a compiled network's output, for pixels in [0, 1]


class Forward:
    """A network's forward pass in the number format of its run.

    In bf16 and fp16, weights are cast all together from the second step on, when it is known which
    layers are called. The numbers of both ways are the same.

    Args:
        network: The network.
        optimizer: The optimiser of its parameters.
        fabric: Provides autocast.
        compiled: The network as torch compiled it; it casts weights by itself.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: MatrixOptimizer,
        fabric: Fabric,
        *,
        compiled: nn.Module | None = None,
    ) -> None:
        self._outputs = AllOutputs(network)
        self._memory = optimizer.memory
        self._fabric = fabric
        self._compiled = compiled
        self._half: HalfWeights | None = None
        self._called: list[nn.Module] = []
        self._dtype = None if compiled is not None else autocast_dtype(fabric)

    @property
    def leaves(self) -> list[nn.Parameter]:
        """What a backward pass collects gradients for."""
        parameters = cast("list[nn.Parameter]", list(self._memory.parameters))
        return self._half.instead_of(parameters) if self._half else parameters

    def begin_step(self) -> None:
        """Cast the weights as the last step left them."""
        if self._half:
            self._half.refresh()
        elif self._called and self._dtype:
            self._half = HalfWeights(self._called, self._memory, self._dtype)

    def __call__(self, small: Tensor) -> tuple[Tensor, ...]:
        """Return all supervised outputs in fp32, the final one last."""
        with self._fabric.autocast():
            if self._compiled is not None:
                outputs = self._compiled(small)
            elif self._half:
                with self._half.applied():
                    outputs = self._outputs(small)
            elif self._dtype:
                with called_layers(self._outputs) as self._called:
                    outputs = self._outputs(small)
            else:
                outputs = self._outputs(small)
        return tuple(output.float() for output in outputs)

    def end_backward(self) -> None:
        """Take in the gradients of a backward pass."""
        if self._half:
            self._half.collect()


def average_gradients(optimizer: MatrixOptimizer, fabric: Fabric) -> None:
    """Replace each process's gradients by their mean over all processes, in one exchange."""
    gradients = optimizer.memory.gradients
    gradients.copy_(cast("Tensor", fabric.all_reduce(gradients, reduce_op="mean")))


def compile_pays(kind: str, *, fixed_size: bool, steps: int | None, minutes: float | None) -> bool:
    """Return whether a recipe's `compile = "auto"` compiles.

    It depends on nothing that changes between a run and its resumption, as that must repeat the
    numbers exactly.

    Args:
        kind: The device's kind. Only CUDA's kernels, one for each operation, are worth fusing.
        fixed_size: Whether the network's input is of one shape in all steps; each shape compiles.
        steps: The run's length in steps, or
        minutes: in minutes.
    """
    if kind != "cuda" or not fixed_size:
        return False
    long = minutes >= _LEAST_MINUTES if minutes is not None else (steps or 0) >= _LEAST_STEPS
    return long and has_triton()


def has_triton() -> bool:
    """Return whether Triton, which torch compiles for GPUs with, is installed and usable."""
    from torch.utils._triton import has_triton as usable

    return usable()


def compiled(network: nn.Module, example: Tensor, fabric: Fabric, watch: Watch) -> nn.Module | None:
    """Compile a network's forward and backward pass, and try both.

    Args:
        network: The network, on its device; its state is left as it was.
        example: An input of the shape of every step's.
        fabric: Provides autocast.
        watch: Notified of the time that it took, or of the reason why it was not compiled.

    Returns:
        The compiled network, which returns all supervised outputs; None if it cannot be compiled,
        or if its answers differ from those of the network as it is.
    """
    start = time.monotonic()
    plain = AllOutputs(network)
    buffers = {name: value.clone() for name, value in network.named_buffers()}
    try:
        fast = cast("nn.Module", torch.compile(plain))
        with fabric.autocast():
            outputs: tuple[Tensor, ...] = fast(example)
            torch.stack([output.float().mean() for output in outputs]).sum().backward()
            with torch.no_grad():
                expected: tuple[Tensor, ...] = plain(example)
        off = max(
            float((a.detach().float() - b.float()).abs().mean())
            for a, b in zip(outputs, expected, strict=True)
        )
    except Exception as error:  # a compiler fails in ways of its own, none of which ends a run
        first = str(error).strip().partition("\n")[0]
        watch.note(
            f"not compiled: {type(error).__name__}: {first[:200]}; each operation runs alone"
        )
        return None
    finally:
        network.zero_grad(set_to_none=False)  # the gradients stay in their memory
        with torch.no_grad():
            for name, value in network.named_buffers():
                value.copy_(buffers[name])
    if not off <= _DIFFERENCE:
        watch.note(
            f"not compiled: its output differs by {off:.3g} on average, at most {_DIFFERENCE} is "
            "expected; each operation runs alone"
        )
        return None
    watch.note(f"compiled the network in {time.monotonic() - start:.0f} s")
    return fast
