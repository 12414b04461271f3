"""Training recipe: everything a run needs, as checked values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from superres.modelfiles.card import DataSource
from superres.synthesis.burst_config import BurstConfig
from superres.synthesis.clip_config import ClipConfig
from superres.train.loss_terms import LOSS_TERMS

# TOML values of a network's config.
Setting = bool | int | float | str | tuple[int, ...]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSection(_Section):
    """The network and its initial weights.

    Attributes:
        architecture: A key of `networks.catalog`.
        config: Its config; fields left out take their defaults.
        pretrained: Name or file of a model to take weights from; "" takes none.
        reinitialise: Prefixes of parameter names that are initialised anew nevertheless.
        frozen: Prefixes of parameter names that are not trained.
    """

    architecture: str
    config: dict[str, Setting] = {}
    pretrained: str = ""
    reinitialise: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()


class DataSection(_Section):
    """How patches are drawn.

    Attributes:
        patch: Edge of a small patch, in input pixels.
        batch: Patches in a step, over all processes.
        emphasis: The relative probability of drawing pixels from pictures whose file names match a
            pattern, by the first match; other pictures have 1.
        sources: Where the pictures come from, for the card.
    """

    patch: int = Field(default=48, ge=8, le=1024)
    batch: int = Field(default=16, ge=1, le=4096)
    emphasis: dict[str, Annotated[float, Field(ge=0)]] = {}
    sources: tuple[DataSource, ...] = ()


class DegradationSection(_Section):
    """The degradation that makes small pictures from large ones.

    Attributes:
        name: `bicubic`, another built-in degradation (`degrade.load`), or the path of a TOML file.
        changes: Tables merged over the degradation's, such as `{ clean = 0.3 }`.
    """

    name: str = "bicubic"
    changes: dict[str, Any] = {}  # of the type of the degradation's key, which checks it


class Ramp(_Section):
    """A weight that changes linearly from one value to another, and stays there.

    Attributes:
        start: The weight up to `after`.
        end: The weight from `until` on.
        after: Fraction of the run at which the change begins.
        until: Fraction of the run at which it ends.
    """

    start: float = Field(default=0.0, ge=0)
    end: float = Field(ge=0)
    after: float = Field(default=0.0, ge=0, le=1)
    until: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _goes_forward(self) -> Ramp:
        if self.until < self.after:
            raise ValueError("a ramp ends no earlier than it begins")
        return self

    def at(self, done: float) -> float:
        """Return the weight at the completed fraction `done` of the run."""
        if done >= self.until:
            return self.end
        part = max(0.0, done - self.after) / (self.until - self.after)
        return self.start + (self.end - self.start) * part

    @property
    def largest(self) -> float:
        """The largest weight during the run."""
        return max(self.start, self.end)


def _as_ramp(weight: object) -> object:
    """Convert a number, a recipe's form of a constant weight, to a ramp."""
    if isinstance(weight, (int, float)) and not isinstance(weight, bool):
        return Ramp(start=weight, end=weight, until=0.0)
    return weight


def _as_number(ramp: Ramp) -> object:
    return ramp.end if ramp.start == ramp.end else ramp.model_dump()


# In a recipe's file, a number or the table of a Ramp.
Weight = Annotated[Ramp, BeforeValidator(_as_ramp), PlainSerializer(_as_number)]
_NONE = Ramp(end=0.0, until=0.0)
_ONE = Ramp(start=1.0, end=1.0, until=0.0)


