"""The recipe: everything a training run needs, in one checked TOML file."""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from superres.errors import RecipeError, unknown_name
from superres.models.card import DataSource

# What TOML gives: nested tables of strings, numbers, booleans and lists.
Table = dict[str, Any]
_MAX_RECIPE_BYTES = 2**20


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkSection(_Section):
    """Which network, and what it starts from.

    Attributes:
        architecture: A key of `models.catalog`.
        config: Its config; fields left out take their defaults.
        start_from: A model's name or file to take weights from; "" starts afresh.
        fresh: Beginnings of parameter names that keep their fresh weights all the same.
    """

    architecture: str
    config: dict[str, bool | int | float | str | tuple[int, ...]] = {}
    start_from: str = ""
    fresh: tuple[str, ...] = ()


class DataSection(_Section):
    """How patches are drawn.

    Attributes:
        patch: Edge of a small patch, in input pixels.
        batch: Patches in a step.
        sources: Where the pictures come from, for the card.
    """

    patch: int = Field(default=48, ge=8, le=1024)
    batch: int = Field(default=16, ge=1, le=4096)
    sources: tuple[DataSource, ...] = ()


class LossSection(_Section):
    """What is minimised: a sum of terms with their weights; a weight of 0 leaves the term out."""

    l1: float = Field(default=1.0, ge=0)
    l2: float = Field(default=0.0, ge=0)
    charbonnier: float = Field(default=0.0, ge=0)
    fourier: float = Field(default=0.0, ge=0)


class OptimizerSection(_Section):
    """How weights move.

    Attributes:
        name: `muon` (with Adam for first and last layers, biases and slopes) or `adam`.
        rate: Learning rate of Adam, and of all parameters that Muon leaves to it.
        matrix_rate: Learning rate of Muon.
        warm_up_steps: Steps until the full rate is reached.
        clip: Largest norm of the gradient; larger ones are scaled down.
        ema: Decay of the weights' average.
    """

    name: Literal["muon", "adam"] = "muon"
    rate: float = Field(default=1e-3, gt=0)
    matrix_rate: float = Field(default=2e-3, gt=0)
    warm_up_steps: int = Field(default=50, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)


class BudgetSection(_Section):
    """How long, unless the command says otherwise; minutes or steps, not both."""

    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _one_of_the_two(self) -> BudgetSection:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("a budget is steps or minutes, one of them")
        return self


class Recipe(_Section):
    """Everything a training run needs, apart from where the pictures lie on this machine.

    Attributes:
        name: Name of the model that comes out.
        licence: Licence of the weights.
        precision: Number format of the network's arithmetic; `auto` takes bf16 where it is native.
        seed: Seed of the fresh weights and of the patches.
    """

    name: str
    network: NetworkSection
    data: DataSection = DataSection()
    loss: LossSection = LossSection()
    optimizer: OptimizerSection = OptimizerSection()
    budget: BudgetSection = BudgetSection(minutes=60)
    licence: str = ""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0


def built_in_recipes() -> dict[str, Path]:
    """Return the names and files of the recipes that ship inside the package."""
    folder = Path(str(resources.files("superres") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name: str) -> Recipe:
    """Read a recipe, with what it extends under it.

    Args:
        name: A built-in recipe's name, or the path of a TOML file.

    Raises:
        RecipeError: The file is missing or no TOML, a value is bad, or the recipe extends itself.
        UnknownNameError: No recipe has this name, or a key is unknown; the hint names the nearest.
    """
    table = _resolve(name, seen=())
    _refuse_unknown_keys(table, Recipe, name)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecipeError(
            f"recipe {name}: {where}: {first['msg']}, got {first['input']!r}",
            "docs/train.md lists every key with its range",
        ) from error


def to_toml(recipe: Recipe) -> str:
    """Return a recipe as TOML that `load_recipe` reads back to an equal one."""
    lines: list[str] = []
    _write_table(recipe.model_dump(exclude_none=True), "", lines)
    return "\n".join(lines) + "\n"


def _resolve(name: str, seen: tuple[str, ...]) -> Table:
    if name in seen:
        raise RecipeError(
            f"recipe {name} extends itself, by way of {' -> '.join((*seen, name))}",
            "remove one of the `extends`",
        )
    table = _read(name)
    parent = table.pop("extends", None)
    if parent is None:
        return table
    merged = _merged(_resolve(str(parent), (*seen, name)), table)
    if "budget" in table:
        merged["budget"] = table[
            "budget"
        ]  # its two keys exclude each other: one replaces the other
    return merged


def _read(name: str) -> Table:
    known = built_in_recipes()
    if not name.endswith(".toml") and name not in known:
        raise unknown_name("recipe", name, known)
    path = known.get(name, Path(name))
    try:
        if path.stat().st_size > _MAX_RECIPE_BYTES:
            raise RecipeError(f"{path} is larger than 1 MiB", "a recipe is a few lines of TOML")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}", "see https://toml.io") from error


def _merged(under: Table, over: Table) -> Table:
    result = dict(under)
    for key, value in over.items():
        below, above = _table(result.get(key)), _table(value)
        result[key] = value if below is None or above is None else _merged(below, above)
    return result


def _table(value: object) -> Table | None:
    """Return a value that is a table as one, anything else as None."""
    return cast("Table", value) if isinstance(value, dict) else None


def _refuse_unknown_keys(table: Table, section: type[BaseModel], where: str) -> None:
    """Raise with the nearest known key; pydantic's own message would not name one."""
    for key, value in table.items():
        if key not in section.model_fields:
            raise unknown_name(f"key in {where}", key, section.model_fields)
        annotation = section.model_fields[key].annotation
        nested = _table(value)
        if (
            nested is not None
            and isinstance(annotation, type)
            and issubclass(annotation, BaseModel)
        ):
            _refuse_unknown_keys(nested, annotation, f"{where} [{key}]")


def _write_table(table: Table, prefix: str, lines: list[str]) -> None:
    tables = {key: inner for key, value in table.items() if (inner := _table(value)) is not None}
    for key, value in table.items():
        if key not in tables:
            lines.append(f"{key} = {_toml_value(value)}")
    for key, inner in tables.items():
        lines.extend(("", f"[{prefix}{key}]"))
        _write_table(inner, f"{prefix}{key}.", lines)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML's basic strings escape as JSON's do
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml_value, cast('tuple[object]', value)))}]"
    if (table := _table(value)) is not None:
        return "{ " + ", ".join(f"{k} = {_toml_value(v)}" for k, v in table.items()) + " }"
    return repr(value)
