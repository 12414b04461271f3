"""Choice of a burst's fusion method and networks."""

from __future__ import annotations

from dataclasses import dataclass

from superres import zoo
from superres.errors import ArgumentError

BICUBIC = "bicubic"  # in place of a single-frame network
NETWORK, BACKPROJECT, DRIZZLE = "network", "backproject", "drizzle"
METHODS = (NETWORK, BACKPROJECT, DRIZZLE)
# The default fusion; back-projection replaces a network that is not available.
DEFAULT_METHOD = NETWORK


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """The choice for one burst.

    Attributes:
        method: One of `METHODS`.
        reference_model: The single-frame model that upscales the reference, or `bicubic`.
        fuser: The burst model; None for the other methods.
    """

    method: str
    reference_model: str
    fuser: str | None


def choose_method(method: str | None, model: str | None) -> MethodChoice:
    """Choose the model for the requested method, or the method for the requested model.

    Args:
        method: One of `METHODS`, or None.
        model: A family, a model or a model file, single-frame or burst; `bicubic`; or None.

    Raises:
        ArgumentError: The model does not suit the method, or no model does.
        UnknownNameError: There is no such model.
        ModelError: Its file cannot be used.
    """
    if model is None:
        embedded = zoo.embedded_scales(zoo.BURST)
        if method is None:
            method = DEFAULT_METHOD if embedded else BACKPROJECT
        if method != NETWORK:
            return MethodChoice(method, zoo.DEFAULT, None)
        if not embedded:
            raise ArgumentError(
                f"the method {NETWORK} needs a burst model; none is embedded",
                f"superres train burst-x4 trains one: -n FILE; or use --method {BACKPROJECT}",
            )
        return MethodChoice(NETWORK, zoo.DEFAULT, zoo.BURST)
    many = model != BICUBIC and _takes_many(model)
    if many and method in (None, NETWORK):
        return MethodChoice(NETWORK, zoo.DEFAULT, model)
    if many:
        raise ArgumentError(
            f"model {model} fuses bursts itself; the method {method} was requested",
            f"leave out one of them; {method} needs a picture model, or {BICUBIC}",
        )
    if method == NETWORK:
        raise ArgumentError(
            f"the method {NETWORK} needs a burst model; {model} is a picture model",
            f"leave out one of them; with {model}, use {BACKPROJECT} or {DRIZZLE}",
        )
    return MethodChoice(method or BACKPROJECT, model, None)


def _takes_many(model: str) -> bool:
    return zoo.resolve(model, scale=zoo.scales(model)[-1]).card.input == "burst"
