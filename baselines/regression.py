"""L1 and L2 regression, the deterministic baselines, and L2 continued.

"Comparing normalizing flows and diffusion models for prosody and acoustic modelling in text-to-speech", Zhang et al.
2023, https://arxiv.org/abs/2307.16679.

    L_p = mean over valid elements of |y - f(c)|^p,   p = 1 or 2

p = 2 learns the conditional mean, p = 1 the conditional median; neither can draw a second sample.

``l2_continued`` is the control for every objective that models the residual of a frozen L2 model or refines its draw.
It adds a second network of the same size to the frozen model, f = f_L2 + g, and trains g for the same steps by the same
L2 loss. An objective that is nearer to the recording than ``l2_continued`` owes it to its loss and not to more training
or parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean
from ttsbench.nn.residual import Residual

PAPER = "Zhang et al. 2023, https://arxiv.org/abs/2307.16679"


class Regression:
    """Predict the target in one pass and penalise |error| ** power."""

    info: ClassVar[AdapterInfo]
    power: ClassVar[int]

    def __init__(self, context: ModelContext) -> None:
        self.network = context.backbone(0, context.channels)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """L_p against the target (B, T, C)."""
        error = self.sample(batch.cond, 1, rng) - batch.target
        return {"generator": masked_mean(error.abs().pow(self.power), batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """The prediction (B, T, C); ``nfe`` is 1, and noise and temperature have no effect."""
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


class Correction(nn.Module):
    """A network of the whitened residual."""

    def __init__(self, network: nn.Module, residual: Residual) -> None:
        super().__init__()
        self.network, self.residual = network, residual

    def forward(self, cond: Condition) -> Tensor:
        """Condition -> expected residual (B, T, C)."""
        output: Tensor = self.network(None, cond.sequence, cond.mask)
        return output


class L2Continued:
    """Mean squared error of the residual around a frozen regression model: more steps and parameters of L2.

    ``mean``: the adapter whose output is corrected.
    """

    info = AdapterInfo(
        name="l2_continued",
        title="L2 regression, continued",
        paper=f"{PAPER} (control: as many steps and parameters as models of the residual)",
        starts_from=("l2",),
        step_cost=1.3,
    )

    def __init__(self, context: ModelContext, mean: str = "l2") -> None:
        network = context.backbone(0, context.channels, residual=True)
        self.correction = Correction(network, Residual(context, mean))
        self.refines = mean

    @staticmethod
    def starts_from(mean: str = "l2") -> tuple[str, ...]:
        """The model whose output is corrected."""
        return (mean,)

    def networks(self) -> Mapping[str, nn.Module]:
        """The correction, one group."""
        return {"generator": self.correction}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Mean squared error of the whitened residual (B, T, C)."""
        residual = self.correction.residual
        whitened = residual.whiten(batch.target, residual.mean(batch.cond), batch.mask)
        return {"generator": masked_mean((self.correction(batch.cond) - whitened).square(), batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """The corrected prediction (B, T, C); ``nfe`` is 1, and noise and temperature have no effect."""
        residual = self.correction.residual
        return residual.restore(self.correction(cond), residual.mean(cond))
