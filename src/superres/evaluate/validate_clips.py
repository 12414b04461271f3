"""Validation of a video network during training, on fixed clips."""

from __future__ import annotations

import statistics
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from superres.data.folders import PictureSource
from superres.data.resident import decode
from superres.degrade.downscale import resize_batch, round8
from superres.errors import BackendError, DataError
from superres.evaluate.benchmark import truth_paths
from superres.evaluate.validate import Validation, side_by_side
from superres.frame import UINT8, Pixels, from_unit
from superres.layers.config import NetworkConfig
from superres.layers.motion import flow_between, warp
from superres.metrics.protocol import Protocol
from superres.metrics.psnr import psnr
from superres.modelfiles.checkpoint import load_network
from superres.synthesis.clip_config import ClipConfig
from superres.synthesis.clips import clip_canvas, make_clips
from superres.zoo import DEFAULT, resolve

# Whatever a recipe trains on, its runs are compared on these.
_CLIPS = ClipConfig(
    frames=10,
    speed=0.8,
    sway=0.5,
    turn_degrees=0.2,
    zoom=0.002,
    still=0.0,
    objects=1,
    object_speed=2.0,
    blur=(0.4, 0.4),
)
_WARM_UP = 4  # frames of a clip that are not scored: without history all networks are equal
_MOST_PICTURES, _MOST_EXCERPTS = 12, 3
_PATCHES = (64, 48, 32, 16)  # edges of clips from pictures in small pixels, preferred first
_MOST_PX = 384  # edge of the crop from a video's centre
_Clip = tuple[Tensor, Tensor]  # (1, T, C, h, w) and (1, T, C, scale*h, scale*w)


class _Score(NamedTuple):
    """PSNR of luma in dB, and mean change of a pixel's error between frames, of 255."""

    psnr_db: float
    flicker: float


class ClipValidator:
    """Scores networks on clips from a folder's pictures, or from the second half of a video.

    For comparison it also scores upscaling of single frames: by the network without history
    (`alone`), and by the package's default if it has the scale.

    Args:
        source: A benchmark folder, as `evaluate.benchmark` reads it, or a video. Runs must not
            train on the folder, nor on the video's second half.
        config: What the networks need.
        device: The networks' device.

    Raises:
        DataError: Nothing is large or long enough.
        BackendError: It is a video, and the package `av` is not installed.
    """

    def __init__(self, source: Path, config: NetworkConfig, *, device: torch.device) -> None:
        self._name = source.resolve().stem
        self._config = config
        scale = config.scale
        made = _pictures_clips(source, config) if source.is_dir() else _video_clips(source, scale)
        self._clips = [(small.to(device), truth.to(device)) for small, truth in made]
        if not self._clips:
            raise DataError(
                f"{source} holds nothing large or long enough for a clip of {_CLIPS.frames} frames",
                "validate on larger pictures or a longer video",
            )
        self._device = device
        self._default = self._scores_of_default()

    def validate(self, network: nn.Module) -> Validation:
        """Score a network in evaluation mode."""
        restored = [_restored(network, small) for small, _ in self._clips]
        alone = [_one_by_one(network, small) for small, _ in self._clips]
        scores = {
            **self._scores("clip", restored),
            **self._scores("alone", alone),
            **self._default,
        }
        small, truth = self._clips[-1]
        last = [_pixels(clip[0, -1]) for clip in (small, restored[-1], truth)]
        picture = side_by_side(last[0], last[1], last[2], self._config.scale)
        return Validation(self._name, scores, picture)

    def _scores_of_default(self) -> dict[str, float]:
        """Score the package's single-frame default; nothing if it lacks this scale."""
        file = resolve(DEFAULT, scale=self._config.scale)
        if file.weights is None:
            return {}
        network = load_network(file.weights)[0].to(self._device).eval()
        with torch.inference_mode():
            restored = [network(small.flatten(0, 1))[None].float() for small, _ in self._clips]
        return self._scores("default", restored)

    def _scores(self, kind: str, restored: list[Tensor]) -> dict[str, float]:
        found = [
            _score(made, truth, self._config.scale)
            for made, (_, truth) in zip(restored, self._clips, strict=True)
        ]
        return {
            f"psnr_{kind}_{self._name}": statistics.fmean(score.psnr_db for score in found),
            f"flicker_{kind}_{self._name}": statistics.fmean(score.flicker for score in found),
        }


