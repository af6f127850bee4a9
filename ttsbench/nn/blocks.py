"""A masked ConvNeXt block for sequences, after Liu et al. 2022 (https://arxiv.org/abs/2201.03545), in one dimension.

    y = x + MLP(LN(depthwise_conv(m * x)) * (1 + scale) + shift)

The mask is applied before the only operation that looks at neighbours, so padding never changes a real frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvBlock(nn.Module):
    """Residual block (B, T, C) -> (B, T, C); bidirectional, receptive field ``kernel`` frames.

    With ``vector`` > 0 it takes a vector (B, vector) whose projection scales and shifts the normalised input: how the
    diffusion time enters. That projection starts at zero, so an untrained time input changes nothing.
    """

    def __init__(self, channels: int, kernel: int = 7, expansion: int = 4, vector: int = 0) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, expansion * channels)
        self.down = nn.Linear(expansion * channels, channels)
        self.third_derivative = False  # whether it is differentiated three times
        self.modulation = nn.Linear(vector, 2 * channels) if vector else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, mask: Tensor, vector: Tensor | None = None) -> Tensor:
        """X (B, T, C), mask (B, T) bool, vector (B, V) or None -> (B, T, C)."""
        real = x * mask.unsqueeze(-1)
        hidden = self.norm(self.depthwise(real.transpose(1, 2)).transpose(1, 2))
        if self.modulation is not None:
            if vector is None:
                raise ValueError("A modulated block needs its vector (B, V); pass the embedded time.")
            scale, shift = self.modulation(vector).unsqueeze(1).chunk(2, dim=-1)
            hidden = hidden * (1 + scale) + shift
        hidden = self.up(hidden)
        update: Tensor = self.down(
            _gelu(hidden) if self.third_derivative else functional.gelu(hidden, approximate="tanh")
        )
        return x + update


def _gelu(x: Tensor) -> Tensor:
    """The same, by hand: the third derivative of torch's goes through cosh, which overflows from x = 13 on."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values (B, T, C) over the steps where mask (B, T) is True, and over C: a scalar."""
    weights = mask.unsqueeze(-1).to(values.dtype)
    return (values * weights).sum() / (weights.sum() * values.shape[-1]).clamp_min(1)


def masked_statistics(values: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation of values (B, T, C) over the steps where mask (B, T) is True, (B, 2 C)."""
    real = mask.unsqueeze(-1).to(values.dtype)
    count = real.sum(dim=1).clamp_min(1)
    mean = (values * real).sum(dim=1) / count
    variance = ((values - mean.unsqueeze(1)).square() * real).sum(dim=1) / count
    return torch.cat([mean, torch.sqrt(variance + 1e-5)], dim=1)  # the root of 0 has no gradient


def time_embedding(t: Tensor, channels: int, max_period: float = 10_000.0) -> Tensor:
    """Sinusoids of t (B,) in [0, 1] -> (B, channels), as in Vaswani et al. 2017 with t scaled to 1,000 positions."""
    half = channels // 2
    steps = torch.arange(half, device=t.device, dtype=torch.float32) / half
    angles = 1_000.0 * t.float().unsqueeze(1) * torch.exp(-steps * math.log(max_period))
    return torch.cat([angles.sin(), angles.cos()], dim=1)
