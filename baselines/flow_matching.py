"""Conditional flow matching along straight paths, of the whitened residual around a regression model.

"Flow matching for generative modeling", Lipman et al. 2023, https://arxiv.org/abs/2210.02747 (optimal-transport paths);
"Matcha-TTS", Mehta et al. 2024, https://arxiv.org/abs/2309.03199 (the same for speech). The data y are whitened
residuals around a trained L2 model (``ttsbench/nn/residual.py``). With noise z ~ N(0, I) and t = 0 noise, 1 = data:

    x_t = (1 - t) z + t y
    L   = mean over valid elements of w(t) (v(x_t, t, c) - (y - z))^2
    sample: x_0 = temperature * z, then dx = v dt

The network's output, and with it the weight w, is one of

    velocity   v                          w = 1              as in the papers
    data       y,   v = (y - x_t) / (1 - t)    w = (1 - t)^2      so that L is the squared error of y

A velocity contains the negative noise, which the network would have to copy element by element. Its output F is
therefore preconditioned as in Karras et al. 2022, with n = t^2 + (1 - t)^2, the variance of x_t for data of unit
variance:

    v = (2 t - 1) / n x_t + F / sqrt(n)

Training draws (1 - t) / t from a log-normal distribution, which is the logit-normal t of Esser et al. 2024
(https://arxiv.org/abs/2403.03206); ``times: uniform`` draws t uniformly as the papers do. The papers use
x_t = (1 - (1 - s) t) z + t y with s = 1e-4; here s = 0.

The grid of evaluations falls evenly in noise ratio and not in t (``ttsbench/nn/noise_levels.py``): what is common to a
whole utterance is decided at ratios above 10, which sixteen even steps of t pass over in one. An Euler step of dx = v
dt equals DDIM's step of the same length, and the ``multistep`` solver is its second-order version. A single step gives
the conditional mean.

``guided_flow_matching`` has classifier-free guidance (Ho and Salimans 2022, https://arxiv.org/abs/2207.12598), v = v_u
+ guidance (v_c - v_u): the condition is left out of a share of the training utterances. Both passes together count as
one evaluation, as is the custom.

``text_flow_matching`` speaks from text alone, as DMOSpeech's diffusion does (Li et al. 2024,
https://arxiv.org/abs/2410.11097). The total length is predicted and there is no duration model, so that a loss on the
speech reaches every parameter. DMOSpeech leaves the alignment to a Transformer trained on thousands of hours; here a
differentiable Gaussian upsampler provides it. It models the target itself, for want of an aligned mean.
``prompted_text_flow_matching`` takes the speaker's identity from another recording.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, SampledSequence, masked_mean
from ttsbench.nn.noise_levels import draw_ratios, extrapolated, ratio_grid
from ttsbench.nn.residual import Residual
from ttsbench.nn.unet import Track, make_network
from ttsbench.nn.upsampling import GaussianUpsampler, UpsamplingBackbone

GUIDANCE = 2.0
SMALLEST_GAP = 1e-3  # of 1 - t, where a velocity is divided by it
CHOICES = {
    "prediction": ("velocity", "data"),
    "solver": ("multistep", "euler", "midpoint"),
    "times": ("lognormal", "uniform"),
}


def preconditioned(output: Tensor, x: Tensor, t: Tensor) -> Tensor:
    """Velocity (B, T, C) from the network's output (B, T, C) at x (B, T, C) and t (B,).

    It is the optimal velocity for data N(0, I), of which the network learns the normalised error.
    """
    t = t.view(-1, 1, 1)
    variance = t.square() + (1 - t).square()
    return (2 * t - 1) / variance * x + output / variance.sqrt()


class VelocityNetwork(nn.Module):
    """The network of the velocity or of the data, with the residual that it models."""

    def __init__(self, network: nn.Module, residual: Residual) -> None:
        super().__init__()
        self.network, self.residual = network, residual

    def forward(self, x: Tensor, cond: Condition, t: Tensor, *options: Any) -> Tensor:
        """Map x (B, T, C), t (B,), options of the network to its output (B, T, C)."""
        output: Tensor = self.network(x, cond.sequence, cond.mask, t, *options)
        return output


class FlowMatching:
    """A network of the velocity that carries noise to residuals.

    ``prediction``: output of the network (``velocity``, ``data``). ``solver``: ``multistep`` (second order), ``euler``,
    or ``midpoint`` (two calls a step, an odd last one by Euler; ``nfe`` calls in all). ``times``: ``lognormal`` or
    ``uniform``. ``network``: ``backbone`` of the controlled track or ``unet`` of the paper's size. ``mean``: the
    adapter around whose output residuals are taken; empty for the target itself.
    """

    info = AdapterInfo(
        name="flow_matching",
        title="Flow matching",
        paper="Lipman et al. 2023, https://arxiv.org/abs/2210.02747; Mehta et al. 2024, "
        "https://arxiv.org/abs/2309.03199 (residual and noise levels after Karras et al. 2022)",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        starts_from=("l2",),
        step_cost=1.4,
        search={"temperature": (0.5, 0.7, 0.8, 0.9, 1.0, 1.1), "nfe": (8, 16, 32)},
    )

    def __init__(
        self,
        context: ModelContext,
        prediction: Literal["velocity", "data"] = "velocity",
        solver: Literal["multistep", "euler", "midpoint"] = "multistep",
        times: Literal["lognormal", "uniform"] = "lognormal",
        network: Track = "backbone",
        mean: str = "l2",
    ) -> None:
        for option, value in {"prediction": prediction, "solver": solver, "times": times}.items():
            if value not in CHOICES[option]:
                raise ConfigError(
                    f"flow_matching has no {option} '{value}'; choose one of {', '.join(CHOICES[option])}."
                )
        inner = make_network(
            context,
            network,
            context.channels,
            context.channels,
            time=True,
            residual=prediction == "velocity" or bool(mean),
        )
        self.network = VelocityNetwork(inner, Residual(context, mean))
        self.refines, self.channels = mean, context.channels
        self.prediction, self.solver, self.times = prediction, solver, times

    @staticmethod
    def starts_from(mean: str = "l2", **_: object) -> tuple[str, ...]:
        """The model around whose output residuals are taken."""
        return (mean,) if mean else ()

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    @property
    def residual(self) -> Residual:
        """Conversion between targets and the data of the flow."""
        return self.network.residual

    # The interface of a teacher

    def to_data(self, target: Tensor, cond: Condition) -> Tensor:
        """Whitened residual (B, T, C) of a target (B, T, C)."""
        return self.residual.whiten(target, self.residual.mean(cond), cond.mask)

    def from_data(self, data: Tensor, cond: Condition) -> Tensor:
        """Target (B, T, C) of a whitened residual (B, T, C)."""
        return self.residual.restore(data, self.residual.mean(cond))

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """T (B,) in [0, 1] -> shares of data and of noise, each (B, 1, 1)."""
        t = t.view(-1, 1, 1)
        return t, 1 - t

    def time_at(self, share: Tensor) -> Tensor:
        """The t (B,) at which noise has that share (B,) in [0, 1]."""
        return 1 - share

    def predict_data(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """Expected data (B, T, C) given x_t (B, T, C) and t (B,) in [0, 1): one function evaluation."""
        output = self._output(x, cond, t)
        return output if self.prediction == "data" else x + (1 - t.view(-1, 1, 1)) * preconditioned(output, x, t)

    def student(self, sources: Mapping[str, nn.Module] | None = None) -> FlowMatching:
        """Return a trainable copy with its own network, around the mean model of ``sources`` if given."""
        copied = copy.deepcopy(self)
        copied.network.requires_grad_(True).train()
        if sources is not None:
            copied.residual.bind(sources)
        return copied

    def shared_parameters(self) -> list[nn.Parameter]:
        """None: the mean model is frozen."""
        return []

    # Training and sampling

    def velocity(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """Velocity (B, T, C) at x (B, T, C) and t (B,), 0 <= t < 1: one function evaluation."""
        output = self._output(x, cond, t)
        if self.prediction == "velocity":
            return preconditioned(output, x, t)
        return (output - x) / (1 - t.view(-1, 1, 1)).clamp_min(SMALLEST_GAP)

    def _output(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        output: Tensor = self.network(x, cond, t)
        return output

    def draw_times(self, rng: Noise, device: torch.device) -> Tensor:
        """Draw a training time for each utterance, (B,)."""
        return rng.time(device) if self.times == "uniform" else 1 / (1 + draw_ratios(rng, device))

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Weighted mean squared error of the velocity, at one time per utterance."""
        return {"generator": self.denoising_loss(self.to_data(batch.target, batch.cond), batch.cond, rng)}

    def denoising_loss(self, data: Tensor, cond: Condition, rng: Noise) -> Tensor:
        """The same for data (B, T, C)."""
        t, noise = self.draw_times(rng, data.device), rng.normal(cond.mask, self.channels)
        share, rest = self.levels(t)
        x = share * data + rest * noise
        if self.prediction == "data":
            return masked_mean((self._output(x, cond, t) - data).square(), cond.mask)
        return masked_mean((self.velocity(x, cond, t) - (data - noise)).square(), cond.mask)

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls; temperature scales the noise that a draw starts from."""
        x = temperature * rng.normal(cond.mask, self.channels)
        draw = self._midpoint if self.solver == "midpoint" else self._multistep
        return self.from_data(draw(x, cond, nfe), cond)

    def _multistep(self, x: Tensor, cond: Condition, nfe: int) -> Tensor:
        """Euler steps, with the ``multistep`` solver of second order: dx = (y - x) / (1 - t) dt for a fixed y."""
        ratios, before = ratio_grid(nfe), None
        for step in range(nfe):
            t, later = (1 / (1 + ratio) for ratio in (ratios[step], ratios[step + 1]))
            data = self.predict_data(x, cond, x.new_full(x.shape[:1], t))
            used = data
            if self.solver == "multistep":
                used = extrapolated(data, before, (ratios[step - 1], ratios[step], ratios[step + 1]))
            x, before = x + (later - t) / (1 - t) * (used - x), data
        return x

    def _midpoint(self, x: Tensor, cond: Condition, nfe: int) -> Tensor:
        """Midpoint steps on the grid of half as many levels: the slope is taken half a step of t ahead."""
        times = [1 / (1 + ratio) for ratio in ratio_grid((nfe + 1) // 2)]
        for step, (t, later) in enumerate(itertools.pairwise(times)):
            velocity = self.velocity(x, cond, x.new_full(x.shape[:1], t))
            if 2 * step + 2 <= nfe:
                middle = (t + later) / 2
                velocity = self.velocity(x + (middle - t) * velocity, cond, x.new_full(x.shape[:1], middle))
            x = x + (later - t) * velocity
        return x


class Guided(nn.Module):
    """A network with the call of the shared backbone, evaluated with and without its condition."""

    def __init__(self, network: nn.Module, cond_dim: int) -> None:
        super().__init__()
        self.network = network
        self.unconditional = nn.Parameter(torch.zeros(cond_dim))  # replaces a condition that is left out

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor, t: Tensor, left_out: Tensor, guidance: float) -> Tensor:
        """Map x (B, T, C), cond (B, T, D), mask (B, T), t (B,) to (B, T, C), unconditionally where left_out (B,)."""
        cond = torch.where(left_out.view(-1, 1, 1), self.unconditional, cond)
        output: Tensor = self.network(x, cond, mask, t)
        if guidance == 1:
            return output
        without: Tensor = self.network(x, self.unconditional.expand_as(cond), mask, t)
        return without + guidance * (output - without)


class GuidedFlowMatching(FlowMatching):
    """Flow matching with classifier-free guidance, as the teacher of DMOSpeech has it.

    ``condition_dropout``: share of the training utterances without their condition.
    """

    info = replace(FlowMatching.info, name="guided_flow_matching", title="Flow matching, guided")

    def __init__(
        self, context: ModelContext, condition_dropout: float = 0.1, network: Track = "backbone", mean: str = "l2"
    ) -> None:
        if not 0 < condition_dropout < 1:
            raise ConfigError(
                f"guided_flow_matching needs 0 < condition_dropout < 1, got {condition_dropout}: guidance extrapolates "
                "from the unconditional prediction, which is learnt on utterances without a condition."
            )
        super().__init__(context, network=network, mean=mean)
        self.condition_dropout, self.guidance = condition_dropout, GUIDANCE
        self.network.network = Guided(self.network.network, context.cond_dim)

    def student(self, sources: Mapping[str, nn.Module] | None = None) -> GuidedFlowMatching:
        """Return a trainable copy without guidance: the guided teacher's effect is distilled into its weights."""
        copied = super().student(sources)
        assert isinstance(copied, GuidedFlowMatching)  # a copy of self
        copied.guidance, copied.condition_dropout = 1.0, 0.0
        return copied

    def _output(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        output: Tensor = self.network(x, cond, t, torch.zeros_like(t, dtype=torch.bool), self.guidance)
        return output

    def denoising_loss(self, data: Tensor, cond: Condition, rng: Noise) -> Tensor:
        """Mean squared error of the velocity for data (B, T, C), with the condition or without it."""
        t = self.draw_times(rng, data.device)
        left_out = rng.time(data.device) < self.condition_dropout
        noise, (share, rest) = rng.normal(cond.mask, self.channels), self.levels(t)
        x = share * data + rest * noise
        velocity = preconditioned(self.network(x, cond, t, left_out, 1.0), x, t)
        return masked_mean((velocity - (data - noise)).square(), cond.mask)

    def sample(
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, guidance: float = GUIDANCE
    ) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls; ``guidance``: 1 is none, more follows the condition more closely."""
        guided = copy.copy(self)
        guided.guidance = guidance
        return FlowMatching.sample(guided, cond, nfe, rng, temperature)


class TextFlowMatching(FlowMatching):
    """Flow matching from phones alone, of a length that it predicts (``ttsbench/nn/upsampling.py``)."""

    info = AdapterInfo(
        name="text_flow_matching",
        title="Flow matching from text alone",
        paper="Li et al. 2024, https://arxiv.org/abs/2410.11097 (total length, no durations; the upsampler is ours)",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        free_running=True,
        step_cost=1.3,
    )
    prompted = False

    def __init__(self, context: ModelContext) -> None:
        if context.role != "acoustic":
            raise ConfigError(f"{self.info.name} is an acoustic model: it speaks from text, and needs no prosody.")
        super().__init__(context, prediction="data", mean="")
        self.upsampler = GaussianUpsampler(context.cond_dim, context.channels, self.prompted)
        self.network.network = UpsamplingBackbone(self.network.network, self.upsampler)

    @staticmethod
    def starts_from(mean: str = "", **_: object) -> tuple[str, ...]:
        """Return (): free-running models do not start from another model."""
        return ()

    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters of the text upsampler."""
        return list(self.upsampler.parameters())

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Sum of the flow-matching loss on the upsampled text and the length loss."""
        upsampled = Batch(batch.target, self.upsampler.expand(batch.cond))
        matched = super().losses(upsampled, step, rng)["generator"]
        return {"generator": matched + self.upsampler.length_loss(batch.cond)}

    def sample(  # type: ignore[override]
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0
    ) -> SampledSequence:
        """Draw sequences of the predicted length; those that hit the length limit are truncated."""
        lengths, within = self.upsampler.lengths(cond)
        values = super().sample(self.upsampler.expand(cond, lengths), nfe, rng, temperature)
        return SampledSequence(values, lengths, within)


class PromptedTextFlowMatching(TextFlowMatching):
    """Text flow matching whose speaker identity comes from another recording."""

    info = replace(
        TextFlowMatching.info, name="prompted_text_flow_matching", title="Flow matching from text and a prompt"
    )
    prompted = True
