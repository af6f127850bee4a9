"""GaussianUpsampler text without an aligner: a position for every phone, with a gradient.

A phone j of state h_j takes w_j > 0 frames of its own, and of T frames

    d_j = T w_j / sum w,   centre c_j = d_1 + .. + d_{j-1} + d_j / 2,   width s_j = d_j (1/4 + softplus(v h_j))
    a_ij = softmax_j(-(i + 1/2 - c_j)^2 / 2 s_j^2),   condition_i = sum_j a_ij h_j + where in its phone i lies

"Non-attentive Tacotron", Shen et al. 2020, https://arxiv.org/abs/2010.04301, has this Gaussian upsampling with d_j from
an aligner. Here only sum w is held to a recording, by |log sum w - log T|^2, and is the predicted length where none is
given; how it is shared out is learnt by whatever loss the speech has.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttsbench.nn.blocks import masked_statistics
from ttsbench.types import Condition, Prompt

PLACE = 3  # what a frame is told of where it lies: share of its phone, log frames of it, share of the utterance
REFERENCE = 32  # features of a prompt's frame
LEAST = 0.25  # a phone's width, in its frames
LONGEST = 3.0  # times the frames per phone that training has seen: more is no length


class GaussianUpsampler(nn.Module):
    """Upsample states of phones (B, P, D) to a condition for each of T frames.

    With ``rounded`` the durations are rounded to whole frames, and no gradient passes through them.
    """

    seen: Tensor

    def __init__(self, dim: int, channels: int, prompted: bool) -> None:
        super().__init__()
        self.takes, self.width, self.place = nn.Linear(dim, 1), nn.Linear(dim, 1), nn.Linear(PLACE, dim)
        self.voice = Voice(channels, dim) if prompted else None
        self.rounded = False
        self.register_buffer("seen", torch.tensor([6.0, 1.0]))  # frames and phones that training has seen

    def frames(self, cond: Condition) -> Tensor:
        """Return the number of frames of every phone (B, P), 0 at padding: w above."""
        rate = (self.seen[0] / self.seen[1]).log()
        frames: Tensor = (rate + self.takes(cond.states).squeeze(-1)).exp() * cond.phone_mask
        return frames

    def lengths(self, cond: Condition) -> tuple[Tensor, Tensor]:
        """Return the predicted number of frames (B,) int64, and whether it is a valid length, (B,) bool."""
        wanted = self.frames(cond).sum(dim=1)
        longest = LONGEST * cond.phone_mask.sum(dim=1) * self.seen[0] / self.seen[1]
        within = torch.nan_to_num(wanted, nan=float("inf")) <= longest
        return torch.where(within, wanted, longest).round().clamp_min(1).long(), within

    def length_loss(self, cond: Condition) -> Tensor:
        """Return the squared error of the log length against that of ``cond.mask``, averaged over utterances."""
        if self.training:
            self.seen += torch.stack([cond.mask.sum(), cond.phone_mask.sum()])
        wanted = self.frames(cond).sum(dim=1)
        return (wanted.clamp_min(1e-6).log() - cond.lengths.log()).square().mean()

    def expand(self, cond: Condition, lengths: Tensor | None = None) -> Condition:
        """Return the condition with the upsampled sequence, and with differentiable ``durations`` (B, P).

        The number of frames is that of ``cond.mask``, or ``lengths`` (B,).
        """
        mask = cond.mask
        if lengths is not None:
            mask = torch.arange(int(lengths.max()), device=lengths.device) < lengths.unsqueeze(1)
        sequence, taken = self(cond, mask)
        return replace(cond, sequence=sequence, mask=mask, durations=taken)

    def forward(self, cond: Condition, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mask (B, T) of the frames to be made -> condition (B, T, D) and frames of each phone (B, P), 0 at padding."""
        lengths, taken = mask.sum(dim=1, keepdim=True), self.frames(cond)
        taken = taken * lengths / taken.sum(dim=1, keepdim=True).clamp_min(1e-6)
        if self.rounded:
            taken = _whole(taken.detach())
        ends = taken.cumsum(dim=1)
        at = (torch.arange(mask.shape[1], device=mask.device) + 0.5).view(1, -1, 1)
        away = at - (ends - taken / 2).unsqueeze(1)  # (B, T, P)
        if self.rounded:
            logits = torch.where(away.abs() <= taken.unsqueeze(1) / 2, 0.0, -1e9)
        else:
            width = taken * (LEAST + functional.softplus(self.width(cond.states).squeeze(-1)))
            logits = -0.5 * (away / width.clamp_min(1e-3).unsqueeze(1)).square()
        logits = logits.masked_fill(~cond.phone_mask.unsqueeze(1), -1e9)
        share = logits.softmax(dim=-1)
        own = (share @ taken.clamp_min(1e-3).log().unsqueeze(-1)).squeeze(-1)
        inside = (share * away).sum(dim=-1) / own.exp()
        through = at.squeeze(-1) / lengths.clamp_min(1)
        sequence = share @ self._states(cond) + self.place(torch.stack([inside, own, through], dim=-1))
        return sequence * mask.unsqueeze(-1), taken

    def _states(self, cond: Condition) -> Tensor:
        if self.voice is None or cond.prompt is None:
            return cond.states
        states: Tensor = cond.states + self.voice(cond.prompt).unsqueeze(1)
        return states


class Voice(nn.Module):
    """Summarise a prompt as a speaker vector (B, D)."""

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.input, self.output = nn.Linear(channels, REFERENCE), nn.Linear(2 * REFERENCE, dim)

    def forward(self, prompt: Prompt) -> Tensor:
        """Mean and deviation of the features of its frames."""
        features = functional.silu(self.input(prompt.values))
        voice: Tensor = self.output(masked_statistics(features, prompt.mask))
        return voice


class UpsamplingBackbone(nn.Module):
    """The shared backbone with the Gaussian upsampler in front of it."""

    def __init__(self, backbone: nn.Module, upsampler: GaussianUpsampler) -> None:
        super().__init__()
        self.backbone, self.upsampler = backbone, upsampler

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor, t: Tensor) -> Tensor:
        """Map x (B, T, C), an upsampled condition (B, T, D), mask (B, T), t (B,) to (B, T, C)."""
        output: Tensor = self.backbone(x, cond, mask, t)
        return output


def _whole(taken: Tensor) -> Tensor:
    """Round frames (B, P) to whole numbers with the same sum."""
    ends = taken.cumsum(dim=1).round()
    return torch.diff(ends, dim=1, prepend=ends.new_zeros(len(ends), 1))
