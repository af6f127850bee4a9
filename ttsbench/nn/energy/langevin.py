"""Langevin dynamics: a hypothesis walks up the density of speech, step by step.

    Y <- Y + size s(Y) + spread Z,    s = grad log p = -grad E,    Z ~ N(0, I)

With spread = sqrt(2 size) its stationary distribution is p, as size goes to 0 (Roberts and Tweedie 1996). Energy-based
models refine the draw of another model in this way (Sun, Tu and Ragni 2023, https://arxiv.org/abs/2310.12765). A walk
that leaves every place where speech could be has diverged, and says at which step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ttsbench.errors import ClipError
from ttsbench.types import Noise

FARTHEST = 10.0  # root mean square of a normalised target, whose standard deviation is 1


@dataclass(frozen=True)
class Step:
    """How far to go along the score, and the standard deviation of the noise added."""

    size: float
    spread: float = 0.0


def walk(start: Tensor, score: Callable[[Tensor], Tensor], mask: Tensor, steps: Sequence[Step], rng: Noise) -> Tensor:
    """From ``start`` (B, T, C) along ``score``, one call a step; raises ``ClipError`` where an utterance diverges."""
    y = start
    for number, step in enumerate(steps, start=1):
        y = y + step.size * score(y)
        if step.spread > 0:
            y = y + step.spread * rng.normal(mask, y.shape[-1])
        y = torch.where(mask.unsqueeze(-1), y, 0.0)
        farthest = _root_mean_square(y, mask)
        if not farthest <= FARTHEST:
            raise ClipError(
                f"Langevin dynamics diverged at step {number} of {len(steps)}: the root mean square of the normalised "
                f"target is {farthest:.3g}, speech has about 1; lower the adapter's 'step' or 'noise'"
            )
    return y


def langevin_steps(number: int, size: float, noise: float) -> list[Step]:
    """``number`` equal steps; ``noise`` 1 samples the density, 0 climbs to a mode, between is a lower temperature."""
    return [Step(size, noise * math.sqrt(2 * size))] * number


def _root_mean_square(y: Tensor, mask: Tensor) -> float:
    """Of the utterance that is farthest out; NaN where one is."""
    squares = y.square().sum(dim=(1, 2)) / (mask.sum(dim=1) * y.shape[-1]).clamp_min(1)
    return float(squares.max().sqrt()) if bool(torch.isfinite(squares).all()) else math.nan
