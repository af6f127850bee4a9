"""A network that draws, and the distance that trains it.

"Efficient speech language modeling via energy distance in continuous latent space", Ma et al. 2025,
https://arxiv.org/abs/2505.13181. g is a stack of residual blocks on a state z that noise e modulates, zero at first:

    x = A z,   u = B e;   x <- x + gate MLP(LN(x) (1 + scale) + shift), each of (shift, scale, gate) from SiLU(LN(u))

and two draws h, h' of it for the same z are compared with the target y:

    d(h, y) + d(h', y) - repulsion d(h, h'),   d(a, b) = |a - b|^beta

Distances are root mean squares over real elements, with 1e-6 inside the root, since below beta 1 the slope at 0 has no
bound.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

NOISE = 64  # channels of e
TINY = 1e-6


class NoiseBlock(nn.Module):
    """A residual block that noise modulates."""

    def __init__(self, width: int, noise_width: int) -> None:
        super().__init__()
        self.modulation = nn.Sequential(nn.LayerNorm(noise_width), nn.SiLU(), nn.Linear(noise_width, 3 * width))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        _zero(self.modulation[-1])

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """X (..., width), noise (..., noise_width) -> (..., width)."""
        shift, scale, gate = self.modulation(noise).chunk(3, dim=-1)
        update: Tensor = gate * self.mlp(self.norm(x) * (1 + scale) + shift)
        return x + update


class NoiseHead(nn.Module):
    """G: a state and noise -> one patch."""

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
        """Z (..., dim), noise (..., NOISE) -> (..., out)."""
        x, noise = self.state(z), self.noise(noise)
        for block in self.blocks:
            x = block(x, noise)
        shift, scale = self.last(noise).chunk(2, dim=-1)
        patch: Tensor = self.output(self.norm(x) * (1 + scale) + shift)
        return patch


def energy_distance(
    one: Tensor, other: Tensor, target: Tensor, real: Tensor, beta: float = 1.0, repulsion: float = 1.0
) -> Tensor:
    """Draws, target and real elements (..., P) -> loss (...): the generalised energy distance up to a constant."""

    def distance(a: Tensor, b: Tensor) -> Tensor:
        squares = ((a - b).square() * real).sum(dim=-1) / real.sum(dim=-1).clamp_min(1)
        return (squares + TINY).pow(beta / 2)

    return distance(one, target) + distance(other, target) - repulsion * distance(one, other)


def patches(x: Tensor, patch: int) -> Tensor:
    """X (B, T, C) -> (B, K, patch C), the last one filled up with zeros."""
    x = functional.pad(x, (0, 0, 0, -x.shape[1] % patch))
    return x.reshape(len(x), x.shape[1] // patch, patch * x.shape[2])


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
