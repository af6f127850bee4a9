"""Normalizing flow: exact likelihood, sampled in one pass.

"Comparing normalizing flows and diffusion models for prosody and acoustic modelling in text-to-speech", Zhang et al.
2023, https://arxiv.org/abs/2307.16679, with the steps of Glow-TTS, Kim et al. 2020, https://arxiv.org/abs/2005.11129:

    z = f(y; c),   log p(y | c) = log N(z; mu(c), I) + log |det df/dy|
    L = -log2 p(y | c) / number of real elements of y             (bits per dimension of the normalised target)
    y = f^-1(mu(c) + temperature * eps; c),   eps ~ N(0, I)       (one pass)

f works on pairs of neighbouring frames (of phones, for prosody) in steps of actnorm, invertible 1x1 convolution and
coupling. A frame without a partner keeps its exact density (``ttsbench/nn/invertible.py``), and every other training
step pairs the frames the other way round, so that crops of even length teach that density too. It is a poor one all the
same: a lone last frame, drawn, was 2.3 deviations off where a paired one was 0.9 (480,000 parameters, 300 steps,
`espeak`). Mels of odd length are therefore drawn one frame longer, and lose it. Prosody is not: after the last phone
another one is unlike anything in the data, and what is drawn for a lone one is right.

Chosen here, since the paper's details are not known: the condition enters every coupling as well as mu; couplings are
one block of the shared backbone, of the width at which the flow has as many parameters as that backbone.

Of mels, in the controlled track and with affine couplings, mu is the first half of the shared backbone, taken off the
data instead,

    z = f(y - mu(c); mu(c)),   y = mu(c) + f^-1(temperature * eps; mu(c))

a shift, whose determinant is 1. Likelihood alone is slow to find the mean: it gains more by foretelling a frame from
its neighbours than from the text. A flow without that shift, as large and trained as long, had a squared error of .37
at temperature 0 where regression had .25, and could not be understood; with it .27, and .01 bits per dimension more
likelihood (three LibriSpeech readers, 200 steps after those of the shared start).

Uniform noise is added to targets in training, in the unit of the normalised target: mels on the floor, F0 drawn
through unvoiced phones and durations of whole frames have no density otherwise. That of a duration ought to fill the
gap to the next whole number, log((d + 1) / d) over the deviation of log-durations, which an adapter is not told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise
from ttsbench.nn.backbone import Backbone
from ttsbench.nn.invertible import (
    ActNorm,
    AffineCoupling,
    Bijection,
    Chain,
    Coupling,
    InvertibleConv,
    SplineCoupling,
    squeeze,
    unsqueeze,
)
from ttsbench.nn.parameter_matching import match_width

Kind = Literal["affine", "spline"]
Track = Literal["backbone", "wavenet"]
COUPLINGS: dict[str, type[Coupling]] = {"affine": AffineCoupling, "spline": SplineCoupling}
STEPS = {"backbone": 8, "wavenet": 12}
DITHER = {"acoustic": 0.05, "prosody": 0.1}  # of the normalised target, whose standard deviation is 1
CENTRE = 0.5  # of the shared backbone's layers
WIDTHS = range(4, 1025, 2)


class WaveNet(nn.Module):
    """The coupling network of Glow-TTS: gated convolutions, kernel 5, 4 layers, called as a ``Backbone`` is.

    Without the dropout and the weight normalisation of Glow-TTS, which would draw from the global generator and be
    averaged apart from what they scale; the condition enters where the input does.
    """

    WIDTH = 192

    def __init__(self, in_channels: int, out_channels: int, cond_dim: int, layers: int = 4, kernel: int = 5) -> None:
        super().__init__()
        self.input, self.condition = nn.Linear(in_channels, self.WIDTH), nn.Linear(cond_dim, self.WIDTH)
        self.gates = nn.ModuleList(
            [nn.Conv1d(self.WIDTH, 2 * self.WIDTH, kernel, padding=kernel // 2) for _ in range(layers)]
        )
        widths = [*[2 * self.WIDTH] * (layers - 1), self.WIDTH]  # nothing comes after the last layer but the output
        self.mixers = nn.ModuleList([nn.Linear(self.WIDTH, width) for width in widths])
        self.output = nn.Linear(self.WIDTH, out_channels)

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """X (B, T, in_channels), cond (B, T, D), mask (B, T) -> (B, T, out_channels)."""
        hidden = self.input(x) + self.condition(cond)
        skipped = torch.zeros_like(hidden)
        for gate, mixer in zip(self.gates, self.mixers, strict=True):
            real = hidden * mask.unsqueeze(-1)
            values, openings = gate(real.transpose(1, 2)).transpose(1, 2).chunk(2, dim=-1)
            update = mixer(values.tanh() * openings.sigmoid())
            skipped = skipped + update[..., -self.WIDTH :]
            hidden = hidden + update[..., : self.WIDTH]
        output: Tensor = self.output(skipped)
        return output


class Glow(nn.Module):
    """The flow f and the mean mu. Called as a module it goes from noise to data, as sampling does.

    It starts as a rotation: couplings change nothing, mu is 0, or what ``centre`` gives, which is taken off the data.
    """

    def __init__(
        self, channels: int, cond_dim: int, steps: int, coupling: Kind, network: Track, width: int,
        centre: Callable[[], nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.centre = centre() if centre else None
        if isinstance(self.centre, Backbone):
            _zero(self.centre.output)  # until it starts from another's
        kind, cond_dim = COUPLINGS[coupling], 2 * (channels if centre else cond_dim)  # of a pair, as C below
        self.mean = None if centre else nn.Linear(cond_dim, 2 * channels)
        layers: list[Bijection] = []
        for step in range(steps):
            out = channels * kind.PARAMETERS
            inner: Backbone | WaveNet
            if network == "wavenet":
                inner = WaveNet(channels, out, cond_dim)
            else:
                inner = Backbone(channels, out, cond_dim, width, layers=1, kernel=7, time=False)
            _zero(inner.output)
            flip = step % 2 == 1  # the convolutions do not mix a frame without a partner: each half has its turn
            layers += [ActNorm(2 * channels), InvertibleConv(2 * channels), kind(inner, flip)]
        if self.mean is not None:
            _zero(self.mean)
        self.chain = Chain(layers)

    def forward(self, noise: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """Noise (B, T, C), cond (B, T, D), mask (B, T) -> data (B, T, C), 0 at padding."""
        shift, given = self._given(cond, mask)
        pairs, real = _paired(given, noise, mask, 0)
        z = torch.where(real, self._mean(pairs) + squeeze(noise), 0.0)
        return unsqueeze(self.chain.inverse(z, pairs, real), noise.shape[1]) + shift

    def log_likelihood(self, x: Tensor, cond: Tensor, mask: Tensor, offset: int = 0) -> Tensor:
        """X (B, T, C), cond (B, T, D), mask (B, T) -> log p(x | cond) (B,), natural.

        With ``offset`` 1 the first frame has no partner, and the second is paired with the third.
        """
        shift, given = self._given(cond, mask)
        pairs, real = _paired(given, x, mask, offset)
        z, log_det = self.chain(torch.where(real, squeeze(x - shift, offset), 0.0), pairs, real)
        log_normal = -0.5 * ((z - self._mean(pairs)).square() + math.log(2 * math.pi))
        total: Tensor = torch.where(real, log_normal, 0.0).sum(dim=(1, 2)) + log_det
        return total

    def _given(self, cond: Tensor, mask: Tensor) -> tuple[Tensor | float, Tensor]:
        """What is taken off the data, and what the couplings read."""
        if self.centre is None:
            return 0.0, cond
        centre: Tensor = self.centre(None, cond, mask)
        return centre, centre

    def _mean(self, pairs: Tensor) -> Tensor | float:
        """Of z."""
        return 0.0 if self.mean is None else self.mean(pairs)


class Flow:
    """A conditional Glow.

    ``coupling``: ``affine``, or ``spline`` (rational-quadratic, 10 bins on [-5, 5]).
    ``network``: ``backbone`` of the controlled track, or ``wavenet``, the size of Glow-TTS (12 steps, width 192).
    ``steps``: 8 and 12 where left out. ``dither``: width of the uniform noise added to the normalised target in
    training, 0.05 for mels and 0.1 for prosody where left out.
    """

    info = AdapterInfo(
        name="flow",
        title="Normalizing flow",
        paper="Zhang et al. 2023, https://arxiv.org/abs/2307.16679; Kim et al. 2020, https://arxiv.org/abs/2005.11129",
        stochastic=True,
        step_cost=0.7,
    )

    def __init__(
        self,
        context: ModelContext,
        coupling: Kind = "affine",
        network: Track = "backbone",
        steps: int | None = None,
        dither: float | None = None,
    ) -> None:
        if coupling not in COUPLINGS:
            raise ConfigError(f"flow has no coupling '{coupling}'; choose one of {', '.join(COUPLINGS)}.")
        if network not in STEPS:
            raise ConfigError(f"flow has no network '{network}'; choose one of {', '.join(STEPS)}.")
        if steps is not None and steps < 2:
            raise ConfigError(f"flow needs at least 2 steps, got {steps}: one leaves half of the channels as they are.")
        if dither is not None and dither < 0:
            raise ConfigError(f"flow needs a dither of at least 0, got {dither}.")
        steps = steps or STEPS[network]
        centred = (network, coupling, context.role) == ("backbone", "affine", "acoustic")
        centre = partial(context.backbone, 0, context.channels, share=CENTRE) if centred else None
        glow = partial(Glow, context.channels, context.cond_dim, steps, coupling, network, centre=centre)
        peer = partial(context.backbone, context.channels, context.channels)
        self.network = glow(match_width(glow, peer, WIDTHS) if network == "backbone" else WaveNet.WIDTH)
        self.channels, self.prosody = context.channels, context.role == "prosody"
        self.dither = DITHER[context.role] if dither is None else dither

    def networks(self) -> Mapping[str, nn.Module]:
        """One network, one group."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Bits per dimension of the dithered target (B, T, C)."""
        target = batch.target + self.dither * (rng.uniform(batch.mask, self.channels) - 0.5)
        offset = step % 2 if self.network.training else 0
        log_likelihood = self.network.log_likelihood(target, batch.cond.sequence, batch.mask, offset)
        return {"generator": -log_likelihood.sum() / (math.log(2) * self.channels * batch.mask.sum())}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """A draw (B, T, C) by one inverse pass (``nfe`` is 1); temperature 0 gives f^-1(mu), the same for all seeds."""
        sequence, mask = (cond.sequence, cond.mask) if self.prosody else _even(cond.sequence, cond.mask)
        drawn: Tensor = self.network(temperature * rng.normal(mask, self.channels), sequence, mask)
        return drawn[:, : cond.mask.shape[1]]


def _paired(cond: Tensor, x: Tensor, mask: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Cond (B, T, D), x (B, T, C), mask (B, T) -> conditions (B, T', 2 D) and mask (B, T', 2 C) of pairs."""
    steps = mask.unsqueeze(-1)
    return squeeze(cond * steps, offset), squeeze(steps.expand_as(x), offset)


def _even(cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Cond (B, T, D), mask (B, T) -> the same, T + 1 steps wide, with the last real step of odd lengths once more."""
    lengths = mask.sum(dim=1)
    rows = (lengths % 2).nonzero().squeeze(1)
    cond, mask = functional.pad(cond, (0, 0, 0, 1)), functional.pad(mask, (0, 1))
    cond[rows, lengths[rows]] = cond[rows, lengths[rows] - 1]
    mask[rows, lengths[rows]] = True
    return cond, mask


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
