"""OpenVINO without its telemetry; the only import of it.

A plain import starts a session with a statistics service and writes an identifier of the user to
the home folder. If its telemetry package is missing, it uses its own stub, which does neither. A
process that has already imported OpenVINO keeps its choice.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

_TELEMETRY = "openvino_telemetry"


@contextmanager
def _without_telemetry() -> Generator[None]:
    """Hide the telemetry package during the block."""
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
