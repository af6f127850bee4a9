"""Conditional flow matching along straight paths.

"Flow matching for generative modeling", Lipman et al. 2023, https://arxiv.org/abs/2210.02747 (optimal-transport paths);
"Matcha-TTS", Mehta et al. 2024, https://arxiv.org/abs/2309.03199 (the same for speech). With noise z ~ N(0, I), target
y and s = 1e-4:

    x_t = a z + t y,    a = 1 - (1 - s) t,    t ~ U(0, 1), 0 = noise, 1 = data
    L   = mean over valid elements of w(t) (v(x_t, t, c) - (y - (1 - s) z))^2
    sample: x_0 = temperature * z, then dx = v dt by Euler steps of 1 / nfe

The network's output, and with it the weight w, is one of

    velocity   v                                  w = 1      as in the papers
    data       y,   v = (y - (1 - s) x_t) / a     w = a^2    so that L is the squared error of y

Both have the same minimiser. As a velocity the network has to hand the noise through, number by number, before a step
makes anything but noise; as data it starts from the mean, which is what short trainings need.

A single step gives the conditional mean. The exact field of a Gaussian target of standard deviation 0.5, solved with
1, 2, 4, 8, 16, 32, 64 and 128 Euler steps, keeps 0, 40, 68, 83, 91, 95, 98 and 99 % of it: what is missing of the
spread in a table of few evaluations is the solver's doing (`test_flow_matching` checks this against the product
of the steps).

Matcha-TTS also trains its encoder with a prior loss, which its alignment search needs; alignments are given here.

``guided_flow_matching`` is the same with classifier-free guidance (Ho and Salimans 2022,
https://arxiv.org/abs/2207.12598), v = v_u + guidance (v_c - v_u): the condition is left out of a share of the training,
and both passes together count as one evaluation, as is the custom. Diffusion has none, for the mean around which it
makes noise is conditional itself.

``text_flow_matching`` speaks from text alone, as DMOSpeech's diffusion does (Li et al. 2024,
https://arxiv.org/abs/2410.11097): the total length is given or predicted and there is no duration model, so that a loss
on the speech reaches all that made it. How phones find their frames is left to the Transformer there, which takes
thousands of hours; here a soft reading position does it. With ``prompted_`` another recording says who is to speak.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, SampledSequence, masked_mean
from ttsbench.nn.unet import Track, make_network
from ttsbench.nn.upsampling import GaussianUpsampler, UpsamplingBackbone

GUIDANCE = 2.0
CHOICES = {"prediction": ("data", "velocity"), "solver": ("euler", "midpoint")}


class FlowMatching:
    """A network of the velocity that carries noise to speech.

    ``prediction``: what the network predicts (``data``, ``velocity``). ``solver``: ``euler``, or ``midpoint`` (two
    calls a step, an odd last one by Euler; ``nfe`` calls in all). ``network``: ``backbone`` of the controlled track or
    ``unet`` of the paper's size.
    """

    info = AdapterInfo(
        name="flow_matching",
        title="Flow matching",
        paper="Lipman et al. 2023, https://arxiv.org/abs/2210.02747; Mehta et al. 2024, "
        "https://arxiv.org/abs/2309.03199",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        step_cost=1.1,
    )

    def __init__(
        self,
        context: ModelContext,
        prediction: Literal["data", "velocity"] = "data",
        sigma_min: float = 1e-4,
        solver: Literal["euler", "midpoint"] = "euler",
        network: Track = "backbone",
    ) -> None:
        for option, value in {"prediction": prediction, "solver": solver}.items():
            if value not in CHOICES[option]:
                raise ConfigError(
                    f"flow_matching has no {option} '{value}'; choose one of {', '.join(CHOICES[option])}."
                )
        if not 0 <= sigma_min < 1:
            raise ConfigError(f"flow_matching needs 0 <= sigma_min < 1, got {sigma_min}; the papers use 1e-4.")
        self.network = make_network(context, network, context.channels, context.channels, time=True)
        self.channels, self.prediction, self.solver = context.channels, prediction, solver
        self.kept = 1 - sigma_min  # how much of the noise is gone at the end

    def networks(self) -> Mapping[str, nn.Module]:
        """One network, one group."""
        return {"generator": self.network}

    def path(self, target: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Target and noise (B, T, C), t (B,) -> x_t and its velocity, both (B, T, C)."""
        t = t.view(-1, 1, 1)
        return (1 - self.kept * t) * noise + t * target, target - self.kept * noise

    # What a student distils, as of a diffusion model whose prior mean is 0

    def mean(self, cond: Condition) -> Tensor:
        """0 (B, T, C)."""
        return cond.sequence.new_zeros(*cond.mask.shape, self.channels)

    def levels(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """T (B,) in [0, 1] -> shares of data and of noise, each (B, 1, 1)."""
        t = t.view(-1, 1, 1)
        return t, 1 - self.kept * t

    def time_at(self, share: Tensor) -> Tensor:
        """The t (B,) at which noise has that share (B,) in [0, 1]; 1 where it never has so little."""
        return ((1 - share) / self.kept).clamp_max(1.0)

    def diffuse(self, data: Tensor, mean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Data, mean (of no use here) and noise (B, T, C), t (B,) -> x_t (B, T, C)."""
        return self.path(data, noise, t)[0]

    def predict_data(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """Expected data (B, T, C) given x_t (B, T, C) and t (B,) in [0, 1): one function evaluation."""
        output = self._output(x, cond, t)
        if self.prediction == "data":
            return output
        return self.kept * x + (1 - self.kept * t.view(-1, 1, 1)) * output

    def student(self) -> FlowMatching:
        """Return a trainable copy with its own network."""
        copied = copy.deepcopy(self)
        copied.network.requires_grad_(True).train()
        return copied

    def shared_parameters(self) -> list[nn.Parameter]:
        """None: the mean is zero."""
        return []

    def velocity(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """The velocity (B, T, C) at x (B, T, C) and t (B,), 0 <= t < 1: one function evaluation."""
        output = self._output(x, cond, t)
        if self.prediction == "velocity":
            return output
        return (output - self.kept * x) / (1 - self.kept * t.view(-1, 1, 1))

    def _output(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        """What the network predicts."""
        output: Tensor = self.network(x, cond.sequence, cond.mask, t)
        return output

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Weighted mean squared error of the velocity, at one time per utterance."""
        t = rng.time(batch.target.device)
        x, velocity = self.path(batch.target, rng.normal(batch.mask, self.channels), t)
        error = self.velocity(x, batch.cond, t) - velocity
        if self.prediction == "data":
            error = error * (1 - self.kept * t.view(-1, 1, 1))
        return {"generator": masked_mean(error.square(), batch.mask)}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls, each worth 1 / nfe of the way; temperature scales the start."""
        x = temperature * rng.normal(cond.mask, self.channels)
        call = 0
        while call < nfe:
            calls = 2 if self.solver == "midpoint" and call + 2 <= nfe else 1
            at = x  # the second call is at the point half a step ahead, and moves from where the first one did
            for inner in range(calls):
                t = x.new_full(x.shape[:1], (call + inner) / nfe)
                velocity = self.velocity(at, cond, t)
                at = x + velocity * (1 + inner) / nfe
            x, call = at, call + calls
        return x


class Guided(nn.Module):
    """A network called as the shared backbone is, with and without its condition."""

    def __init__(self, network: nn.Module, cond_dim: int) -> None:
        super().__init__()
        self.network = network
        self.unconditional = nn.Parameter(torch.zeros(cond_dim))  # in the place of a condition that is left out

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor, t: Tensor, left_out: Tensor, guidance: float) -> Tensor:
        """X (B, T, C), cond (B, T, D), mask (B, T), t (B,), without a condition where left_out (B,) -> (B, T, C)."""
        cond = torch.where(left_out.view(-1, 1, 1), self.unconditional, cond)
        output: Tensor = self.network(x, cond, mask, t)
        if guidance == 1:
            return output
        without: Tensor = self.network(x, self.unconditional.expand_as(cond), mask, t)
        return without + guidance * (output - without)


class GuidedFlowMatching(FlowMatching):
    """Flow matching with guidance, as the teacher has it that DMOSpeech distils.

    ``condition_dropout``: share of the training without the condition.
    """

    info = replace(FlowMatching.info, name="guided_flow_matching", title="Flow matching, guided")

    def __init__(self, context: ModelContext, condition_dropout: float = 0.1, network: Track = "backbone") -> None:
        if not 0 < condition_dropout < 1:
            raise ConfigError(
                f"guided_flow_matching needs 0 < condition_dropout < 1, got {condition_dropout}: guidance leads away "
                "from what is said without a condition."
            )
        super().__init__(context, network=network)
        self.condition_dropout, self.guidance = condition_dropout, GUIDANCE
        self.network: Any = Guided(self.network, context.cond_dim)

    def student(self) -> GuidedFlowMatching:
        """Return a trainable copy without guidance: the guided teacher's effect is distilled into its weights."""
        copied = super().student()
        assert isinstance(copied, GuidedFlowMatching)  # a copy of self
        copied.guidance, copied.condition_dropout = 1.0, 0.0
        return copied

    def _output(self, x: Tensor, cond: Condition, t: Tensor) -> Tensor:
        return self._guided(x, cond, t, torch.zeros_like(t, dtype=torch.bool), self.guidance)

    def _guided(self, x: Tensor, cond: Condition, t: Tensor, left_out: Tensor, guidance: float) -> Tensor:
        output: Tensor = self.network(x, cond.sequence, cond.mask, t, left_out, guidance)
        return output

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Mean squared error of the data, with the condition or without it."""
        t = rng.time(batch.target.device)
        left_out = rng.time(batch.target.device) < self.condition_dropout
        x, _ = self.path(batch.target, rng.normal(batch.mask, self.channels), t)
        error = self._guided(x, batch.cond, t, left_out, 1.0) - batch.target
        return {"generator": masked_mean(error.square(), batch.mask)}

    def sample(
        self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, guidance: float = GUIDANCE
    ) -> Tensor:
        """Draw (B, T, C) with ``nfe`` >= 1 calls; ``guidance``: 1 is none, more follows the condition more closely."""
        as_asked = copy.copy(self)
        as_asked.guidance = guidance
        return FlowMatching.sample(as_asked, cond, nfe, rng, temperature)


class TextFlowMatching(FlowMatching):
    """Flow matching from phones alone, of a length that it predicts (``ttsbench/nn/upsampling.py``)."""

    info = AdapterInfo(
        name="text_flow_matching",
        title="Flow matching from text alone",
        paper="Li et al. 2024, https://arxiv.org/abs/2410.11097 (total length, no durations; the reading is ours)",
        nfe=(16, 1, 2, 4, 8, 32, 64, 128),
        stochastic=True,
        free_running=True,
        step_cost=1.3,
    )
    prompted = False

    def __init__(self, context: ModelContext) -> None:
        if context.role != "acoustic":
            raise ConfigError(f"{self.info.name} is an acoustic model: it speaks from text, and needs no prosody.")
        super().__init__(context)
        self.upsampler = GaussianUpsampler(context.cond_dim, context.channels, self.prompted)
        self.network: nn.Module = UpsamplingBackbone(self.network, self.upsampler)

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
