"""How good a network is during its run: PSNR on a benchmark folder, and a picture to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from superres.evaluate.benchmark import evaluate
from superres.frame import Pixels, from_unit, to_unit
from superres.metrics.protocol import Protocol


def validate(
    network: nn.Module, folder: Path, *, scale: int, device: torch.device
) -> tuple[float, Pixels]:
    """Score a network on a folder by the field's protocol: luma PSNR, `scale` pixels cropped.

    Args:
        network: Maps (B, 3, H, W) in [0, 1] to the enlarged picture.
        folder: A benchmark folder, as `evaluate.benchmark` reads it.
        scale: The network's scale.
        device: Where the network lies.

    Returns:
        The mean PSNR in dB, and the last picture that was restored, (H, W, 3) or (H, W, 1).
    """
    shown: Pixels = np.zeros((1, 1, 3), np.uint8)

    def enlarger(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        nonlocal shown
        grey = pixels.shape[2] == 1
        unit = np.repeat(to_unit(pixels), 3, axis=2) if grey else to_unit(pixels)
        x_BCHW = torch.from_numpy(unit).permute(2, 0, 1)[None]
        with torch.inference_mode():
            y_BCHW: torch.Tensor = network(x_BCHW.to(device, memory_format=torch.channels_last))
        large = y_BCHW[0].float().permute(1, 2, 0).cpu().numpy()
        # A grey picture is the mean before rounding, as `Upscaler` makes it.
        shown = from_unit(large.mean(axis=2, keepdims=True) if grey else large, "uint8")
        return shown

    result = evaluate(
        enlarger, folder, scale=scale, protocol=Protocol(channels="luma", border=scale)
    )
    return result.psnr_db, shown
