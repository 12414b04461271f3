"""SPAN: six blocks with a parameter-free gate, and convolutions reparameterised in training.

Wan et al., CVPR Workshops 2024, arXiv:2311.12770. Module names follow the authors' checkpoints
(their `eval_conv` is what `for_inference` computes, and is not stored). Departs from their code:

- A widened convolution is merged into one 3x3 before it is applied, also in training (as in Hu et
  al., CVPR 2022, arXiv:2204.00826): the same function of the same parameters at a quarter of the
  arithmetic. This is exact at the border too, because the authors pad the input of the first 1x1
  and not that of the 3x3: the padding then holds the 1x1's bias, as the merged bias assumes.
- The last convolution is initialised small and at the mean colour, so that training starts near a
  picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from superres.layers.config import NetworkConfig

_DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
_RANGE = 255.0  # of the centred input; the gates are designed for features of that range
_GAIN = 2  # how much wider a convolution is in training


class SpanConfig(NetworkConfig):
    """Shape of a SPAN.

    Attributes:
        features: Channels of the body; the paper has 48 and 52.
        centred: DIV2K's mean colour is subtracted from the input, which is then multiplied by
            255, as the authors do. Some of the community's models do neither (their checkpoints
            carry a key `no_norm`).
        fused: Plain 3x3 convolutions, into which `for_inference` merges a trained network.
    """

    features: int = 48
    centred: bool = True
    fused: bool = False

    @property
    def halo(self) -> int:
        """Three pixels for each block, one each for conv_1, conv_2 and the upsampler."""
        return 6 * 3 + 3

    def build(self) -> Span:
        """Return the network with initial weights."""
        return Span(self)


class _Widened(nn.Module):
    """A 3x3 convolution stored as 1x1, 3x3, 1x1 with more channels, and a parallel 1x1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.sk = nn.Conv2d(inputs, outputs, 1)
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, _GAIN * inputs, 1),
            nn.Conv2d(_GAIN * inputs, _GAIN * outputs, 3),
            nn.Conv2d(_GAIN * outputs, outputs, 1),
        )

    def merged(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias of the equivalent 3x3 convolution."""
        widen, mix, narrow = (self.get_parameter(f"conv.{n}.weight") for n in range(3))
        widen_bias, mix_bias, narrow_bias = (self.get_parameter(f"conv.{n}.bias") for n in range(3))
        widen, narrow = widen[:, :, 0, 0], narrow[:, :, 0, 0]
        weight = torch.einsum("om,mnyx,ni->oiyx", narrow, mix, widen)
        bias = narrow @ (mix.sum((2, 3)) @ widen_bias + mix_bias) + narrow_bias
        beside = functional.pad(self.sk.weight, (1, 1, 1, 1))
        return weight + beside, bias + torch.as_tensor(self.sk.bias)

    def forward(self, f_BFHW: Tensor) -> Tensor:
        weight, bias = self.merged()
        return functional.conv2d(f_BFHW, weight, bias, padding=1)


def _convolution(inputs: int, outputs: int, config: SpanConfig) -> nn.Module:
    if config.fused:
        return nn.Conv2d(inputs, outputs, 3, padding=1)
    return _Widened(inputs, outputs)


class _Block(nn.Module):
    """Three convolutions, gated by an odd function of their output."""

    def __init__(self, config: SpanConfig) -> None:
        super().__init__()
        self.c1_r = _convolution(config.features, config.features, config)
        self.c2_r = _convolution(config.features, config.features, config)
        self.c3_r = _convolution(config.features, config.features, config)

    def forward(self, f_BFHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's output for (B, F, H, W), and its first convolution's."""
        # The authors' code returns the feature before its activation, which then works in place:
        # their weights were trained with the feature after it.
        early_BFHW = functional.silu(self.c1_r(f_BFHW))
        late_BFHW = self.c3_r(functional.silu(self.c2_r(early_BFHW)))
        return (late_BFHW + f_BFHW) * (torch.sigmoid(late_BFHW) - 0.5), early_BFHW


class Span(nn.Module):
    """The network; see the module's docstring."""

    mean: Tensor

    def __init__(self, config: SpanConfig) -> None:
        super().__init__()
        self.config = config
        features, channels = config.features, config.channels
        mean = _DIV2K_MEAN if channels == 3 else (sum(_DIV2K_MEAN) / 3,) * channels
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.conv_1 = _convolution(channels, features, config)
        self.block_1 = _Block(config)
        self.block_2 = _Block(config)
        self.block_3 = _Block(config)
        self.block_4 = _Block(config)
        self.block_5 = _Block(config)
        self.block_6 = _Block(config)
        self.conv_cat = nn.Conv2d(4 * features, features, 1)
        self.conv_2 = _convolution(features, features, config)
        last = nn.Conv2d(features, channels * config.scale**2, 3, padding=1)
        self.upsampler = nn.Sequential(last, nn.PixelShuffle(config.scale))
        with torch.no_grad():
            last.weight.mul_(0.01)
            torch.as_tensor(last.bias).copy_(self.mean.flatten().repeat_interleave(config.scale**2))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped."""
        if self.config.centred:
            x_BCHW = (x_BCHW - self.mean) * _RANGE
        shallow_BFHW = self.conv_1(x_BCHW)
        first_BFHW, _ = self.block_1(shallow_BFHW)
        f_BFHW = first_BFHW
        for block in (self.block_2, self.block_3, self.block_4, self.block_5):
            f_BFHW, _ = block(f_BFHW)
        f_BFHW, early_BFHW = self.block_6(f_BFHW)
        deep_BFHW = self.conv_2(f_BFHW)
        joined_BFHW = torch.cat((shallow_BFHW, deep_BFHW, first_BFHW, early_BFHW), 1)
        return self.upsampler(self.conv_cat(joined_BFHW))

    def for_inference(self) -> Span:
        """Return the same network with plain 3x3 convolutions, in its number format and device.

        The merge of every step is done once: the outputs differ only by rounding.
        """
        if self.config.fused:
            return self
        fused = Span(self.config.model_copy(update={"fused": True})).to(self.mean)
        kept = fused.state_dict().keys()
        weights = {key: value for key, value in self.state_dict().items() if key in kept}
        with torch.no_grad():
            # torch does not type its items.
            layers = cast("Iterable[tuple[str, nn.Module]]", self.named_modules())
            for name, layer in layers:
                if isinstance(layer, _Widened):
                    weights[f"{name}.weight"], weights[f"{name}.bias"] = layer.merged()
        fused.load_state_dict(weights)
        return fused.train(self.training)
