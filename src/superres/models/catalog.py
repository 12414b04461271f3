"""The catalogue: every architecture that a card or a recipe may name. One explicit table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from superres.errors import ModelError, unknown_name
from superres.models.config import NetworkConfig
from superres.models.edsr import EdsrConfig
from superres.models.espcn import EspcnConfig
from superres.models.fsrcnn import FsrcnnConfig
from superres.models.lean import LeanConfig
from superres.models.srcnn import SrcnnConfig


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network family: the type of its config, and the paper that it is built from."""

    config: type[NetworkConfig]
    source: str


ARCHITECTURES: dict[str, Architecture] = {
    "lean": Architecture(LeanConfig, "this project's default"),
    "srcnn": Architecture(SrcnnConfig, "Dong et al. 2016, arXiv:1501.00092"),
    "fsrcnn": Architecture(FsrcnnConfig, "Dong et al. 2016, arXiv:1608.00367"),
    "espcn": Architecture(EspcnConfig, "Shi et al. 2016, arXiv:1609.05158"),
    "edsr": Architecture(EdsrConfig, "Lim et al. 2017, arXiv:1707.02921"),
}


def network_config(architecture: str, values: Mapping[str, object]) -> NetworkConfig:
    """Check the values of a config against its architecture.

    Raises:
        UnknownNameError: There is no such architecture, or it has no field of that name.
        ModelError: A value is of the wrong type or out of range.
    """
    if architecture not in ARCHITECTURES:
        raise unknown_name("architecture", architecture, ARCHITECTURES)
    config_type = ARCHITECTURES[architecture].config
    for key in values:
        if key not in config_type.model_fields:
            raise unknown_name(f"setting of {architecture}", key, config_type.model_fields)
    try:
        return config_type.model_validate_json(json.dumps(dict(values)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(
            f"{architecture} cannot be built: {where}: {first['msg']}, got {first['input']!r}",
            f"fields of {architecture}: {', '.join(config_type.model_fields)}",
        ) from error
