"""Motion between frames, and warping by it.

A flow is (B, 2, H, W), rows and then columns, in pixels: pixel p of a frame shows what the previous
frame showed at p + flow(p).

The flow is Lucas and Kanade's (IJCAI 1981), from coarse to fine, and needs no weights: a network
trained on its results knows its errors from the first step. After Bruhn, Weickert and Schnoerr,
"Lucas/Kanade meets Horn/Schunck", IJCV 2005: neighbours vote for the whole flow rather than its
change, and without texture the surrounding flow prevails. Votes that remain wrong lose weight
(Black and Anandan, CVIU 1996), which preserves the edges of moving objects.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEVELS = 5  # each half as large as the previous one; the largest is the frames' own
_WINDOWS = ((7, 2, 1.0), (3, 2, 0.8))
# Edge of the box that, applied twice, makes the window; rounds; and the largest remaining fraction
# of the difference for them to count: small windows follow small objects, and are wrong more often.
# The second line is for the finest level only.
_DAMPING = 3e-5  # squared contrast of a window that counts as much as the surrounding flow
_WRONG = 0.1  # difference of a pixel at which its vote counts half
_STEP = 1.0  # largest change of a flow per round, in pixels of its level


def flow_between(frame_BCHW: Tensor, previous_BCHW: Tensor) -> Tensor:
    """Estimate the flow from a frame to the previous one.

    Args:
        frame_BCHW: (B, C, H, W) in [0, 1]; H and W are at least `VIDEO_MULTIPLE`.
        previous_BCHW: The same.

    Returns:
        (B, 2, H, W); exactly 0 everywhere if the frames are equal.
    """
    pairs = [(_plane(frame_BCHW), _plane(previous_BCHW))]
    for _ in range(_LEVELS - 1):
        now, before = (functional.avg_pool2d(plane, 2) for plane in pairs[-1])
        pairs.append((now, before))
    now = pairs[-1][0]
    flow_B2hw = torch.zeros_like(now).expand(-1, 2, -1, -1)
    for level, (now, before) in enumerate(reversed(pairs)):
        if level:
            size = (now.shape[2], now.shape[3])
            flow_B2hw = 2.0 * functional.interpolate(
                flow_B2hw, size=size, mode="bilinear", align_corners=False
            )
        for window, rounds, part in _WINDOWS if level == _LEVELS - 1 else _WINDOWS[:1]:
            found_B2hw = flow_B2hw
            for _ in range(rounds):
                found_B2hw = _improved(found_B2hw, now, before, window)
            left_B1hw, before_B1hw = (
                _difference(flow, now, before) for flow in (found_B2hw, flow_B2hw)
            )
            flow_B2hw = torch.where(left_B1hw < part * before_B1hw, found_B2hw, flow_B2hw)
    return flow_B2hw


def _difference(flow_B2HW: Tensor, now_B1HW: Tensor, before_B1HW: Tensor) -> Tensor:
    """Return the mean residual difference of a flow around each pixel."""
    return _smooth((warp(before_B1HW, flow_B2HW) - now_B1HW).abs(), _WINDOWS[0][0])


def upscale_flow(flow_B2HW: Tensor, scale: int) -> Tensor:
    """Interpolate a flow at the pixels of large frames, still in pixels of the small ones."""
    return functional.interpolate(
        flow_B2HW, scale_factor=float(scale), mode="bilinear", align_corners=False
    )


def warp(picture_BCHW: Tensor, flow_B2HW: Tensor, *, kernel: str = "bilinear") -> Tensor:
    """Sample the previous frame's picture at the former positions of a frame's pixels.

    Args:
        picture_BCHW: (B, C, H, W).
        flow_B2HW: In pixels of the picture.
        kernel: `bilinear` or `bicubic` (Keys' with a = -0.75); the edge is replicated beyond it.

    Returns:
        (B, C, H, W).
    """
    rows_BHW, columns_BHW = places(flow_B2HW)
    height, width = picture_BCHW.shape[2:]
    # From -1 to 1 between the outer edges of the first and the last pixel.
    grid_BHW2 = torch.stack(
        ((2.0 * columns_BHW + 1.0) / width - 1.0, (2.0 * rows_BHW + 1.0) / height - 1.0), 3
    )
    return functional.grid_sample(
        picture_BCHW, grid_BHW2, mode=kernel, padding_mode="border", align_corners=False
    )


def places(flow_B2HW: Tensor) -> tuple[Tensor, Tensor]:
    """Return a flow's target rows and columns (B, H, W); those of the first pixel are 0."""
    height, width = flow_B2HW.shape[2:]
    rows_H = torch.arange(height, device=flow_B2HW.device, dtype=flow_B2HW.dtype)
    columns_W = torch.arange(width, device=flow_B2HW.device, dtype=flow_B2HW.dtype)
    return flow_B2HW[:, 0] + rows_H.view(-1, 1), flow_B2HW[:, 1] + columns_W


def _smooth(x_BCHW: Tensor, window: int) -> Tensor:
    """Average over triangular windows; at edges, over the part within the frame."""
    for _ in range(2):
        x_BCHW = functional.avg_pool2d(
            x_BCHW, window, stride=1, padding=window // 2, count_include_pad=False
        )
    return x_BCHW


def _plane(frame_BCHW: Tensor) -> Tensor:
    """Return the mean channel, smoothed: subpixel detail differs between any two frames."""
    x_B1HW = frame_BCHW.mean(1, keepdim=True)
    for along, across in ((1, 0), (0, 1)):
        padding = (across, across, along, along)
        x_B1HW = functional.pad(x_B1HW, padding, mode="replicate")
        x_B1HW = functional.avg_pool2d(
            functional.avg_pool2d(x_B1HW, (1 + along, 1 + across), 1), (1 + along, 1 + across), 1
        )
    return x_B1HW


def _improved(flow_B2HW: Tensor, now_B1HW: Tensor, before_B1HW: Tensor, window: int) -> Tensor:
    """Return the flow after one round: weighted least squares over each pixel's window."""
    seen_B1HW = warp(before_B1HW, flow_B2HW)
    error = seen_B1HW - now_B1HW
    rows, columns = _slopes((now_B1HW + seen_B1HW) / 2.0)
    believed = (1.0 + (error / _WRONG) ** 2).reciprocal()
    voted = rows * flow_B2HW[:, :1] + columns * flow_B2HW[:, 1:] - error
    sums = _smooth(
        torch.cat(
            (
                believed * rows * rows,
                believed * rows * columns,
                believed * columns * columns,
                believed * rows * voted,
                believed * columns * voted,
                flow_B2HW,
            ),
            1,
        ),
        window,
    )
    rr, rc, cc, rv, cv, r_around, c_around = sums.chunk(7, 1)
    rr, cc = rr + _DAMPING, cc + _DAMPING
    rv, cv = rv + _DAMPING * r_around, cv + _DAMPING * c_around
    inverse = (rr * cc - rc * rc).reciprocal()
    found = torch.cat(((cc * rv - rc * cv) * inverse, (rr * cv - rc * rv) * inverse), 1)
    return flow_B2HW + (found - flow_B2HW).clamp(-_STEP, _STEP)


def _slopes(x_B1HW: Tensor) -> tuple[Tensor, Tensor]:
    """Return half the difference of the neighbours along rows and along columns."""
    rows = functional.pad(x_B1HW, (0, 0, 1, 1), mode="replicate")
    columns = functional.pad(x_B1HW, (1, 1, 0, 0), mode="replicate")
    return (rows[:, :, 2:] - rows[:, :, :-2]) / 2.0, (columns[..., 2:] - columns[..., :-2]) / 2.0
