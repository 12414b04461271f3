"""Degradation settings: steps, their probabilities and ranges."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("a range is written as [low, high]")
    return ends


Chance = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e6)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Part(BaseModel):
    """A table of a degradation; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Weights(Part):
    """Relative frequencies of some choices; they need not sum to 1."""

    @model_validator(mode="after")
    def _some_weight(self) -> Weights:
        if not sum(self.model_dump().values()):
            raise ValueError("at least one weight must be above 0")
        return self

    def draw(self, rng: np.random.Generator, count: int) -> list[str]:
        """Return `count` names, drawn by their weights."""
        names, weights = zip(*self.model_dump().items(), strict=True)
        chances = np.array(weights, dtype=np.float64)
        return [names[index] for index in rng.choice(len(names), count, p=chances / chances.sum())]


class BlurShapes(Weights):
    """Weights of blur kernel shapes; `iso` ones are circular, `aniso` ones rotated ellipses.

    Attributes:
        iso: Gaussian.
        aniso: Gaussian.
        generalised_iso: Gaussian with another exponent: more peaked, or flatter with steeper sides.
        generalised_aniso: The same.
        plateau_iso: Flat at the centre, with long tails.
        plateau_aniso: The same.
        sinc: Ideal low pass, which rings at edges as sharpening and strong compression do.
    """

    iso: Weight = 0
    aniso: Weight = 0
    generalised_iso: Weight = 0
    generalised_aniso: Weight = 0
    plateau_iso: Weight = 0
    plateau_aniso: Weight = 0
    sinc: Weight = 0


class BlurStep(Part):
    """A convolution; each sample has its own kernel.

    Attributes:
        chance: Fraction of the samples that are blurred.
        shapes: Kernel shapes.
        size: Smallest and largest edge of a kernel, in pixels, odd.
        sigma: Standard deviation along each axis, in pixels.
        generalised: Exponents of generalised Gaussians; half are drawn below 1, half above.
        plateau: Exponents of plateaus, likewise.
        cutoff: Cut-off frequency of sinc kernels over the Nyquist frequency.
    """

    kind: Literal["blur"] = "blur"
    chance: Chance = 1.0
    shapes: BlurShapes = BlurShapes(iso=1)
    size: tuple[int, int] = (7, 21)
    sigma: Range = (0.2, 3.0)
    generalised: Range = (0.5, 4.0)
    plateau: Range = (1.0, 2.0)
    cutoff: Range = (0.2, 1.0)

    @model_validator(mode="after")
    def _possible(self) -> BlurStep:
        low, high = self.size
        if not (3 <= low <= high <= 63 and low % 2 and high % 2):
            raise ValueError("size is two odd numbers from 3 to 63, [smallest, largest]")
        if self.sigma[0] < 0.05 or min(self.generalised[0], self.plateau[0]) < 0.1:
            raise ValueError("sigma is at least 0.05 px, exponents at least 0.1")
        if self.cutoff[0] < 0.05 or self.cutoff[1] > 1:
            raise ValueError("cutoff lies between 0.05 and 1")
        return self


class ResizeKernels(Weights):
    """Weights of resize kernels; the aliased ones are not widened for downscaling."""

    area: Weight = 0
    bilinear: Weight = 0
    bicubic: Weight = 0
    bilinear_aliased: Weight = 0
    bicubic_aliased: Weight = 0


class ResizeWays(Weights):
    """Weights of upscaling, downscaling, or neither."""

    up: Weight = 0
    down: Weight = 0
    keep: Weight = 0


class ResizeStep(Part):
    """An intermediate change of size; the small size is reached later.

    Attributes:
        ways: Up, down or not.
        factor: Smallest downscaling and largest upscaling factor.
        of: The size that the factor multiplies: the current one (`now`), or the `small` one.
        kernels: Interpolation kernels.
    """

    kind: Literal["resize"] = "resize"
    ways: ResizeWays
    factor: Range
    of: Literal["now", "small"] = "now"
    kernels: ResizeKernels = ResizeKernels(bicubic=1)

    @model_validator(mode="after")
    def _possible(self) -> ResizeStep:
        if not (0.05 <= self.factor[0] <= 1 <= self.factor[1] <= 8):
            raise ValueError("factor is [from 0.05 to 1, from 1 to 8]")
        return self


class SmallStep(Part):
    """The resize that reaches the small size."""

    kind: Literal["small"] = "small"
    kernels: ResizeKernels = ResizeKernels(bicubic=1)


class NoiseKinds(Weights):
    """Weights of the kinds of noise.

    Attributes:
        gaussian: Equally strong everywhere.
        poisson: Proportional to the root of brightness, as photon noise is.
        speckle: Proportional to brightness.
    """

    gaussian: Weight = 0
    poisson: Weight = 0
    speckle: Weight = 0


class NoiseColours(Weights):
    """Weights of the correlation of noise between channels.

    Attributes:
        colour: Independent channels.
        grey: Equal channels.
        linked: Randomly correlated.
    """

    colour: Weight = 0
    grey: Weight = 0
    linked: Weight = 0


class NoiseStep(Part):
    """Noise; each sample has its own kind, colour and strength.

    Attributes:
        chance: Fraction of the samples with noise.
        kinds: Kinds of noise.
        colours: Its correlation between channels.
        gaussian: Standard deviation, in 8-bit levels.
        poisson: Noise relative to that of a sensor that counts 255 photons at white.
        speckle: Standard deviation at white, in 8-bit levels.
    """

    kind: Literal["noise"] = "noise"
    chance: Chance = 1.0
    kinds: NoiseKinds = NoiseKinds(gaussian=1)
    colours: NoiseColours = NoiseColours(colour=1)
    gaussian: Range = (1.0, 30.0)
    poisson: Range = (0.05, 3.0)
    speckle: Range = (1.0, 25.0)

    @model_validator(mode="after")
    def _possible(self) -> NoiseStep:
        if min(self.gaussian[0], self.poisson[0], self.speckle[0]) < 0:
            raise ValueError("strengths of noise are at least 0")
        return self


