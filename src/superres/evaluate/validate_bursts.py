"""Validation of a burst network during training, on fixed bursts."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from superres.data.folders import PictureSource
from superres.data.resident import decode
from superres.errors import DataError
from superres.evaluate.benchmark import truth_paths
from superres.evaluate.validate import Validation, side_by_side
from superres.frame import UINT8, Pixels, from_unit
from superres.layers.config import NetworkConfig
from superres.metrics.protocol import Protocol
from superres.metrics.psnr import psnr
from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.bursts import burst_canvas, make_bursts

# Whatever a recipe trains on, its runs are compared on these: noise of 2/255 and no other flaws.
_BURSTS = BurstConfig(
    shift=2.0,
    noise=(2.0, 2.0),
    exposure=0.0,
    exposure_error=0.0,
    shift_error=(0.0, 0.0),
    masked=0.0,
    ghosts=0.0,
    duplicates=0.0,
)
_COUNTS = (1, 4, 8)
_MOST_PICTURES = 20
_PATCH, _LEAST_PATCH = 64, 16  # edges of the reference in small pixels


class BurstValidator:
    """Scores networks on one burst from the centre of each picture of a folder, on luma.

    Args:
        folder: A benchmark folder, as `evaluate.benchmark` reads it; of many pictures, evenly
            spaced ones are used.
        config: What the networks need.
        device: The networks' device.

    Raises:
        DataError: No picture of the folder is large enough.
    """

    def __init__(self, folder: Path, config: NetworkConfig, *, device: torch.device) -> None:
        self._name = folder.resolve().name
        self._scale = config.scale
        paths = truth_paths(folder)
        chosen = paths[:: -(-len(paths) // _MOST_PICTURES)]
        pictures = [decode(PictureSource(path), config.channels) for path in chosen]
        made = [self._burst(picture, seed) for seed, picture in enumerate(pictures)]
        self._bursts = [(x.to(device), truth) for x, truth in filter(None, made)]
        if not self._bursts:
            raise DataError(
                f"{folder} holds no picture large enough for a burst of {_LEAST_PATCH} px",
                "validate on larger pictures",
            )

    def validate(self, network: nn.Module) -> Validation:
        """Score a network in evaluation mode, with 1, 4 and 8 frames."""
        protocol = Protocol(channels="luma", border=self._scale)
        found: dict[int, list[float]] = {count: [] for count in _COUNTS}
        restored = truth = small = np.empty(0, np.uint8)
        for x_BTXHW, truth in self._bursts:
            for count, scores in found.items():
                with torch.inference_mode():
                    large_BCHW: Tensor = network(x_BTXHW[:, :count])
                restored = _pixels(large_BCHW[0])
                scores.append(psnr(restored, truth, protocol=protocol))
            small = _pixels(x_BTXHW[0, 0, : truth.shape[2]])
        scores = {
            f"psnr_{self._name}_{count}": statistics.fmean(values)
            for count, values in found.items()
        }
        return Validation(self._name, scores, side_by_side(small, restored, truth, self._scale))

    def _burst(self, picture: Pixels, seed: int) -> tuple[Tensor, Pixels] | None:
        """Return a burst (1, T, C + 3, h, w) and its truth; None if the picture is too small."""
        room = min(picture.shape[:2]) // self._scale
        sizes = range(_PATCH, _LEAST_PATCH - 1, -2)
        patch = next((p for p in sizes if burst_canvas(_BURSTS, p) <= room), None)
        if patch is None:
            return None
        edge = self._scale * burst_canvas(_BURSTS, patch)
        top, left = ((length - edge) // 2 for length in picture.shape[:2])
        canvas = picture[top : top + edge, left : left + edge]
        large_BCHW = torch.from_numpy(canvas).permute(2, 0, 1)[None].float() / 255.0
        x_BTXHW, truth_BCHW = make_bursts(
            large_BCHW, _BURSTS, scale=self._scale, patch=patch, count=max(_COUNTS), seed=(seed,)
        )
        return x_BTXHW, _pixels(truth_BCHW[0])


def _pixels(unit_CHW: Tensor) -> Pixels:
    return from_unit(unit_CHW.permute(1, 2, 0).float().cpu().numpy(), UINT8)
