"""Packages that a verb needs beyond the light install."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from superres.errors import BackendError


@contextmanager
def needs(verb: str, extra: str) -> Generator[None]:
    """Turn a missing package, inside the block's imports, into an error that names its extra.

    Args:
        verb: The verb that requires it.
        extra: The extra of superres that installs it.

    Raises:
        BackendError: A third-party package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "superres"):
            raise
        raise BackendError(
            f"superres {verb} needs the package {package}, which is not installed",
            f"pip install 'superres[{extra}]'",
        ) from error
