"""Training objective: the weighted sum of a recipe's losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor

from superres.degrade.downscale import resize_batch
from superres.errors import BackendError
from superres.losses.trunks import SharedTrunks
from superres.train.devices import autocast_dtype
from superres.train.loss_terms import LOSS_TERMS, LossContext
from superres.train.recipe import LossSection
from superres.watch import Watch

# The values of a step, by name.
Logged = Mapping[str, Tensor | float]


class Objective:
    """A recipe's losses, with the networks that some of them use.

    Args:
        section: The recipe's section.
        fabric: Provides the device and the number format of those networks.
        watch: Notified of each download of one.

    Raises:
        ModelError: Feature weights or the teacher cannot be used.
    """

    def __init__(self, section: LossSection, *, fabric: Fabric, watch: Watch) -> None:
        self._weights = section.weights
        self._trunks = SharedTrunks(fabric.device, autocast_dtype(fabric))
        context = LossContext(fabric.device, watch, self._trunks)
        self._losses = {name: LOSS_TERMS[name].open(section, context) for name in self._weights}

    def terms(
        self, small: Tensor, outputs: Sequence[Tensor], truth_BCHW: Tensor, done: float
    ) -> dict[str, Tensor]:
        """Return the terms of nonzero weight by name, each multiplied by its weight.

        Args:
            small: The network's input: (B, C, H, W), or bursts (B, T, C + 3, H, W).
            outputs: All supervised outputs, the final one last. Smaller ones are compared with the
                truth downscaled to their size; a term is the mean over outputs.
            truth_BCHW: (B, C, scale*H, scale*W).
            done: Completed fraction of the run.
        """
        truths = [_as_large_as(output, truth_BCHW) for output in outputs]
        terms: dict[str, Tensor] = {}
        for name, ramp in self._weights.items():
            weight = ramp.at(done)
            if weight == 0:
                continue
            loss = self._losses[name]
            first = 0 if LOSS_TERMS[name].every_output else -1
            pairs = zip(outputs[first:], truths[first:], strict=True)
            values = [loss(output, truth, small) for output, truth in pairs]
            value = values[0] if len(values) == 1 else torch.stack(values).mean()
            terms[name] = value if weight == 1 else weight * value
        self._trunks.forget()
        return terms


def _as_large_as(output_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    if output_BCHW.shape == truth_BCHW.shape:
        return truth_BCHW
    return resize_batch(truth_BCHW, size=(output_BCHW.shape[2], output_BCHW.shape[3]))


def check_finite(window: Sequence[Logged], step: int) -> None:
    """Check that all values of the last steps are finite.

    Args:
        window: The logged values of the last steps, oldest first.
        step: Steps taken so far.

    Raises:
        BackendError: A value is NaN or Inf; the first such loss and its step are named.
    """
    for index, told in enumerate(window):
        for name, value in told.items():
            if not math.isfinite(value):
                raise BackendError(
                    f"the loss {name} became {float(value)} at step {step - len(window) + index}",
                    "lower optimizer.rate and optimizer.matrix_lr, or set precision to fp32; "
                    "--resume continues from the last checkpoint",
                )


def mean_terms(window: Sequence[Logged], fabric: Fabric) -> dict[str, float]:
    """Return the mean of each value over the steps that have it, and over all processes.

    Args:
        window: The logged values of the last steps.
        fabric: The fabric of the processes.
    """
    names = dict.fromkeys(name for logged in window for name in logged)
    means: dict[str, float] = {}
    for name in names:
        values = [torch.as_tensor(logged[name]) for logged in window if name in logged]
        mean = torch.stack([value.float() for value in values]).mean()
        if fabric.world_size > 1:
            mean = cast("Tensor", fabric.all_reduce(mean, reduce_op="mean"))
        means[name] = float(mean)
    return means
