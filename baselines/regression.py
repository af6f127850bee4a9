"""L1 and L2 regression, the deterministic baselines.

"Comparing normalizing flows and diffusion models for prosody and acoustic modelling in text-to-speech", Zhang et al.
2023, https://arxiv.org/abs/2307.16679.

    L_p = mean over valid elements of |y - f(c)|^p,   p = 1 or 2

p = 2 learns the conditional mean, p = 1 the conditional median; neither can draw a second sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean

PAPER = "Zhang et al. 2023, https://arxiv.org/abs/2307.16679"


class Regression:
    """Predict the target in one pass and penalise |error| ** power."""

    info: ClassVar[AdapterInfo]
    power: ClassVar[int]

    def __init__(self, context: ModelContext) -> None:
        self.network = context.backbone(0, context.channels)

    def networks(self) -> Mapping[str, nn.Module]:
        """One network, one group."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """L_p against the target (B, T, C)."""
        error = self.sample(batch.cond, 1, rng) - batch.target
        return {"generator": masked_mean(error.abs().pow(self.power), batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """The prediction (B, T, C); ``nfe`` is 1, noise and temperature have nothing to act on."""
        prediction: Tensor = self.network(None, cond.sequence, cond.mask)
        return prediction


class L1(Regression):
    """Mean absolute error."""

    info = AdapterInfo(name="l1", title="L1 regression", paper=PAPER)
    power = 1


class L2(Regression):
    """Mean squared error."""

    info = AdapterInfo(name="l2", title="L2 regression", paper=PAPER)
    power = 2
