"""Conditional generative adversarial network with least squares, and the energy score as its reconstruction term.

Mao et al. 2017, https://arxiv.org/abs/1611.04076. A plain distance to the recording would teach the generator to ignore
its noise (Isola et al. 2017, https://arxiv.org/abs/1611.07004); the energy score of two draws x, x' does not punish
spread (Gneiting and Raftery 2007, https://doi.org/10.1198/016214506000001437):

    L_G = mean (1 - D(x, c))^2 + reconstruction * mean (|y - x| - |x - x'| / 2),    x = G(z, c)
    L_D = mean (1 - D(y, c))^2 + mean D(x, c)^2

D judges every step by its surroundings; its backbone has half of the layers.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ModelContext, Noise, masked_mean


class Gan:
    """``noise``: channels of noise per step. ``reconstruction``: weight of the energy score."""

    info = AdapterInfo(
        name="gan",
        title="Adversarial network",
        paper="Mao et al. 2017, https://arxiv.org/abs/1611.04076",
        stochastic=True,
        step_cost=3.5,
        search={"temperature": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)},
    )

    def __init__(self, context: ModelContext, noise: int = 16, reconstruction: float = 1.0) -> None:
        self.noise, self.reconstruction = noise, reconstruction
        self.network = context.backbone(noise, context.channels)
        self.discriminator = context.backbone(context.channels, 1, share=0.5)

    def networks(self) -> Mapping[str, nn.Module]:
        """Generator and discriminator; both learn at every step."""
        return {"generator": self.network, "discriminator": self.discriminator}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Return a scalar loss for each network; the discriminator does not train the encoder."""
        (drawn, other), mask = (self.sample(batch.cond, 1, rng) for _ in range(2)), batch.mask
        sequence = batch.cond.sequence.detach()
        fooled, real, fake = (self.discriminator(y, sequence, mask) for y in (drawn, batch.target, drawn.detach()))
        score = masked_mean((batch.target - drawn).abs() - 0.5 * (drawn - other).abs(), mask)
        return {
            "generator": masked_mean((1 - fooled).square(), mask) + self.reconstruction * score,
            "discriminator": masked_mean((1 - real).square() + fake.square(), mask),
        }

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Map noise to a sample (B, T, C) in a single pass."""
        drawn: Tensor = self.network(temperature * rng.normal(cond.mask, self.noise), cond.sequence, cond.mask)
        return drawn
