"""ONNX Runtime without its telemetry; the only import of it.

Recent builds send events to a statistics service and keep an identifier of the device in the
user's cache, unless an environment variable forbids it when the library is loaded. An existing
value of that variable stays, as does the choice of a process that loaded the library before.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

_SWITCH = "ORT_DISABLE_TELEMETRY"


@contextmanager
def _without_telemetry() -> Generator[None]:
    """Forbid the library's events while it is being loaded."""
    if _SWITCH in os.environ:
        yield
        return
    os.environ[_SWITCH] = "1"
    try:
        yield
    finally:
        del os.environ[_SWITCH]


with _without_telemetry():
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

ort: Any = onnxruntime  # it has no types
