"""Conditional variational autoencoder with a latent vector at every step.

Kingma and Welling 2014, https://arxiv.org/abs/1312.6114; the standard deviation s of the output is learnt, as in
Rybkin et al. 2021, https://arxiv.org/abs/2006.13202:

    q(z | y, c) = N(m(y, c), diag(v(y, c)^2)),    p(z) = N(0, I),    p(y | z, c) = N(g(z, c), s^2 I)
    L = -log p(y | z, c) / C + beta KL(q || p) / C,    averaged over steps
    sample: g(temperature * z, c)

One loss trains decoder ("generator") and encoder ("posterior").
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean


class Vae:
    """``latents`` numbers per step; ``beta`` weighs the Kullback-Leibler divergence."""

    info = AdapterInfo(
        name="vae",
        title="Variational autoencoder",
        paper="Kingma and Welling 2014, https://arxiv.org/abs/1312.6114",
        stochastic=True,
        step_cost=2.0,
        search={"temperature": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)},
    )

    def __init__(self, context: ModelContext, latents: int = 8, beta: float = 1.0) -> None:
        self.latents, self.beta = latents, beta
        self.decoder = context.backbone(latents, context.channels)
        self.encoder = context.backbone(context.channels, 2 * latents)

    def networks(self) -> Mapping[str, nn.Module]:
        """Decoder and encoder, each in a group of its own: only the decoder is needed for sampling."""
        return {"generator": self.decoder, "posterior": self.encoder}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """The negative evidence lower bound per channel, with the s that maximises it for this batch."""
        sequence, mask = batch.cond.sequence, batch.mask
        mean, log_std = self.encoder(batch.target, sequence, mask).chunk(2, dim=-1)
        z = mean + log_std.exp() * rng.normal(mask, self.latents)
        error = masked_mean((self.decoder(z, sequence, mask) - batch.target).square(), mask)
        divergence = 0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std
        bound = (
            0.5 * torch.log(error) + self.beta * masked_mean(divergence, mask) * self.latents / batch.target.shape[-1]
        )
        return {"generator+posterior": bound}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """The decoder's mean (B, T, C) for a latent drawn from the prior."""
        drawn: Tensor = self.decoder(temperature * rng.normal(cond.mask, self.latents), cond.sequence, cond.mask)
        return drawn
