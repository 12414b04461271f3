"""Validation during training: scores on a folder, and a sample picture."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from superres.evaluate.benchmark import SetResult, bicubic, evaluate
from superres.frame import UINT8, Pixels, from_unit, to_unit
from superres.layers.config import NetworkConfig
from superres.losses.lpips import load_lpips
from superres.metrics.protocol import Protocol
from superres.zoo import cached_feature_weights

_SHOWN_PX = 256  # edge of the sample of each picture, in output pixels


@dataclass(frozen=True, slots=True)
class Validation:
    """The result of one validation.

    Attributes:
        name: The set's.
        scores: By name, such as `psnr_Set5`.
        picture: The set's last picture side by side: input, bicubic, restored, truth.
        bicubic: The scores of bicubic, every network's baseline, on the same pictures, by the
            names of `scores`; empty if not measured.
    """

    name: str
    scores: dict[str, float]
    picture: Pixels
    bicubic: dict[str, float] = field(default_factory=dict[str, float])


def cached_lpips(device: torch.device) -> nn.Module | None:
    """Return LPIPS if its network is in the cache; a run must not wait for a download."""
    weights = cached_feature_weights("alexnet")
    return load_lpips("alexnet", weights).to(device) if weights else None


class Validator:
    """Scores networks on a folder by the field's protocol: luma, `scale` pixels cropped.

    PSNR and SSIM always, LPIPS if given.

    Args:
        folder: A benchmark folder, as `evaluate.benchmark` reads it.
        config: What the networks need.
        lpips: The distance to take as well; None leaves it out.
        device: Where they lie.

    Raises:
        DataError: There are no pictures, a small one is missing, or sizes do not fit.
        PictureError: One cannot be read. Bicubic is scored here, so that it is found before a run.
    """

    def __init__(
        self,
        folder: Path,
        config: NetworkConfig,
        *,
        lpips: nn.Module | None,
        device: torch.device,
    ) -> None:
        self._config = config
        self._device = device
        self._lpips = lpips
        self._score = partial(
            evaluate,
            folder=folder,
            scale=config.scale,
            protocol=Protocol(channels="luma", border=config.scale),
        )
        self._bicubic = _named(self._score(bicubic(config.scale)))

    def validate(self, network: nn.Module) -> Validation:
        """Score a network in evaluation mode."""
        distances: list[float] = []
        shown: list[Pixels] = []

        def keep(
            small: NDArray[np.generic], restored: NDArray[np.generic], truth: NDArray[np.generic]
        ) -> None:
            shown[:] = [side_by_side(small, restored, truth, self._config.scale)]
            if self._lpips is not None:
                with torch.inference_mode():
                    pair = (_planes(picture, 3).to(self._device) for picture in (restored, truth))
                    distances.append(float(self._lpips(*pair)))

        result = self._score(lambda pixels: self._enlarge(network, pixels), on_pixels=keep)
        scores = _named(result)
        if distances:
            scores[f"lpips_{result.name}"] = statistics.fmean(distances)
        return Validation(result.name, scores, shown[0], self._bicubic)

    def _enlarge(self, network: nn.Module, pixels: NDArray[np.generic]) -> Pixels:
        """Upscale (H, W, C): a grey network takes colours one by one, others repeat grey."""
        height, width, channels = pixels.shape
        scale = self._config.scale
        x_BCHW = _planes(_fitting(pixels, self._config), self._config.channels)
        with torch.inference_mode():
            y_BCHW: Tensor = network(x_BCHW.to(self._device, memory_format=torch.channels_last))
        y_BCHW = y_BCHW[..., : height * scale, : width * scale].float().cpu()
        # For grey, the channels' mean before rounding, as `Upscaler` computes it.
        large_CHW = y_BCHW.mean(1) if channels == 1 else y_BCHW.flatten(0, 1)
        return from_unit(large_CHW.permute(1, 2, 0).numpy(), UINT8)


def _named(result: SetResult) -> dict[str, float]:
    return {f"psnr_{result.name}": result.psnr_db, f"ssim_{result.name}": result.ssim}


def _planes(pixels: NDArray[np.generic], channels: int) -> Tensor:
    """Return (H, W, C) pixels as (B, channels, H, W) in [0, 1], C pictures for a grey network."""
    x_CHW = torch.from_numpy(to_unit(pixels)).permute(2, 0, 1)
    if channels == 1:
        return x_CHW[:, None].contiguous()
    return x_CHW[None].expand(-1, channels, -1, -1).contiguous()


def _fitting(pixels: NDArray[np.generic], config: NetworkConfig) -> NDArray[np.generic]:
    """Mirror a picture at the bottom and right up to a valid size for the network."""
    wanted = [max(edge, config.minimum) for edge in pixels.shape[:2]]
    extra = [
        -(-edge // config.multiple_of) * config.multiple_of - have
        for edge, have in zip(wanted, pixels.shape[:2], strict=True)
    ]
    return np.pad(pixels, ((0, extra[0]), (0, extra[1]), (0, 0)), mode="symmetric")


def side_by_side(
    small: NDArray[np.generic],
    restored: NDArray[np.generic],
    truth: NDArray[np.generic],
    scale: int,
) -> Pixels:
    """Return the centres of input (its pixels repeated), bicubic, restored and truth, side by side.

    Args:
        small: (h, w, C) of any depth.
        restored: (scale*h, scale*w, C).
        truth: The same.
        scale: Large size over small size.
    """
    blocks = small.repeat(scale, axis=0).repeat(scale, axis=1)
    middles = [_middle(picture) for picture in (blocks, bicubic(scale)(small), restored, truth)]
    row = np.concatenate(middles, axis=1)
    return from_unit(to_unit(row), UINT8)


def _middle(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    top, left = (max(0, edge - _SHOWN_PX) // 2 for edge in picture.shape[:2])
    return picture[top : top + _SHOWN_PX, left : left + _SHOWN_PX]
