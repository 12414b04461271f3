"""Discriminator of adversarial training, with its optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor

from superres.errors import unknown_name
from superres.losses.adversarial import ADVERSARIAL
from superres.networks.discriminators import discriminator_config
from superres.optim.muon import Muon
from superres.runs.checkpoint import Part
from superres.train.devices import autocast_dtype
from superres.train.forward import Forward, average_gradients
from superres.train.recipe import AdversarialSection


class Adversary:
    """A discriminator with its optimiser and the adversarial loss of both networks.

    Goodfellow et al., NeurIPS 2014; the order of steps is SRGAN's (Ledig et al., CVPR 2017,
    arXiv:1609.04802): first the network, then the discriminator on the same pictures. Departs from
    it: the discriminator sees each picture once in a step, and both losses come from those scores.
    As it does not change before its own step, they are what a second look would give.

    Args:
        section: The recipe's section.
        edge: Edge of the large patches, in pixels.
        channels: Channels of the patches.
        fabric: The devices of the run.

    Raises:
        UnknownNameError: There is no such loss or discriminator.
        ModelError: The discriminator does not fit the patches.
    """

    def __init__(
        self, section: AdversarialSection, *, edge: int, channels: int, fabric: Fabric
    ) -> None:
        if section.loss not in ADVERSARIAL:
            raise unknown_name("adversarial loss", section.loss, ADVERSARIAL)
        self._loss = ADVERSARIAL[section.loss]
        self._fabric = fabric
        self._rate = section.rate
        config = discriminator_config(
            section.discriminator, section.config, edge=edge, channels=channels
        )
        self._network = config.build().to(fabric.device)
        # torch has no overload for it
        cast("Any", self._network).to(memory_format=torch.channels_last)
        self._optimizer = Muon([], self._network.parameters(), rate=0.0, other_rate=section.rate)
        self._forward = Forward(self._network, self._optimizer, fabric)
        # Its own: the network's may change between the backward pass here and the step.
        in_fp16 = autocast_dtype(fabric) == torch.float16
        self._scaler = torch.amp.GradScaler(fabric.device.type, enabled=in_fp16)

    @property
    def gradients(self) -> Tensor:
        """The discriminator's gradients so far, (m,)."""
        return self._optimizer.memory.gradients

    def judge(
        self, restored_BCHW: Tensor, truth_BCHW: Tensor, *, share: float = 1.0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Score pictures, and collect the discriminator's gradients.

        Args:
            restored_BCHW: The network's output, with its gradients.
            truth_BCHW: The same shape.
            share: The part of the step's batch that this is.

        Returns:
            The network's adversarial loss, whose backward pass must be limited to the network
            (`inputs`); and the discriminator's loss with its mean scores of true and restored
            pictures.
        """
        self._forward.begin_step()
        pictures = torch.cat((truth_BCHW, restored_BCHW))
        (scores,) = self._forward(pictures.contiguous(memory_format=torch.channels_last))
        real, fake = scores.chunk(2)
        loss = self._loss.discriminator(real, fake)
        self._scaler.scale(loss if share == 1 else share * loss).backward(
            inputs=self._forward.leaves, retain_graph=True
        )
        self._forward.end_backward()
        means = scores.detach().view(2, -1).mean(1)
        learnt = {
            "discriminator": loss.detach(),
            "discriminator_score_true": means[0],
            "discriminator_score_restored": means[1],
        }
        return self._loss.generator(real.detach(), fake), learnt

    def learn(self, factor: float) -> None:
        """Take one step of the discriminator with the gradients of all micro-batches.

        Args:
            factor: Factor on the learning rate.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * factor
        if self._fabric.world_size > 1:
            average_gradients(self._optimizer, self._fabric)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()

    def parts(self) -> dict[str, Part]:
        """Return the state to keep in a checkpoint."""
        return {
            "discriminator": self._network.state_dict(),
            "discriminator_optimizer": self._optimizer.tensors(),
        }

    def fill(self, parts: Mapping[str, Part]) -> None:
        """Restore the state that `parts` returned.

        Raises:
            KeyError, RuntimeError: The parts are of another run.
        """
        self._network.load_state_dict(dict(parts["discriminator"]))
        self._optimizer.load_tensors(parts["discriminator_optimizer"])
