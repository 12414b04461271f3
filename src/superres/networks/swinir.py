"""SwinIR: groups of blocks with attention in windows, every second shifted by half a window.

Liang et al., ICCV Workshops 2021, arXiv:2108.10257, over Liu et al., ICCV 2021, arXiv:2103.14030
(Swin). The default is the classical network, `SWINIR_LIGHT` the light one, `SWINIR_REAL` and
`SWINIR_REAL_LARGE` those for real pictures. Module names follow the authors' checkpoints, whose
index and mask tables are computed here and are not stored. Departs from their code: no stochastic
depth in training; frames are multiples of the window.

Tiles do not equal the whole frame: each block extends the receptive field by half a window, so 36
of them reach some 150 px. Tiles start on the whole frame's window grid, so that a pixel's window
holds the same pixels; the halo of 4 windows bounds the effect of the tile's edge, where shifted
windows are cut. In the untrained light network that is 1e-6 of the range after 16 px; with linear
layers' weights seven times as large, 3e-5 after 32 px.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.errors import ArgumentError
from superres.layers.config import NetworkConfig, check_network_scale
from superres.layers.scale_steps import scale_steps

_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
_ENOUGH = 4  # windows in the halo
_BEFORE_UPSAMPLE = 64  # channels before upsampling in steps
_REPEATED = (2, 4)  # scales possible by repeated pixels
_SLOPE = 0.2  # of rectifiers in bottlenecks and around repeated pixels, as in the authors' code
_APART = -100.0  # added to the scores of pixels that are neighbours only by the cyclic shift


class SwinirConfig(NetworkConfig):
    """Shape of a SwinIR; the defaults are the paper's for classical super-resolution.

    Attributes:
        features: Channels of the body, a multiple of the heads.
        depths: Blocks in each group.
        heads: Attention heads of each block.
        window: Edge of a window, in input pixels; it is even.
        widening: Channels inside a block's perceptron over those of the body.
        upsampler: How it upscales: `pixelshuffle` in steps with a convolution after them,
            `pixelshuffledirect` at once, or `nearest+conv` by repeating pixels, which leaves no
            grid after adversarial training.
        residual: The end of each group and of the body: `1conv`, or `3conv` with a bottleneck.
    """

    features: int = Field(default=180, ge=1)
    depths: tuple[int, ...] = (6, 6, 6, 6, 6, 6)
    heads: int = Field(default=6, ge=1)
    window: int = Field(default=8, ge=2, multiple_of=2)
    widening: int = 2
    upsampler: Literal["pixelshuffle", "pixelshuffledirect", "nearest+conv"] = "pixelshuffle"
    residual: Literal["1conv", "3conv"] = "1conv"

    @property
    def halo(self) -> int:
        """Enough in practice; see the module's docstring."""
        return _ENOUGH * self.window

    @property
    def exact_halo(self) -> bool:
        """False: chains of windows reach farther."""
        return False

    @property
    def multiple_of(self) -> int:
        """Frames are whole windows."""
        return self.window

    @property
    def minimum(self) -> int:
        """One window."""
        return self.window

    def build(self) -> Swinir:
        """Return the network with initial weights.

        Raises:
            ArgumentError: The heads do not divide the features evenly, or pixels cannot be
                repeated for this scale.
        """
        if self.upsampler == "nearest+conv":
            check_network_scale("swinir with nearest+conv", self.scale, _REPEATED)
        if self.features % self.heads:
            raise ArgumentError(
                f"swinir cannot divide {self.features} features among {self.heads} heads",
                f"try features = {self.heads * -(-self.features // self.heads)}",
            )
        return Swinir(self)


SWINIR_LIGHT = {"features": 60, "depths": (6, 6, 6, 6), "upsampler": "pixelshuffledirect"}
SWINIR_REAL = {"upsampler": "nearest+conv"}
SWINIR_REAL_LARGE = {
    **{"features": 240, "depths": (6,) * 9, "heads": 8},
    **{"upsampler": "nearest+conv", "residual": "3conv"},
}


