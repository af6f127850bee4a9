"""Energy-based models trained by their score: sliced score matching, the delta loss, and both.

"Score-based training for energy-based TTS models", Sun and Ragni 2025, https://arxiv.org/abs/2505.13771, with sliced
score matching of Song et al. 2019 (https://arxiv.org/abs/1905.07088). The data Y are whitened residuals around the
hypothesis of a trained model (``ttsbench/nn/residual.py``), which is 0 among them. A score s(Y, x) = grad log p(Y | x)
is learnt at noisy data Y' = Y + sigma e:

    SSM        v . grad(s . v) + (v . s)^2 / 2                  v of zero mean and unit variance
    SSM-VR     v . grad(s . v) + |s|^2 / 2                      lower variance, if E[v v^T] = I
    delta      |d(Y-, x) - (Y+ - Y-)|^2,   d = sigma^2 s        from a hypothesis Y- to the recording Y+
    both       sigma^2 SSM-VR + delta_weight delta

The gradient along v is exact (``vjp``), or a difference over 2 h of two evaluations (``finite``, Pang et al. 2020,
https://arxiv.org/abs/2007.03317).

Reconstructions: the perturbation of targets, the hypotheses of the delta loss and the steps of sampling are not known.
By Tweedie's formula Y' + sigma^2 s(Y') is the expected recording, so delta on Y- = Y + sigma e is sigma^2-weighted
denoising score matching, and on the output of a regression model it is an L2 refiner whose single step leads to the
mean. Delta is flow matching at t = 0 with Y- for noise (``test_score_ebm`` checks that both are equal to the last bit).

The network returns the recording that a step leads to (``data``: d = network(Y) - Y), as short trainings need, or d
itself (``displacement``). With ``through: energy`` an energy defines the score, s = -grad E, at several times the cost.

All three objectives share one sampler: start at the hypothesis plus noise of deviation sigma, walk n - 1 Langevin steps
of size ``step`` sigma^2, and end with the step to Y + sigma^2 s, which removes the sigma that the score was learnt at.
The sampling option ``noise`` scales all noise: 1 samples, and 0 climbs from the hypothesis to a mode without any noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, masked_mean
from ttsbench.nn.blocks import ConvBlock
from ttsbench.nn.energy.corruption import Corruption, adapters_in, parse_recipes
from ttsbench.nn.energy.langevin import Step, langevin_steps, refinement_cosine, walk
from ttsbench.nn.energy.network import Energy, EnergyTrack
from ttsbench.nn.residual import Residual
from ttsbench.nn.unet import Track, make_network

PAPER = (
    "Sun and Ragni 2025, https://arxiv.org/abs/2505.13771 (hypotheses, perturbation and sampling are reconstructions)"
)
HYPOTHESES = ("l2", "l2+noise", "noise")
FINITE = 0.01  # h, in standard deviations of the data: rounding and curvature err by as much
Prediction = Literal["data", "displacement"]
Projection = Literal["rademacher", "gaussian"]
Estimator = Literal["vjp", "finite"]
Field = Callable[[Tensor], Tensor]
SEARCH = {"nfe": (1, 2, 5, 10, 20), "step": (0.25, 0.5, 1.0), "temperature": (0.6, 0.8, 1.0, 1.2)}
CHOICES: dict[str, tuple[str, ...]] = {
    "prediction": ("data", "displacement"),
    "projection": ("rademacher", "gaussian"),
    "estimator": ("vjp", "finite"),
    "through": ("network", "energy"),
}


class ScoreNetwork(nn.Module):
    """A displacement d (B, T, C) at Y, by a network without time or by the gradient of an energy."""

    def __init__(
        self, context: ModelContext, residual: Residual, sigma: float, prediction: Prediction, network: Track,
        energy: EnergyTrack | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.residual, self.sigma, self.prediction = residual, sigma, prediction
        self.energy = Energy(context, energy, loud=None) if energy else None
        for block in self.modules():
            if isinstance(block, ConvBlock):
                block.third_derivative = True  # energy, score, score matching
        self.network = (
            None
            if energy
            else make_network(context, network, context.channels, context.channels, time=False, residual=True)
        )

    def forward(self, y: Tensor, cond: Condition, differentiable: bool = True) -> Tensor:
        """Map y (B, T, C) to d = sigma^2 s (B, T, C), 0 at padding."""
        if self.energy is not None:
            return self.sigma**2 * self.energy.score(y, cond, differentiable)
        assert self.network is not None  # one of the two is set
        output: Tensor = self.network(y, cond.sequence, cond.mask)
        return (output - y if self.prediction == "data" else output) * cond.mask.unsqueeze(-1)


class ScoreEbm:
    """Common part of the three objectives: a score that refines the hypothesis of ``initial``.

    ``sigma``: standard deviation of the noise on the data of score matching and on hypotheses, in standard deviations
    of the residual. ``projections``: number of v per step. ``network``: ``backbone`` of the controlled track, or
    ``unet`` of Matcha-TTS without its time, as in the paper.
    """

    info: ClassVar[AdapterInfo]
    objectives: ClassVar[frozenset[str]]

    def __init__(
        self,
        context: ModelContext,
        initial: str = "l2",
        sigma: float = 0.5,
        variance_reduced: bool = True,
        projection: Projection = "rademacher",
        projections: int = 1,
        estimator: Estimator = "vjp",
        hypotheses: Sequence[str] = HYPOTHESES,
        delta_weight: float = 1.0,
        prediction: Prediction = "data",
        through: Literal["network", "energy"] = "network",
        network: Track = "backbone",
        energy: EnergyTrack = "backbone",
    ) -> None:
        name = self.info.name
        chosen = {"prediction": prediction, "projection": projection, "estimator": estimator, "through": through}
        for option, value in chosen.items():
            if value not in CHOICES[option]:
                raise ConfigError(f"{name} has no {option} '{value}'; choose one of {', '.join(CHOICES[option])}.")
        if not sigma > 0 or projections < 1 or not delta_weight >= 0:
            raise ConfigError(
                f"{name} needs sigma > 0, projections >= 1 and delta_weight >= 0, got {sigma}, {projections} and "
                f"{delta_weight}."
            )
        self.refines, self.hypotheses = initial, parse_recipes(hypotheses, f"{name}: hypotheses")
        self.corruption = Corruption(context.sources, noise_scale=sigma)
        self.residual = Residual(context, initial)
        energy_track = energy if through == "energy" else None
        self.score = ScoreNetwork(context, self.residual, sigma, prediction, network, energy_track)
        self.sigma, self.delta_weight = sigma, delta_weight
        self.variance_reduced, self.estimator = variance_reduced, estimator
        self.projection, self.projections, self.channels = projection, projections, context.channels
        self._monitored: dict[str, Tensor] = {}

    @classmethod
    def starts_from(cls, initial: str = "l2", hypotheses: Sequence[str] = HYPOTHESES, **_: object) -> tuple[str, ...]:
        """Return the model whose draw is refined, and those that the hypotheses are drawn from."""
        recipes = parse_recipes(hypotheses, "hypotheses") if "delta" in cls.objectives else ()
        return tuple(dict.fromkeys([initial, *adapters_in(recipes)]))

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the score network."""
        return {"generator": self.score}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Return the loss: sliced score matching at noisy data, the delta loss at hypotheses, or their weighted sum."""
        cond, mean = batch.cond, self.residual.mean(batch.cond)
        data = self.residual.whiten(batch.target, mean, cond.mask)
        terms = []
        if "ssm" in self.objectives:
            terms.append(self.sigma**2 * self.score_matching(data, cond, rng))
        if "delta" in self.objectives:
            made = self.corruption.sample_recipes(self.hypotheses, batch, rng, self.residual.scale)
            hypothesis = (made - mean) * cond.mask.unsqueeze(-1) / self.residual.scale
            weight = self.delta_weight if len(self.objectives) > 1 else 1.0
            terms.append(weight * self.delta(data, hypothesis, cond))
        if not self.score.training:
            start = torch.zeros_like(data)  # the residual of the initial model's hypothesis
            step_taken = self.score(start, cond, differentiable=False)
            self._monitored = {"cosine": refinement_cosine(step_taken, data, cond.mask)}
        return {"generator": torch.stack(terms).sum()}

    def monitored(self) -> Mapping[str, Tensor]:
        """Return the cosine between the first step and the way from the hypothesis to the recording, in validation."""
        return self._monitored

    def score_matching(self, data: Tensor, cond: Condition, rng: Noise) -> Tensor:
        """Return the sliced loss of the score at data (B, T, C) with noise, averaged over valid elements."""
        noisy = data + self.sigma * rng.normal(cond.mask, self.channels)

        def score(y: Tensor) -> Tensor:
            displacement: Tensor = self.score(y, cond)
            return displacement / self.sigma**2

        losses = []
        for _ in range(self.projections):
            v = rng.normal(cond.mask, self.channels)
            v = v.sign() if self.projection == "rademacher" else v
            sliced = sliced_score_matching(score, noisy, v, self.variance_reduced, self.estimator)
            losses.append(sliced.sum() / (cond.mask.sum() * self.channels))
        return torch.stack(losses).mean()

    def delta(self, data: Tensor, hypothesis: Tensor, cond: Condition) -> Tensor:
        """Return the mean squared error of the displacement from a hypothesis to the data, both (B, T, C)."""
        error = self.score(hypothesis, cond) - (data - hypothesis)
        return masked_mean(error.square(), cond.mask)

    def sample(
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, step: float = 1.0, noise: float = 1.0
    ) -> Tensor:
        """Refine the hypothesis (B, T, C) of the initial model by ``nfe`` steps; temperature scales their noise.

        ``step`` is the size of a Langevin step in units of sigma^2. ``noise`` 1 samples the density, 0 finds a mode.
        """
        if not step > 0 or not noise >= 0:
            raise ConfigError(f"{self.info.name} samples with step > 0 and noise >= 0, got {step} and {noise}.")

        def score(y: Tensor) -> Tensor:
            displacement: Tensor = self.score(y, cond, differentiable=False)
            return displacement / self.sigma**2

        amount = temperature * noise
        start = amount * self.sigma * rng.normal(cond.mask, self.channels)
        steps = [*langevin_steps(nfe - 1, step * self.sigma**2, amount), Step(self.sigma**2)]
        return self.residual.restore(walk(start, score, cond.mask, steps, rng), self.residual.mean(cond))


def sliced_score_matching(
    score: Field, y: Tensor, v: Tensor, variance_reduced: bool = True, estimator: Estimator = "vjp"
) -> Tensor:
    """Loss of ``score`` at y (B, T, C) along v (B, T, C), (B,), summed over the elements where v is not 0.

    ``score`` must be 0 at padding.
    """
    if estimator == "finite":
        ahead, behind = score(y + FINITE * v), score(y - FINITE * v)
        curvature = _dot(v, ahead - behind) / (2 * FINITE)
        parts = [ahead, behind]  # their mean is that of the middle, to second order
    else:
        with torch.enable_grad():
            at = y.detach().requires_grad_()
            middle = score(at)
            (slope,) = torch.autograd.grad(_dot(v, middle).sum(), at, create_graph=True)
        curvature = _dot(v, slope)
        parts = [middle]
    sizes = [_dot(s, s) if variance_reduced else _dot(v, s).square() for s in parts]
    return curvature + 0.5 * torch.stack(sizes).mean(dim=0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 2))


class SsmEbm(ScoreEbm):
    """Sliced score matching."""

    info = AdapterInfo(
        name="ssm_ebm", title="Energy, sliced score matching", paper=PAPER, nfe=(10, 1, 50, 100, 300), stochastic=True,
        starts_from=("l2",), step_cost=3.0, search=SEARCH,
    )  # fmt: skip
    objectives = frozenset({"ssm"})


class DeltaEbm(ScoreEbm):
    """The delta loss."""

    info = AdapterInfo(
        name="delta_ebm", title="Energy, delta loss", paper=PAPER, nfe=(1, 10, 50, 100, 300), starts_from=("l2",),
        stochastic=True, step_cost=1.6, search=SEARCH,
    )  # fmt: skip
    objectives = frozenset({"delta"})


class SsmDelta(ScoreEbm):
    """Sliced score matching plus the delta loss."""

    info = AdapterInfo(
        name="ssm_delta", title="Energy, score matching and delta", paper=PAPER, nfe=(10, 1, 50, 100, 300),
        stochastic=True, starts_from=("l2",), step_cost=4.0, search=SEARCH,
    )  # fmt: skip
    objectives = frozenset({"ssm", "delta"})
