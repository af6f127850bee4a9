"""A masked one-dimensional U-Net, the network of the diffusion and flow-matching papers, for the paper track.

Sized as the decoder of Matcha-TTS, Mehta et al. 2024, https://arxiv.org/abs/2309.03199: two levels of 256 channels,
each a residual block and a transformer block (2 heads of 64), two such pairs in the middle, skip connections.
10.9 million parameters at 80 mel bins.

Chosen here, where Matcha-TTS does otherwise: statistics of the group normalisation and the attention are over real
steps only, so that padding changes nothing (there they run over the padded batch); the conditioning enters through a
projection added to that of the input; the feed-forward layers use GELU.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench.errors import ConfigError
from ttsbench.nn.blocks import time_embedding
from ttsbench.types import ModelContext

Track = Literal["backbone", "unet"]
GROUPS = 8


def make_network(
    context: ModelContext, track: Track, in_channels: int, out_channels: int, time: bool, residual: bool = False
) -> nn.Module:
    """Return the shared backbone or the U-Net, which have the same call; raises ``ConfigError`` for other tracks.

    ``residual``: the output is a correction of another prediction, so the backbone's starts at zero.
    """
    if track == "backbone":
        return context.backbone(in_channels, out_channels, time=time, residual=residual)
    if track == "unet":
        return UNet(in_channels, out_channels, context.cond_dim, time)
    raise ConfigError(f"There is no network '{track}'; set the option network to backbone or unet.")


class UNet(nn.Module):
    """U-Net with the call of ``Backbone``: x (B, T, in_channels) or None, cond (B, T, D), mask (B, T), t (B,) or None.

    T is arbitrary: sequences are padded to a multiple of the coarsest step. ``dim`` must be a multiple of 8.
    """

    def __init__(
        self, in_channels: int, out_channels: int, cond_dim: int, time: bool, dim: int = 256, levels: int = 2,
        middle: int = 2, heads: int = 2, head_dim: int = 64,
    ) -> None:  # fmt: skip
        super().__init__()
        self.dim, self.stride = dim, 2 ** (levels - 1)
        vector = 4 * dim if time else 0
        self.condition = nn.Linear(cond_dim, dim)
        self.input = nn.Linear(in_channels, dim) if in_channels else None
        self.time = nn.Sequential(nn.Linear(dim, vector), nn.SiLU(), nn.Linear(vector, vector)) if time else None

        def stages(count: int, width: int) -> nn.ModuleList:
            return nn.ModuleList([Stage(width, dim, vector, heads, head_dim) for _ in range(count)])

        self.down, self.middle, self.up = stages(levels, dim), stages(middle, dim), stages(levels, 2 * dim)
        self.shrink = nn.ModuleList([nn.Conv1d(dim, dim, 3, stride=2, padding=1) for _ in range(levels - 1)])
        self.grow = nn.ModuleList([nn.ConvTranspose1d(dim, dim, 4, stride=2, padding=1) for _ in range(levels - 1)])
        self.last = ConvNorm(dim, dim)
        self.output = nn.Conv1d(dim, out_channels, 1)

    def forward(self, x: Tensor | None, cond: Tensor, mask: Tensor, t: Tensor | None = None) -> Tensor:
        """Map x (B, T, in_channels) or None, cond (B, T, D), mask (B, T), t (B,) or None to (B, T, out_channels)."""
        if (x is None) != (self.input is None):
            raise ValueError("x must be given exactly where the U-Net was made with in_channels > 0.")
        if (t is None) != (self.time is None):
            raise ValueError("t must be given exactly where the U-Net was made with time=True.")
        hidden = self.condition(cond)
        if self.input is not None:
            hidden = hidden + self.input(x)
        vector = self.time(time_embedding(t, self.dim)) if self.time is not None and t is not None else None
        excess = -mask.shape[1] % self.stride
        hidden = functional.pad(hidden.transpose(1, 2), (0, excess))
        decoded = self._decode(hidden, functional.pad(mask, (0, excess)).unsqueeze(1), vector)
        return decoded[:, :, : mask.shape[1]].transpose(1, 2) * mask.unsqueeze(-1)

    def _decode(self, hidden: Tensor, mask: Tensor, vector: Tensor | None) -> Tensor:
        """Map hidden (B, dim, T) and mask (B, 1, T), T a multiple of the coarsest step, to (B, out_channels, T)."""
        masks, kept = [mask], list[Tensor]()
        for level, stage in enumerate(self.down):
            hidden = stage(hidden, masks[-1], vector)
            kept.append(hidden)
            if level < len(self.shrink):
                hidden = self.shrink[level](hidden * masks[-1])
                masks.append(masks[-1][:, :, ::2])
        for stage in self.middle:
            hidden = stage(hidden, masks[-1], vector)
        for level, stage in enumerate(self.up):
            if level:
                hidden = self.grow[level - 1](hidden * masks.pop())
            hidden = stage(torch.cat([hidden, kept.pop()], dim=1), masks[-1], vector)
        output: Tensor = self.output(self.last(hidden, mask))
        return output


class Stage(nn.Module):
    """A residual block and a transformer block: (B, width, T) -> (B, dim, T)."""

    def __init__(self, width: int, dim: int, vector: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.first, self.second = ConvNorm(width, dim), ConvNorm(dim, dim)
        self.time = nn.Sequential(nn.Mish(), nn.Linear(vector, dim)) if vector else None
        self.shortcut = nn.Conv1d(width, dim, 1)
        self.attention = Attention(dim, heads, head_dim)
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor, mask: Tensor, vector: Tensor | None) -> Tensor:
        """Map x (B, width, T), mask (B, 1, T), vector (B, V) or None to (B, dim, T)."""
        hidden = self.first(x, mask)
        if self.time is not None:
            hidden = hidden + self.time(vector).unsqueeze(-1)
        hidden = (self.second(hidden, mask) + self.shortcut(x)).transpose(1, 2)
        hidden = hidden + self.attention(hidden, mask)
        output: Tensor = hidden + self.mlp(self.norm(hidden))
        return output.transpose(1, 2)


class ConvNorm(nn.Module):
    """Masked convolution over three steps, group normalisation over real steps, Mish: (B, I, T) -> (B, O, T)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, 3, padding=1)
        self.weight = nn.Parameter(torch.ones(out_channels, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels, 1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map x (B, I, T), mask (B, 1, T) to (B, O, T)."""
        normal = group_norm(self.conv(x * mask), mask, GROUPS)
        return functional.mish(normal * self.weight + self.bias)


class Attention(nn.Module):
    """Self-attention among real steps after a layer normalisation: (B, T, dim) -> (B, T, dim)."""

    def __init__(self, dim: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * heads * head_dim, bias=False)
        self.output = nn.Linear(heads * head_dim, dim)
        self.heads = heads

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map x (B, T, dim), mask (B, 1, T) to (B, T, dim)."""
        batch, time, _ = x.shape
        query, key, value = self.qkv(self.norm(x)).view(batch, time, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask.unsqueeze(1))
        output: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return output


def group_norm(x: Tensor, mask: Tensor, groups: int, eps: float = 1e-5) -> Tensor:
    """Normalise x (B, C, T) per group of channels over the steps where mask (B, 1, T) is True."""
    grouped, real = x.reshape(len(x), groups, -1, x.shape[-1]), mask.unsqueeze(1).to(x.dtype)
    count = (real.sum(dim=(2, 3), keepdim=True) * grouped.shape[2]).clamp_min(1)
    centred = grouped - (grouped * real).sum(dim=(2, 3), keepdim=True) / count
    variance = (centred.square() * real).sum(dim=(2, 3), keepdim=True) / count
    return (centred * torch.rsqrt(variance + eps)).flatten(1, 2)
