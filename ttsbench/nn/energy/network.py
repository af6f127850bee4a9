"""The energy of an utterance: energies of its frames, weighted by attention.

"Energy-based models for speech synthesis", Sun, Tu and Ragni 2023, https://arxiv.org/abs/2310.12765. Features G (B, T,
W) of a target and its condition give

    e_t = w . silu(A G_t) + b        a = softmax over real frames of v . tanh(U G_t)        E = sum over t of a_t e_t

Frame energies, attention weights and a size of 2.3 million parameters are the paper's; activations, widths and what
follows are reconstructions. ``FrameFeatures`` (controlled track) are the shared backbone's, from aligned conditioning;
``PhoneFeatures`` (the paper's) are those of a Transformer that reads the phones and lets frames attend to them.

E weighs frames to a sum of 1, so its gradient shrinks as utterances grow. ``score`` is therefore -T dE/dY: of the size
of a frame energy's own gradient, whatever the length.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ttsbench.errors import ConfigError
from ttsbench.nn.backbone import Backbone
from ttsbench.nn.blocks import time_embedding
from ttsbench.types import Condition, ModelContext

EnergyTrack = Literal["backbone", "transformer"]
LOUD = 0.2  # weights by which Y joins a condition already learnt: at .065, a pilot took three times as long to tell


class FrameFeatures(nn.Module):
    """Features from the shared backbone."""

    def __init__(self, context: ModelContext, loud: float | None) -> None:
        super().__init__()
        self.width = context.cond_dim
        network = context.backbone(context.channels, self.width)
        assert isinstance(network, Backbone)  # the factory returns nn.Module
        assert network.input is not None  # Y
        if loud is not None:
            nn.init.normal_(network.input.weight, std=loud)
        self.network = network

    def forward(self, y: Tensor, cond: Condition) -> Tensor:
        """Map y (B, T, C) to (B, T, W)."""
        features: Tensor = self.network(y, cond.sequence, cond.mask)
        return features


class PhoneFeatures(nn.Module):
    """Features by a Transformer: an encoder over phones, a decoder over frames that attends to it; no alignment."""

    width = 192

    def __init__(self, context: ModelContext, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        shape = {"nhead": heads, "dim_feedforward": 4 * self.width, "dropout": 0.0, "batch_first": True}
        self.phones = nn.Linear(context.cond_dim, self.width)
        self.frames = nn.Linear(context.channels, self.width)
        encoder = nn.TransformerEncoderLayer(self.width, activation="gelu", **shape)  # type: ignore[arg-type]
        decoder = nn.TransformerDecoderLayer(self.width, activation="gelu", **shape)  # type: ignore[arg-type]
        self.encoder = nn.TransformerEncoder(encoder, layers, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(decoder, layers)

    def forward(self, y: Tensor, cond: Condition) -> Tensor:
        """Map y (B, T, C) to (B, T, W)."""
        with sdpa_kernel(SDPBackend.MATH):  # the only one that can be differentiated twice
            phones = self.encoder(_placed(self.phones(cond.states)), src_key_padding_mask=~cond.phone_mask)
            features: Tensor = self.decoder(
                _placed(self.frames(y)), phones, tgt_key_padding_mask=~cond.mask,
                memory_key_padding_mask=~cond.phone_mask,
            )  # fmt: skip
        return features


def _placed(x: Tensor) -> Tensor:
    """Add sinusoidal positions to x (B, T, W)."""
    place = torch.arange(x.shape[1], device=x.device) / 1_000.0
    return x + time_embedding(place, x.shape[2])


class Energy(nn.Module):
    """E(Y | x), low for speech. ``loud`` is the initial standard deviation of the input weights of Y."""

    def __init__(self, context: ModelContext, network: EnergyTrack = "backbone", loud: float | None = LOUD) -> None:
        super().__init__()
        if network not in ("backbone", "transformer"):
            raise ConfigError(f"There is no energy network '{network}'; choose one of backbone, transformer.")
        self.features = FrameFeatures(context, loud) if network == "backbone" else PhoneFeatures(context)
        width = self.features.width
        self.frame = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1))
        self.attention = nn.Sequential(nn.Linear(width, width // 4), nn.Tanh(), nn.Linear(width // 4, 1, bias=False))

    def forward(self, y: Tensor, cond: Condition) -> Tensor:
        """Map y (B, T, C) to energies (B,)."""
        features = self.features(torch.where(cond.mask.unsqueeze(-1), y, 0.0), cond)
        padding = ~cond.mask.unsqueeze(-1)
        weights = self.attention(features).masked_fill(padding, -torch.inf).softmax(dim=1)
        energies: Tensor = (weights * self.frame(features).masked_fill(padding, 0.0)).sum(dim=(1, 2))
        return energies

    def score(self, y: Tensor, cond: Condition, differentiable: bool = False) -> Tensor:
        """Return -T dE/dY (B, T, C), 0 at padding; ``differentiable`` if a loss depends on it."""
        with torch.enable_grad():
            at = y if y.requires_grad else y.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self(at, cond).sum(), at, create_graph=differentiable)
        return -slope * cond.lengths.view(-1, 1, 1)
