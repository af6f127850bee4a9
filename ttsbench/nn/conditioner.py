"""The shared conditioning: phone encoder with speaker embedding, and the length regulator.

The regulator repeats each phone's state over its frames (FastSpeech, Ren et al. 2019) and adds where in its phone a
frame lies and the F0 contour drawn through the phones' log-F0. Given durations and phone-level log-F0 come either
from the recording (oracle prosody) or from a prosody model: the acoustic model cannot tell which.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttsbench.data.batching import RawBatch
from ttsbench.nn.blocks import ConvBlock
from ttsbench.types import Condition, Prompt, Role


class PhoneEncoder(nn.Module):
    """Encode phones (B, P) and speakers (B,) as states (B, P, D)."""

    def __init__(self, n_phones: int, n_speakers: int, dim: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.phones = nn.Embedding(n_phones + 1, dim, padding_idx=0)
        self.speakers = nn.Embedding(n_speakers, dim)
        self.blocks = nn.ModuleList([ConvBlock(dim, kernel) for _ in range(layers)])
        self.norm = nn.LayerNorm(dim)

    def forward(self, phones: Tensor, mask: Tensor, speaker: Tensor) -> Tensor:
        """Phones (B, P) int64 with 0 at padding, mask (B, P), speaker (B,) -> (B, P, D), 0 at padding."""
        hidden = self.phones(phones) + self.speakers(speaker).unsqueeze(1)
        for block in self.blocks:
            hidden = block(hidden, mask)
        states: Tensor = self.norm(hidden)
        return states * mask.unsqueeze(-1)


class Conditioner(nn.Module):
    """The conditioning of all adapters of a role: the encoder and, for acoustic models, the length regulator."""

    POSITION_FEATURES = 4  # position in phone, 1 - position, log duration, F0

    def __init__(self, role: Role, n_phones: int, n_speakers: int, dim: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.encoder = PhoneEncoder(n_phones, n_speakers, dim, layers, kernel)
        self.frames = nn.Linear(self.POSITION_FEATURES, dim) if role == "acoustic" else None

    def forward(self, batch: RawBatch) -> Condition:
        """Encode a collated batch; the result's sequence is (B, T, D), frames or phones by role."""
        states = self.encoder(batch.phones, batch.phone_mask, batch.speaker)
        if self.frames is None:
            return Condition(batch.phones, batch.phone_mask, batch.speaker, states, states, batch.phone_mask)
        index = batch.alignment.unsqueeze(-1).expand(-1, -1, states.shape[-1])
        sequence = torch.gather(states, 1, index) + self.frames(batch.frame_features)
        sequence = sequence * batch.mask.unsqueeze(-1)
        return Condition(
            batch.phones, batch.phone_mask, batch.speaker, states, sequence, batch.mask, batch.durations,
            batch.alignment, prompt=self._prompt(batch.prompt),
        )  # fmt: skip

    def _prompt(self, prompt: RawBatch | None) -> Prompt | None:
        if prompt is None:
            return None
        states = self.encoder(prompt.phones, prompt.phone_mask, prompt.speaker)
        return Prompt(prompt.target, prompt.mask, states, prompt.phone_mask)
