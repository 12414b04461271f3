"""Which method fuses a burst, and which networks take part: as asked, or as there are models."""

from __future__ import annotations

from dataclasses import dataclass

from superres import zoo
from superres.errors import ArgumentError

BICUBIC = "bicubic"  # in place of a network of one frame
NETWORK, BACKPROJECT, DRIZZLE = "network", "backproject", "drizzle"
METHODS = (NETWORK, BACKPROJECT, DRIZZLE)
# What fuses if nothing is asked for; back-projection stands in for a network that is not there.
DEFAULT_METHOD = NETWORK


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """What fuses a burst.

    Attributes:
        method: One of `METHODS`.
        enlarger: The model of one frame that enlarges the reference, or `bicubic`.
        fuser: The model of many frames; None for the other methods.
    """

    method: str
    enlarger: str
    fuser: str | None


def choose_method(method: str | None, model: str | None) -> MethodChoice:
    """Choose what was not asked for: the model after the method, or the method after the model.

    Args:
        method: One of `METHODS`, or None.
        model: A family, a model or a model file, of one frame or of many; `bicubic`; or None.

    Raises:
        ArgumentError: The model does not suit the method, or there is none that does.
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
                f"the method {NETWORK} needs a model of many frames; superres has none inside",
                f"superres train burst-x4 makes one: -n FILE; or use --method {BACKPROJECT}",
            )
        return MethodChoice(NETWORK, zoo.DEFAULT, zoo.BURST)
    many = model != BICUBIC and _takes_many(model)
    if many and method in (None, NETWORK):
        return MethodChoice(NETWORK, zoo.DEFAULT, model)
    if many:
        raise ArgumentError(
            f"model {model} fuses frames by itself, asked was the method {method}",
            f"leave out one of them; {method} begins with a model of one frame, or {BICUBIC}",
        )
    if method == NETWORK:
        raise ArgumentError(
            f"the method {NETWORK} needs a model of many frames, {model} enlarges single ones",
            f"leave out one of them; with {model}, frames are fused by {BACKPROJECT} or {DRIZZLE}",
        )
    return MethodChoice(method or BACKPROJECT, model, None)


def _takes_many(model: str) -> bool:
    return zoo.resolve(model, scale=zoo.scales(model)[-1]).card.input == "burst"
