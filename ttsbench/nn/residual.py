"""The residual around a frozen conditional mean, whitened per channel: the variable that generative objectives model.

    r = (y - mu(c)) / s,    mu: a trained L2 model,    s_c: root mean square of y - mu in channel c over the training
    data

Speech given text, durations and F0 varies little around its conditional mean. A model of y itself spends its capacity
on the mean, and its noise levels on scales at which nothing is left to predict: of the normalised mels of the embedded
corpus s is about .24. The residual has unit variance, so the noise levels and the preconditioning of Karras et al. 2022
(https://arxiv.org/abs/2206.00364) hold as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ttsbench.types import Condition, ModelContext, Noise

OBSERVED_STEPS = 100  # training steps over which the scale is estimated; then it stays fixed
SMALLEST = 1e-3  # of a channel's scale


class Whitening(nn.Module):
    """Scale of each channel, estimated from the residuals of the first training steps; saved with the model."""

    sums: Tensor
    counts: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("sums", torch.ones(channels))
        self.register_buffer("counts", torch.tensor([1.0, 0.0]))  # frames, training steps

    @property
    def scale(self) -> Tensor:
        """Root mean square residual of each channel, (C,)."""
        return (self.sums / self.counts[0]).sqrt().clamp_min(SMALLEST)

    @torch.no_grad()
    def observe(self, residual: Tensor, mask: Tensor) -> None:
        """Add the residual (B, T, C) of a training step to the estimate, unless enough steps were observed."""
        squares = (residual.square() * mask.unsqueeze(-1)).sum(dim=(0, 1))
        parts = torch.cat([squares, mask.sum().to(squares).view(1)])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(parts)  # devices hold parts of one batch and must agree
        first, observing = self.counts[1] == 0, self.counts[1] < OBSERVED_STEPS
        sums = torch.where(first, parts[:-1], self.sums + parts[:-1])
        frames = torch.where(first, parts[-1], self.counts[0] + parts[-1]).clamp_min(1)
        self.sums.copy_(torch.where(observing, sums, self.sums))
        self.counts.copy_(torch.stack([torch.where(observing, frames, self.counts[0]), self.counts[1] + 1]))


class Residual(nn.Module):
    """Convert targets to whitened residuals and back.

    ``mean`` names the frozen source model of the conditional mean; the empty string stands for a mean of zero and a
    scale of one, the target itself.
    """

    def __init__(self, context: ModelContext, mean: str) -> None:
        super().__init__()
        self.channels = context.channels
        self.whitening = Whitening(context.channels) if mean else None
        self._name = mean
        self._source: tuple[Any, ...] = (context.sources[mean],) if mean else ()  # a tuple hides it from the parameters

    @property
    def scale(self) -> Tensor:
        """Root mean square residual of each channel, (C,); ones without a mean."""
        return torch.ones(self.channels) if self.whitening is None else self.whitening.scale

    def bind(self, sources: Mapping[str, nn.Module]) -> None:
        """Take the mean model from other sources: those of a student, in the place of its teacher's."""
        if self._name:
            self._source = (sources[self._name],)

    def __deepcopy__(self, memo: dict[int, Any]) -> Residual:
        """Return a copy that shares the frozen mean model."""
        memo.update({id(source): source for source in self._source})
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def mean(self, cond: Condition) -> Tensor:
        """Conditional mean (B, T, C), without gradients."""
        if not self._source:
            return cond.sequence.new_zeros(*cond.mask.shape, self.channels)
        with torch.no_grad():
            source = self._source[0]
            drawn: Tensor = source.sample(cond.sources[self._name], source.adapter.info.nfe[0], Noise([]), 1.0)
        return drawn

    def whiten(self, target: Tensor, mean: Tensor, mask: Tensor) -> Tensor:
        """Target and mean (B, T, C), mask (B, T) -> residual (B, T, C), 0 at padding; updates the scale in training."""
        residual = (target - mean) * mask.unsqueeze(-1)
        if self.whitening is None:
            return residual
        if self.training:
            self.whitening.observe(residual, mask)
        return residual / self.whitening.scale

    def restore(self, residual: Tensor, mean: Tensor) -> Tensor:
        """Whitened residual and mean (B, T, C) -> target (B, T, C)."""
        return mean + (residual if self.whitening is None else residual * self.whitening.scale)
