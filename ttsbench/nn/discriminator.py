"""A discriminator on the features of another network's blocks, as DMD2 has it.

Yin et al. 2024, https://arxiv.org/abs/2405.14867: what the fake score has learnt tells recordings from what was made.
Text and noise, which both have in common, make up nearly all of those features. So that what differs is learnt in some
hundred steps, each block's are normalised, and the first judgement is one half, of which nothing is to be unlearnt.
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
    """Features of several blocks (B, T, W) and a condition -> a number per frame (B, T, 1), 1 for recordings."""

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
        """One judgement per frame."""
        hidden = self.condition(cond.sequence)
        for layer, one in zip(self.inputs, features, strict=True):
            hidden = hidden + layer(self.read(one))
        judged: Tensor = self.output(self.norm(self.block(functional.silu(self.read(hidden)), cond.mask)))
        return judged


def blocks_of(network: nn.Module) -> list[ConvBlock]:
    """The blocks of a backbone whose features the discriminator reads."""
    found = [module for module in network.modules() if isinstance(module, ConvBlock)]
    if not found:
        raise ConfigError("dmd: the discriminator reads features of the shared backbone; set adversarial to 0.")
    return found


@contextmanager
def tapped(blocks: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Collects what the blocks put out."""
    outputs: list[Tensor] = []
    handles = [block.register_forward_hook(lambda *call: outputs.append(call[2])) for block in blocks]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
