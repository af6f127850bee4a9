"""SLED as its paper has it: free-running speech from text, which stops by itself.

"Efficient speech language modeling via energy distance in continuous latent space", Ma et al. 2025,
https://arxiv.org/abs/2505.13181. One causal Transformer reads the text and then the speech, patch by patch; at each
place a head draws the next patch and another says whether speech is over:

    [text_1 .. text_P, start, patch_1 .. patch_K]  ->  patch_1 .. patch_K, stop
    L = energy distance of two draws (``ttsbench/nn/drawing.py``) + cross-entropy of the stop at K + 1 places

Text is left out of an utterance with probability ``text_dropout`` in training; at sampling z = z_u + guidance
(z_c - z_u) for the draw, while the stop is that of the conditional branch, at a probability of .8.

Chosen here, for a corpus of minutes and not of thousands of hours: the text is the encoder's phones, speaker included,
and phone i stands at the place where it would be spoken at the corpus' mean rate, so that text and speech of one moment
are near each other for the rotary positions; the stop is weighed ``STOP_WEIGHT`` times where the paper has 100 for
longer sequences; patches of mel frames stand for Encodec's latents. What has not stopped after ``LONGEST`` times the
expected length is cut, and counts as failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise, Spoken
from ttsbench.nn.drawing import NOISE, EnergyDistance, NoiseHead, guided, patches, require_dropout
from ttsbench.nn.matching import matching_width
from ttsbench.nn.transformer import Cache, Transformer

HEAD_DIM = 32  # of an attention head
HEAD_WIDTHS = range(8, 1025, 8)
STOP_WEIGHT, STOP_AT = 20.0, 0.8
LONGEST = 3.0  # times the expected length


class Prefix(NamedTuple):
    """The text as the Transformer reads it."""

    inputs: Tensor  # (B, P, dim)
    places: Tensor  # (B, P)
    real: Tensor  # (B, P) bool


class TextNetwork(nn.Module):
    """Reads text and patches, draws the next patch and says when speech is over."""

    seen: Tensor

    def __init__(self, patch: int, cond_dim: int, dim: int, layers: int, blocks: int, width: int) -> None:
        super().__init__()
        self.text, self.previous = nn.Linear(cond_dim, dim), nn.Linear(patch, dim)
        self.start, self.no_text = nn.Parameter(torch.randn(dim)), nn.Parameter(torch.randn(dim))
        self.transformer = Transformer(dim, layers, max(1, dim // HEAD_DIM))
        self.head, self.stop = NoiseHead(dim, patch, width, blocks), nn.Linear(dim, 1)
        self.register_buffer("seen", torch.tensor([2.0, 1.0]))  # patches and phones that training has seen

    @property
    def rate(self) -> Tensor:
        """Patches per phone, of the corpus."""
        return self.seen[0] / self.seen[1]

    def prefix(self, cond: Condition, left_out: Tensor) -> Prefix:
        """The text of a batch; left_out (B,) bool has none of it."""
        inputs = torch.where(left_out.view(-1, 1, 1), self.no_text, self.text(cond.states))
        places = torch.arange(inputs.shape[1], device=inputs.device) * self.rate
        return Prefix(inputs, places.expand(inputs.shape[:2]), cond.phone_mask)

    def states(self, prefix: Prefix, previous: Tensor) -> Tensor:
        """A prefix and all patches (B, K, C'), the first of which is nothing -> z (B, K, dim)."""
        speech = self._speech(previous, torch.arange(previous.shape[1], device=previous.device) == 0)
        batch, count = previous.shape[:2]
        places = torch.arange(count, device=previous.device).expand(batch, -1)
        z: Tensor = self.transformer(
            torch.cat([prefix.inputs, speech], dim=1), None,
            torch.cat([prefix.places, places], dim=1),
            functional.pad(prefix.real, (0, count), value=True),
        )  # fmt: skip
        return z[:, -count:]

    def forward(
        self, previous: Tensor, noise: Tensor, step: int, cache: Cache, real: Tensor, guidance: float
    ) -> Tensor:
        """One step: previous patch (B, C'), noise (B, NOISE) -> patch and logit of the stop, (B, C' + 1).

        With guidance other than 1 the cache holds 2 B rows, those without text last.
        """
        rows = len(real)
        first = torch.full((1,), step == 0, device=previous.device)
        speech = self._speech(previous.repeat(rows // len(previous), 1).unsqueeze(1), first)
        places = torch.full((rows, 1), float(step), device=previous.device)
        z = self.transformer(speech, cache, places, functional.pad(real, (0, step + 1), value=True)).squeeze(1)
        mixed = z if guidance == 1 else guided(z, guidance)
        return torch.cat([self.head(mixed, noise), self.stop(z[: len(previous)])], dim=-1)

    def _speech(self, previous: Tensor, first: Tensor) -> Tensor:
        """Patches (B, K, C') as inputs; where first (K,) there is none before."""
        return torch.where(first.view(1, -1, 1), self.start, self.previous(previous))


class SledText:
    """Free-running SLED.

    ``patch``: frames in one draw. ``beta``, ``repulsion``: of the energy distance. ``text_dropout``: share of
    utterances without their text, which ``guidance`` at sampling needs. ``dim``, that of the condition where left out,
    and ``layers`` are the Transformer's, ``blocks`` the head's.
    """

    info = AdapterInfo(
        name="sled_text",
        title="Energy distance, from text alone",
        paper="Ma et al. 2025, https://arxiv.org/abs/2505.13181 (places of phones and patches of mel frames are ours)",
        stochastic=True,
        free_running=True,
        step_cost=1.5,
    )

    def __init__(
        self,
        context: ModelContext,
        patch: int = 3,
        beta: float = 1.0,
        repulsion: float = 1.0,
        text_dropout: float = 0.0,
        input_noise: float = 0.2,
        dim: int | None = None,
        layers: int = 3,
        blocks: int = 2,
    ) -> None:
        if context.role != "acoustic":
            raise ConfigError("sled_text is an acoustic model: it speaks from text, and needs no prosody.")
        if patch < 1:
            raise ConfigError(f"sled_text draws patches of at least 1 frame, got {patch}.")
        require_dropout("text_dropout", text_dropout)
        self.channels, self.patch, self.distance = context.channels, patch, EnergyDistance(beta, repulsion)
        self.text_dropout, self.input_noise = text_dropout, input_noise
        network = partial(
            TextNetwork, patch * context.channels, context.cond_dim, dim or context.cond_dim, layers, blocks
        )
        peer = partial(context.backbone, 0, context.channels)
        self.network = network(matching_width(network, peer, HEAD_WIDTHS))
        if not text_dropout:
            self.network.no_text.requires_grad_(False)

    def networks(self) -> Mapping[str, nn.Module]:
        """One network, one group."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """The energy distance at every patch and the cross-entropy of the stop, means over places."""
        mask, size = batch.mask.unsqueeze(-1), self.patch
        target, real = patches(batch.target * mask, size), patches(mask.expand_as(batch.target), size)
        read = patches((batch.target + self.input_noise * rng.normal(batch.mask, self.channels)) * mask, size)
        spoken = real.any(dim=-1)
        if self.network.training:
            self.network.seen += torch.stack([spoken.sum(), batch.cond.phone_mask.sum()])
        z = self.network.states(
            self.network.prefix(batch.cond, rng.time(target.device) < self.text_dropout),
            functional.pad(read, (0, 0, 1, 0)),
        )
        draws = [self.network.head(z[:, :-1], rng.normal(spoken, NOISE)) for _ in range(2)]
        distances = self.distance(draws[0], draws[1], target, real)
        distance = (distances * spoken).sum() / spoken.sum().clamp_min(1)
        return {"generator": distance + self._stopping(self.network.stop(z).squeeze(-1), spoken.sum(dim=1))}

    def _stopping(self, logits: Tensor, counts: Tensor) -> Tensor:
        """Logits (B, K + 1) of the stop after k patches; right is the stop after all ``counts`` (B,)."""
        place = torch.arange(logits.shape[1], device=logits.device)
        over, asked = place == counts.unsqueeze(1), place <= counts.unsqueeze(1)
        weight = torch.tensor(STOP_WEIGHT, device=logits.device)
        losses = functional.binary_cross_entropy_with_logits(logits, over.float(), reduction="none", pos_weight=weight)
        return (losses * asked).sum() / asked.sum()

    def sample(self, cond: Condition, nfe: int, rng: Noise, temperature: float = 1.0, guidance: float = 1.0) -> Spoken:
        """Speak until every utterance has stopped or is too long; a call per patch. ``nfe`` is 1.

        ``guidance``: 1 is none, more follows the text more closely.
        """
        require_dropout("text_dropout", self.text_dropout, guidance)
        phones = cond.phone_mask.sum(dim=1)
        limits = (LONGEST * phones * self.network.rate).ceil().long().clamp_min(1)
        allowed = torch.arange(int(limits.max()), device=phones.device) < limits.unsqueeze(1)
        noise = temperature * rng.normal(allowed, NOISE)
        cache, real = self._read(cond, allowed.shape[1] + 1, guidance)
        previous = noise.new_zeros(len(phones), self.patch * self.channels)
        counts, drawn = limits.clone(), list[Tensor]()
        speaking = torch.ones_like(limits, dtype=torch.bool)
        for k in range(allowed.shape[1]):
            output = self.network(previous, noise[:, k], k, cache, real, guidance)
            over = speaking & (output[:, -1].sigmoid() >= STOP_AT) & (k > 0)  # nobody says nothing
            counts = torch.where(over, k, counts)
            speaking = speaking & ~over & (k < limits)
            if not bool(speaking.any()):
                break
            previous = output[:, :-1]
            drawn.append(previous)
        values = torch.stack(drawn, dim=1).view(len(phones), -1, self.channels)
        return Spoken(values, counts * self.patch, counts < limits)

    def _read(self, cond: Condition, capacity: int, guidance: float) -> tuple[Cache, Tensor]:
        """The text, read into a cache with room for ``capacity`` patches, and which of its places are real."""
        branches = [False] if guidance == 1 else [False, True]
        texts = [
            self.network.prefix(cond, torch.full((len(cond.phones),), left_out, device=cond.phones.device))
            for left_out in branches
        ]
        inputs, places, real = (torch.cat(parts) for parts in zip(*texts, strict=True))
        cache = Cache(self.network.transformer, len(inputs), inputs.shape[1] + capacity)
        self.network.transformer(inputs, cache, places, real)
        return cache, real
