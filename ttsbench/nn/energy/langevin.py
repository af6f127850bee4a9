"""Langevin dynamics: move a hypothesis towards higher density, step by step.

    Y <- Y + size s(Y) + spread Z,    s = grad log p = -grad E,    Z ~ N(0, I)

With spread = sqrt(2 size) the stationary distribution tends to p as size tends to 0 (Roberts and Tweedie 1996).
Energy-based models refine the draw of another model in this way (Sun, Tu and Ragni 2023,
https://arxiv.org/abs/2310.12765). A walk whose values exceed those of any plausible speech has diverged; the error
names its step.
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
    """Size of a step along the score, and standard deviation of the added noise."""

    size: float
    spread: float = 0.0


def walk(start: Tensor, score: Callable[[Tensor], Tensor], mask: Tensor, steps: Sequence[Step], rng: Noise) -> Tensor:
    """Walk from ``start`` (B, T, C) along ``score``, one call per step; raises ``ClipError`` on divergence.

    Divergence is looked for after the last step, so that the host waits for the device once.
    """
    y, distances = start, list[Tensor]()
    for step in steps:
        y = y + step.size * score(y)
        if step.spread > 0:
            y = y + step.spread * rng.normal(mask, y.shape[-1])
        y = torch.where(mask.unsqueeze(-1), y, 0.0)
        distances.append(_root_mean_square(y, mask))
    for number, farthest in enumerate(torch.stack(distances).tolist() if distances else (), start=1):
        if not farthest <= FARTHEST:
            raise ClipError(
                f"Langevin dynamics diverged at step {number} of {len(steps)}: the root mean square of the normalised "
                f"target is {farthest:.3g}, speech has about 1; lower the adapter's 'step' or 'noise'"
            )
    return y


def refinement_cosine(displacement: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cosine between two displacements (B, T, C) of utterances, (): 1 points at the recording.

    A refiner whose displacement of a hypothesis is not correlated with the way to the recording refines nothing.
    """
    real = mask.unsqueeze(-1)
    ours, theirs = (part.detach().masked_fill(~real, 0.0).flatten(1) for part in (displacement, wanted))
    return torch.nn.functional.cosine_similarity(ours, theirs, dim=1).mean()


def langevin_steps(number: int, size: float, noise: float) -> list[Step]:
    """Return ``number`` equal steps; ``noise`` 1 samples the density, and 0 climbs to a mode."""
    return [Step(size, noise * math.sqrt(2 * size))] * number


def _root_mean_square(y: Tensor, mask: Tensor) -> Tensor:
    """Return the largest root mean square over utterances (); NaN if any is not finite."""
    squares = y.square().sum(dim=(1, 2)) / (mask.sum(dim=1) * y.shape[-1]).clamp_min(1)
    return torch.where(torch.isfinite(squares).all(), squares.max().sqrt(), math.nan)