class LossSection(_Section):
    """The training loss: a weighted sum of terms; a weight of 0 leaves a term out.

    Besides the fields below, each key of `loss_terms.LOSS_TERMS` is a weight, 0 by default.

    Attributes:
        l1: Weight of the mean absolute difference, the only term with a default above 0.
        teacher: Name or file of the model whose output `distillation` compares with.
        perceptual_layers: Layers of VGG16 that `perceptual` compares, with their weights.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    # The type of extra keys, as in pydantic's manual.
    __pydantic_extra__: dict[str, Weight] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    l1: Weight = _ONE
    teacher: str = ""
    perceptual_layers: dict[str, float] = {"conv5_3": 1.0}

    @classmethod
    def known_keys(cls) -> set[str]:
        """All keys that the section may have."""
        return cls.model_fields.keys() | LOSS_TERMS.keys()

    @model_validator(mode="after")
    def _terms_are_known(self) -> LossSection:
        if unknown := self.__pydantic_extra__.keys() - LOSS_TERMS.keys():
            raise ValueError(f"there is no loss named {min(unknown)!r}")
        for name in [name for name, ramp in self.__pydantic_extra__.items() if not ramp.largest]:
            del self.__pydantic_extra__[name]  # so that a weight of 0 equals a missing key
        return self

    @model_validator(mode="after")
    def _teacher_and_weight(self) -> LossSection:
        if bool(self.teacher) != ("distillation" in self.weights):
            raise ValueError("distillation takes a weight and a teacher, both or neither")
        return self

    @property
    def weights(self) -> dict[str, Ramp]:
        """The terms with a nonzero weight at any time of the run, in the order of the table."""
        ramps = {"l1": self.l1, **self.__pydantic_extra__}
        return {name: ramps[name] for name in LOSS_TERMS if name in ramps and ramps[name].largest}


class AdversarialSection(_Section):
    """A discriminator that learns to distinguish restored pictures from true ones.

    Attributes:
        weight: Weight of its score in the network's loss; 0 trains without one.
        loss: A key of `losses.adversarial`.
        discriminator: A key of `networks.discriminators`.
        config: The discriminator's config; fields left out take their defaults.
        rate: Learning rate of the discriminator (Adam).
    """

    weight: Weight = _NONE
    loss: str = "relativistic"
    discriminator: str = "unet"
    config: dict[str, Setting] = {}
    rate: float = Field(default=1e-4, gt=0)


class OptimizerSection(_Section):
    """The optimiser and its learning rates.

    Attributes:
        name: `muon` (with Adam for first and last layers, biases and slopes), `soap` (with Adam for
            biases and slopes) or `adam`.
        rate: Learning rate of Adam, also for the parameters that the others leave to it.
        matrix_lr: Learning rate of Muon and SOAP.
        matrix_decay: Weight decay of the parameters of these two, as a fraction of their rate.
        warm_up_steps: Steps until the full rate is reached.
        clip: Maximum norm of the gradient; larger gradients are scaled down.
        ema: Decay of the exponential moving average of the weights.
        accumulate: Micro-batches per batch, one after another, to save memory.
    """

    name: Literal["muon", "soap", "adam"] = "muon"
    rate: float = Field(default=1e-3, gt=0)
    matrix_lr: float = Field(default=1e-3, gt=0)
    matrix_decay: float = Field(default=0.05, ge=0)
    warm_up_steps: int = Field(default=50, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    accumulate: int = Field(default=1, ge=1)


class BudgetSection(_Section):
    """The run's length, unless the command sets another; minutes or steps, not both."""

    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_of_the_two(self) -> BudgetSection:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a budget is steps or minutes, one of them")
        return self


class Recipe(_Section):
    """Everything a training run needs, except the paths of its pictures.

    Attributes:
        name: Name of the resulting model.
        burst: The synthesis of bursts, for burst networks; None takes the defaults.
        clips: The synthesis of clips, for video networks; None takes the defaults.
        licence: Licence of the weights.
        precision: Number format of the network's arithmetic; `auto` takes bf16 where it is native.
        compile: Whether torch compiles the network: a slower start, faster steps on GPUs; `auto`
            compiles on CUDA, for runs that are long enough to gain from it.
        seed: Seed of the initial weights and of the patches.
    """

    name: str
    network: NetworkSection
    data: DataSection = DataSection()
    degradation: DegradationSection = DegradationSection()
    burst: BurstConfig | None = None
    clips: ClipConfig | None = None
    loss: LossSection = LossSection()
    adversarial: AdversarialSection = AdversarialSection()
    optimizer: OptimizerSection = OptimizerSection()
    budget: BudgetSection = BudgetSection(minutes=60)
    licence: str = ""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    seed: int = 0
