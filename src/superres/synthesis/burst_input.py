"""Input of burst networks, from a batch of bursts on any device."""

from __future__ import annotations

import torch
from torch import Tensor


def burst_input(frames_BTChw: Tensor, valid_BThw: Tensor, places_BT2HW: Tensor) -> Tensor:
    """Resample frames at the reference's pixels, as `layers.sequences` defines.

    `infer.burst_input` does the same in numpy.

    Args:
        frames_BTChw: The frames, the reference first.
        valid_BThw: The mask of valid samples, bool.
        places_BT2HW: Row and column of each pixel of the reference on each frame, in its pixels,
            the first of which has its centre at 0.

    Returns:
        (B, T, C + 3, H, W).
    """
    batch, count, channels, height, width = frames_BTChw.shape
    size = (batch, count, -1, *places_BT2HW.shape[3:])
    nearest_BT2HW = (places_BT2HW + 0.5).floor()
    rows_BTHW, columns_BTHW = nearest_BT2HW.long().unbind(2)
    within_BTHW = (rows_BTHW >= 0) & (rows_BTHW < height)
    within_BTHW &= (columns_BTHW >= 0) & (columns_BTHW < width)
    index_BTHW = rows_BTHW.clamp(0, height - 1) * width + columns_BTHW.clamp(0, width - 1)
    index_BT1N = index_BTHW.flatten(2)[:, :, None]
    valid_BT1HW = valid_BThw.flatten(2)[:, :, None].gather(3, index_BT1N).reshape(size)
    valid_BT1HW &= within_BTHW[:, :, None]
    index_BTCN = index_BT1N.expand(-1, -1, channels, -1)
    colours_BTCHW = frames_BTChw.flatten(3).gather(3, index_BTCN).reshape(size)
    colours_BTCHW = torch.where(valid_BT1HW, colours_BTCHW, 0.0)
    others_BCHW = colours_BTCHW[:, 1:].sum(1) / valid_BT1HW[:, 1:].sum(1).clamp(min=1)
    colours_BTCHW[:, 0] = torch.where(valid_BT1HW[:, 0], colours_BTCHW[:, 0], others_BCHW)
    offsets_BT2HW = torch.where(valid_BT1HW, nearest_BT2HW - places_BT2HW, 0.0)
    return torch.cat((colours_BTCHW, offsets_BT2HW, valid_BT1HW.to(colours_BTCHW)), 2)
