"""Variance-preserving diffusion around a predicted mean.

"Grad-TTS", Popov et al. 2021, https://arxiv.org/abs/2105.06337, whose schedule and sampler these are; as objective for
prosody and acoustics: Zhang et al. 2023, https://arxiv.org/abs/2307.16679 (its own schedule is not known). With
t = 0 noise, 1 = data, noise z ~ N(0, I), target y, mean mu(c), and B the integral of beta from t to 1, beta falling
linearly from 20 at t = 0 to 0.05 at t = 1:

    alpha = exp(-B / 2),    sigma = sqrt(1 - exp(-B))
    x_t = mu + alpha (y - mu) + sigma z
    L   = w(t) |y - y(x_t, t, c)|^2 + |y - mu|^2 / 2,   means over valid elements, t ~ U(1e-5, 1 - 1e-5)

The network's output, and with it the weight w, is one of (all in terms of the residual y - mu):

    x0        y - mu                        w = 1
    v         alpha z - sigma (y - mu)      w = 1 / sigma^2         Salimans and Ho 2022, https://arxiv.org/abs/2202.00512
    epsilon   z                             w = alpha^2 / sigma^2   Grad-TTS: |sigma score + z|^2, as score = -z / sigma

The default is x0: the network then starts from the mean, and a short training need not teach it to hand the noise
through, as v does where there is little of it and epsilon where there is much (experiments/prediction.yaml).

Sampling starts from mu + temperature z. A step of the `exponential` solver keeps the predicted y and z and changes
their shares, as DDIM does (Song et al. 2021, https://arxiv.org/abs/2010.02502); `euler` is Grad-TTS's own step.

Reconstruction: mu is a linear projection of the conditioning, as Grad-TTS's is of its encoder's states, learnt from
the second term alone (no gradient of the first reaches mu; Grad-TTS lets it). It lies inside the generator but is no
call of it: the network is evaluated ``nfe`` times.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, masked_mean
from ttsbench.nn.unet import Track, make_network

BETA_NOISE, BETA_DATA = 20.0, 0.05
TIME_MARGIN = 1e-5  # of t in training, at either end
Prediction = Literal["x0", "v", "epsilon"]
Sampler = Literal["ode", "sde"]
Solver = Literal["exponential", "euler"]
CHOICES = {
    "prediction": ("x0", "v", "epsilon"),
    "sampler": ("ode", "sde"),
    "solver": ("exponential", "euler"),
}


def beta(t: float) -> float:
    """The rate at which noise is added, per unit of t."""
    return BETA_DATA + (BETA_NOISE - BETA_DATA) * (1 - t)


def levels(t: Tensor) -> tuple[Tensor, Tensor]:
    """T (B,) in [0, 1] -> alpha and sigma, each (B, 1, 1), with alpha^2 + sigma^2 = 1."""
    age = 1 - t.view(-1, 1, 1)
    integral = BETA_DATA * age + 0.5 * (BETA_NOISE - BETA_DATA) * age.square()
    return torch.exp(-0.5 * integral), torch.sqrt(-torch.expm1(-integral))


class Denoiser(nn.Module):
    """Estimates the data from a noisy version of it, whatever the network inside predicts."""

    def __init__(self, network: nn.Module, cond_dim: int, channels: int, prediction: Prediction) -> None:
        super().__init__()
        self.network, self.prediction = network, prediction
        self.prior = nn.Linear(cond_dim, channels)
        nn.init.zeros_(self.prior.weight)  # so that a network which already predicts data predicts the residual
        nn.init.zeros_(self.prior.bias)

    def mean(self, cond: Condition) -> Tensor:
        """Mu (B, T, C)."""
        mean: Tensor = self.prior(cond.sequence)
        return mean

    def forward(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """X_t (B, T, C), t (B,) with 0 <= t < 1 -> the expected data (B, T, C)."""
        mean = self.mean(cond).detach()
        alpha, sigma = levels(t)
        residual = x - mean
        output: Tensor = self.network(residual, cond.sequence, cond.mask, t)
        if self.prediction == "x0":
            return mean + output
        if self.prediction == "v":
            return mean + alpha * residual - sigma * output
        return mean + (residual - sigma * output) / alpha

    def weight(self, t: Tensor) -> Tensor:
        """What makes the squared error of the data that of the network's output, (B, 1, 1)."""
        alpha, sigma = levels(t)
        if self.prediction == "x0":
            return torch.ones_like(sigma)
        return sigma**-2 if self.prediction == "v" else (alpha / sigma).square()


