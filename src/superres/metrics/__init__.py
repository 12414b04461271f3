"""How close a restored picture is to the truth, and by which protocol. numpy only."""

from superres.metrics.protocol import Protocol
from superres.metrics.psnr import psnr
from superres.metrics.ssim import ssim

__all__ = ["Protocol", "psnr", "ssim"]