class Codecs(Weights):
    """Weights of the codecs; all but JPEG run on the CPU, and H.264 needs the extra `video`."""

    jpeg: Weight = 0
    webp: Weight = 0
    avif: Weight = 0
    h264: Weight = 0


class CompressStep(Part):
    """Lossy compression and decompression; each sample has its own quality.

    Attributes:
        chance: Fraction of the samples that are compressed.
        codecs: The codecs.
        quality: 1 to 100.
        full_colour: Probability that JPEG keeps chroma at full size (4:4:4), not halved (4:2:0).
    """

    kind: Literal["compress"] = "compress"
    chance: Chance = 1.0
    codecs: Codecs = Codecs(jpeg=1)
    quality: tuple[int, int] = (30, 95)
    full_colour: Chance = 0.0

    @model_validator(mode="after")
    def _possible(self) -> CompressStep:
        if not 1 <= self.quality[0] <= self.quality[1] <= 100:
            raise ValueError("quality is [low, high] from 1 to 100")
        return self


class SensorStep(Part):
    """A noisy sensor with one colour per pixel (Bayer mosaic), and its interpolation.

    Attributes:
        chance: Fraction of the samples that pass through a sensor.
        shot: Variance of the noise at white, in linear light, log-uniform.
        read: Standard deviation of the noise in darkness, in linear light.
    """

    kind: Literal["sensor"] = "sensor"
    chance: Chance = 1.0
    shot: Range = (1e-4, 1.2e-2)
    read: Range = (5e-4, 1.5e-2)

    @model_validator(mode="after")
    def _possible(self) -> SensorStep:
        if self.shot[0] <= 0 or self.read[0] < 0 or max(self.shot[1], self.read[1]) > 1:
            raise ValueError("shot and read lie between 0 and 1, and shot is above 0")
        return self


STEP_KINDS: dict[str, type[Part]] = {
    "blur": BlurStep,
    "resize": ResizeStep,
    "small": SmallStep,
    "noise": NoiseStep,
    "compress": CompressStep,
    "sensor": SensorStep,
}
Step = Annotated[
    BlurStep | ResizeStep | SmallStep | NoiseStep | CompressStep | SensorStep,
    Field(discriminator="kind"),
]


class DegradationConfig(Part):
    """A degradation: the steps from a large picture to training's small one.

    Attributes:
        clean: Fraction of the samples that skip the steps: MATLAB's bicubic downscales them.
        share: Consecutive samples that share the sizes and kernels of resizes, and the codec. The
            order of steps is drawn for a batch, all else for each sample. 1 varies most, many are
            fast on a GPU.
        steps: The steps by name, in order. One of them is of the kind `small`, and no resize comes
            after it.
        shuffle: Runs of steps that are permuted at random; a run stays together, at the position
            of its first step. Resizes keep their order: the runs that hold them are rearranged to
            restore it.
    """

    clean: Chance = 0.0
    share: int = Field(default=4, ge=1, le=4096)
    steps: dict[str, Step]
    shuffle: tuple[tuple[str, ...], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> DegradationConfig:
        resizes = [step.kind for step in self.steps.values() if step.kind in ("resize", "small")]
        if resizes.count("small") != 1 or resizes[-1] != "small":
            raise ValueError("a degradation has one step of the kind small, and no resize after it")
        shuffled = [name for run in self.shuffle for name in run]
        if unknown := [name for name in shuffled if name not in self.steps]:
            raise ValueError(f"shuffle names {unknown[0]!r}, which is not a step")
        if len(shuffled) != len(set(shuffled)) or not all(self.shuffle):
            raise ValueError("shuffle names each step once, and has no empty runs")
        resizes = [name for name in self.steps if self._is_resize(name)]
        if [name for run in self._in_order_of_resizes(self._parts()) for name in run
            if self._is_resize(name)] != resizes:  # fmt: skip
            raise ValueError(
                "shuffle has runs that cannot stay together in the order of resizes: "
                f"{', '.join(resizes)}"
            )
        return self

    def order(self, rng: np.random.Generator) -> list[str]:
        """Return the names of the steps in a random valid order."""
        parts = self._parts()
        places = [place for place, part in enumerate(parts) if part in self.shuffle]
        runs: list[int] = rng.permutation(len(self.shuffle)).tolist()
        for place, run in zip(places, runs, strict=True):
            parts[place] = self.shuffle[run]
        return list(itertools.chain(*self._in_order_of_resizes(parts)))

    def _parts(self) -> list[tuple[str, ...]]:
        """Return the runs, each at its first step's position, and the other steps singly."""
        run_of = {name: run for run in self.shuffle for name in run}
        return list(dict.fromkeys(run_of.get(name, (name,)) for name in self.steps))

    def _in_order_of_resizes(self, parts: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
        """Return the parts, with those that resize rearranged into the written order."""
        numbers = {name: number for number, name in enumerate(self.steps) if self._is_resize(name)}
        firsts = {part: min(numbers[name] for name in part if name in numbers)
                  for part in parts if not numbers.keys().isdisjoint(part)}  # fmt: skip
        ordered = iter(sorted(firsts, key=firsts.__getitem__))
        return [next(ordered) if part in firsts else part for part in parts]

    def _is_resize(self, name: str) -> bool:
        return self.steps[name].kind in ("resize", "small")
