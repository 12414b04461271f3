"""Iterative back-projection: a large picture consistent with the input frames.

M. Irani, S. Peleg, "Improving resolution by image registration", 1991, as a maximum a posteriori
estimate: the squared differences of all frames, weighted by each pixel's confidence
(`robust_weights`), plus the squared distance from the initial picture and its gradients. The latter
weighs more in flat areas, since upsampling errors lie at edges. All sums are quadratic, so they
are solved by conjugate gradients; then the weights are updated.

Departures: the start is not an average of the frames but the reference, upscaled by a network. It
is the prior where frames hold no information, so the result is no worse than it. The literature's
regularisers, which approximate what networks know, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from superres.imaging.aligned import Aligned
from superres.imaging.forward_model import ForwardModel
from superres.imaging.planes import blurred, slopes
from superres.imaging.robust_weights import noise_of, robust_weights
from superres.imaging.sampler import Plane, Planes, Sampler

_FLAT = 1e-5  # squared slopes below this are flat
_ENOUGH = 1e-10  # of the initial squared residual of conjugate gradients
# Tuned on three scales, six pictures and noise of 0, 2 and 5/255; half or twice costs 0.1 dB.
_TRUST = 1.0 / 28
_USUAL_TRUST = 6.4 * 16  # over the square of the scale; estimates stay near it
_NEAR = 3.0


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """The result of back-projection.

    Attributes:
        planes: (C, H, W) unit pixels, unclamped.
        weights: (h, w) per frame, the confidence in its pixels, 0 to 1.
    """

    planes: Planes
    weights: tuple[Plane, ...]


def project(
    frames: Sequence[Aligned],
    start: Planes,
    forward_model: ForwardModel,
    *,
    trust: float,
    rounds: int,
    steps: int,
    current: Planes | None = None,
) -> Reconstruction:
    """Correct a large picture until its simulated small frames equal the captured ones.

    Args:
        frames: At least one.
        start: (C, H, W) unit pixels, such as the reference upscaled.
        forward_model: The forward model of the frames.
        trust: Weight of the start relative to the frames.
        rounds: Number of updates of the pixels' weights.
        steps: Steps of conjugate gradients in each round.
        current: The result of earlier rounds; None begins at the start.
    """
    samplers = [forward_model.sampler(frame.motion.places(forward_model.small)) for frame in frames]
    large = start if current is None else current
    dearness = 1.0 / np.sqrt(_steepness(start) + _FLAT)
    weights: list[Plane] = []
    for _ in range(rounds):
        weights, noise, rest = _judge(frames, samplers, forward_model.blur(large))
        held = (0.5 * trust * noise**2 * dearness).astype(np.float32)
        pull = forward_model.unblur(rest) - _held(large - start, held)

        def normal(x: Planes, weights: Sequence[Plane] = weights, held: Planes = held) -> Planes:
            seen = forward_model.blur(x)
            total = np.zeros_like(seen)
            for sampler, weight in zip(samplers, weights, strict=True):
                _scatter(sampler, gather_planes(sampler, seen) * weight, total)
            return forward_model.unblur(total) + _held(x, held)

        large = large + _solve(pull, normal, steps)
    return Reconstruction(large, tuple(weights))


def estimate_trust(frames: Sequence[Aligned], start: Planes, forward_model: ForwardModel) -> float:
    """Return the start's weight relative to the frames: the lower, the more they differ from it.

    The difference between frames and start, beyond noise, is the start's error in the frames. It is
    compared with the start's gradients, to which `project` assumes that error to be proportional.

    Args:
        frames: The reference first, which is ignored, as the start was made from it.
        start: See `project`.
        forward_model: The forward model of the frames.
    """
    seen = forward_model.blur(start)
    excesses: list[float] = []
    for frame in frames[1:]:
        if not _is_seen(frame):  # outside the reference, or masked: no information
            continue
        sampler = forward_model.sampler(frame.motion.places(forward_model.small))
        predicted = gather_planes(sampler, seen)
        error = frame.planes - predicted
        noise = noise_of(error, frame.usable)
        weight = robust_weights(error, predicted, frame.usable, noise)
        square = float((weight * np.square(error).mean(axis=0)).sum()) / (float(weight.sum()) + 1)
        excesses.append(square - noise**2)
    area = (
        forward_model.large[0]
        * forward_model.large[1]
        / (forward_model.small[0] * forward_model.small[1])
    )
    usual = _USUAL_TRUST / area
    excess = max(float(np.mean(np.array(excesses))), 1e-9) if excesses else 1e-9
    steep = float(np.sqrt(_steepness(start) + _FLAT).mean())
    return float(np.clip(_TRUST * steep / (area * excess), usual / _NEAR, usual * _NEAR))


def gather_planes(sampler: Sampler, planes: Planes) -> Planes:
    """Return a frame (C, h, w) sampled from blurred planes."""
    return np.stack([sampler.gather(plane) for plane in planes])


def _judge(
    frames: Sequence[Aligned], samplers: Sequence[Sampler], seen: Planes
) -> tuple[list[Plane], float, Planes]:
    """Return the weights of all pixels, the noise, and the weighted differences, scattered."""
    noises: list[float] = []
    weights: list[Plane] = []
    errors: list[Planes] = []
    for frame, sampler in zip(frames, samplers, strict=True):
        predicted = gather_planes(sampler, seen)
        error = frame.planes - predicted
        noise = noise_of(error, frame.usable)
        noises.append(noise)
        weights.append(robust_weights(error, predicted, frame.usable, noise))
        errors.append(error)
    # A frame without a usable pixel says nothing about the usual noise.
    told = [noise for frame, noise in zip(frames, noises, strict=True) if _is_seen(frame)]
    usual = float(np.median(np.array(told or noises)))
    rest = np.zeros_like(seen)
    for index, (sampler, error) in enumerate(zip(samplers, errors, strict=True)):
        # A frame that fits worse than most is noisier, or blurred by shake.
        weights[index] = weights[index] * np.float32(min(1.0, usual / noises[index]) ** 2)
        _scatter(sampler, error * weights[index], rest)
    return weights, usual, rest


def _is_seen(frame: Aligned) -> bool:
    """Return whether any pixel of a frame is valid and lies on the reference."""
    return bool((frame.usable > 0.5).any())


def _solve(rest: Planes, normal: Callable[[Planes], Planes], steps: int) -> Planes:
    """Return x with normal(x) = rest, approximately, by conjugate gradients."""
    result = np.zeros_like(rest)
    direction, left = rest, _dot(rest, rest)
    first = left
    for _ in range(steps):
        if left <= _ENOUGH * first:
            break
        along = normal(direction)
        length = np.float32(left / _dot(direction, along))
        result += length * direction
        rest = rest - length * along
        before, left = left, _dot(rest, rest)
        direction = rest + np.float32(left / before) * direction
    return result


def _held(x: Planes, held: Planes) -> Planes:
    """Return the gradient of the penalty on a distance x from the start and on its slopes."""
    result = held * x
    down = np.diff(x, axis=1) * held[:, 1:]
    right = np.diff(x, axis=2) * held[:, :, 1:]
    result[:, 1:] += down
    result[:, :-1] -= down
    result[:, :, 1:] += right
    result[:, :, :-1] -= right
    return result


def _scatter(sampler: Sampler, values: Planes, planes: Planes) -> None:
    for value, plane in zip(values, planes, strict=True):
        sampler.scatter(value, plane)


def _dot(a: Planes, b: Planes) -> float:
    return float(np.vdot(a, b))


def _steepness(planes: Planes) -> Planes:
    """Return the squared slope around each pixel, (1, H, W)."""
    down, right = slopes(planes.mean(axis=0))
    return blurred(down**2 + right**2, 1.5)[None]
