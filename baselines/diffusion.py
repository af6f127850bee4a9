"""Variance-preserving diffusion of the whitened residual around a regression model.

"Grad-TTS", Popov et al. 2021, https://arxiv.org/abs/2105.06337, for the schedule and its own sampler; Karras et al.
2022, https://arxiv.org/abs/2206.00364, for noise levels and preconditioning; as objective for prosody and acoustics:
Zhang et al. 2023, https://arxiv.org/abs/2307.16679 (whose schedule is not known). The data y are whitened residuals
around a trained L2 model (``ttsbench/nn/residual.py``). With t = 0 noise, t = 1 data, z ~ N(0, I), and B the integral
of beta from t to 1, beta falling linearly from 20 at t = 0 to 0.05 at t = 1:

    alpha = exp(-B / 2),    sigma = sqrt(1 - exp(-B)),    x_t = alpha y + sigma z
    L = w(t) |y - y(x_t, t, c)|^2, a mean over valid elements

The network's output, and with it the weight w, is one of

    v         alpha z - sigma y    w = 1 / sigma^2         Salimans and Ho 2022, https://arxiv.org/abs/2202.00512
    x0        y                    w = 1
    epsilon   z                    w = alpha^2 / sigma^2   Grad-TTS: |sigma score + z|^2, as score = -z / sigma

For data of unit variance v-prediction is the preconditioning of Karras et al., and its weight is theirs: the loss of
the network's own output is the same at every level. Training draws sigma / alpha from a log-normal distribution
(``ttsbench/nn/noise_levels.py``); ``times: uniform`` draws t uniformly as Grad-TTS does.

Grad-TTS diffuses around the output of its encoder instead of a residual, and trains that mean with the diffusion. Here
the mean is a frozen model, the same for every objective.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, masked_mean
from ttsbench.nn.noise_levels import draw_ratios, extrapolated, ratio_grid
from ttsbench.nn.residual import Residual
from ttsbench.nn.unet import Track, make_network

BETA_NOISE, BETA_DATA = 20.0, 0.05
TIME_MARGIN = 1e-5  # of uniform times in training, at either end
Prediction = Literal["v", "x0", "epsilon"]
Sampler = Literal["ode", "sde"]
Solver = Literal["multistep", "exponential", "euler"]
Times = Literal["lognormal", "uniform"]
CHOICES = {
    "prediction": ("v", "x0", "epsilon"),
    "sampler": ("ode", "sde"),
    "solver": ("multistep", "exponential", "euler"),
    "times": ("lognormal", "uniform"),
}


def beta(t: float) -> float:
    """Rate at which noise is added, per unit of t."""
    return BETA_DATA + (BETA_NOISE - BETA_DATA) * (1 - t)


def levels(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma, each (B, 1, 1), at times t (B,) in [0, 1]; alpha^2 + sigma^2 = 1."""
    age = 1 - t.view(-1, 1, 1)
    integral = BETA_DATA * age + 0.5 * (BETA_NOISE - BETA_DATA) * age.square()
    return torch.exp(-0.5 * integral), torch.sqrt(-torch.expm1(-integral))


def time_of_ratio(ratio: Tensor) -> Tensor:
    """The t (B,) at which sigma / alpha equals ``ratio`` (B,); 0 for ratios above the schedule's highest, 150."""
    rise, integral = BETA_NOISE - BETA_DATA, torch.log1p(ratio.square())  # B = BETA_DATA age + rise age^2 / 2
    return (1 - (torch.sqrt(BETA_DATA**2 + 2 * rise * integral) - BETA_DATA) / rise).clamp_min(0.0)