class Diffusion:
    """A denoiser at every level of noise; what a distilled student needs of it is public.

    ``prediction``: what the network predicts (``x0``, ``v``, ``epsilon``). ``sampler``: ``ode``, or ``sde`` with fresh
    noise at every step. ``solver``: ``exponential``, or ``euler`` as in Grad-TTS, which needs some 50 steps to be of
    use. ``network``: ``backbone`` of the controlled track or ``unet`` of the size that Matcha-TTS's decoder has.
    """

    info = AdapterInfo(
        name="diffusion",
        title="Diffusion",
        paper="Popov et al. 2021, https://arxiv.org/abs/2105.06337; Zhang et al. 2023, "
        "https://arxiv.org/abs/2307.16679 (schedule and mean are reconstructions)",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        step_cost=1.1,
    )

    def __init__(
        self,
        context: ModelContext,
        prediction: Prediction = "x0",
        sampler: Sampler = "ode",
        solver: Solver = "exponential",
        network: Track = "backbone",
    ) -> None:
        for option, value in {"prediction": prediction, "sampler": sampler, "solver": solver}.items():
            if value not in CHOICES[option]:
                raise ConfigError(f"diffusion has no {option} '{value}'; choose one of {', '.join(CHOICES[option])}.")
        inner = make_network(context, network, context.channels, context.channels, time=True)
        self.denoiser = Denoiser(inner, context.cond_dim, context.channels, prediction)
        self.channels, self.sampler, self.solver = context.channels, sampler, solver

    def networks(self) -> Mapping[str, nn.Module]:
        """The denoiser, one group."""
        return {"generator": self.denoiser}

    # What a student distils

    def mean(self, cond: Condition) -> Tensor:
        """The prior mean mu (B, T, C), around which data become noise."""
        return self.denoiser.mean(cond)

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """T (B,) in [0, 1] -> alpha and sigma, each (B, 1, 1)."""
        return levels(t)

    def time_at(self, share: Tensor) -> Tensor:
        """The t (B,) at which noise has that share, sigma (B,) in [0, 1]; 0 where it never has so much."""
        rise, integral = BETA_NOISE - BETA_DATA, -torch.log1p(-share.square())  # B = BETA_DATA age + rise age^2 / 2
        return (1 - (torch.sqrt(BETA_DATA**2 + 2 * rise * integral) - BETA_DATA) / rise).clamp_min(0.0)

    def diffuse(self, data: Tensor, mean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Data, mean and noise (B, T, C), t (B,) -> x_t (B, T, C)."""
        alpha, sigma = levels(t)
        return mean + alpha * (data - mean) + sigma * noise

    def predict_data(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """Expected data (B, T, C) given x_t (B, T, C) and t (B,) in [0, 1): one function evaluation."""
        data: Tensor = self.denoiser(x, cond, t)
        return data

    def student(self) -> Diffusion:
        """Return a trainable copy with its own network."""
        copied = copy.deepcopy(self)
        copied.denoiser.requires_grad_(True).train()
        return copied

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters of the prior mean."""
        return list(self.denoiser.prior.parameters())

    # Training and sampling

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Weighted squared error of the data at one time per utterance, and half that of the mean."""
        t = TIME_MARGIN + (1 - 2 * TIME_MARGIN) * rng.time(batch.target.device)
        mean = self.mean(batch.cond)
        x = self.diffuse(batch.target, mean.detach(), rng.normal(batch.mask, self.channels), t)
        error = self.predict_data(x, batch.cond, t) - batch.target
        denoising = masked_mean(self.denoiser.weight(t) * error.square(), batch.mask)
        return {"generator": denoising + 0.5 * masked_mean((batch.target - mean).square(), batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls; temperature is the standard deviation of all noise drawn."""
        advance = self._exponential if self.solver == "exponential" else self._euler
        mean = self.mean(cond)
        x = mean + temperature * rng.normal(cond.mask, self.channels)
        for step in range(nfe):
            fresh = temperature * rng.normal(cond.mask, self.channels) if self.sampler == "sde" else None
            x = advance(x, mean, cond, step, nfe, fresh)
        return x

    def _exponential(
        self, x: Tensor, mean: Tensor, cond: Condition, step: int, nfe: int, fresh: Tensor | None
    ) -> Tensor:
        """DDIM from t to t', both on a grid that is finer near the data: 1 - (1 - step / nfe)^2.

        With fresh noise e the shares are those of the posterior of x_t' given x_t and the data:
            x' = mu + alpha' (y - mu) + k z + sqrt(sigma'^2 - k^2) e,    k = sigma'^2 alpha / (alpha' sigma)
        """
        t, later = (x.new_full(x.shape[:1], 1 - (1 - index / nfe) ** 2) for index in (step, step + 1))
        (alpha, sigma), (next_alpha, next_sigma) = levels(t), levels(later)
        residual = self.predict_data(x, cond, t) - mean
        noise = (x - mean - alpha * residual) / sigma
        if fresh is None:
            return mean + next_alpha * residual + next_sigma * noise
        kept = next_sigma.square() * alpha / (next_alpha * sigma)
        return mean + next_alpha * residual + kept * noise + torch.sqrt(next_sigma.square() - kept.square()) * fresh

    def _euler(self, x: Tensor, mean: Tensor, cond: Condition, step: int, nfe: int, fresh: Tensor | None) -> Tensor:
        """Grad-TTS's step: the slope is taken in the middle of each of ``nfe`` equal intervals."""
        middle = (step + 0.5) / nfe
        width = beta(middle) / nfe
        t = x.new_full(x.shape[:1], middle)
        alpha, sigma = levels(t)
        data = self.predict_data(x, cond, t)
        score = (mean + alpha * (data - mean) - x) / sigma.square()
        slope = 0.5 * (x - mean) + (0.5 if fresh is None else 1.0) * score
        return x + width * slope + (0.0 if fresh is None else width**0.5 * fresh)
