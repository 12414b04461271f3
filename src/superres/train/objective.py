"""The sum of losses that a recipe asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from superres.degrade.downscale import resize_batch
from superres.errors import BackendError, ModelError
from superres.losses.frequency import fourier_l1
from superres.losses.lpips import load_lpips
from superres.losses.perceptual import load_perceptual
from superres.losses.pixel import charbonnier, l1, l2, rmse
from superres.losses.structure import ssim_loss
from superres.losses.variation import total_variation
from superres.modelfiles.checkpoint import load_network
from superres.train.recipe import LossSection
from superres.watch import Watch
from superres.zoo import feature_weights, resolve

_Comparison = Callable[[Tensor, Tensor], Tensor]
# Compared at every output that a network supervises; the others at the final one alone.
_PIXEL: dict[str, _Comparison] = {
    "l1": l1,
    "l2": l2,
    "charbonnier": charbonnier,
    "rmse": rmse,
    "fourier": fourier_l1,
    "ssim": ssim_loss,
}


class Objective:
    """A recipe's losses, with the networks that some of them look through.

    Args:
        section: The recipe's section.
        device: Where those networks shall lie.
        notice: Called with one line for each of them.

    Raises:
        ModelError: Feature weights or the teacher cannot be used.
    """

    def __init__(
        self, section: LossSection, *, device: torch.device, notice: Callable[[str], None]
    ) -> None:
        self._weights = section.weights
        self._perceptual: nn.Module | None = None
        self._lpips: nn.Module | None = None
        self._teacher: nn.Module | None = None
        if not self._weights.keys().isdisjoint(("perceptual", "lpips")):
            vgg16 = feature_weights("vgg16", watch=Watch(on_note=notice))
            if "perceptual" in self._weights:
                self._perceptual = load_perceptual(vgg16, section.perceptual_layers).to(device)
            if "lpips" in self._weights:
                self._lpips = load_lpips("vgg16", vgg16).to(device)
        if section.teacher:
            self._teacher = _teacher(section.teacher).to(device)

    def terms(
        self, small: Tensor, outputs: Sequence[Tensor], truth_BCHW: Tensor, done: float
    ) -> dict[str, Tensor]:
        """Return the terms with a weight, each already times its weight, by name.

        Args:
            small: What the network was given: (B, C, H, W), or bursts (B, T, C + 3, H, W).
            outputs: All outputs that are supervised, the final one last. Those that are smaller
                than it are compared with the truth made as small; a term is their mean.
            truth_BCHW: (B, C, scale*H, scale*W).
            done: Part of the run that is over.
        """
        final = outputs[-1]
        truths = [_as_large_as(output, truth_BCHW) for output in outputs]
        terms: dict[str, Tensor] = {}
        for name, ramp in self._weights.items():
            weight = ramp.at(done)
            if weight == 0:
                continue
            if name in _PIXEL:
                pairs = zip(outputs, truths, strict=True)
                values = [_PIXEL[name](output, truth) for output, truth in pairs]
                terms[name] = weight * torch.stack(values).mean()
            elif name == "total_variation":
                terms[name] = weight * total_variation(final)
            elif name == "perceptual":
                assert self._perceptual is not None
                terms[name] = weight * self._perceptual(final, truth_BCHW)
            elif name == "lpips":
                assert self._lpips is not None
                terms[name] = weight * self._lpips(final, truth_BCHW).mean()
            else:
                assert name == "distillation"
                assert self._teacher is not None
                with torch.no_grad():
                    taught = self._teacher(small)
                terms[name] = weight * l1(final, taught.float())
        return terms


def _as_large_as(output_BCHW: Tensor, truth_BCHW: Tensor) -> Tensor:
    if output_BCHW.shape == truth_BCHW.shape:
        return truth_BCHW
    return resize_batch(truth_BCHW, size=(output_BCHW.shape[2], output_BCHW.shape[3]))


def _teacher(name: str) -> nn.Module:
    """Load the model to learn from, frozen.

    Raises:
        ModelError: It has no weights that torch can read.
    """
    file = resolve(name)
    if file.weights is None:
        raise ModelError(
            f"the teacher {name} has no file of weights", "name a model that training wrote"
        )
    network, _ = load_network(file.weights)
    return network.requires_grad_(False)


def check_finite(window: Sequence[dict[str, Tensor]], step: int) -> None:
    """Raise, naming the first loss and step, if a value of the last steps is NaN or Inf.

    Args:
        window: What the last steps told, oldest first.
        step: Steps taken so far.

    Raises:
        BackendError: A value is not finite.
    """
    for index, told in enumerate(window):
        for name, value in told.items():
            if not torch.isfinite(value).all():
                raise BackendError(
                    f"the loss {name} became {float(value)} at step {step - len(window) + index}",
                    "lower optimizer.rate and matrix_rate, or set precision to fp32; "
                    "--resume goes on from the last checkpoint",
                )
