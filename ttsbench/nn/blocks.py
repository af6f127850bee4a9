"""A masked ConvNeXt block for sequences, after Liu et al. 2022 (https://arxiv.org/abs/2201.03545), in one dimension.

    h = LN(depthwise_conv(m x)) (1 + scale) + shift
    y = x + MLP(h + W [mean of h over the sequence, mean of h over a window])

The mask m is applied before every operation that mixes frames, so padding never changes a real frame. The pooled means
give a block the context of the whole phrase at a few percent of its cost.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

POOLED_SHARE = 4  # one in so many channels is averaged over the sequence, and as many over the window
BLOCK = 32  # frames; a window is a block and the two on either side of it


class ConvBlock(nn.Module):
    """Residual block (B, T, C) -> (B, T, C), whose convolution spans ``dilation * (kernel - 1) + 1`` frames.

    With ``vector`` > 0 it takes a vector (B, vector), the embedded time, whose projection scales and shifts the
    normalised input. That projection starts at zero, so an untrained time input changes nothing. With ``context`` every
    frame also sees means over the sequence and over a window.
    """

    def __init__(
        self, channels: int, kernel: int = 7, expansion: int = 4, vector: int = 0, dilation: int = 1,
        context: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        padding = kernel // 2 * dilation
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=padding, groups=channels, dilation=dilation)
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, expansion * channels)
        self.down = nn.Linear(expansion * channels, channels)
        self.context = Context(channels) if context else None
        self.third_derivative = False  # whether the block is differentiated three times
        self.modulation = nn.Linear(vector, 2 * channels) if vector else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, mask: Tensor, vector: Tensor | None = None) -> Tensor:
        """Map x (B, T, C), mask (B, T) bool, vector (B, V) or None to (B, T, C)."""
        real = x * mask.unsqueeze(-1)
        hidden = self.norm(self.depthwise(real.transpose(1, 2)).transpose(1, 2))
        if self.modulation is not None:
            if vector is None:
                raise ValueError("A modulated block needs its vector (B, V); pass the embedded time.")
            scale, shift = self.modulation(vector).unsqueeze(1).chunk(2, dim=-1)
            hidden = hidden * (1 + scale) + shift
        if self.context is not None:
            hidden = hidden + self.context(hidden, mask)
        hidden = self.up(hidden)
        hidden = _gelu(hidden) if self.third_derivative else functional.gelu(hidden, approximate="tanh")
        update: Tensor = self.down(hidden)
        return x + update


class Context(nn.Module):
    """A projection of means over the whole sequence and over a window of 160 frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = max(1, channels // POOLED_SHARE)
        self.output = nn.Linear(2 * self.width, channels, bias=False)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Hidden (B, T, C), mask (B, T) -> (B, T, C)."""
        real = mask.unsqueeze(-1).to(hidden.dtype)
        pooled = hidden[..., : 2 * self.width] * real
        whole, near = pooled[..., : self.width], pooled[..., self.width :]
        mean = whole.sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True).clamp_min(1)
        around = window_sum(near) / window_sum(real).clamp_min(1)
        context: Tensor = self.output(torch.cat([mean.expand_as(around), around], dim=-1))
        return context


def window_sum(x: Tensor) -> Tensor:
    """Sum of x (B, T, C) over the block of ``BLOCK`` frames of every frame and the two on either side, (B, T, C)."""
    length = x.shape[1]
    blocks = torch.unflatten(functional.pad(x, (0, 0, 0, -length % BLOCK)), 1, (-1, BLOCK)).sum(dim=2)
    padded = functional.pad(blocks, (0, 0, 2, 2))
    count = blocks.shape[1]
    sums = torch.stack([padded[:, shift : shift + count] for shift in range(5)]).sum(dim=0)
    return sums.repeat_interleave(BLOCK, dim=1)[:, :length]


def _gelu(x: Tensor) -> Tensor:
    """Tanh approximation of GELU by hand: the third derivative of torch's overflows from x = 13 on."""
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
