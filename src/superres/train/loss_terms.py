"""Loss terms: the one explicit table for a recipe's [loss].

A term is a name with a function that opens its loss; torch and the networks that some losses use
are imported only then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from superres.losses.trunks import SharedTrunks
    from superres.train.recipe import LossSection
    from superres.watch import Watch

    # Maps restored and truth, (B, C, H, W) in [0, 1], and the network's input to a scalar.
    Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
    Opener = Callable[["LossSection", "LossContext"], Loss]


@dataclass(frozen=True, slots=True)
class LossContext:
    """What losses are opened with.

    Attributes:
        device: Where pictures are.
        watch: Notified of each download of a feature network.
        trunks: Feature networks that several losses may use.
    """

    device: torch.device
    watch: Watch
    trunks: SharedTrunks


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One term.

    Attributes:
        open: Opens the loss for a recipe's section; may raise ModelError.
        every_output: Whether it applies to every supervised output, with the truth downscaled to
            its size, or only to the final one.
    """

    open: Opener
    every_output: bool = False


def _l1(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.pixel import l1

    return lambda restored, truth, _small: l1(restored, truth)


def _l2(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.pixel import l2

    return lambda restored, truth, _small: l2(restored, truth)


def _charbonnier(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.pixel import charbonnier

    return lambda restored, truth, _small: charbonnier(restored, truth)


def _rmse(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.pixel import rmse

    return lambda restored, truth, _small: rmse(restored, truth)


def _fourier(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.frequency import fourier_l1

    return lambda restored, truth, _small: fourier_l1(restored, truth)


def _ssim(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.structure import ssim_loss

    return lambda restored, truth, _small: ssim_loss(restored, truth)


def _total_variation(_: LossSection, __: LossContext) -> Loss:
    from superres.losses.variation import total_variation

    return lambda restored, _truth, _small: total_variation(restored)


def _perceptual(section: LossSection, context: LossContext) -> Loss:
    from superres.losses.perceptual import load_perceptual
    from superres.zoo import feature_weights

    weights = feature_weights("vgg16", watch=context.watch)
    loss = load_perceptual(weights, section.perceptual_layers)
    context.trunks.share(loss)
    return lambda restored, truth, _small: loss(restored, truth)


def _lpips(_: LossSection, context: LossContext) -> Loss:
    from superres.losses.lpips import load_lpips
    from superres.zoo import feature_weights

    loss = load_lpips("vgg16", feature_weights("vgg16", watch=context.watch))
    context.trunks.share(loss)
    return lambda restored, truth, _small: loss(restored, truth).mean()


def _distillation(section: LossSection, context: LossContext) -> Loss:
    import torch

    from superres.losses.pixel import l1

    teacher = _frozen(section.teacher).to(context.device)

    def from_the_teacher(restored: Tensor, _truth: Tensor, small: Tensor) -> Tensor:
        with torch.no_grad():
            taught: Tensor = teacher(small)
        return l1(restored, taught.float())

    return from_the_teacher


def _frozen(name: str) -> nn.Module:
    """Load a teacher model.

    Raises:
        ModelError: It has no weights that torch can read.
    """
    from superres.errors import ModelError
    from superres.modelfiles.checkpoint import load_network
    from superres.zoo import resolve

    file = resolve(name)
    if file.weights is None:
        raise ModelError(
            f"the teacher {name} has no weights for torch",
            "name a .safetensors model, such as training writes",
        )
    network, _ = load_network(file.weights)
    return network.requires_grad_(False)


LOSS_TERMS: dict[str, LossTerm] = {
    "l1": LossTerm(_l1, every_output=True),
    "l2": LossTerm(_l2, every_output=True),
    "charbonnier": LossTerm(_charbonnier, every_output=True),
    "rmse": LossTerm(_rmse, every_output=True),
    "fourier": LossTerm(_fourier, every_output=True),
    "ssim": LossTerm(_ssim, every_output=True),
    "total_variation": LossTerm(_total_variation),
    "perceptual": LossTerm(_perceptual),
    "lpips": LossTerm(_lpips),
    "distillation": LossTerm(_distillation),
}
