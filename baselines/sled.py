"""SLED: autoregressive speech, each step drawn by a network that an energy distance trains.

"Efficient speech language modeling via energy distance in continuous latent space", Ma et al. 2025,
https://arxiv.org/abs/2505.13181. With h = g(z, e), e ~ N(0, I), a draw from what came before and the text (z):

    L = d(h, y) + d(h', y) - repulsion d(h, h'),   d(a, b) = |a - b|^beta,   h and h' two draws for the same z

which with repulsion 1 estimates the generalised energy distance 2 E d(h, y) - E d(h, h') - E d(y, y'), up to a
constant (Szekely and Rizzo 2013, https://doi.org/10.1016/j.jspi.2013.03.018). It is strictly proper for 0 < beta < 2:
least where draws have the distribution of y. At beta 2 it sees the mean alone; without repulsion the draws collapse.

The network is LLaMA's (``ttsbench/nn/transformer.py``) over patches of ``patch`` steps of the target, each with its
condition; g is the paper's (``ttsbench/nn/drawing.py``).

Chosen here: targets that the network reads in training carry Gaussian noise of ``input_noise``, against what its own
errors do to it later. The width of g is the one at which everything has as many parameters as the shared backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise
from ttsbench.nn.drawing import NOISE, EnergyDistance, NoiseHead, guided, patches, require_dropout
from ttsbench.nn.matching import matching_width
from ttsbench.nn.transformer import Cache, Transformer

HEAD_DIM = 32  # of an attention head
HEAD_WIDTHS = range(8, 1025, 8)


class SledNetwork(nn.Module):
    """Reads patches and their conditions, draws the next patch."""

    def __init__(self, patch: int, cond: int, dim: int, layers: int, heads: int, blocks: int, width: int) -> None:
        super().__init__()
        self.previous, self.condition = nn.Linear(patch, dim), nn.Linear(cond, dim)
        self.unconditional = nn.Parameter(torch.zeros(dim))  # in the place of a condition that is left out
        self.transformer = Transformer(dim, layers, heads)
        self.head = NoiseHead(dim, patch, width, blocks)

    def states(
        self, previous: Tensor, cond: Tensor, left_out: Tensor | None = None, cache: Cache | None = None
    ) -> Tensor:
        """Previous patches (B, K, P), conditions (B, K, D'), left_out (B,) -> z (B, K, dim)."""
        condition = self.condition(cond)
        if left_out is not None:
            condition = torch.where(left_out.view(-1, 1, 1), self.unconditional, condition)
        z: Tensor = self.transformer(self.previous(previous) + condition, cache)
        return z

    def forward(self, previous: Tensor, cond: Tensor, noise: Tensor, cache: Cache, guidance: float = 1.0) -> Tensor:
        """One step: previous patch (B, P), condition (B, D'), noise (B, NOISE) -> patch (B, P).

        With guidance other than 1 the cache holds 2 B rows, those without a condition last.
        """
        left_out = None
        if guidance != 1:
            previous, cond = previous.repeat(2, 1), cond.repeat(2, 1)
            left_out = torch.arange(len(previous), device=previous.device) >= len(noise)
        z = self.states(previous.unsqueeze(1), cond.unsqueeze(1), left_out, cache).squeeze(1)
        patch: Tensor = self.head(z if guidance == 1 else guided(z, guidance), noise)
        return patch


class Sled:
    """Patches of a target, drawn one after another.

    ``patch``: steps of the target in one draw (a prosody model's is always 1). ``beta``: exponent of the distance, 0 to
    2. ``repulsion``: weight of the distance between two draws, 0 to leave it out. ``condition_dropout``: share of
    utterances without their condition, which ``guidance`` at sampling needs. ``dim``, that of the condition where left
    out, and ``layers`` are the Transformer's, ``blocks`` the head's.
    """

    info = AdapterInfo(
        name="sled",
        title="Energy distance, autoregressive",
        paper="Ma et al. 2025, https://arxiv.org/abs/2505.13181 (alignment and patches of mel frames are ours)",
        stochastic=True,
        step_cost=1.2,
    )

    def __init__(
        self,
        context: ModelContext,
        patch: int = 2,
        beta: float = 1.0,
        repulsion: float = 1.0,
        condition_dropout: float = 0.0,
        input_noise: float = 0.1,
        dim: int | None = None,
        layers: int = 3,
        blocks: int = 2,
    ) -> None:
        if patch < 1:
            raise ConfigError(f"sled draws patches of at least 1 step, got {patch}.")
        require_dropout("condition_dropout", condition_dropout)
        self.channels, self.patch = context.channels, patch if context.role == "acoustic" else 1
        self.distance, self.input_noise = EnergyDistance(beta, repulsion), input_noise
        self.condition_dropout = condition_dropout
        given = self.patch * context.cond_dim
        width = dim or context.cond_dim
        heads = max(1, width // HEAD_DIM)
        network = partial(SledNetwork, self.patch * self.channels, given, width, layers, heads, blocks)
        peer = partial(context.backbone, 0, context.channels)
        self.network = network(matching_width(network, peer, HEAD_WIDTHS))
        if not condition_dropout:
            self.network.unconditional.requires_grad_(False)

    def networks(self) -> Mapping[str, nn.Module]:
        """One network, one group."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """The energy distance of two draws at every patch, a mean over patches."""
        target, cond, real = self._patches(batch.target * batch.mask.unsqueeze(-1), batch.cond)
        read = batch.target + self.input_noise * rng.normal(batch.mask, self.channels)
        previous = functional.pad(self._patches(read * batch.mask.unsqueeze(-1), batch.cond)[0], (0, 0, 1, -1))
        left_out = rng.time(target.device) < self.condition_dropout if self.condition_dropout else None
        z = self.network.states(previous, cond, left_out)
        drawn = real.any(dim=-1)
        draws = [self.network.head(z, rng.normal(drawn, NOISE)) for _ in range(2)]
        distances = self.distance(draws[0], draws[1], target, real)
        return {"generator": (distances * drawn).sum() / drawn.sum().clamp_min(1)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, guidance: float = 1.0) -> Tensor:
        """Draw (B, T, C), one call of the network for each patch; temperature scales the noise. ``nfe`` is 1.

        ``guidance``: 1 is none, more follows the condition more closely.
        """
        require_dropout("condition_dropout", self.condition_dropout, guidance)
        batch, time = cond.mask.shape
        _, given, real = self._patches(cond.sequence.new_zeros(batch, time, self.channels), cond)
        noise = temperature * rng.normal(real.any(dim=-1), NOISE)
        steps = given.shape[1]
        cache = Cache(self.network.transformer, batch * (1 if guidance == 1 else 2), steps)
        drawn = [given.new_zeros(batch, self.patch * self.channels)]
        for k in range(steps):
            drawn.append(self.network(drawn[-1], given[:, k], noise[:, k], cache, guidance))
        return torch.stack(drawn[1:], dim=1).view(batch, steps * self.patch, self.channels)[:, :time]

    def _patches(self, values: Tensor, cond: Condition) -> tuple[Tensor, Tensor, Tensor]:
        """Values (B, T, C), their condition and which elements are real, by patch: (B, K, ...)."""
        mask = cond.mask.unsqueeze(-1)
        return tuple(  # type: ignore[return-value]
            patches(one, self.patch) for one in (values, cond.sequence * mask, mask.expand_as(values))
        )
