"""Exponential moving average of weights, in a few operations whatever the number of parameters."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingAverage(nn.Module):
    """The average of a module's parameters; after n updates the decay is at most (1 + n) / (10 + n).

    The first update copies the weights. Buffers are copied at every update.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, module: nn.Module, updates: int) -> None:
        """Move the average towards ``module``, after ``updates`` earlier calls."""
        averages: list[Tensor] = list(self.module.parameters())
        values: list[Tensor] = list(module.parameters())
        if updates == 0:
            torch._foreach_copy_(averages, values)
        else:
            decay = min(self._decay, (1 + updates) / (10 + updates))
            torch._foreach_lerp_(averages, values, 1 - decay)
        for average, value in zip(self.module.buffers(), module.buffers(), strict=True):
            average.copy_(value)
