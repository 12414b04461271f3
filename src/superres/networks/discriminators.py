"""Discriminator catalogue: one explicit table.

It has no relativistic discriminator: that is a loss (`losses.adversarial`), which any of these
networks can be used with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError

from superres.errors import ModelError, first_fault, unknown_name
from superres.networks.unet_discriminator import UnetDiscriminatorConfig
from superres.networks.vgg_discriminator import VggDiscriminatorConfig

DiscriminatorConfig = UnetDiscriminatorConfig | VggDiscriminatorConfig

DISCRIMINATORS: dict[str, type[DiscriminatorConfig]] = {
    "unet": UnetDiscriminatorConfig,
    "vgg": VggDiscriminatorConfig,
}


def discriminator_config(
    name: str, values: Mapping[str, object], *, edge: int, channels: int
) -> DiscriminatorConfig:
    """Check the values of a recipe against its discriminator.

    Args:
        name: A key of the table.
        values: Fields of its config; those left out take their defaults.
        edge: Edge of its input pictures, in pixels.
        channels: Their channels.

    Raises:
        UnknownNameError: There is no such discriminator, or it has no field of that name.
        ModelError: A value is of the wrong type, or out of the discriminator's range.
    """
    if name not in DISCRIMINATORS:
        raise unknown_name("discriminator", name, DISCRIMINATORS)
    config_type = DISCRIMINATORS[name]
    given = {"edge": edge, "channels": channels}
    settings = sorted(set(config_type.model_fields) - set(given))
    for key in values:
        if key not in settings:
            raise unknown_name(f"setting of the discriminator {name}", key, settings)
    try:
        return config_type.model_validate_json(json.dumps({**values, **given}))
    except ValidationError as error:
        raise ModelError(
            f"the discriminator {name} cannot be built: {first_fault(error)}",
            f"settings of {name}: {', '.join(settings)}; edge and channels follow from the recipe",
        ) from error
