"""A smooth picture, and what a camera sees that moves over it."""

import torch


def scene(height=64, width=64, seed=0):
    """Return a smooth random picture (1, 3, H, W), wider by 16 than asked for on each side."""
    torch.manual_seed(seed)
    coarse = torch.rand(1, 3, height // 4 + 8, width // 4 + 8)
    size = (height + 32, width + 32)
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)


def view(picture, down, right, height=64, width=64):
    """Return what a camera sees that looks this far below and right of the middle."""
    return picture[..., 16 + down : 16 + down + height, 16 + right : 16 + right + width]
