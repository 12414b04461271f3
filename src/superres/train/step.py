"""One training step: forward pass, losses, backward pass, clipping, optimiser, average."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn

from superres.data.ahead import Batch
from superres.optim.ema import WeightAverage
from superres.optim.matrix_optimizer import MatrixOptimizer
from superres.optim.schedule import Clock, rate_factor
from superres.train.adversary import Adversary
from superres.train.forward import Forward, average_gradients
from superres.train.objective import Logged, Objective
from superres.train.patches import Patches
from superres.train.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Trained:
    """What a step changes, and what it takes for that.

    Attributes:
        network: The network.
        forward: Its forward pass.
        optimizer: The optimiser of its parameters.
        stepper: Fabric's wrapper of the optimiser.
        average: The average of its weights.
        patches: The training patches.
        objective: The losses.
        adversary: The discriminator, if there is one.
    """

    recipe: Recipe
    fabric: Fabric
    network: nn.Module
    forward: Forward
    optimizer: MatrixOptimizer
    stepper: Any  # fabric's class is not public
    average: WeightAverage
    patches: Patches
    objective: Objective
    adversary: Adversary | None


def take_step(
    at: Trained, batches: Iterator[Batch], step: int, done: float, clock: Clock
) -> Logged:
    """Update the network, and the discriminator if there is one.

    Args:
        at: What is trained.
        batches: The step's micro-batches come next.
        step: The step's number, from 0.
        done: Completed fraction of the run.
        clock: Told the time that waiting for data takes.

    Returns:
        The values to log.
    """
    wanted, count = at.recipe.optimizer, at.recipe.optimizer.accumulate
    factor = rate_factor(done, step, wanted.warm_up_steps)
    for group in at.optimizer.param_groups:
        group["lr"] = factor * (wanted.matrix_lr if group["matrices"] else wanted.rate)
    weight = at.recipe.adversarial.weight.at(done)
    adversary = at.adversary if weight > 0 else None
    logged: dict[str, Tensor] = {}
    at.forward.begin_step()
    for _ in range(count):
        before = time.monotonic()
        small, large = next(batches)
        clock.data_s += time.monotonic() - before
        outputs = at.forward(small)
        terms = at.objective.terms(small, outputs, large, done)
        told = dict(terms)
        if adversary:
            score, learnt = adversary.judge(outputs[-1], large, share=1 / count)
            terms["adversarial"] = weight * score
            told = {**terms, **learnt}
        loss = reduce(torch.add, terms.values())  # of a few; a stack takes more operations
        # Only these: the discriminator has its own loss.
        at.fabric.backward(loss if count == 1 else loss / count, inputs=at.forward.leaves)
        at.forward.end_backward()
        _add(logged, told, count)
    if at.fabric.world_size > 1:
        average_gradients(at.optimizer, at.fabric)
    at.fabric.strategy.precision.unscale_gradients(at.optimizer)  # of fp16
    logged["gradient_norm"] = at.optimizer.clip(wanted.clip)
    at.stepper.step()
    at.stepper.zero_grad()
    at.average.update(at.network, step)
    if adversary:
        adversary.learn(factor)
    return {**logged, "rate": factor * wanted.rate}


def _add(logged: dict[str, Tensor], told: Mapping[str, Tensor], count: int) -> None:
    """Add a micro-batch's values, divided by the number of micro-batches, to those of the step."""
    for name, value in told.items():
        mean = value.detach() if count == 1 else value.detach() / count
        logged[name] = logged[name] + mean if name in logged else mean
