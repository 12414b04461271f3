"""Model card: the only model facts that planner, exporter and service read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from superres.errors import ModelError, first_fault
from superres.layers.graphs import Graph, InputKind
from superres.modelfiles.card_formats import FORMAT, upgraded

CARD_KEY = "superres_card"  # the metadata key, in .safetensors and in .onnx


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSource(_Strict):
    """One source of training pictures and its licence."""

    name: str
    licence: str
    url: str = ""


class Training(_Strict):
    """Training of the weights."""

    recipe: str = ""
    data: tuple[DataSource, ...] = ()
    degradation: str = ""
    steps: int = Field(default=0, ge=0)
    minutes: float = Field(default=0.0, ge=0.0)
    started_from: str = ""


class Score(_Strict):
    """One measured score and its protocol."""

    set: str
    psnr_db: float
    ssim: float
    protocol: str


class Card(_Strict):
    """A model's needs and known facts.

    Attributes:
        name: The model's name, such as `default-x4`.
        architecture: A key of `networks.catalog`.
        config: The architecture's config, complete.
        scale: Output size over input size, along each axis.
        channels: Channels of input and output: 1 (grey), 3 (RGB) or 4 (RGB and alpha).
        halo: Input pixels that a tile must see beyond its own area on each side.
        multiple_of: Input height and width must be multiples of this.
        minimum: Smallest input height and width.
        exact_halo: Whether no pixel beyond the halo has any influence, so that tiles are exact.
        input: Whether it takes an image, a burst of any length, or the frames of a video in order.
        graphs: The graphs that a runtime computes; see `layers.graphs`. A single-frame model's
            card may leave out its one graph.
        losses_db: Of an int8 form, how much more its float form scored in fp32 in the same run, by
            benchmark set.
        precision: Whether the file's weights are floats, which run in any float format, or int8.
        weights_sha256: Hash of the weights, by `checkpoint.hash_weights`; "" if unknown. Of an int8
            form, the hash of those it was made from.
    """

    format: Literal[2] = FORMAT
    name: str
    architecture: str
    config: dict[str, bool | int | float | str | tuple[int, ...]]
    scale: int = Field(ge=1, le=16)
    channels: Literal[1, 3, 4] = 3
    halo: int = Field(ge=0, le=4096)
    multiple_of: int = Field(default=1, ge=1, le=1024)
    minimum: int = Field(default=1, ge=1, le=4096)
    exact_halo: bool = True
    input: InputKind = "image"
    graphs: tuple[Graph, ...] = Field(min_length=1)
    precision: Literal["float", "int8"] = "float"
    parameters: int = Field(default=0, ge=0)
    licence: str = ""
    training: Training = Training()
    scores: tuple[Score, ...] = ()
    losses_db: dict[str, float] = {}
    weights_sha256: str = ""
    superres_version: str = ""

    @model_validator(mode="before")
    @classmethod
    def _todays_format(cls, values: object) -> object:
        # Any: JSON's values.
        return upgraded(cast("Mapping[str, Any]", values)) if isinstance(values, dict) else values

    def graph(self, name: str) -> Graph:
        """Return the graph of a name.

        Raises:
            ModelError: The card lists none.
        """
        for graph in self.graphs:
            if graph.name == name:
                return graph
        raise ModelError(
            f"model {self.name} has the graphs {', '.join(g.name for g in self.graphs)}, "
            f"{name} was requested",
            "its card contradicts itself; export the model again",
        )


# For each kind of input: its name, and the verbs that run its models.
_TAKERS: dict[InputKind, tuple[str, str]] = {
    "image": ("single pictures", "superres upscale"),
    "burst": ("bursts of frames", "superres burst"),
    "video": ("videos", "superres video"),
}


def check_input(card: Card, wanted: InputKind) -> None:
    """Raise ModelError if a model does not take a kind of input."""
    if card.input != wanted:
        takes, verb = _TAKERS[card.input]
        raise ModelError(
            f"model {card.name} takes {takes}, {_TAKERS[wanted][0]} were requested",
            f"{verb} runs it; superres models list shows what each model takes",
        )


def parse_card(text: str, origin: str) -> Card:
    """Read a card from its JSON text.

    Args:
        text: The JSON.
        origin: Its source, for the error message.

    Raises:
        ModelError: The JSON is broken, or a field is missing, unknown or out of range.
    """
    try:
        return Card.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(
            f"{origin} carries a card that cannot be used: {first_fault(error)}",
            "the file is damaged or of a newer superres; download it again or upgrade superres",
        ) from error
