"""What scores a run's network on what is watched: by single pictures, by bursts, or by clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from superres.models.config import NetworkConfig
from superres.train.validate import Validator, cached_lpips
from superres.train.validate_bursts import BurstValidator
from superres.train.validate_clips import ClipValidator

AnyValidator = Validator | BurstValidator | ClipValidator


def open_validators(
    sources: Sequence[Path], config: NetworkConfig, device: torch.device
) -> tuple[AnyValidator, ...]:
    """Return what scores networks of one frame, of many, or of videos on each source.

    Args:
        sources: Folders of pictures; for networks of videos, videos too.
        config: What the network needs.
        device: Where it lies.

    Raises:
        DataError: A source holds nothing that is large or long enough for a burst or clip.
    """
    if config.frames == "many":
        return tuple(BurstValidator(folder, config, device=device) for folder in sources)
    if config.frames == "video":
        return tuple(ClipValidator(source, config, device=device) for source in sources)
    lpips = cached_lpips(device) if sources else None
    return tuple(Validator(folder, config, lpips=lpips, device=device) for folder in sources)
