"""OpenVINO without its telemetry; the only import of it.

Imported as it is, it starts a session with a statistics service and writes an identifier of the
user to the home folder. Where its telemetry package is missing, it takes a stub of its own, which
does neither. A process that has imported OpenVINO before keeps what it chose.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

_TELEMETRY = "openvino_telemetry"


@contextmanager
def _without_telemetry() -> Generator[None]:
    """Let the telemetry package be missing for as long as the block lasts."""
    hidden = {
        name: module for name, module in sys.modules.items() if name.partition(".")[0] == _TELEMETRY
    }
    for name in hidden:
        del sys.modules[name]
    sys.modules[_TELEMETRY] = None  # pyright: ignore[reportArgumentType] - Python's "not there"
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        sys.modules.update(hidden)


with _without_telemetry():
    import openvino as ov

__all__ = ["ov"]
