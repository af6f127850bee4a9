"""Normalizing flow of the whitened residual: exact likelihood, sampled in one pass.

"Comparing normalizing flows and diffusion models for prosody and acoustic modelling in text-to-speech", Zhang et al.
2023, https://arxiv.org/abs/2307.16679, with the steps of Glow-TTS, Kim et al. 2020, https://arxiv.org/abs/2005.11129.
The data y are whitened residuals around a trained L2 model (``ttsbench/nn/residual.py``):

    z = f(y; c),   log p(y | c) = log N(z; mu(c), sigma(c)^2) + log |det df/dy|
    L = -log2 p(target | c) / number of real elements             (bits per dimension of the normalised target)
    y = f^-1(mu(c) + temperature * sigma(c) * eps; c),   eps ~ N(0, I)       (one pass)

f works on pairs of neighbouring frames (of phones, for prosody) in steps of actnorm, invertible 1x1 convolution and
coupling. Mean and deviation of the prior are learnt. Couplings and prior read the states of the first half of the
shared backbone; a coupling is a shared backbone of two blocks, of the width at which the whole flow has as many
parameters as that backbone.

A frame without a partner has its exact density (``ttsbench/nn/invertible.py``), and every other training step pairs the
frames the other way round, so that sequences of even length train that density too. It is a poor density all the same:
a single last frame was 2.3 standard deviations off where a paired one was 0.9 (480,000 parameters, 300 steps,
``espeak``). Mels of odd length are therefore drawn with one more frame, which is then dropped. Prosody is not extended,
because a phone after the last one is unlike anything in the data.

Uniform noise is added to targets in training: mels at the floor, F0 interpolated through unvoiced phones and durations
of whole frames have no density otherwise. The width for durations should span the gap to the next whole number of
frames, but adapters do not know the scale of log-durations.
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
    LIMIT,
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
from ttsbench.nn.residual import Residual

Kind = Literal["affine", "spline"]
Track = Literal["backbone", "wavenet"]
COUPLINGS: dict[str, type[Coupling]] = {"affine": AffineCoupling, "spline": SplineCoupling}
STEPS = {"backbone": 8, "wavenet": 12}
DITHER = {"acoustic": 0.05, "prosody": 0.1}  # in standard deviations of the target
READER = 0.5  # share of the shared backbone's layers
COUPLING_LAYERS = 2
WIDTHS = range(4, 1025, 2)


class WaveNet(nn.Module):
    """The coupling network of Glow-TTS: gated convolutions, kernel 5, 4 layers, with the call of a ``Backbone``.

    It has no dropout, which would draw from the global generator, and no weight normalisation, whose two factors would
    be averaged separately. The condition is added to the projected input.
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
        _zero(self.output)

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """Map x (B, T, in_channels), cond (B, T, D), mask (B, T) to (B, T, out_channels)."""
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
    """The flow f and its Gaussian prior. Called as a module it goes from noise to data, as sampling does.

    It starts as a rotation of a standard normal distribution: couplings change nothing, mu is 0 and sigma is 1.
    """

    def __init__(
        self, channels: int, cond_dim: int, steps: int, coupling: Kind, network: Track, width: int,
        reader: Callable[[], nn.Module] | None = None, residual: Residual | None = None,
    ) -> None:  # fmt: skip
        """``reader`` makes the network whose states the couplings and the prior read instead of the condition."""
        super().__init__()
        self.residual = residual
        backbone = reader() if reader else None
        assert backbone is None or isinstance(backbone, Backbone)  # a Callable does not say what it makes
        self.reader = backbone
        cond_dim = cond_dim if backbone is None else backbone.dim
        kind, pair_dim = COUPLINGS[coupling], 2 * cond_dim
        self.prior = nn.Linear(pair_dim, 4 * channels)  # mean and log-deviation of a pair
        layers: list[Bijection] = []
        for step in range(steps):
            out = channels * kind.PARAMETERS
            inner: Backbone | WaveNet
            if network == "wavenet":
                inner = WaveNet(channels, out, pair_dim)
            else:
                inner = Backbone(channels, out, pair_dim, width, COUPLING_LAYERS, kernel=7, time=False, residual=True)
            flip = step % 2 == 1  # the convolutions do not mix a frame without a partner: each half has its turn
            layers += [ActNorm(2 * channels), InvertibleConv(2 * channels), kind(inner, flip)]
        _zero(self.prior)
        self.chain = Chain(layers)

    def forward(self, noise: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """Noise (B, T, C), cond (B, T, D), mask (B, T) -> data (B, T, C), 0 at padding."""
        pairs, real = _paired(self._read(cond, mask), noise, mask, 0)
        mean, log_scale = self.moments(pairs)
        z = torch.where(real, mean + log_scale.exp() * squeeze(noise), 0.0)
        return unsqueeze(self.chain.inverse(z, pairs, real), noise.shape[1])

    def log_likelihood(self, x: Tensor, cond: Tensor, mask: Tensor, offset: int = 0) -> Tensor:
        """Map x (B, T, C), cond (B, T, D), mask (B, T) to log p(x | cond) (B,), natural.

        With ``offset`` 1 the first frame has no partner, and the second is paired with the third.
        """
        pairs, real = _paired(self._read(cond, mask), x, mask, offset)
        z, log_det = self.chain(torch.where(real, squeeze(x, offset), 0.0), pairs, real)
        mean, log_scale = self.moments(pairs)
        log_normal = -0.5 * (((z - mean) * (-log_scale).exp()).square() + math.log(2 * math.pi)) - log_scale
        total: Tensor = torch.where(real, log_normal, 0.0).sum(dim=(1, 2)) + log_det
        return total

    def moments(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-deviation of z (B, T', 2 C) for conditions of pairs (B, T', 2 D)."""
        mean, raw = self.prior(pairs).chunk(2, dim=-1)
        return mean, LIMIT * torch.tanh(raw / LIMIT)

    def _read(self, cond: Tensor, mask: Tensor) -> Tensor:
        return cond if self.reader is None else self.reader.states(None, cond, mask)


class Flow:
    """A conditional Glow.

    ``coupling``: ``affine``, or ``spline`` (rational-quadratic, 10 bins on [-5, 5]). ``network``: ``backbone`` of the
    controlled track, or ``wavenet``, the size of Glow-TTS (12 steps, width 192). ``steps``: 8 and 12 by default.
    ``dither``: width of the uniform noise added to the normalised target in training, 0.05 for mels and 0.1 for prosody
    by default. ``mean``: the adapter around whose output residuals are taken; empty for the target itself.
    """

    info = AdapterInfo(
        name="flow",
        title="Normalizing flow",
        paper="Zhang et al. 2023, https://arxiv.org/abs/2307.16679; Kim et al. 2020, https://arxiv.org/abs/2005.11129",
        stochastic=True,
        starts_from=("l2",),
        step_cost=1.6,
        search={"temperature": (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)},
    )

    def __init__(
        self,
        context: ModelContext,
        coupling: Kind = "affine",
        network: Track = "backbone",
        steps: int | None = None,
        dither: float | None = None,
        mean: str = "l2",
    ) -> None:
        if coupling not in COUPLINGS:
            raise ConfigError(f"flow has no coupling '{coupling}'; choose one of {', '.join(COUPLINGS)}.")
        if network not in STEPS:
            raise ConfigError(f"flow has no network '{network}'; choose one of {', '.join(STEPS)}.")
        if steps is not None and steps < 2:
            raise ConfigError(f"flow needs at least 2 steps, got {steps}: one leaves half of the channels unchanged.")
        if dither is not None and dither < 0:
            raise ConfigError(f"flow needs a dither of at least 0, got {dither}.")
        steps = steps or STEPS[network]
        reading = (network, context.role) == ("backbone", "acoustic")
        reader = partial(context.backbone, 0, 0, share=READER) if reading else None
        glow = partial(Glow, context.channels, context.cond_dim, steps, coupling, network, reader=reader)
        peer = partial(context.backbone, context.channels, context.channels)
        width = match_width(glow, peer, WIDTHS) if network == "backbone" else WaveNet.WIDTH
        self.network = glow(width, residual=Residual(context, mean))
        self.refines, self.channels, self.prosody = mean, context.channels, context.role == "prosody"
        self.dither = DITHER[context.role] if dither is None else dither

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
        assert self.network.residual is not None  # set in the constructor
        return self.network.residual

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Bits per dimension of the dithered target (B, T, C)."""
        target = batch.target + self.dither * (rng.uniform(batch.mask, self.channels) - 0.5)
        data = self.residual.whiten(target, self.residual.mean(batch.cond), batch.mask)
        offset = step % 2 if self.network.training else 0
        log_likelihood = self.network.log_likelihood(data, batch.cond.sequence, batch.mask, offset)
        bits = -log_likelihood.sum() / (math.log(2) * self.channels * batch.mask.sum())
        return {"generator": bits + self.residual.scale.log2().mean()}

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0) -> Tensor:
        """Return a draw (B, T, C) by one inverse pass (``nfe`` is 1).

        Temperature 0 gives f^-1(mu), the same for all seeds.
        """
        sequence, mask = (cond.sequence, cond.mask) if self.prosody else _even(cond.sequence, cond.mask)
        drawn: Tensor = self.network(temperature * rng.normal(mask, self.channels), sequence, mask)
        return self.residual.restore(drawn[:, : cond.mask.shape[1]], self.residual.mean(cond))


def _paired(cond: Tensor, x: Tensor, mask: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Pair neighbouring frames of x (B, T, C): return conditions (B, T', 2 D) and the mask (B, T', 2 C) of pairs."""
    steps = mask.unsqueeze(-1)
    return squeeze(cond * steps, offset), squeeze(steps.expand_as(x), offset)


def _even(cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Cond (B, T, D), mask (B, T) -> both with T + 1 steps, where odd lengths have their last real step twice."""
    lengths = mask.sum(dim=1)
    rows = (lengths % 2).nonzero().squeeze(1)
    cond, mask = functional.pad(cond, (0, 0, 0, 1)), functional.pad(mask, (0, 1))
    cond[rows, lengths[rows]] = cond[rows, lengths[rows] - 1]
    mask[rows, lengths[rows]] = True
    return cond, mask


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