def _pictures_clips(folder: Path, config: NetworkConfig) -> list[_Clip]:
    """Make a clip from the centre of each picture; of many, evenly spaced ones are used."""
    paths = truth_paths(folder)
    scale = config.scale
    clips: list[_Clip] = []
    for seed, path in enumerate(paths[:: -(-len(paths) // _MOST_PICTURES)]):
        picture = decode(PictureSource(path), config.channels)
        room = min(picture.shape[:2]) // scale
        patch = next((p for p in _PATCHES if clip_canvas(_CLIPS, p) <= room), None)
        if patch is None:
            continue
        edge = scale * clip_canvas(_CLIPS, patch)
        top, left = ((length - edge) // 2 for length in picture.shape[:2])
        canvas = torch.from_numpy(picture[top : top + edge, left : left + edge])
        large_BCHW = canvas.permute(2, 0, 1)[None].float() / 255.0
        # Moving objects are cut from the picture itself, rotated.
        both = torch.cat((large_BCHW, large_BCHW.rot90(2, (2, 3))))
        small, truth = make_clips(both, _CLIPS, scale=scale, patch=patch, seed=(seed,))
        clips.append((small[:1], truth[:1]))
    return clips


def _video_clips(source: Path, scale: int) -> list[_Clip]:
    """Cut the middle out of some runs of frames of a video's second half."""
    try:  # training needs no videos; only watching one does
        from superres.video.decode import FrameReader
        from superres.videofiles.colour import ToRgb
        from superres.videofiles.probe import probe
        from superres.videofiles.survey import survey
    except ModuleNotFoundError as error:
        if error.name != "av":
            raise
        raise BackendError(
            f"{source} is a file, and reading videos needs the package av, which is not installed",
            "pip install 'superres[video]', or validate on a folder of pictures",
        ) from error
    facts = survey(source, probe(source))
    to_rgb = ToRgb(facts.size, facts.colour)
    edges = [min(length, _MOST_PX) // (2 * scale) * 2 * scale for length in facts.size]
    top, left = ((have - edge) // 2 for have, edge in zip(facts.size, edges, strict=True))
    first = (facts.frames or 0) // 2
    frames: list[np.ndarray] = []
    for still in islice(FrameReader(source, facts).frames(), first, None):
        rgb = to_rgb(still.frame)[top : top + edges[0], left : left + edges[1]]
        frames.append(from_unit(rgb, UINT8))
    runs = max(0, len(frames) // _CLIPS.frames)
    clips: list[_Clip] = []
    for run in range(0, runs, max(1, -(-runs // _MOST_EXCERPTS))):
        pixels = np.stack(frames[run * _CLIPS.frames : (run + 1) * _CLIPS.frames])
        truth = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0
        small = round8(resize_batch(truth, scale=1.0 / scale))
        clips.append((small[None], truth[None]))
    return clips


def _restored(network: nn.Module, small: Tensor) -> Tensor:
    with torch.inference_mode():
        return network(small).float()


def _one_by_one(network: nn.Module, small: Tensor) -> Tensor:
    """Upscale each frame of (1, T, C, h, w) as if it were a clip."""
    with torch.inference_mode():
        return network(small[0, :, None]).float().transpose(0, 1)


def _score(restored: Tensor, truth: Tensor, scale: int) -> _Score:
    """Score a restored clip, without its first frames and borders of `scale` px."""
    protocol = Protocol(channels="luma", border=scale)
    made, wanted = (clip[0, _WARM_UP:] for clip in (restored, truth))
    psnrs = [
        psnr(_pixels(a), _pixels(b), protocol=protocol) for a, b in zip(made, wanted, strict=True)
    ]
    errors = (round8(made) - wanted).mean(1, keepdim=True)
    planes = wanted.mean(1, keepdim=True)
    with torch.inference_mode():
        flow = flow_between(planes[1:], planes[:-1])
        changes = (errors[1:] - warp(errors[:-1], flow)).abs()
    return _Score(statistics.fmean(psnrs), 255.0 * float(changes.mean()))


def _pixels(unit_CHW: Tensor) -> Pixels:
    return from_unit(unit_CHW.permute(1, 2, 0).float().cpu().numpy(), UINT8)
