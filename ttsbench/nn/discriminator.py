"""A discriminator on the features of another network's blocks, as in DMD2.

Yin et al. 2024, https://arxiv.org/abs/2405.14867: features of the fake score separate recordings from generated data.
Text and noise, which both have in common, account for nearly all of these features. To learn the difference within some
hundred steps, the features of each block are normalised, and the initial output is one half everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn import functional

from ttsbench.errors import ConfigError
from ttsbench.nn.blocks import ConvBlock
from ttsbench.types import Condition


class Discriminator(nn.Module):
    """Map features of several blocks (B, T, W) and a condition to a number per frame (B, T, 1), 1 for recordings."""

    def __init__(self, blocks: Sequence[ConvBlock], cond_dim: int) -> None:
        super().__init__()
        width = blocks[0].norm.normalized_shape[0]
        self.inputs = nn.ModuleList([nn.Linear(width, width) for _ in blocks])
        self.condition = nn.Linear(cond_dim, width)
        self.read, self.norm = (nn.LayerNorm(width, elementwise_affine=affine) for affine in (False, True))
        self.block, self.output = ConvBlock(width), nn.Linear(width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.constant_(self.output.bias, 0.5)

    def forward(self, features: Sequence[Tensor], cond: Condition) -> Tensor:
        """Return the decision for each frame, (B, T, 1)."""
        hidden = self.condition(cond.sequence)
        for layer, one in zip(self.inputs, features, strict=True):
            hidden = hidden + layer(self.read(one))
        judged: Tensor = self.output(self.norm(self.block(functional.silu(self.read(hidden)), cond.mask)))
        return judged


def blocks_of(network: nn.Module) -> list[ConvBlock]:
    """Return the blocks of a backbone whose features the discriminator reads."""
    found = [module for module in network.modules() if isinstance(module, ConvBlock)]
    if not found:
        raise ConfigError("dmd: the discriminator reads features of the shared backbone; set adversarial to 0.")
    return found


@contextmanager
def tapped(blocks: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Collect the outputs of blocks."""
    outputs: list[Tensor] = []
    handles = [block.register_forward_hook(lambda *call: outputs.append(call[2])) for block in blocks]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