class Denoiser(nn.Module):
    """Estimate the data from a noisy version of it, whatever the network inside predicts."""

    def __init__(self, network: nn.Module, residual: Residual, prediction: Prediction) -> None:
        super().__init__()
        self.network, self.residual, self.prediction = network, residual, prediction

    def forward(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """X_t (B, T, C), t (B,) with 0 <= t < 1 -> the expected data (B, T, C)."""
        alpha, sigma = levels(t)
        share = (alpha / (alpha + sigma)).flatten()  # spaces the levels that matter more evenly than t does
        output: Tensor = self.network(x, cond.sequence, cond.mask, share)
        if self.prediction == "x0":
            return output
        if self.prediction == "v":
            return alpha * x - sigma * output
        return (x - sigma * output) / alpha

    def weight(self, t: Tensor) -> Tensor:
        """Factor that turns the squared error of the data into that of the network's output, (B, 1, 1)."""
        alpha, sigma = levels(t)
        if self.prediction == "x0":
            return torch.ones_like(sigma)
        return sigma**-2 if self.prediction == "v" else (alpha / sigma).square()


class Diffusion:
    """A denoiser of the residual at every noise level.

    ``prediction``: output of the network (``v``, ``x0``, ``epsilon``). ``sampler``: ``ode``, or ``sde`` with fresh
    noise at every step. ``solver``: ``multistep`` (second order), ``exponential`` (DDIM), or ``euler`` as in Grad-TTS,
    which needs about 50 steps. ``times``: ``lognormal`` or ``uniform``. ``network``: ``backbone`` of the controlled
    track or ``unet`` of the size of Matcha-TTS's decoder. ``mean``: the adapter around whose output residuals are
    taken; empty for the target itself.
    """

    info = AdapterInfo(
        name="diffusion",
        title="Diffusion",
        paper="Popov et al. 2021, https://arxiv.org/abs/2105.06337; Zhang et al. 2023, "
        "https://arxiv.org/abs/2307.16679 (residual and noise levels after Karras et al. 2022)",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        starts_from=("l2",),
        step_cost=1.4,
        search={"temperature": (0.5, 0.7, 0.8, 0.9, 1.0, 1.1), "nfe": (8, 16, 32)},
    )

    def __init__(
        self,
        context: ModelContext,
        prediction: Prediction = "v",
        sampler: Sampler = "ode",
        solver: Solver = "multistep",
        times: Times = "lognormal",
        network: Track = "backbone",
        mean: str = "l2",
    ) -> None:
        options = {"prediction": prediction, "sampler": sampler, "solver": solver, "times": times}
        for option, value in options.items():
            if value not in CHOICES[option]:
                raise ConfigError(f"diffusion has no {option} '{value}'; choose one of {', '.join(CHOICES[option])}.")
        inner = make_network(context, network, context.channels, context.channels, time=True, residual=True)
        self.denoiser = Denoiser(inner, Residual(context, mean), prediction)
        self.refines, self.channels = mean, context.channels
        self.sampler, self.solver, self.times = sampler, solver, times

    @staticmethod
    def starts_from(mean: str = "l2", **_: object) -> tuple[str, ...]:
        """The model around whose output residuals are taken."""
        return (mean,) if mean else ()

    def networks(self) -> Mapping[str, nn.Module]:
        """The denoiser, one group."""
        return {"generator": self.denoiser}

    # The interface of a teacher

    def to_data(self, target: Tensor, cond: Condition) -> Tensor:
        """Whitened residual (B, T, C) of a target (B, T, C)."""
        residual = self.denoiser.residual
        return residual.whiten(target, residual.mean(cond), cond.mask)

    def from_data(self, data: Tensor, cond: Condition) -> Tensor:
        """Target (B, T, C) of a whitened residual (B, T, C)."""
        residual = self.denoiser.residual
        return residual.restore(data, residual.mean(cond))

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma, each (B, 1, 1), at times t (B,) in [0, 1]."""
        return levels(t)

    def time_at(self, share: Tensor) -> Tensor:
        """The t (B,) at which sigma / (alpha + sigma) equals ``share`` (B,) in [0, 1]."""
        return time_of_ratio(share / (1 - share))

    def predict_data(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """Expected data (B, T, C) given x_t (B, T, C) and t (B,) in [0, 1): one function evaluation."""
        data: Tensor = self.denoiser(x, cond, t)
        return data

    def student(self, sources: Mapping[str, nn.Module] | None = None) -> Diffusion:
        """Return a trainable copy with its own network, around the mean model of ``sources`` if given."""
        copied = copy.deepcopy(self)
        copied.denoiser.requires_grad_(True).train()
        if sources is not None:
            copied.denoiser.residual.bind(sources)
        return copied

    def shared_parameters(self) -> list[nn.Parameter]:
        """None: the mean model is frozen."""
        return []

    # Training and sampling

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Weighted squared error of the data at one time per utterance."""
        return {"generator": self.denoising_loss(self.to_data(batch.target, batch.cond), batch.cond, rng)}

    def denoising_loss(self, data: Tensor, cond: Condition, rng: Noise) -> Tensor:
        """The same for data (B, T, C)."""
        if self.times == "uniform":
            t = TIME_MARGIN + (1 - 2 * TIME_MARGIN) * rng.time(data.device)
        else:
            t = time_of_ratio(draw_ratios(rng, data.device)).clamp(TIME_MARGIN, 1 - TIME_MARGIN)
        alpha, sigma = levels(t)
        x = alpha * data + sigma * rng.normal(cond.mask, self.channels)
        error = self.predict_data(x, cond, t) - data
        return masked_mean(self.denoiser.weight(t) * error.square(), cond.mask)

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls; temperature is the standard deviation of all noise drawn."""
        x = temperature * rng.normal(cond.mask, self.channels)
        draw = self._euler if self.solver == "euler" else self._exponential
        return self.from_data(draw(x, cond, nfe, rng, temperature), cond)

    def _exponential(self, x: Tensor, cond: Condition, nfe: int, rng: Noise, temperature: float) -> Tensor:
        """DDIM steps from a high noise level to none, of second order with the ``multistep`` solver.

        With fresh noise e the shares are those of the posterior of x_t' given x_t and the data:
            x' = alpha' y + k z + sqrt(sigma'^2 - k^2) e,    k = sigma'^2 alpha / (alpha' sigma)
        """
        ratios, before = ratio_grid(nfe), None
        for step in range(nfe):
            t, later = (time_of_ratio(x.new_full(x.shape[:1], ratios[index])) for index in (step, step + 1))
            (alpha, sigma), (next_alpha, next_sigma) = levels(t), levels(later)
            data = self.predict_data(x, cond, t)
            noise = (x - alpha * data) / sigma
            if self.sampler == "sde":
                keep = next_sigma.square() * alpha / (next_alpha * sigma)
                fresh = temperature * rng.normal(cond.mask, self.channels)
                x = next_alpha * data + keep * noise + torch.sqrt(next_sigma.square() - keep.square()) * fresh
                continue
            used = data
            if self.solver == "multistep":
                used = extrapolated(data, before, (ratios[step - 1], ratios[step], ratios[step + 1]))
                noise = (x - alpha * used) / sigma
            x, before = next_alpha * used + next_sigma * noise, data
        return x

    def _euler(self, x: Tensor, cond: Condition, nfe: int, rng: Noise, temperature: float) -> Tensor:
        """Grad-TTS's steps: the slope is taken in the middle of each of ``nfe`` equal intervals of t."""
        for step in range(nfe):
            middle = (step + 0.5) / nfe
            width = beta(middle) / nfe
            t = x.new_full(x.shape[:1], middle)
            alpha, sigma = levels(t)
            score = (alpha * self.predict_data(x, cond, t) - x) / sigma.square()
            x = x + width * (0.5 * x + (0.5 if self.sampler == "ode" else 1.0) * score)
            if self.sampler == "sde":
                x = x + width**0.5 * temperature * rng.normal(cond.mask, self.channels)
        return x
