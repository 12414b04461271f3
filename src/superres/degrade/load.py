"""Which degradation chain a name stands for: a built-in one, or one in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from superres.degrade.config import STEP_KINDS, DegradationConfig
from superres.errors import RecipeError, unknown_name

# What TOML gives: nested tables of strings, numbers, booleans and lists.
Table = dict[str, Any]
_MAX_BYTES = 2**20


def built_in_degradations() -> dict[str, Path]:
    """Return the names and files of the chains that ship inside the package."""
    folder = Path(str(resources.files("superres") / "recipes" / "degradations"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_degradation(name: str, overrides: Mapping[str, Any] | None = None) -> DegradationConfig:
    """Read a chain.

    Args:
        name: A built-in chain's name, or the path of a TOML file.
        overrides: What replaces values of the chain, as nested tables: `{"clean": 0.2}`, or
            `{"steps": {"noise": {"chance": 0.5}}}`.

    Raises:
        RecipeError: The file is missing or no TOML, or a value is bad.
        UnknownNameError: No chain has this name, or a key is unknown; the hint names the nearest.
    """
    table = _merged(_read(name), dict(overrides or {}))
    where = f"degradation {name}"
    _refuse_unknown_keys(table, DegradationConfig, where)
    steps = _table(table.get("steps")) or {}
    for step_name, value in steps.items():
        step = _table(value) or {}
        kind = str(step.get("kind", ""))
        if kind not in STEP_KINDS:
            raise unknown_name(f"kind of step for {where} [{step_name}]", kind, STEP_KINDS)
        _refuse_unknown_keys(step, STEP_KINDS[kind], f"{where} [{step_name}]")
    try:
        return DegradationConfig.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        found = f", got {first['input']!r}" if first["type"] != "value_error" else ""
        raise RecipeError(
            f"{where}: {place + ': ' if place else ''}{first['msg']}{found}",
            "docs/degrade.md lists every key with its range",
        ) from error


def _read(name: str) -> Table:
    known = built_in_degradations()
    if not name.endswith(".toml") and name not in known:
        raise unknown_name("degradation", name, known)
    path = known.get(name, Path(name))
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RecipeError(f"{path} is larger than 1 MiB", "a chain is a few lines of TOML")
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


def _refuse_unknown_keys(table: Table, part: type[BaseModel], where: str) -> None:
    """Raise with the nearest known key; pydantic's own message would not name one."""
    for key, value in table.items():
        if key not in part.model_fields:
            raise unknown_name(f"key in {where}", key, part.model_fields)
        kind, nested = part.model_fields[key].annotation, _table(value)
        if nested is not None and isinstance(kind, type) and issubclass(kind, BaseModel):
            _refuse_unknown_keys(nested, kind, f"{where} {key}")
