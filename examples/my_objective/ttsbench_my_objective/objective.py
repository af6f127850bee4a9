"""Gaussian regression: the backbone predicts a mean and a standard deviation for every element of the target.

D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target probability distribution", ICNN 1994:

    -log p(y | c) = (y - mu(c))^2 / (2 sigma(c)^2) + log sigma(c) + constant
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean


class MyObjective:
    """A Gaussian for each channel and step; ``min_log_std`` bounds log sigma from below."""

    info = AdapterInfo(
        name="my_objective",
        title="My objective",
        paper="Nix and Weigend 1994, https://doi.org/10.1109/ICNN.1994.374138",
        stochastic=True,
    )

    def __init__(self, context: ModelContext, min_log_std: float = -5.0) -> None:
        self.channels, self.min_log_std = context.channels, min_log_std
        self.network = context.backbone(0, 2 * context.channels)

    def networks(self) -> Mapping[str, nn.Module]:
        """Optimizer group -> network; ``generator`` is the network that sampling calls."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Mean negative log-likelihood over the real elements, without its constant."""
        mean, log_std = self._predict(batch.cond)
        loss = 0.5 * ((batch.target - mean) / log_std.exp()).square() + log_std
        return {"generator": masked_mean(loss, batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """A draw (B, T, C); ``temperature`` scales the standard deviation."""
        mean, log_std = self._predict(cond)
        return mean + temperature * log_std.exp() * rng.normal(cond.mask, self.channels)

    def _predict(self, cond: Condition) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, (B, T, C) each."""
        mean, log_std = self.network(None, cond.sequence, cond.mask).chunk(2, dim=-1)
        return mean, log_std.clamp_min(self.min_log_std)
