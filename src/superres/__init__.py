"""superres upscales pictures with deep networks and keeps everything they carried.

The names below are loaded at first use, so importing the package costs no more than numpy does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from superres.version import __version__

if TYPE_CHECKING:
    from superres.burst.fuse import fuse
    from superres.errors import SuperresError
    from superres.images.resize import resize
    from superres.jobs.picture import enlarge, upscale_file
    from superres.jobs.report import Report
    from superres.metrics import Protocol, psnr, ssim
    from superres.upscaler import Upscaler, load, upscale

__all__ = [
    "Protocol",
    "Report",
    "SuperresError",
    "Upscaler",
    "__version__",
    "enlarge",
    "fuse",
    "load",
    "psnr",
    "resize",
    "ssim",
    "upscale",
    "upscale_file",
]

_HOMES = {
    "Protocol": "superres.metrics",
    "Report": "superres.jobs.report",
    "SuperresError": "superres.errors",
    "Upscaler": "superres.upscaler",
    "enlarge": "superres.jobs.picture",
    "fuse": "superres.burst.fuse",
    "load": "superres.upscaler",
    "psnr": "superres.metrics",
    "resize": "superres.images.resize",
    "ssim": "superres.metrics",
    "upscale": "superres.upscaler",
    "upscale_file": "superres.jobs.picture",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'superres' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
