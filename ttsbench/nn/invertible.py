"""Invertible layers for sequences, each with the logarithm of its Jacobian determinant.

    log p(x) = log p(z) + sum over layers of log |det d output / d input|

"Glow: generative flow with invertible 1x1 convolutions", Kingma & Dhariwal 2018, https://arxiv.org/abs/1807.03039, for
the three layers of a step; "Glow-TTS", Kim et al. 2020, https://arxiv.org/abs/2005.11129, for pairs of frames and
groups of channels; "Neural spline flows", Durkan et al. 2019, https://arxiv.org/abs/1906.04032, for the spline.

Every layer takes x (B, T, C), a condition (B, T, D) and a mask of *elements* (B, T, C): where two frames stand side by
side in C, the last of an odd number has no partner, and only half of its elements are real. Padding goes in and comes
out as 0 and has no part in a determinant, so that densities are exact for every length.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

LIMIT = 1.5  # of one coupling's log-scale: a few of them still reach any scale, and none explodes
SMALLEST_VARIANCE = 1e-6  # of a channel at initialisation
TAIL = 5.0  # beyond it a spline is the identity
SMALLEST_BIN = 1e-3  # of the width and of the height of a spline, as a share
SMALLEST_SLOPE = 1e-3


class Bijection(nn.Module, ABC):
    """An invertible map between x (B, T, C) and z (B, T, C)."""

    @abstractmethod
    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, T, C), cond (B, T, D), mask (B, T, C) to z (B, T, C) and log |det dz/dx| (B,)."""

    @abstractmethod
    def inverse(self, z: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """The x (B, T, C) that ``forward`` takes to z."""


class Chain(Bijection):
    """A sequence of layers."""

    def __init__(self, layers: Sequence[Bijection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, T, C), cond (B, T, D), mask (B, T, C) to z (B, T, C) and log |det dz/dx| (B,)."""
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x, cond, mask)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """The x (B, T, C) that ``forward`` takes to z."""
        for layer in reversed(cast("Sequence[Bijection]", self.layers)):
            z = layer.inverse(z, cond, mask)
        return z


class ActNorm(Bijection):
    """z = (x + shift) * exp(log_scale), with a shift and a scale per channel.

    The first training batch sets both, so that every channel of its real elements has zero mean and unit variance.
    ``initialised`` is part of the state, so that a resumed training does not repeat this.
    """

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("initialised", torch.tensor(False))
        self._ready = False  # whether ``initialised`` was read as true: reading makes the host wait for the device

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, T, C), mask (B, T, C) to z (B, T, C) and log |det dz/dx| (B,)."""
        if self.training and not self._ready:
            if not bool(self.initialised):
                self._initialise(x, mask)
            self._ready = True
        z = torch.where(mask, (x + self.shift) * self.log_scale.exp(), 0.0)
        return z, (self.log_scale * mask).sum(dim=(1, 2))

    def inverse(self, z: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """The x (B, T, C) that ``forward`` takes to z."""
        return torch.where(mask, z * (-self.log_scale).exp() - self.shift, 0.0)

    @torch.no_grad()
    def _initialise(self, x: Tensor, mask: Tensor) -> None:
        real = torch.where(mask, x, 0.0).double()
        sums = torch.stack([mask.double().sum(dim=(0, 1)), real.sum(dim=(0, 1)), real.square().sum(dim=(0, 1))])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sums)  # devices see parts of one batch and must begin alike
        count, total, squares = sums
        mean = total / count.clamp_min(1)
        variance = (squares / count.clamp_min(1) - mean.square()).clamp_min(SMALLEST_VARIANCE)
        known = count > 1  # a channel nobody has seen stays as it is
        self.shift.copy_(torch.where(known, -mean, self.shift))
        self.log_scale.copy_(torch.where(known, -0.5 * variance.log(), self.log_scale))
        self.initialised.fill_(True)


class InvertibleConv(Bijection):
    """z = W x on groups of channels; W is orthogonal at first and shared by all groups.

    As in Glow-TTS, a group has four channels, two from each half of C. Groups with padding are left unchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.size = 4 if channels % 4 == 0 else 2
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(self.size, self.size)))

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, T, C), mask (B, T, C) to z (B, T, C) and log |det dz/dx| (B,)."""
        whole = self._groups(mask).all(dim=-1, keepdim=True)
        log_det = torch.linalg.slogdet(self.weight).logabsdet * whole.sum(dim=(1, 2, 3))
        return self._mixed(x, self.weight, whole), log_det

    def inverse(self, z: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """The x (B, T, C) that ``forward`` takes to z."""
        whole = self._groups(mask).all(dim=-1, keepdim=True)
        return self._mixed(z, torch.linalg.inv(self.weight), whole)

    def _mixed(self, x: Tensor, weight: Tensor, whole: Tensor) -> Tensor:
        groups = self._groups(x)
        with torch.autocast(x.device.type, enabled=False):  # in bfloat16 the inverse would not be one
            mixed = torch.where(whole, groups @ weight.T, groups)
        return torch.unflatten(mixed, -1, (2, -1)).transpose(2, 3).flatten(2)

    def _groups(self, x: Tensor) -> Tensor:
        """Split channels into groups: (B, T, C) to (B, T, C / size, size)."""
        return torch.unflatten(x, -1, (2, -1, self.size // 2)).transpose(2, 3).flatten(3)


class Coupling(Bijection):
    """Change one half of C element-wise, with parameters from a network of the other half and the condition.

    ``network(half (B, T, C / 2), cond (B, T, D), mask (B, T))`` returns ``PARAMETERS`` numbers per element; zeros leave
    an element unchanged. With ``flip`` the first half is changed.
    """

    PARAMETERS: ClassVar[int]

    def __init__(self, network: nn.Module, flip: bool) -> None:
        super().__init__()
        self.network, self.flip = network, flip

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map x (B, T, C), cond (B, T, D), mask (B, T, C) to z (B, T, C) and log |det dz/dx| (B,)."""
        (kept, moved), (_, real) = self._halves(x), self._halves(mask)
        changed, log_slope = self.change(moved, self._predicted(kept, cond, mask))
        log_det = torch.where(real, log_slope, 0.0).sum(dim=(1, 2))
        return self._whole(kept, torch.where(real, changed, 0.0)), log_det

    def inverse(self, z: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        """The x (B, T, C) that ``forward`` takes to z."""
        (kept, moved), (_, real) = self._halves(z), self._halves(mask)
        restored = self.restore(moved, self._predicted(kept, cond, mask))
        return self._whole(kept, torch.where(real, restored, 0.0))

    @abstractmethod
    def change(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Elements (...) with parameters (..., PARAMETERS) -> what becomes of them and its log-derivative."""

    @abstractmethod
    def restore(self, y: Tensor, parameters: Tensor) -> Tensor:
        """The elements (...) that ``change`` takes to y."""

    def _predicted(self, kept: Tensor, cond: Tensor, mask: Tensor) -> Tensor:
        raw: Tensor = self.network(kept, cond, mask.any(dim=-1))
        return torch.unflatten(raw.to(kept.dtype), -1, (-1, self.PARAMETERS))

    def _halves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.chunk(2, dim=-1)
        return (second, first) if self.flip else (first, second)

    def _whole(self, kept: Tensor, moved: Tensor) -> Tensor:
        return torch.cat([moved, kept] if self.flip else [kept, moved], dim=-1)


class AffineCoupling(Coupling):
    """y = shift + exp(log_scale) x, with |log_scale| < LIMIT."""

    PARAMETERS = 2

    def change(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Elements (...) with parameters (..., 2) -> what becomes of them and its log-derivative."""
        shift, log_scale = self._read(parameters)
        return shift + log_scale.exp() * x, log_scale

    def restore(self, y: Tensor, parameters: Tensor) -> Tensor:
        """The elements (...) that ``change`` takes to y."""
        shift, log_scale = self._read(parameters)
        return (y - shift) * (-log_scale).exp()

    @staticmethod
    def _read(parameters: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = parameters.unbind(dim=-1)
        return shift, LIMIT * torch.tanh(raw / LIMIT)


class SplineCoupling(Coupling):
    """y is a monotone rational-quadratic spline of x with ``BINS`` bins."""

    BINS: ClassVar[int] = 10
    PARAMETERS = 3 * BINS - 1

    def change(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Elements (...) with parameters (..., 29) -> what becomes of them and its log-derivative."""
        return rational_quadratic(x, parameters)

    def restore(self, y: Tensor, parameters: Tensor) -> Tensor:
        """The elements (...) that ``change`` takes to y."""
        return rational_quadratic(y, parameters, inverse=True)[0]


def squeeze(x: Tensor, offset: int = 0) -> Tensor:
    """Join pairs of frames, (B, T, C) to (B, T', 2 C), after ``offset`` frames of padding.

    T' = ceil((offset + T) / 2); zeros (False in a mask) join a last frame without a partner.
    """
    missing = (offset + x.shape[1]) % 2
    return torch.unflatten(functional.pad(x, (0, 0, offset, missing)), 1, (-1, 2)).flatten(2)


def unsqueeze(x: Tensor, length: int) -> Tensor:
    """Undo ``squeeze`` without offset: (B, T', 2 C) to (B, length, C)."""
    return torch.unflatten(x, -1, (2, -1)).flatten(1, 2)[:, :length]


def rational_quadratic(x: Tensor, parameters: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
    """Elements (...) with parameters (..., 3 K - 1) -> y (...) and log dy/dx (...), or x and log dx/dy of given y.

    Between the knots (x_k, y_k), (x_{k+1}, y_{k+1}) with slopes d_k, d_{k+1}, a bin of width w and height h, and for
    xi = (x - x_k) / w, s = h / w:

        y = y_k + h (s xi^2 + d_k xi (1 - xi)) / (s + c xi (1 - xi)),   c = d_k + d_{k+1} - 2 s
        dy/dx = s^2 (d_{k+1} xi^2 + 2 s xi (1 - xi) + d_k (1 - xi)^2) / (s + c xi (1 - xi))^2

    Outside [-TAIL, TAIL] it is the identity; parameters of 0 make it the identity everywhere.
    """
    xs, ys, slopes = _knots(parameters)
    inside = x.abs() < TAIL
    value = x.clamp(-TAIL, TAIL).unsqueeze(-1)
    left = torch.searchsorted((ys if inverse else xs)[..., 1:-1].contiguous(), value.contiguous())
    x0, x1, y0, y1, d0, d1 = (
        knots.gather(-1, left + right).squeeze(-1) for knots in (xs, ys, slopes) for right in (0, 1)
    )
    value, width, height = value.squeeze(-1), x1 - x0, y1 - y0
    s = height / width
    c = d0 + d1 - 2 * s
    if inverse:
        above = value - y0
        linear = height * d0 - above * c
        root = (linear.square() + 4 * s * above * (height * (s - d0) + above * c)).clamp_min(0).sqrt()
        xi = 2 * s * above / (linear + root)
    else:
        xi = (value - x0) / width
    middle = xi * (1 - xi)
    below = s + c * middle
    slope = s.square() * (d1 * xi.square() + 2 * s * middle + d0 * (1 - xi).square()) / below.square()
    if inverse:
        result, log_slope = x0 + width * xi, -slope.log()
    else:
        result, log_slope = y0 + height * (s * xi.square() + d0 * middle) / below, slope.log()
    return torch.where(inside, result, x), torch.where(inside, log_slope, 0.0)


def _knots(parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Parameters (..., 3 K - 1) -> rising x, rising y and slopes, (..., K + 1) each; slopes are 1 at both ends."""
    bins = (parameters.shape[-1] + 1) // 3
    widths, heights, raw = torch.split(parameters, [bins, bins, bins - 1], dim=-1)
    at_zero = math.log(math.expm1(1 - SMALLEST_SLOPE))  # softplus of it makes a slope of 1
    slopes = functional.pad(SMALLEST_SLOPE + functional.softplus(raw + at_zero), (1, 1), value=1.0)
    return _edges(widths), _edges(heights), slopes


def _edges(raw: Tensor) -> Tensor:
    """Return the edges (..., K + 1) of K bins, from -TAIL to TAIL, from sizes before the softmax (..., K)."""
    bins = raw.shape[-1]
    shares = SMALLEST_BIN + (1 - SMALLEST_BIN * bins) * raw.softmax(dim=-1)
    inner = TAIL * (2 * shares.cumsum(dim=-1)[..., :-1] - 1)
    return functional.pad(functional.pad(inner, (1, 0), value=-TAIL), (0, 1), value=TAIL)
