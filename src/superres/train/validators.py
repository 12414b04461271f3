"""What scores a run's network on the folders that are watched: by single pictures, or by bursts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from superres.models.config import NetworkConfig
from superres.train.validate import Validator, cached_lpips
from superres.train.validate_bursts import BurstValidator


def open_validators(
    folders: Sequence[Path], config: NetworkConfig, device: torch.device
) -> tuple[Validator | BurstValidator, ...]:
    """Return what scores networks of one frame, or of many, on each folder.

    Raises:
        DataError: A folder holds no picture that is large enough for a burst.
    """
    if config.frames == "many":
        return tuple(BurstValidator(folder, config, device=device) for folder in folders)
    lpips = cached_lpips(device) if folders else None
    return tuple(Validator(folder, config, lpips=lpips, device=device) for folder in folders)
