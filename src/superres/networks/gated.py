"""Gated: SPAN's blocks of plain 3x3 convolutions, gated by surroundings at a reduced size.

The trunk is SPAN's in its merged form (Wan et al., CVPR Workshops 2024, arXiv:2311.12770): each
block weights its features by an odd function of its convolutions' output, which needs no
parameters. Parameters of the trunk have SPAN's names, so that its published weights can initialise
a network of 48 features and 6 blocks. Added to it are:

- *looks* between blocks: mean and maximum of small windows, two 3x3 convolutions over these, and
  their output repeated to weight the features, as in SMFANet (Zheng et al., ECCV 2024). At a
  quarter of the size a convolution costs a sixteenth and sees four times as far, but no farther:
  windows lie on the frame's own grid, so that tiles equal the whole;
- *refinements* before the last convolution, residual blocks like EDSR's;
- a *folded* input: 2x2 pixels become one of four times the channels, for x2 at the cost of x4.

Looks and refinements are initially almost the identity: a network started from weights without
them has the same output.

The *residual* form is for training from scratch: its gates lie between 0.5 and 1.5 instead of -0.5
and 0.5, so that a block with zero output passes its features on, and the picture is added to the
output by a gather, which stays in fp32 when convolutions run in bf16.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from superres.layers import receptive_field
from superres.layers.config import NetworkConfig

_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
_RANGE = 255.0  # of the centred input; SPAN's gates are designed for features of that range
_RESIDUAL_RANGE = 16.0  # likewise of the residual form, whose features are not halved by each gate
_QUIETER = 0.1  # gain of the last convolution of a residual block
_QUIET = 0.01  # gain of the last convolution of looks and refinements


class GatedConfig(NetworkConfig):
    """Shape of a Gated network.

    Attributes:
        features: Channels of the body.
        blocks: Blocks of three convolutions.
        looks: Looks, spread evenly over the gaps between blocks.
        pooled: Edge of a look's windows, in pixels of the body.
        refinements: Residual blocks of two convolutions before the last one.
        fold: Edge of the squares of input pixels folded into one; 1 folds nothing.
        residual: Blocks add their input, and the network the picture; not for weights of SPAN.
    """

    features: int = Field(default=48, ge=1)
    blocks: int = Field(default=6, ge=1)
    looks: int = Field(default=1, ge=0)
    pooled: int = Field(default=4, ge=2)
    refinements: int = Field(default=0, ge=0)
    fold: int = Field(default=1, ge=1)
    residual: bool = False

    @model_validator(mode="after")
    def _a_gap_for_each_look(self) -> GatedConfig:
        if self.looks >= self.blocks:
            raise ValueError(f"{self.blocks} blocks have gaps for {self.blocks - 1} looks")
        return self

    @property
    def looks_after(self) -> tuple[int, ...]:
        """The numbers of the blocks, from 1 on, that are followed by a look."""
        return tuple(self.blocks * n // (self.looks + 1) for n in range(1, self.looks + 1))

    @property
    def halo(self) -> int:
        """That of the longest path: convolutions, and looks at the size of their windows."""
        look = (
            receptive_field.pooling(self.pooled),
            receptive_field.convolution(2),
            receptive_field.repetition(self.pooled),
        )
        path = [receptive_field.pooling(self.fold), receptive_field.convolution(1)]
        for block in range(1, self.blocks + 1):
            path.append(receptive_field.convolution(3))
            path.extend(look if block in self.looks_after else ())
        path.append(receptive_field.convolution(1 + 2 * self.refinements + 1))
        path.append(receptive_field.repetition(self.scale * self.fold))
        return receptive_field.halo(path, scale=self.scale, multiple_of=self.multiple_of)

    @property
    def multiple_of(self) -> int:
        """Frames are whole windows of whole squares."""
        return self.fold * (self.pooled if self.looks else 1)

    @property
    def minimum(self) -> int:
        """One window."""
        return self.multiple_of

    def build(self) -> Gated:
        """Return the network with initial weights."""
        return Gated(self)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class _Block(nn.Module):
    """Three convolutions, gated by an odd function of their output."""

    def __init__(self, features: int, *, residual: bool) -> None:
        super().__init__()
        self.middle = 0.5 if residual else -0.5
        self.c1_r = _convolution(features, features)
        self.c2_r = _convolution(features, features)
        self.c3_r = _convolution(features, features)
        if residual:
            with torch.no_grad():
                self.c3_r.weight.mul_(_QUIETER)

    def forward(self, f_BFHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output for (B, F, H, W), and its first convolution's."""
        early_BFHW = functional.silu(self.c1_r(f_BFHW))
        late_BFHW = self.c3_r(functional.silu(self.c2_r(early_BFHW)))
        return (late_BFHW + f_BFHW) * (torch.sigmoid(late_BFHW) + self.middle), early_BFHW


