"""A causal Transformer as in LLaMA (Touvron et al. 2023, https://arxiv.org/abs/2302.13971), with a key-value cache.

Root-mean-square normalisation before each part, rotary positions (Su et al. 2021, https://arxiv.org/abs/2104.09864), a
feed-forward layer gated by SiLU. Position k sees positions up to k, so what comes after an utterance never changes it
and padding needs no mask.

With a ``Cache`` the keys and values of what was read before are kept, and a call reads only what is new: a step costs
the same at any position, up to the attention itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BASE = 10_000.0  # of the rotary frequencies


class Cache:
    """Keys and values (layers, B, H, capacity, W) of the first ``length`` positions."""

    def __init__(self, transformer: Transformer, batch: int, capacity: int) -> None:
        like = transformer.norm.weight
        heads, width = transformer.heads, transformer.dim // transformer.heads
        shape = (len(transformer.blocks), batch, heads, capacity, width)
        self.keys, self.values = like.new_zeros(shape), like.new_zeros(shape)
        self.length = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append keys and values (B, H, K, W) of a layer and return all of them."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class Transformer(nn.Module):
    """(B, K, dim) -> (B, K, dim), causal. ``dim`` must be a multiple of twice ``heads``."""

    def __init__(self, dim: int, layers: int, heads: int) -> None:
        super().__init__()
        if dim % (2 * heads):
            raise ValueError(f"dim {dim} must be a multiple of twice the {heads} heads, for rotary positions.")
        self.dim, self.heads = dim, heads
        self.blocks = nn.ModuleList([Block(dim, heads) for _ in range(layers)])
        self.norm = nn.RMSNorm(dim)

    def forward(
        self, x: Tensor, cache: Cache | None = None, places: Tensor | None = None, real: Tensor | None = None
    ) -> Tensor:
        """Map x (B, K, dim) to (B, K, dim): a whole sequence, or the continuation of a cache.

        ``places`` (B, K) are the positions, consecutive by default. ``real`` (B, known) masks the known positions, x
        included, for sequences with padding in front.
        """
        start = cache.length if cache else 0
        if places is None:
            places = torch.arange(start, start + x.shape[1], device=x.device, dtype=x.dtype).unsqueeze(0)
        turn = rotation(places, self.dim // self.heads)
        seen = self._seen(x.shape[1], start + x.shape[1], real, x.device)
        for layer, block in enumerate(self.blocks):
            x = block(x, turn, seen, cache, layer)
        if cache:
            cache.length += x.shape[1]
        output: Tensor = self.norm(x)
        return output

    @staticmethod
    def _seen(new: int, known: int, real: Tensor | None, device: torch.device) -> Tensor | None:
        """Return the attention mask (B or 1, 1, new, known) of the last ``new`` of ``known`` positions."""
        if real is None and new == 1:
            return None  # a single new position sees everything
        seen = torch.ones(new, known, dtype=torch.bool, device=device).tril(known - new)
        return seen if real is None else (seen & real.unsqueeze(1)).unsqueeze(1)


class Block(nn.Module):
    """Attention, then a gated feed-forward layer of 8/3 of the width."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = 8 * (dim * 8 // 3 // 8)
        self.attention_norm, self.feed_norm = nn.RMSNorm(dim), nn.RMSNorm(dim)
        self.qkv, self.output = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.gate, self.up = nn.Linear(dim, inner, bias=False), nn.Linear(dim, inner, bias=False)
        self.down = nn.Linear(inner, dim, bias=False)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Tensor | None, cache: Cache | None, layer: int
    ) -> Tensor:
        """Map x (B, K, dim) to (B, K, dim)."""
        batch, count, dim = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, count, 3, self.heads, dim // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        query, key = rotated(query, turn), rotated(key, turn)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        x = x + self.output(attended.transpose(1, 2).flatten(2))
        hidden = self.feed_norm(x)
        update: Tensor = self.down(functional.silu(self.gate(hidden)) * self.up(hidden))
        return x + update


def rotation(places: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (B, 1, K, W / 2) of positions (B, K)."""
    rates = BASE ** (-torch.arange(0, width, 2, device=places.device) / width)
    angles = (places.unsqueeze(-1) * rates).unsqueeze(1)
    return angles.cos(), angles.sin()


def rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the channel pairs of x (B, H, K, W) by the angles of their positions."""
    cosine, sine = turn
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
