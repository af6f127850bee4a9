"""Mean flows: a network of the average velocity, which samples in one step.

Geng et al. 2025, https://arxiv.org/abs/2505.13447. With x_t = (1 - t) y + t z, t = 1 noise, and v = z - y:

    u(x_t, r, t) = average velocity from r to t:    u = v - (t - r) (v du/dx + du/dt)
    L = e / (stop(mean of e over the utterance) + 1e-3),    e = t^2 (u - stop(right-hand side))^2
    sample: x_1 = temperature * z,    x_r = x_t - (t - r) u(x_t, r, t) in nfe equal steps

The network predicts data D, u = (x_t - D) / t, so that it can start from a conditional mean; its times are 1 - t and
t - r.
As in the paper, logit t and logit r are N(-0.4, 1), and r = t in three quarters of the utterances.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean


class MeanFlow:
    """``interval``: share of the utterances with r < t. ``least_time``: bound of t and r, for the division by t."""

    info = AdapterInfo("mean_flow", "Mean flow", "Geng et al. 2025, https://arxiv.org/abs/2505.13447",
                       nfe=(1, 2, 4), stochastic=True, step_cost=3.0,
                       search={"temperature": (0.5, 0.7, 0.8, 0.9, 1.0, 1.1), "nfe": (1, 2, 4)})  # fmt: skip

    def __init__(self, context: ModelContext, interval: float = 0.25, least_time: float = 0.05) -> None:
        self.channels, self.interval, self.least_time = context.channels, interval, least_time
        self.network = context.backbone(context.channels, context.channels, time=2)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Squared error of the average velocity in units of the data, normalised per utterance."""
        mask, uniform = batch.mask, torch.stack([rng.time(batch.mask.device) for _ in range(3)])
        logits = torch.special.ndtri(uniform[:2].clamp(1e-4, 1 - 1e-4)) - 0.4
        r, t = torch.sigmoid(logits).clamp_min(self.least_time).sort(dim=0).values
        r = torch.where(uniform[2] < self.interval, r, t)
        v = rng.normal(mask, self.channels) - batch.target
        x, scale, span = batch.target + t.view(-1, 1, 1) * v, t.view(-1, 1, 1), (t - r).view(-1, 1, 1)
        tangents = (v, torch.ones_like(t))
        u, slope = torch.func.jvp(lambda x, t: self.velocity(batch.cond, x, r, t), (x, t), tangents)[:2]
        error = (scale * (u - (v - span * slope).detach())).square() * mask.unsqueeze(-1)
        mean = error.detach().sum((1, 2), keepdim=True) / (mask.sum(1).view(-1, 1, 1) * self.channels)
        return {"generator": masked_mean(error / (mean + 1e-3), mask)}

    def velocity(self, cond: Condition, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
        """Average velocity (B, T, C) between r and t (B,) at x (B, T, C)."""
        data: Tensor = self.network(x, cond.sequence, cond.mask, torch.stack([1 - t, t - r], dim=1))
        return (x - data) / t.view(-1, 1, 1)

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Steps of equal length from noise to a sample (B, T, C)."""
        x = temperature * rng.normal(cond.mask, self.channels)
        for t in torch.arange(nfe, 0, -1, device=x.device).expand(len(x), -1).T / nfe:
            x = x - self.velocity(cond, x, t - 1 / nfe, t) / nfe
        return x