class _Look(nn.Module):
    """Weights features by their surroundings, at a fraction of the size."""

    def __init__(self, features: int, pooled: int) -> None:
        super().__init__()
        self.pooled = pooled
        self.gather = _convolution(2 * features, features)
        self.weigh = _convolution(features, features)
        with torch.no_grad():
            self.weigh.weight.mul_(_QUIET)
            torch.as_tensor(self.weigh.bias).zero_()

    def forward(self, f_BFHW: Tensor) -> Tensor:
        """Weight (B, F, H, W) of whole windows; same shape out."""
        mean_BFhw = functional.avg_pool2d(f_BFHW, self.pooled)
        most_BFhw = functional.max_pool2d(f_BFHW, self.pooled)
        found_BFhw = functional.silu(self.gather(torch.cat((mean_BFhw, most_BFhw), 1)))
        weights_BFhw = 1 + self.weigh(found_BFhw)
        repeated_BFHW = functional.interpolate(weights_BFhw, scale_factor=self.pooled)
        return f_BFHW * repeated_BFHW


class _Refinement(nn.Module):
    """x + conv(silu(conv(x)))."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = _convolution(features, features)
        self.second = _convolution(features, features)
        with torch.no_grad():
            self.second.weight.mul_(_QUIET)
            torch.as_tensor(self.second.bias).zero_()

    def forward(self, f_BFHW: Tensor) -> Tensor:
        return f_BFHW + self.second(functional.silu(self.first(f_BFHW)))


class Gated(nn.Module):
    """The network; see the module's docstring."""

    mean: Tensor
    repeated: Tensor

    def __init__(self, config: GatedConfig) -> None:
        super().__init__()
        self.config = config
        features, channels, fold = config.features, config.channels, config.fold
        mean = _DIV2K_MEAN if channels == 3 else (sum(_DIV2K_MEAN) / 3,) * channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        repeated = torch.arange(channels).repeat_interleave(config.scale**2)
        self.register_buffer("repeated", repeated, persistent=False)
        self.conv_1 = _convolution(channels * fold**2, features)
        for number in range(1, config.blocks + 1):  # SPAN's names do not fit a ModuleList
            self.add_module(f"block_{number}", _Block(features, residual=config.residual))
        self.looks = nn.ModuleList(_Look(features, config.pooled) for _ in config.looks_after)
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.conv_2 = _convolution(features, features)
        refinements = (_Refinement(features) for _ in range(config.refinements))
        self.refinements = nn.Sequential(*refinements)
        factor = config.scale * fold
        last = _convolution(features, channels * factor**2)
        self.upsampler = nn.Sequential(last, nn.PixelShuffle(factor))
        with torch.no_grad():
            last.weight.mul_(_QUIET)
            bias_C = torch.zeros(channels) if config.residual else self.mean.flatten()
            torch.as_tensor(last.bias).copy_(bias_C.repeat_interleave(factor**2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        wide = _RESIDUAL_RANGE if self.config.residual else _RANGE
        f_BFHW = (x_BCHW - self.mean) * wide
        if self.config.fold > 1:
            f_BFHW = functional.pixel_unshuffle(f_BFHW, self.config.fold)
        shallow_BFHW = first_BFHW = early_BFHW = f_BFHW = self.conv_1(f_BFHW)
        looks = dict(zip(self.config.looks_after, self.looks, strict=True))
        for number in range(1, self.config.blocks + 1):
            f_BFHW, early_BFHW = self.get_submodule(f"block_{number}")(f_BFHW)
            if number == 1:
                first_BFHW = f_BFHW
            if number in looks:
                f_BFHW = looks[number](f_BFHW)
        joined_BFHW = torch.cat((shallow_BFHW, self.conv_2(f_BFHW), first_BFHW, early_BFHW), 1)
        large_BCHW = self.upsampler(self.refinements(self.conv_cat(joined_BFHW)))
        if not self.config.residual:
            return large_BCHW
        repeated_BCHW = x_BCHW.index_select(1, self.repeated)
        return large_BCHW + functional.pixel_shuffle(repeated_BCHW, self.config.scale)
