"""Judges of mel spectrograms: a phone recogniser and a speaker encoder whose losses an objective can minimise.

"DMOSpeech", Li et al. 2024, https://arxiv.org/abs/2410.11097, optimises metrics directly through frozen, differentiable
models of the generated latent. Here these models read the normalised target, are trained on the training split alone,
and are small. Evaluation always uses other models, on the waveform.

    mel_ctc       -log p_CTC(phones | y) / number of phones          (Graves et al. 2006)
    mel_speaker   1 - cos(e(y), e(recording)); e is trained to classify the speakers of the corpus

The phones of a crop are those of all its frames, including partly cropped ones.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench import AdapterInfo, Batch, Condition, ConfigError, ModelContext, Noise
from ttsbench.nn.blocks import ConvBlock, masked_statistics

WIDTH, BLOCKS, KERNEL = 128, 3, 7
EMBEDDING = 64
SHARPNESS = 10.0  # of the cosines to the speakers' own directions, in training
PAPER = "Li et al. 2024, https://arxiv.org/abs/2410.11097 (smaller, and on the target itself)"


class Reader(nn.Module):
    """Encode a target (B, T, C) as features (B, T, WIDTH)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Linear(channels, WIDTH)
        self.blocks = nn.ModuleList([ConvBlock(WIDTH, KERNEL) for _ in range(BLOCKS)])
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """Map y (B, T, C), mask (B, T) to features (B, T, WIDTH)."""
        hidden = self.input(torch.where(mask.unsqueeze(-1), y, 0.0))
        for block in self.blocks:
            hidden = block(hidden, mask)
        features: Tensor = self.norm(hidden)
        return features


class Recogniser(nn.Module):
    """Map a target to log-probabilities of the blank (0) and of phones, (B, T, 1 + n_phones)."""

    def __init__(self, channels: int, n_phones: int) -> None:
        super().__init__()
        self.reader, self.output = Reader(channels), nn.Linear(WIDTH, 1 + n_phones)

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """Map y (B, T, C), mask (B, T) to log-probabilities (B, T, 1 + n_phones)."""
        log_probabilities: Tensor = functional.log_softmax(self.output(self.reader(y, mask)), dim=-1)
        return log_probabilities


class MelCtc:
    """A phone recogniser trained by connectionist temporal classification."""

    info = AdapterInfo(name="mel_ctc", title="Phone recogniser on the target", paper=PAPER, step_cost=0.6)

    def __init__(self, context: ModelContext) -> None:
        if context.role != "acoustic":
            raise ConfigError("mel_ctc judges acoustic models: a prosody target has nothing to recognise.")
        self.network = Recogniser(context.channels, context.n_phones)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """CTC loss of the recording, a mean over utterances."""
        return {"generator": self.judge(batch.target, batch.target, batch.cond).mean()}

    def judge(self, y: Tensor, reference: Tensor, cond: Condition) -> Tensor:
        """CTC loss per phone, (B,)."""
        phones, counts = phones_in_frames(cond)
        log_probabilities = self.network(y, cond.mask).transpose(0, 1)
        losses = functional.ctc_loss(
            log_probabilities, phones, cond.lengths, counts, reduction="none", zero_infinity=True
        )
        return losses / counts.clamp_min(1)


class SpeakerEncoder(nn.Module):
    """Map a target to a unit vector (B, EMBEDDING) from the mean and deviation over time."""

    def __init__(self, channels: int, n_speakers: int) -> None:
        super().__init__()
        self.reader, self.output = Reader(channels), nn.Linear(2 * WIDTH, EMBEDDING)
        self.speakers = nn.Parameter(torch.randn(n_speakers, EMBEDDING))

    def forward(self, y: Tensor, mask: Tensor) -> Tensor:
        """Map y (B, T, C), mask (B, T) to unit vectors (B, EMBEDDING)."""
        return functional.normalize(self.output(masked_statistics(self.reader(y, mask), mask)), dim=1)


class MelSpeaker:
    """A speaker encoder, trained as a classifier of the corpus' speakers by cosine."""

    info = AdapterInfo(name="mel_speaker", title="Speaker encoder on the target", paper=PAPER, step_cost=0.6)

    def __init__(self, context: ModelContext) -> None:
        if context.role != "acoustic":
            raise ConfigError("mel_speaker judges acoustic models: a prosody target has little of a speaker.")
        self.network = SpeakerEncoder(context.channels, context.n_speakers)

    def networks(self) -> Mapping[str, nn.Module]:
        """Return the only network, which is the generator."""
        return {"generator": self.network}

    def losses(self, batch: Batch, step: int, rng: Noise) -> Mapping[str, Tensor]:
        """Cross-entropy of the speaker."""
        cosines = self.network(batch.target, batch.mask) @ functional.normalize(self.network.speakers, dim=1).T
        return {"generator": functional.cross_entropy(SHARPNESS * cosines, batch.cond.speaker)}

    def judge(self, y: Tensor, reference: Tensor, cond: Condition) -> Tensor:
        """1 minus the cosine to the recording, (B,)."""
        one: Tensor = self.network(y, cond.mask)
        other: Tensor = self.network(reference, cond.mask)
        return 1 - (one * other).sum(dim=1)


def phones_in_frames(cond: Condition) -> tuple[Tensor, Tensor]:
    """Return the phones of the frames in order, (B, P) padded with 0, and their numbers (B,)."""
    assert cond.alignment is not None  # acoustic models have one
    before = functional.pad(cond.alignment, (1, 0), value=-1)[:, :-1]
    starts = cond.mask & (cond.alignment != before)  # (B, T), the first frame of each phone
    place = torch.where(cond.mask, starts.cumsum(dim=1) - 1, cond.phones.shape[1])
    spoken = cond.phones.gather(1, torch.where(cond.mask, cond.alignment, 0))
    phones = functional.pad(torch.zeros_like(cond.phones), (0, 1)).scatter(1, place, spoken)
    return phones[:, :-1], starts.sum(dim=1)
