"""ConvLSTM network: a pooled encoding read repeatedly by a recurrent decoder; for teaching.

The cell is that of Shi et al., NeurIPS 2015, arXiv:1506.04214, without peepholes. Tutorials put it
after convolution and pooling although a single picture is not a sequence; here as there every step
has the same encoding as its input, so that the steps deepen the network with shared weights, which
`drcn` and `drrn` do better without gates. Unlike the tutorials', it takes a small picture of any
size and learns only the residual of bicubic upsampling.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from superres.layers import receptive_field
from superres.layers.bicubic_upsample import BicubicUpsample
from superres.layers.config import NetworkConfig
from superres.layers.deconvolution import deconvolution
from superres.layers.initialisation import QUIET, init_rectified


class ConvlstmConfig(NetworkConfig):
    """Shape of a ConvLSTM network.

    Attributes:
        features: Channels of the encoding, and of the cell's state.
        steps: Times that the cell reads the encoding.
    """

    features: int = 64
    steps: int = Field(default=4, ge=1)

    @property
    def multiple_of(self) -> int:
        """One pooling by two."""
        return 2

    @property
    def halo(self) -> int:
        """Two convolutions, pooling, one convolution per step, deconvolution, one more."""
        path = (
            receptive_field.convolution(2),
            receptive_field.pooling(2),
            receptive_field.convolution(self.steps),
            receptive_field.deconvolution(4, 2),
            receptive_field.convolution(1),
            receptive_field.repetition(self.scale),
        )
        return receptive_field.halo(path, scale=self.scale, multiple_of=self.multiple_of)

    def build(self) -> ConvlstmNet:
        """Return the network with initial weights."""
        return ConvlstmNet(self)


class _Cell(nn.Module):
    """One step: from input, output and memory to the next output and memory."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gates = nn.Conv2d(2 * features, 4 * features, 3, padding=1)

    def forward(
        self, f_BFHW: Tensor, answer_BFHW: Tensor, memory_BFHW: Tensor
    ) -> tuple[Tensor, Tensor]:
        gates = self.gates(torch.cat((f_BFHW, answer_BFHW), 1))
        take, keep, show, fresh = gates.chunk(4, 1)
        # The 1 opens an untrained cell's forget gate (Jozefowicz et al., ICML 2015).
        kept_BFHW = torch.sigmoid(keep + 1.0) * memory_BFHW
        memory_BFHW = kept_BFHW + torch.sigmoid(take) * torch.tanh(fresh)
        return torch.sigmoid(show) * torch.tanh(memory_BFHW), memory_BFHW


class ConvlstmNet(nn.Module):
    """The network; see the module's docstring."""

    def __init__(self, config: ConvlstmConfig) -> None:
        super().__init__()
        channels, features, scale = config.channels, config.features, config.scale
        self.steps, self.scale = config.steps, scale
        self.enlarge = BicubicUpsample(channels, scale)
        self.encode = nn.Sequential(
            nn.Conv2d(channels, features, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(features, features, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.cell = _Cell(features)
        self.widen = nn.Sequential(deconvolution(features, features, kernel=4, factor=2), nn.ReLU())
        self.tail = nn.Conv2d(features, channels * scale**2, 3, padding=1)
        init_rectified(self)
        init_rectified(self.tail, gain=QUIET)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Upscale (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.

        H and W are even.
        """
        f_BFHW = self.encode(x_BCHW)
        answer_BFHW = memory_BFHW = torch.zeros_like(f_BFHW)
        for _ in range(self.steps):
            answer_BFHW, memory_BFHW = self.cell(f_BFHW, answer_BFHW, memory_BFHW)
        residual_BCHW = functional.pixel_shuffle(self.tail(self.widen(answer_BFHW)), self.scale)
        return self.enlarge(x_BCHW) + residual_BCHW
