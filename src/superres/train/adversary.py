"""Discriminator of adversarial training, with its optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor

from superres.errors import unknown_name
from superres.losses.adversarial import ADVERSARIAL
from superres.networks.discriminators import discriminator_config
from superres.optim.muon import Muon
from superres.train.checkpoint import Part, fill_optimizer, optimizer_part
from superres.train.recipe import AdversarialSection


class Adversary:
    """A discriminator with its optimiser and the adversarial loss of both networks.

    Goodfellow et al., NeurIPS 2014; the order of steps is SRGAN's (Ledig et al., CVPR 2017,
    arXiv:1609.04802): first the network, then the discriminator on the same pictures.

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
        self._optimizer = Muon([], self._network.parameters(), rate=0.0, other_rate=section.rate)
        self._forward, self._stepper = fabric.setup(self._network, self._optimizer)

    def loss(self, restored_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
        """Return the network's adversarial loss; no gradient reaches the discriminator."""
        self._network.requires_grad_(False)
        # The unwrapped network, so that processes do not wait for gradients that do not exist.
        with self._fabric.autocast():
            fake: Tensor = self._network(restored_BCHW)
            with torch.no_grad():
                real: Tensor = self._network(truth_BCHW)
        self._network.requires_grad_(True)
        return self._loss.generator(real.float(), fake.float())

    def learn(
        self, micro_batches: Sequence[tuple[Tensor, Tensor]], factor: float
    ) -> dict[str, Tensor]:
        """Take one step of the discriminator.

        Args:
            micro_batches: (restored, truth) of each micro-batch, without gradients.
            factor: Factor on the learning rate.

        Returns:
            Its loss, and its mean scores of true and restored pictures.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * factor
        sums: dict[str, Tensor] = {}
        for index, (restored_BCHW, truth_BCHW) in enumerate(micro_batches):
            last = index + 1 == len(micro_batches)
            with self._fabric.no_backward_sync(self._forward, enabled=not last):
                # One pass over both, so that processes synchronise once.
                scores: Tensor = self._forward(torch.cat((truth_BCHW, restored_BCHW)))
                real, fake = scores.float().chunk(2)
                loss = self._loss.discriminator(real, fake)
                self._fabric.backward(loss / len(micro_batches))
            values = {
                "discriminator": loss,
                "discriminator_score_true": real,
                "discriminator_score_restored": fake,
            }
            for name, value in values.items():
                mean = value.detach().mean() / len(micro_batches)
                sums[name] = sums[name] + mean if name in sums else mean
        self._stepper.step()
        self._stepper.zero_grad()
        return sums

    def parts(self) -> dict[str, Part]:
        """Return the state to keep in a checkpoint."""
        return {
            "discriminator": self._network.state_dict(),
            "discriminator_optimizer": optimizer_part(self._optimizer),
        }

    def fill(self, parts: Mapping[str, Part]) -> None:
        """Restore the state that `parts` returned.

        Raises:
            KeyError, RuntimeError: The parts are of another run.
        """
        self._network.load_state_dict(dict(parts["discriminator"]))
        fill_optimizer(self._optimizer, parts["discriminator_optimizer"])
