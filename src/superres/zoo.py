"""Model lookup by name: inside the package, in the hub, or on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from superres.errors import ArgumentError, ModelError, unknown_name
from superres.hub import HubFile, cached, fetch, hub_files
from superres.modelfiles.card import Card
from superres.modelfiles.files import (
    FOREIGN_SUFFIXES,
    SUFFIXES,
    ModelFile,
    model_name,
    open_model_file,
)
from superres.watch import Watch

DEFAULT = "default"
BURST = "burst"  # the family of burst networks; a package may lack it
AUTO = "auto"  # not a model: one is chosen for each picture
MANIFEST_NAME = "manifest.json"
_MANIFEST = TypeAdapter(dict[str, str])
_OTHERWISE = "superres models lists all, such as default and real; a file is named by its path"
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


def embedded_models() -> list[ModelFile]:
    """Return the embedded models, by name.

    Raises:
        ModelError: A file of the package is missing or damaged.
    """
    return [open_embedded(name) for name in sorted(_embedded_names())]


def on_hub() -> list[Card]:
    """Return the cards of the models that are downloaded at their first use, by name.

    Raises:
        ModelError: The package is damaged.
    """
    cards = {file.name: file.card for file in hub_files() if file.card is not None}
    return [cards[name] for name in sorted(cards)]


def lookup(name: str) -> ModelFile:
    """Find a model as `resolve` does, without downloads: an absent one has a card and no files.

    Raises:
        UnknownNameError: No model has this name.
        ModelError: Its file is missing, damaged, or has the wrong hash.
    """
    full = name if _is_path(name) else _full_name(name, None)
    card = next((card for card in on_hub() if card.name == full), None)
    if card and not all(cached(file) for file in hub_files() if file.name == full):
        return ModelFile(card, onnx=None, safetensors=None)
    return resolve(name)


def resolve(name: str, *, scale: int | None = None, watch: Watch | None = None) -> ModelFile:
    """Find a model by name or file, and download it if only the hub has it.

    Args:
        name: `default` (a family, completed by the scale), `default-x4` (one model), or the path
            of a `.safetensors` or `.onnx` file, or of a community checkpoint (`.pth`,
            `.safetensors`, ncnn's `.param`).
        scale: The requested scale; None takes the name's own, or 4 for a family.
        watch: Receives a note before a download, and its progress.

    Raises:
        UnknownNameError: No model has this name.
        ArgumentError: The model does not have the requested scale.
        ModelError: Its file is missing, damaged, has the wrong hash, or cannot be downloaded.
    """
    if _is_path(name):
        model = open_model_file(Path(name))
    else:
        full = _full_name(name, scale)
        embedded = full in _embedded_names()
        model = open_embedded(full) if embedded else open_model_file(download(full, watch=watch)[0])
    if scale is not None and model.card.scale != scale:
        raise ArgumentError(
            f"model {name} upscales by {model.card.scale}, {scale} was requested",
            f"request a scale of {model.card.scale}, or another model (superres models list)",
        )
    return model


def scales(name: str) -> tuple[int, ...]:
    """Return the scales that a model name offers: several for a family, one for a model or file.

    Raises:
        UnknownNameError: No model has this name.
        ModelError: See `resolve`.
    """
    return _families(_names()).get(name) or (lookup(name).card.scale,)


def embedded_scales(family: str) -> tuple[int, ...]:
    """Return a family's embedded scales, ascending; () if it has none."""
    return _families(_embedded_names()).get(family, ())


def download(name: str, *, watch: Watch | None = None) -> list[Path]:
    """Return the files of a model or a feature network, after downloading the missing ones.

    Args:
        name: The name of one model, such as `default-x4`, or of a feature network.
        watch: Receives a note before each download, and its progress in bytes.

    Raises:
        UnknownNameError: Neither the package nor the hub has it.
        ModelError: A file cannot be downloaded or has the wrong hash.
        OutputError: The cache cannot be written.
    """
    files = [file for file in hub_files() if file.name == name]
    if files:
        watch = watch or Watch()
        return [fetch(file, watch) for file in files]
    embedded = [file for file in _manifest() if model_name(Path(file)) == name]
    if not embedded:
        known = _names() | {file.name for file in hub_files()}
        raise unknown_name("model", name, known, _OTHERWISE)
    return [weights_folder() / file for file in embedded]


def feature_weights(name: str, *, watch: Watch | None = None) -> Path:
    """Return the weights of a feature network of the losses, after downloading them if missing.

    Args:
        name: `vgg16` or `alexnet`.
        watch: Receives a note before a download, and its progress.

    Raises:
        UnknownNameError: There is no such network.
        ModelError: The file cannot be downloaded or has the wrong hash.
        OutputError: The cache cannot be written.
    """
    return fetch(_feature_file(name), watch or Watch())


def cached_feature_weights(name: str) -> Path | None:
    """Return the weights of a feature network of the losses, or None if they are not in the cache.

    Raises:
        UnknownNameError: There is no such network.
        ModelError: The cache has a different file of that name.
    """
    return cached(_feature_file(name))


def _feature_file(name: str) -> HubFile:
    files = {file.name: file for file in hub_files() if file.kind == "features"}
    if name not in files:
        raise unknown_name("feature network", name, files)
    return files[name]


def _is_path(name: str) -> bool:
    """Say whether a name is that of a file on disk."""
    return Path(name).suffix in (*SUFFIXES, *FOREIGN_SUFFIXES) or "/" in name or "\\" in name


def _embedded_names() -> set[str]:
    return {model_name(Path(file)) for file in _manifest()}


def _names() -> set[str]:
    """Return the names of all models, embedded or on the hub."""
    return {
        *_embedded_names(),
        *(file.name for file in hub_files() if file.kind == "model"),
    }


def _families(names: Collection[str]) -> dict[str, tuple[int, ...]]:
    """Return the scales of each family in `names`, ascending."""
    found: dict[str, set[int]] = {}
    for name in names:
        if match := _WITH_SCALE.fullmatch(name):
            found.setdefault(match["family"], set()).add(int(match["scale"]))
    return {family: tuple(sorted(offered)) for family, offered in found.items()}


def _full_name(name: str, scale: int | None) -> str:
    names = _names()
    if name in names:
        return name
    if name == AUTO:
        raise ArgumentError(
            f"{AUTO} is not a model: it chooses a model for each picture file",
            f"name a model here, such as {DEFAULT}",
        )
    families = _families(names)
    if name not in families:
        raise unknown_name("model", name, {*names, *families}, _OTHERWISE)
    full = f"{name}-x{scale or 4}"
    if full not in names:
        offered = ", ".join(sorted(one for one in names if one.startswith(f"{name}-x")))
        raise ArgumentError(f"there is no {full}", f"there are {offered}")
    return full


@cache
def open_embedded(name: str) -> ModelFile:
    """Open an embedded model after checking its hashes, once per process.

    Raises:
        ModelError: A file is missing or damaged.
    """
    hashes = {file: sha for file, sha in _manifest().items() if model_name(Path(file)) == name}
    for file, sha in hashes.items():
        check_hash(weights_folder() / file, sha)
    return open_model_file(weights_folder() / f"{name}.onnx")


def check_hash(path: Path, expected: str) -> None:
    """Compare a file with its expected SHA-256.

    Raises:
        ModelError: The file is missing, or has another hash.
    """
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(
            f"the weights {path.name} are missing: {error.strerror}", "install superres again"
        ) from error
    if found != expected:
        raise ModelError(
            f"{path.name} has the hash {found[:12]}..., expected {expected[:12]}...",
            "the file was changed or damaged; install superres again",
        )