class _Attention(nn.Module):
    """Attention among all pixels of a window, by content and by relative position."""

    places: Tensor

    def __init__(self, config: SwinirConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.features, 3 * config.features)
        self.proj = nn.Linear(config.features, config.features)
        table = torch.empty((2 * config.window - 1) ** 2, config.heads)
        nn.init.trunc_normal_(table, std=0.02)
        self.relative_position_bias_table = nn.Parameter(table)
        self.register_buffer("places", _relative_places(config.window), persistent=False)

    def forward(self, t_BNPF: Tensor, apart_NPP: Tensor | None) -> Tensor:
        """Mix (batch, windows, pixels, features), with an optional score added for each pair."""
        qkv = self.qkv(t_BNPF).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(3, 0, 1, 4, 2, 5).unbind()  # (B, N, heads, P, F / heads)
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        scores = scores + self.relative_position_bias_table[self.places].permute(2, 0, 1)
        if apart_NPP is not None:
            scores = scores + apart_NPP.unsqueeze(1)
        mixed = scores.softmax(-1) @ value
        return self.proj(mixed.transpose(2, 3).flatten(3))


class _Perceptron(nn.Module):
    def __init__(self, config: SwinirConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.features, config.widening * config.features)
        self.fc2 = nn.Linear(config.widening * config.features, config.features)

    def forward(self, t_BHWF: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(t_BHWF)))


class _Block(nn.Module):
    def __init__(self, config: SwinirConfig, shift: int) -> None:
        super().__init__()
        self.window = config.window
        self.shift = shift
        self.norm1 = nn.LayerNorm(config.features)
        self.attn = _Attention(config)
        self.norm2 = nn.LayerNorm(config.features)
        self.mlp = _Perceptron(config)

    def forward(self, t_BHWF: Tensor, apart_NPP: Tensor) -> Tensor:
        mixed_BHWF = self.norm1(t_BHWF)
        if self.shift:
            mixed_BHWF = mixed_BHWF.roll((-self.shift, -self.shift), (1, 2))
            mixed_BHWF = self._attend(mixed_BHWF, apart_NPP)
            mixed_BHWF = mixed_BHWF.roll((self.shift, self.shift), (1, 2))
        else:
            mixed_BHWF = self._attend(mixed_BHWF, None)
        t_BHWF = t_BHWF + mixed_BHWF
        return t_BHWF + self.mlp(self.norm2(t_BHWF))

    def _attend(self, t_BHWF: Tensor, apart_NPP: Tensor | None) -> Tensor:
        _, height, width, _ = t_BHWF.shape
        mixed_BNPF = self.attn(_windows(t_BHWF, self.window), apart_NPP)
        return _joined(mixed_BNPF, self.window, height, width)


