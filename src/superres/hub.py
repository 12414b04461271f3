"""Cache of downloadable files: models and networks that are not inside the package."""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from superres.errors import ModelError
from superres.modelfiles.card import Card
from superres.watch import Watch

HUB = "https://github.com/superres/superres/releases/download/weights"
TABLE_NAME = "hub.json"


class HubFile(BaseModel):
    """A file that can be downloaded.

    Attributes:
        name: What users call it; the files of one model share it.
        kind: A model with a card, or a feature network of the losses.
        file: Its name on the hub and in the cache. No folders, and never a pickle.
        bytes: Its size.
        sha256: Its hash, in hexadecimal.
        licence: Its licence.
        source: Who made it.
        card: The card in a model's file, so that it can be read before the download; None for
            feature networks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(min_length=1)
    kind: Literal["model", "features"]
    file: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*\.(safetensors|onnx)$")
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str = Field(min_length=1)
    source: str = Field(min_length=1)
    card: Card | None = None

    @model_validator(mode="after")
    def _models_have_a_card(self) -> Self:
        if (self.kind == "model") != (self.card is not None):
            raise ValueError(f"{self.file}: models, and only models, have a card here")
        if self.card is not None and self.card.name != self.name:
            raise ValueError(f"{self.file} has the card of {self.card.name}, expected {self.name}")
        return self


@cache
def hub_files() -> tuple[HubFile, ...]:
    """Return the files of the hub.

    Raises:
        ModelError: The package is damaged.
    """
    path = Path(str(resources.files("superres") / "weights" / TABLE_NAME))
    try:
        return TypeAdapter(tuple[HubFile, ...]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(
            f"the list of files on the hub cannot be read: {error}", "install superres again"
        ) from error


def cached(file: HubFile) -> Path | None:
    """Return the path of a file in the cache, or None if it is not there.

    A file that was put there by hand is as good as a downloaded one.

    Raises:
        ModelError: The cache has a different file of that name.
    """
    path = cache_folder() / file.file
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror or error}", "check it and its permissions"
        ) from error
    if found != file.sha256:
        raise ModelError(
            f"{path} has the hash {found[:12]}..., expected {file.sha256[:12]}...",
            "the file is damaged or a different one; remove it, and it will be downloaded again",
        )
    return path


def fetch(file: HubFile, watch: Watch) -> Path:
    """Return the path of a file in the cache, after downloading it if it is not there.

    `SUPERRES_HUB` names a server other than the project's own. With `SUPERRES_OFFLINE=1` nothing
    is downloaded.

    Args:
        file: The file.
        watch: Receives a note before a download, and its progress in bytes.

    Raises:
        ArgumentError: The address in `SUPERRES_HUB` is not http or https.
        ModelError: It cannot be downloaded, or the cache has a different file of that name.
        OutputError: The cache cannot be written.
        Cancelled: The job was cancelled.
    """
    if path := cached(file):
        return path
    # It imports ssl and an HTTP client, which a run without downloads need not wait for.
    from superres.download import Wanted, by_hand, download

    base = os.environ.get("SUPERRES_HUB") or HUB
    wanted = Wanted(
        url=f"{base.rstrip('/')}/{file.file}",
        target=cache_folder() / file.file,
        size_bytes=file.bytes,
        sha256=file.sha256,
    )
    if os.environ.get("SUPERRES_OFFLINE", "0") not in ("", "0"):
        raise by_hand(wanted, "SUPERRES_OFFLINE is set")
    watch.note(f"downloading {file.file}, {file.bytes / 2**20:.1f} MiB, from {base}")
    download(wanted, watch)
    return wanted.target


def cache_folder() -> Path:
    """Return the folder of downloaded files; it need not exist.

    `SUPERRES_CACHE` if it is set, or else a folder in the system's cache folder.
    """
    if own := os.environ.get("SUPERRES_CACHE"):
        return Path(own).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "superres" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "superres"
    # https://specifications.freedesktop.org/basedir-spec: a relative path there must be ignored.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "superres"
