"""Metrics of restored pictures, with their protocols. numpy only."""

from superres.metrics.protocol import Protocol
from superres.metrics.psnr import psnr
from superres.metrics.ssim import ssim

__all__ = ["Protocol", "psnr", "ssim"]
