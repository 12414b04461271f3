"""Degradations by name: built-in ones, and those of TOML files."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from superres.degrade.config import STEP_KINDS, DegradationConfig
from superres.errors import RecipeError, first_fault, unknown_name
from superres.toml_tables import Table, as_table, check_keys, merged, read_table


def built_in_degradations() -> dict[str, Path]:
    """Return the names and files of the degradations that ship inside the package."""
    folder = Path(str(resources.files("superres") / "recipes" / "degradations"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_degradation(name: str, overrides: Mapping[str, Any] | None = None) -> DegradationConfig:
    """Read a degradation.

    Args:
        name: A built-in degradation's name, or the path of a TOML file.
        overrides: Replacements of its values, as nested tables: `{"clean": 0.2}`, or
            `{"steps": {"noise": {"chance": 0.5}}}`.

    Raises:
        RecipeError: The file is missing or not TOML, or a value is bad.
        UnknownNameError: The name or a key is unknown; the hint names the nearest.
    """
    table = merged(_read(name), dict(overrides or {}))
    where = f"degradation {name}"
    check_keys(table, DegradationConfig, where)
    steps = as_table(table.get("steps")) or {}
    for step_name, value in steps.items():
        step = as_table(value) or {}
        kind = str(step.get("kind", ""))
        if kind not in STEP_KINDS:
            raise unknown_name(f"kind of step for {where} [{step_name}]", kind, STEP_KINDS)
        check_keys(step, STEP_KINDS[kind], f"{where} [{step_name}]")
    try:
        return DegradationConfig.model_validate(table)
    except ValidationError as error:
        raise RecipeError(
            f"{where}: {first_fault(error)}",
            "docs/degrade.md lists every key with its range",
        ) from error


def _read(name: str) -> Table:
    known = built_in_degradations()
    if not name.endswith(".toml") and name not in known:
        raise unknown_name("degradation", name, known)
    return read_table(known.get(name, Path(name)))
