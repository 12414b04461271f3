"""Validators of a run: single pictures, bursts or clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric  # pyright: ignore[reportMissingTypeStubs]
from torch import nn

from superres.data.listing import left_alone
from superres.evaluate.benchmark import count_others
from superres.evaluate.validate import Validator, cached_lpips
from superres.evaluate.validate_bursts import BurstValidator
from superres.evaluate.validate_clips import ClipValidator
from superres.layers.config import NetworkConfig
from superres.runs.journal import Journal
from superres.runs.listing import title_of
from superres.watch import Watch

AnyValidator = Validator | BurstValidator | ClipValidator


@dataclass(frozen=True, slots=True)
class Watched:
    """Scores of a network on all validation sets at one step.

    Attributes:
        scores: By name, such as `psnr_Set5`.
        bicubic: The scores of bicubic, by the same names; some may be missing.
    """

    scores: dict[str, float] = field(default_factory=dict[str, float])
    bicubic: dict[str, float] = field(default_factory=dict[str, float])

    def __str__(self) -> str:
        """Each set's PSNR, with bicubic's if it is known."""
        told = {name: value for name, value in self.scores.items() if name.startswith("psnr_")}
        return "  ".join(
            f"{title_of(name)} {value:.2f} dB"
            + (f" (bicubic {self.bicubic[name]:.2f})" if name in self.bicubic else "")
            for name, value in told.items()
        )


def validate(
    validators: Sequence[AnyValidator],
    network: nn.Module,
    *,
    step: int,
    journal: Journal,
    fabric: Fabric,
) -> Watched:
    """Score a network on all sets, temporarily in evaluation mode, and log the scores.

    Args:
        validators: A validator for each set.
        network: The network.
        step: Its training step.
        journal: The log of scores and pictures.
        fabric: Provides autocast in the run's number format.
    """
    watched = Watched()
    network.eval()
    for validator in validators:
        with fabric.autocast():
            result = validator.validate(network)
        watched.scores.update(result.scores)
        watched.bicubic.update(result.bicubic)
        journal.picture(step, result.name, result.picture)
    network.train()
    journal.scalars(step, watched.scores)
    return watched


def open_validators(
    sources: Sequence[Path],
    config: NetworkConfig,
    device: torch.device,
    watch: Watch | None = None,
) -> tuple[AnyValidator, ...]:
    """Return a validator for each source, for single-frame, burst or video networks.

    Args:
        sources: Folders of pictures; for video networks also videos.
        config: What the network needs.
        device: Where it lies.
        watch: Told of the number of files of other kinds in folders.

    Raises:
        DataError: Nothing in a source is large or long enough for a burst or clip.
    """
    for folder in sources:
        if words := left_alone(count_others(folder, config.scale)):
            (watch or Watch()).note(f"{folder}: {words}")
    return _OPENERS[config.input](sources, config, device)


def _of_pictures(
    sources: Sequence[Path], config: NetworkConfig, device: torch.device
) -> tuple[AnyValidator, ...]:
    lpips = cached_lpips(device) if sources else None
    return tuple(Validator(folder, config, lpips=lpips, device=device) for folder in sources)


def _of_bursts(
    sources: Sequence[Path], config: NetworkConfig, device: torch.device
) -> tuple[AnyValidator, ...]:
    return tuple(BurstValidator(folder, config, device=device) for folder in sources)


def _of_clips(
    sources: Sequence[Path], config: NetworkConfig, device: torch.device
) -> tuple[AnyValidator, ...]:
    return tuple(ClipValidator(source, config, device=device) for source in sources)


_OPENERS = {"image": _of_pictures, "burst": _of_bursts, "video": _of_clips}
