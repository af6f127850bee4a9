"""Mixture density network: a mixture of Gaussians at every step.

Bishop 1994, https://publications.aston.ac.uk/id/eprint/373/; for speech Zen and Senior 2014,
https://doi.org/10.1109/ICASSP.2014.6854321:

    p(y_t | c) = sum_k softmax(a_t)_k N(y_t; mu_tk, diag(sigma_tk^2)),    L = -log p(y_t | c) / C
    sample: k = argmax(a_t + temperature * Gumbel noise), then y_t = mu_tk + temperature * sigma_tk * z
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean

MIN_LOG_STD = -5.0  # the likelihood of a component that collapses onto one target grows without bound


class Mdn:
    """``components`` Gaussians with diagonal covariance at every step, independent between steps."""

    info = AdapterInfo(
        name="mdn",
        title="Mixture density network",
        paper="Zen and Senior 2014, https://doi.org/10.1109/ICASSP.2014.6854321",
        stochastic=True,
        search={"temperature": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)},
    )

    def __init__(self, context: ModelContext, components: int = 3) -> None:
        self.components, self.channels = components, context.channels
        self.network = context.backbone(0, components * (1 + 2 * context.channels))

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Negative log-likelihood per channel."""
        logits, mean, log_std = self._mixture(batch.cond)
        z = (batch.target.unsqueeze(2) - mean) * torch.exp(-log_std)
        density = (-0.5 * z.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)
        likelihood = torch.logsumexp(torch.log_softmax(logits, -1) + density, -1, keepdim=True)
        return {"generator": masked_mean(-likelihood / self.channels, batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """A component per step, then a draw (B, T, C) from it; at temperature 0 the mean of the likeliest one."""
        logits, mean, log_std = self._mixture(cond)
        gumbel = -torch.log(-torch.log(rng.uniform(cond.mask, self.components).clamp(1e-6, 1 - 1e-6)))
        chosen = (logits + temperature * gumbel).argmax(-1)[..., None, None].expand(-1, -1, 1, self.channels)
        mean, std = mean.gather(2, chosen).squeeze(2), log_std.exp().gather(2, chosen).squeeze(2)
        return mean + temperature * std * rng.normal(cond.mask, self.channels)

    def _mixture(self, cond: Condition) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, T, K), means and log standard deviations (B, T, K, C)."""
        output = self.network(None, cond.sequence, cond.mask).unflatten(-1, (self.components, -1))
        logits, mean, log_std = output.split([1, self.channels, self.channels], dim=-1)
        return logits.squeeze(-1), mean, log_std.clamp_min(MIN_LOG_STD)