class _Blocks(nn.Module):
    def __init__(self, config: SwinirConfig, depth: int) -> None:
        super().__init__()
        shifts = (config.window // 2 * (index % 2) for index in range(depth))
        self.blocks = nn.ModuleList(_Block(config, shift) for shift in shifts)

    def forward(self, t_BHWF: Tensor, apart_NPP: Tensor) -> Tensor:
        for block in self.blocks:
            t_BHWF = block(t_BHWF, apart_NPP)
        return t_BHWF


def _residual(config: SwinirConfig) -> nn.Module:
    """Return the layers at the end of a group and of the body."""
    features = config.features
    if config.residual == "1conv":
        return nn.Conv2d(features, features, 3, padding=1)
    narrow = features // 4
    return nn.Sequential(
        nn.Conv2d(features, narrow, 3, padding=1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(narrow, narrow, 1),
        nn.LeakyReLU(_SLOPE),
        nn.Conv2d(narrow, features, 3, padding=1),
    )


class _Group(nn.Module):
    """Blocks and convolutions, added to their input."""

    def __init__(self, config: SwinirConfig, depth: int) -> None:
        super().__init__()
        self.residual_group = _Blocks(config, depth)
        self.conv = _residual(config)

    def forward(self, t_BHWF: Tensor, apart_NPP: Tensor) -> Tensor:
        deep_BFHW = self.residual_group(t_BHWF, apart_NPP).permute(0, 3, 1, 2)
        return t_BHWF + self.conv(deep_BFHW).permute(0, 2, 3, 1)


class Swinir(nn.Module):
    """The network; see the module's docstring."""

    mean: Tensor

    def __init__(self, config: SwinirConfig) -> None:
        super().__init__()
        features, channels = config.features, config.channels
        self.window = config.window
        # The authors' networks for grey frames subtract no mean.
        mean = _DIV2K_MEAN if channels == 3 else (0.0,) * channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.conv_first = nn.Conv2d(channels, features, 3, padding=1)
        self.patch_embed = nn.Sequential(OrderedDict(norm=nn.LayerNorm(features)))
        self.layers = nn.ModuleList(_Group(config, depth) for depth in config.depths)
        self.norm = nn.LayerNorm(features)
        self.conv_after_body = _residual(config)
        self.doublings = 0  # by repeated pixels
        if config.upsampler == "pixelshuffledirect":
            expand = nn.Conv2d(features, channels * config.scale**2, 3, padding=1)
            self.conv_before_upsample = nn.Identity()
            self.upsample = nn.Sequential(expand, nn.PixelShuffle(config.scale))
            self.conv_last = nn.Identity()
        else:
            wide = _BEFORE_UPSAMPLE
            before = nn.Conv2d(features, wide, 3, padding=1)
            self.conv_before_upsample = nn.Sequential(before, nn.LeakyReLU())
            if config.upsampler == "pixelshuffle":
                enlarge: list[nn.Module] = []
                for factor in scale_steps(config.scale):
                    enlarge += [nn.Conv2d(wide, wide * factor**2, 3, padding=1)]
                    enlarge += [nn.PixelShuffle(factor)]
                self.upsample = nn.Sequential(*enlarge)
            else:
                self.doublings = len(scale_steps(config.scale))
                for number in range(1, self.doublings + 1):
                    self.add_module(f"conv_up{number}", nn.Conv2d(wide, wide, 3, padding=1))
                self.conv_hr = nn.Conv2d(wide, wide, 3, padding=1)
            self.conv_last = nn.Conv2d(wide, channels, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.

        H and W are multiples of the window.
        """
        shallow_BFHW = self.conv_first(x_BCHW - self.mean)
        apart_NPP = _apart(shallow_BFHW, self.window)
        t_BHWF = self.patch_embed(shallow_BFHW.permute(0, 2, 3, 1))
        for group in self.layers:
            t_BHWF = group(t_BHWF, apart_NPP)
        deep_BFHW = self.conv_after_body(self.norm(t_BHWF).permute(0, 3, 1, 2))
        f_BFHW = self.conv_before_upsample(shallow_BFHW + deep_BFHW)
        f_BFHW = self._repeated(f_BFHW) if self.doublings else self.upsample(f_BFHW)
        return self.conv_last(f_BFHW) + self.mean

    def _repeated(self, f_BFHW: Tensor) -> Tensor:
        """Upscale features by repeating each pixel twice along both axes, once or twice."""
        for number in range(1, self.doublings + 1):
            f_BFHW = functional.interpolate(f_BFHW, scale_factor=2, mode="nearest")
            f_BFHW = functional.leaky_relu(self.get_submodule(f"conv_up{number}")(f_BFHW), _SLOPE)
        return functional.leaky_relu(self.conv_hr(f_BFHW), _SLOPE)


def _windows(t_BHWF: Tensor, window: int) -> Tensor:
    """Cut a frame into windows: (batch, windows, pixels of a window, features)."""
    batch, height, width, features = t_BHWF.shape
    rows, columns = height // window, width // window
    cut = t_BHWF.reshape(batch, rows, window, columns, window, features)
    return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _joined(t_BNPF: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo `_windows`."""
    batch, _, _, features = t_BNPF.shape
    rows, columns = height // window, width // window
    cut = t_BNPF.reshape(batch, rows, columns, window, window, features)
    return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _apart(f_BFHW: Tensor, window: int) -> Tensor:
    """Return the scores that separate pixels of a shifted window, (windows, pixels, pixels).

    The cyclic shift fills the last windows with rows and columns from the other side of the frame.
    """
    _, _, height, width = f_BFHW.shape
    shift = window // 2
    rows = torch.arange(height, device=f_BFHW.device) >= height - shift
    columns = torch.arange(width, device=f_BFHW.device) >= width - shift
    region_HW = 2 * rows.to(f_BFHW.dtype)[:, None] + columns.to(f_BFHW.dtype)[None, :]
    region_NP = _windows(region_HW[None, :, :, None], window)[0, :, :, 0]
    return _APART * (region_NP[:, :, None] != region_NP[:, None, :]).to(f_BFHW.dtype)


def _relative_places(window: int) -> Tensor:
    """Return each pixel pair's row of the position table, (P, P)."""
    place = torch.arange(window)
    apart = place[:, None] - place[None, :] + window - 1
    rows, columns = apart[:, None, :, None], apart[None, :, None, :]
    return ((2 * window - 1) * rows + columns).reshape(window**2, window**2)
