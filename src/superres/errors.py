"""The error tree: every message states what was requested and found, and carries a hint."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class SuperresError(Exception):
    """The root of all errors that superres raises on purpose.

    Args:
        message: What was requested and found, with numbers, in one line.
        hint: The next thing that the user can do, in one line.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}"


class ArgumentError(SuperresError, ValueError):
    """An argument is out of its range, or two arguments contradict each other."""


class UnknownNameError(ArgumentError):
    """A name (of a model, backend, recipe or key) is unknown.

    Attributes:
        kind: What the name stands for, as a noun; "" if unknown.
        name: The requested name.
    """

    kind = ""
    name = ""


class PictureError(SuperresError, ValueError):
    """A picture file cannot be read: corrupt, empty, too large, or of no known format."""


class OutputError(SuperresError, OSError):
    """An output cannot be written, or already exists and may not be overwritten."""

    def __str__(self) -> str:  # OSError would print its arguments as [Errno message] hint
        return SuperresError.__str__(self)


class BusyError(OutputError):
    """Another process is writing the output."""


class Cancelled(SuperresError):  # noqa: N818 - it is not a fault
    """A job was cancelled before it was done; what it wrote so far is removed or resumable."""


class ModelError(SuperresError, ValueError):
    """A model file, its card or its weights are missing, damaged or do not fit together."""


class BackendError(SuperresError, RuntimeError):
    """A backend is not installed, or failed while it ran a network."""


class OutOfMemoryError(BackendError, MemoryError):
    """A backend ran out of memory; a smaller tile may fit."""


class NumericalError(BackendError):
    """A network answered with NaN, Inf, or one constant for an input that varies."""


class DataError(SuperresError, ValueError):
    """Training data is missing, unreadable, or does not fit the recipe."""


class RecipeError(SuperresError, ValueError):
    """A recipe has an unknown key, a bad value, or extends a missing recipe."""


def unknown_name(
    kind: str, name: str, known: Iterable[str], otherwise: str | None = None
) -> UnknownNameError:
    """Build the error for an unknown name, with the nearest known one in its hint.

    Args:
        kind: What the name stands for, as a noun ("model", "backend").
        name: The requested name.
        known: All valid names.
        otherwise: The hint where none of them is near; None lists them all.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = otherwise or f"known: {', '.join(names) or 'none'}"
    hint = f"did you mean {near[0]!r}?" if near else hint
    error = UnknownNameError(f"there is no {kind} named {name!r}", hint)
    error.kind, error.name = kind, name
    return error


def first_fault(error: ValidationError) -> str:
    """Return pydantic's first error, as `place: reason, got value`."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    # A rule between several values has no single value to show.
    found = f", got {_short(first['input'])}" if first["type"] != "value_error" else ""
    return f"{place + ': ' if place else ''}{first['msg']}{found}"


def _short(value: object) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python formats no whole number of more than 4300 digits
        return "a number of thousands of digits"
