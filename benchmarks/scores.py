"""How an upscaler scores on a set: PSNR and SSIM on luma, LPIPS on RGB, as all pages give them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from superres.evaluate.benchmark import ArrayUpscaler, evaluate
from superres.frame import to_unit
from superres.losses.lpips import load_lpips
from superres.metrics import Protocol
from superres.watch import Watch
from superres.zoo import feature_weights


def scorer() -> Callable[[ArrayUpscaler, Path, int], dict[str, float]]:
    """Return what scores an upscaler on a folder at a scale; LPIPS is opened once."""
    lpips = load_lpips("alexnet", feature_weights("alexnet", watch=Watch(print)))

    def score(upscale: ArrayUpscaler, folder: Path, scale: int) -> dict[str, float]:
        distances: list[float] = []

        def compare(_: np.ndarray, restored: np.ndarray, truth: np.ndarray) -> None:
            with torch.inference_mode():
                distances.append(float(lpips(_planes(restored), _planes(truth))))

        protocol = Protocol(channels="luma", border=scale)
        result = evaluate(upscale, folder, scale=scale, protocol=protocol, on_pixels=compare)
        return {
            "psnr_db": round(result.psnr_db, 3),
            "ssim": round(result.ssim, 4),
            "lpips": round(statistics.fmean(distances), 4),
        }

    return score


def _planes(pixels: np.ndarray) -> Tensor:
    """Return (H, W, 1 or 3) pixels as (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(to_unit(pixels)).permute(2, 0, 1)[None].expand(-1, 3, -1, -1)
