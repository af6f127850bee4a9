"""Noise levels of denoising models: how they are drawn in training, spaced in sampling, and stepped through.

The level of x = alpha y + sigma z is the ratio r = sigma / alpha. After Karras et al. 2022 ("EDM",
https://arxiv.org/abs/2206.00364), for data of unit variance:

    training   log r ~ N(LOG_MEAN, LOG_STD^2)
    sampling   r_i = (HIGHEST^(1/RHO) + i / (n - 1) (LOWEST^(1/RHO) - HIGHEST^(1/RHO)))^RHO for i < n,   r_n = 0

The training levels reach higher than EDM's (mean -1.2, deviation 1.2 at a data deviation of .5): a sequence has
thousands of elements, and what is common to all of them, such as a voice quality, is still visible where each is
drowned in noise.

With the data that a network predicts at r, a step to r' keeps the estimated noise (Song et al. 2021, DDIM,
https://arxiv.org/abs/2010.02502):

    z = (x - alpha y) / sigma,   x' = alpha' y + sigma' z

``extrapolated`` predictions make the step of second order at no further call (Lu et al. 2022, DPM-Solver++ (2M),
https://arxiv.org/abs/2211.01095). Variance-preserving diffusion and straight flow-matching paths differ only by (alpha,
sigma) at a given ratio, so both use these functions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ttsbench.types import Noise

LOG_MEAN, LOG_STD = 0.0, 1.5
HIGHEST, LOWEST, RHO = 80.0, 0.02, 7.0


def draw_ratios(rng: Noise, device: torch.device) -> Tensor:
    """Draw a log-normal noise ratio for each utterance of a training batch: (B,)."""
    uniform = rng.time(device).clamp(1e-6, 1 - 1e-6)
    return torch.exp(LOG_MEAN + LOG_STD * math.sqrt(2) * torch.erfinv(2 * uniform - 1))


def ratio_grid(count: int) -> list[float]:
    """``count`` falling noise ratios to evaluate the network at, and the final 0."""
    first, last = HIGHEST ** (1 / RHO), LOWEST ** (1 / RHO)
    shares = [step / max(1, count - 1) for step in range(count)]
    return [(first + share * (last - first)) ** RHO for share in shares] + [0.0]


def extrapolated(data: Tensor, before: Tensor | None, ratios: tuple[float, float, float]) -> Tensor:
    """Prediction for a second-order step, from those at this ratio and at the one before.

    ``ratios`` are those of the step before, of this step and of its end. The last step, to a ratio of 0, is of first
    order, as in DPM-Solver++.
    """
    previous, current, following = ratios
    if before is None or following == 0:
        return data
    share = math.log(current / following) / math.log(previous / current) / 2
    return data + share * (data - before)
