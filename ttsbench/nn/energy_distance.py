"""A generator head with noise input, and the energy distance that trains it.

"Efficient speech language modeling via energy distance in continuous latent space", Ma et al. 2025,
https://arxiv.org/abs/2505.13181. g is a stack of residual blocks on a state z, modulated by noise e and initially zero:

    x = A z,   u = B e;   x <- x + gate MLP(LN(x) (1 + scale) + shift), each of (shift, scale, gate) from SiLU(LN(u))

Two draws h, h' for the same z are compared with the target y:

    d(h, y) + d(h', y) - repulsion d(h, h'),   d(a, b) = |a - b|^beta

Distances are root mean squares over real elements, with 1e-6 inside the root, because the slope at 0 is unbounded for
beta below 1. Guidance (Ho and Salimans 2022, https://arxiv.org/abs/2207.12598) mixes states with and without condition:

    z = z_u + guidance (z_c - z_u)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from ttsbench.errors import ConfigError

NOISE = 64  # channels of e
TINY = 1e-6


class NoiseBlock(nn.Module):
    """A residual block modulated by noise."""

    def __init__(self, width: int, noise_width: int) -> None:
        super().__init__()
        self.modulation = nn.Sequential(nn.LayerNorm(noise_width), nn.SiLU(), nn.Linear(noise_width, 3 * width))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        _zero(self.modulation[-1])

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Map x (..., width), noise (..., noise_width) to (..., width)."""
        shift, scale, gate = self.modulation(noise).chunk(3, dim=-1)
        update: Tensor = gate * self.mlp(self.norm(x) * (1 + scale) + shift)
        return x + update


class NoiseHead(nn.Module):
    """Map a state and noise to one patch: g above."""

    def __init__(self, dim: int, out: int, width: int, blocks: int) -> None:
        super().__init__()
        self.state, self.noise = nn.Linear(dim, width), nn.Linear(NOISE, width)
        self.blocks = nn.ModuleList([NoiseBlock(width, width) for _ in range(blocks)])
        self.last = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, 2 * width))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.output = nn.Linear(width, out)
        _zero(self.last[-1])
        _zero(self.output)

    def forward(self, z: Tensor, noise: Tensor) -> Tensor:
        """Map z (..., dim), noise (..., NOISE) to (..., out)."""
        x, noise = self.state(z), self.noise(noise)
        for block in self.blocks:
            x = block(x, noise)
        shift, scale = self.last(noise).chunk(2, dim=-1)
        patch: Tensor = self.output(self.norm(x) * (1 + scale) + shift)
        return patch


@dataclass(frozen=True)
class EnergyDistance:
    """Generalised energy distance from two draws, up to a constant.

    Raises ``ConfigError`` for an exponent outside (0, 2] or a negative repulsion.
    """

    beta: float = 1.0
    repulsion: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.beta <= 2 or not self.repulsion >= 0:
            raise ConfigError(
                f"The energy distance needs 0 < beta <= 2 and repulsion >= 0, got {self.beta} and {self.repulsion}."
            )

    def __call__(self, one: Tensor, other: Tensor, target: Tensor, real: Tensor) -> Tensor:
        """Draws, target and real elements (..., P) -> loss (...)."""

        def distance(a: Tensor, b: Tensor) -> Tensor:
            squares = ((a - b).square() * real).sum(dim=-1) / real.sum(dim=-1).clamp_min(1)
            return (squares + TINY).pow(self.beta / 2)

        return distance(one, target) + distance(other, target) - self.repulsion * distance(one, other)


def guided(states: Tensor, guidance: float) -> Tensor:
    """Combine states (2 B, ...), unconditional ones last, to (B, ...)."""
    conditional, unconditional = states.chunk(2)
    return unconditional + guidance * (conditional - unconditional)


def require_dropout(option: str, dropout: float, guidance: float = 1.0) -> None:
    """Raise ``ConfigError`` for an invalid share, or for guidance without dropout of the condition in training."""
    if not 0 <= dropout < 1:
        raise ConfigError(f"{option} is the share of utterances without their condition, 0 to below 1, got {dropout}.")
    if guidance != 1 and not dropout:
        raise ConfigError(
            f"guidance {guidance} needs a network that has learnt to do without its condition; train it with "
            f"{option} such as 0.1."
        )


def patch_counts(lengths: Sequence[int], patch: int) -> list[int]:
    """Return the numbers of patches of utterances with these numbers of frames."""
    return [-(-length // patch) for length in lengths]


def patches(x: Tensor, patch: int) -> Tensor:
    """Split x (B, T, C) into patches (B, K, patch C); zeros fill the last one."""
    x = functional.pad(x, (0, 0, 0, -x.shape[1] % patch))
    return x.reshape(len(x), x.shape[1] // patch, patch * x.shape[2])


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
