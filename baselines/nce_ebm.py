"""Energy-based model trained by noise-contrastive estimation: a classifier of speech against corrupted speech.

"Energy-based models for speech synthesis", Sun, Tu and Ragni 2023, https://arxiv.org/abs/2310.12765:

    p(Y | x) = exp(-E(x, Y)) / Z(x)
    Y <- Y - step grad E(x, Y) + noise sqrt(2 step) Z        (Langevin dynamics from another model's hypothesis)

The loss is a reconstruction after residual energy models (Deng et al. 2020, https://arxiv.org/abs/2004.11714), without
the density of the negatives, which masking does not have. With K negatives Y_k for each recorded Y:

    binary     softplus(E(Y)) + mean over k of softplus(-E(Y_k))
    ranking    -log [exp(-E(Y)) / (exp(-E(Y)) + sum over k of exp(-E(Y_k)))]
    both       + energy_penalty mean of E^2

At the optimum of the binary loss, -E is log p(Y | x) / q(Y | x) for negatives of density q. ``monitored`` reports how
often the recorded utterance has the lower energy: near 1 the negatives are too easy, and the gradients vanish. In
validation it also reports the cosine between the first Langevin step and the way from the hypothesis to the recording.

The paper does not specify the sampler in full. Here the gradient of a frame (``ttsbench/nn/energy/network.py``) is
limited to an RMS of 1, so that ``step`` is the largest distance that a step moves a frame, in standard deviations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise
from ttsbench.nn.energy.corruption import Corruption, adapters_in, draw, parse_recipes
from ttsbench.nn.energy.langevin import langevin_steps, refinement_cosine, walk
from ttsbench.nn.energy.network import Energy, EnergyTrack

NEGATIVES = ("mask", "l2", "l2+noise")


class NceEbm:
    """An energy over (condition, target) that refines the draw of ``initial``.

    ``negatives``: recipes of ``ttsbench/nn/energy/corruption.py``, with ``distortion`` and ``noise_scale``. ``loss``:
    ``binary`` or ``ranking``. ``network``: ``backbone`` of the controlled track or ``transformer`` as in the paper.
    """

    info = AdapterInfo(
        name="nce_ebm",
        title="Energy, noise-contrastive",
        paper="Sun, Tu and Ragni 2023, https://arxiv.org/abs/2310.12765 (loss and sampling are reconstructions)",
        nfe=(50, 1, 10, 100, 300),
        stochastic=True,
        starts_from=("l2",),
        step_cost=4.5,
        search={"nfe": (10, 50), "step": (0.003, 0.01, 0.03, 0.1), "noise": (0.0, 0.03, 0.1, 0.3)},
    )

    def __init__(
        self,
        context: ModelContext,
        initial: str = "l2",
        negatives: Sequence[str] = NEGATIVES,
        loss: Literal["binary", "ranking"] = "binary",
        distortion: float = 0.275,
        noise_scale: float = 0.3,
        energy_penalty: float = 0.1,
        network: EnergyTrack = "backbone",
    ) -> None:
        if loss not in ("binary", "ranking"):
            raise ConfigError(f"nce_ebm has no loss '{loss}'; choose one of binary, ranking.")
        self.refines, self.negatives, self.loss = initial, parse_recipes(negatives, "nce_ebm: negatives"), loss
        self.corruption = Corruption(context.sources, distortion, noise_scale)
        self.energy = Energy(context, network)
        self.energy_penalty = energy_penalty
        self._initial = context.sources[initial]
        self._monitored: dict[str, Tensor] = {}

    @staticmethod
    def starts_from(initial: str = "l2", negatives: Sequence[str] = NEGATIVES, **_: object) -> tuple[str, ...]:
        """Return the adapter whose draw is refined, and those that the negatives are drawn from."""
        return tuple(dict.fromkeys([initial, *adapters_in(parse_recipes(negatives, "nce_ebm: negatives"))]))

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the energy network."""
        return {"generator": self.energy}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Return the contrastive loss of recorded targets and one negative per recipe, averaged over utterances."""
        made = [batch.target, *self.corruption.all(self.negatives, batch, rng)]
        energies = torch.stack([self.energy(y, batch.cond) for y in made])  # (1 + K, B)
        real, wrong = energies[0], energies[1:]
        self._monitored = {
            "accuracy": (real < wrong).float().mean(),
            "energy_real": real.detach().mean(),
            "energy_wrong": wrong.detach().mean(),
        }
        if not self.energy.training:
            start = draw(self._initial, batch.cond.sources[self.refines], rng)
            step_taken = bounded(self.energy.score(start, batch.cond))
            self._monitored["cosine"] = refinement_cosine(step_taken, batch.target - start, batch.mask)
        contrast = binary_nce(real, wrong) if self.loss == "binary" else ranking_nce(real, wrong)
        return {"generator": contrast.mean() + self.energy_penalty * energies.square().mean()}

    def monitored(self) -> Mapping[str, Tensor]:
        """Return the accuracy of the classifier and the mean energies; in validation, the cosine of the first step."""
        return self._monitored

    def sample(
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, step: float = 0.01, noise: float = 0.03
    ) -> Tensor:
        """Refine a draw (B, T, C) of the initial model by ``nfe`` steps; temperature scales their noise.

        ``step`` limits how far a frame moves per step. ``noise`` 1 samples the density, 0 descends the energy.
        """
        if not step > 0 or not noise >= 0:
            raise ConfigError(f"nce_ebm samples with step > 0 and noise >= 0, got {step} and {noise}.")
        start = draw(self._initial, cond.sources[self.refines], rng)
        steps = langevin_steps(nfe, step, temperature * noise)
        return walk(start, lambda y: bounded(self.energy.score(y, cond)), cond.mask, steps, rng)


def binary_nce(real: Tensor, wrong: Tensor) -> Tensor:
    """Return the loss (B,) from energies of real (B,) and corrupted utterances (K, B)."""
    return functional.softplus(real) + functional.softplus(-wrong).mean(dim=0)


def ranking_nce(real: Tensor, wrong: Tensor) -> Tensor:
    """Return the loss (B,) from energies of real (B,) and corrupted utterances (K, B)."""
    return real + torch.logsumexp(-torch.cat([real.unsqueeze(0), wrong]), dim=0)


def bounded(score: Tensor) -> Tensor:
    """Limit the root mean square over C of a score (B, T, C) to 1 in every frame."""
    size = score.square().mean(dim=-1, keepdim=True).sqrt()
    return score / size.clamp_min(1.0)
