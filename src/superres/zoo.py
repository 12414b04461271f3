"""From a model's name to its files: those inside the package, or any file on disk."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from superres.errors import ArgumentError, ModelError, unknown_name
from superres.models.files import SUFFIXES, ModelFile, open_model_file

DEFAULT = "default"
MANIFEST_NAME = "manifest.json"
_PICKLES = (".pth", ".pt", ".ckpt", ".pkl", ".bin")  # are told apart from a misspelt name
_MANIFEST = TypeAdapter(dict[str, str])
_WITH_SCALE = re.compile(r"(?P<family>.+)-x(?P<scale>\d+)")


def weights_folder() -> Path:
    """Return the folder of the embedded weights."""
    return Path(str(resources.files("superres") / "weights"))


def _manifest() -> dict[str, str]:
    """Return the SHA-256 of each embedded file by its name."""
    path = weights_folder() / MANIFEST_NAME
    try:
        return _MANIFEST.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"the list of embedded models cannot be read: {error}", "install superres again"
        ) from error


def known() -> list[ModelFile]:
    """Return the embedded models, by name.

    Raises:
        ModelError: A file of the package is missing or damaged.
    """
    names = sorted({Path(name).stem for name in _manifest()})
    return [open_embedded(name) for name in names]


def find(name: str, *, scale: int | None = None) -> ModelFile:
    """Find a model by name or file.

    Args:
        name: `default` (a family, completed by the scale), `default-x4` (one model), or the path
            of a `.safetensors` or `.onnx` file.
        scale: The scale that is wanted; None takes what the name says, or 4 for a family.

    Raises:
        UnknownNameError: No model has this name.
        ArgumentError: The model has another scale than the one wanted.
        ModelError: Its file is missing, damaged, or has the wrong hash.
    """
    if Path(name).suffix in (*SUFFIXES, *_PICKLES) or "/" in name or "\\" in name:
        model = open_model_file(Path(name))
    else:
        model = open_embedded(_full_name(name, scale))
    if scale is not None and model.card.scale != scale:
        raise ArgumentError(
            f"model {name} enlarges by {model.card.scale}, asked was {scale}",
            f"ask for a scale of {model.card.scale}, or for another model (superres models list)",
        )
    return model


def scales(name: str) -> tuple[int, ...]:
    """Return the scales that a model name offers: several for a family, one for a model or file.

    Raises:
        UnknownNameError: No model has this name.
        ModelError: See `find`.
    """
    return _families().get(name) or (find(name).card.scale,)


def _families() -> dict[str, tuple[int, ...]]:
    """Return the scales of each embedded family, ascending."""
    found: dict[str, set[int]] = {}
    for file in _manifest():
        if match := _WITH_SCALE.fullmatch(Path(file).stem):
            found.setdefault(match["family"], set()).add(int(match["scale"]))
    return {family: tuple(sorted(offered)) for family, offered in found.items()}


def _full_name(name: str, scale: int | None) -> str:
    names = {Path(file).stem for file in _manifest()}
    if name in names:
        return name
    families = _families()
    if name not in families:
        raise unknown_name("model", name, {*names, *families})
    full = f"{name}-x{scale or 4}"
    if full not in names:
        offered = ", ".join(sorted(one for one in names if one.startswith(f"{name}-x")))
        raise ArgumentError(f"there is no {full}", f"there are {offered}")
    return full


@cache
def open_embedded(name: str) -> ModelFile:
    """Open an embedded model after a check of its hashes, once in a process.

    Raises:
        ModelError: A file is missing or damaged.
    """
    hashes = {file: sha for file, sha in _manifest().items() if Path(file).stem == name}
    paths = [weights_folder() / file for file in hashes]
    for path in paths:
        check_hash(path, hashes[path.name])
    return open_model_file(paths[0])


def check_hash(path: Path, expected: str) -> None:
    """Compare a file with its expected SHA-256.

    Raises:
        ModelError: The file is missing, or it is another one.
    """
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"the weights {path.name} are missing: {error.strerror}", "install superres again"
        ) from error
    if found != expected:
        raise ModelError(
            f"{path.name} has the hash {found[:12]}..., expected was {expected[:12]}...",
            "the file was changed or damaged; install superres again",
        )
