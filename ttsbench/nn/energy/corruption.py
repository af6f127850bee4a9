"""Corrupted targets: negatives for contrastive training, hypotheses for refinement.

"Energy-based models for speech synthesis", Sun, Tu and Ragni 2023, https://arxiv.org/abs/2310.12765, compares
negatives by random masking, by SpecAugment (Park et al. 2019, https://arxiv.org/abs/1904.08779) and by the predictions
of a trained model. A recipe joins parts by "+"; it begins with the recorded target, and each part works on what the
one before it left:

    mask          cells become 0, the mean, each with probability ``distortion``
    mask_frames   whole frames, likewise
    specaugment   one run of frames and one run of channels become 0: ``distortion`` of all cells together
    noise         plus Gaussian noise of standard deviation ``noise_scale`` (targets have 1)
    <adapter>     the draw of that trained model instead of what came before, ``l2`` for example

So ``mask``, ``l2``, ``l2+noise`` and ``l2+mask`` are recipes. What is masked, by cell or by frame, and with what, is
not known of the paper; here both are offered, and a cell is filled with its mean.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ttsbench.errors import ConfigError
from ttsbench.types import Batch, Condition, Noise

PARTS = ("mask", "mask_frames", "specaugment", "noise")
DRAW_NFE = 4  # evaluations a trained model is drawn with in training, where it lets one choose: it need not be perfect


def adapters_in(recipes: Iterable[str]) -> tuple[str, ...]:
    """Return the adapters whose draws the recipes use, each once."""
    parts = [part for recipe in recipes for part in recipe.split("+")]
    return tuple(dict.fromkeys(part for part in parts if part not in PARTS))


@dataclass(frozen=True)
class Corruption:
    """Apply recipes. ``sources`` are the trained models by adapter, as in ``ModelContext``."""

    sources: Mapping[str, Any]
    distortion: float = 0.275
    noise_scale: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.distortion < 1:
            raise ConfigError(f"distortion is a share of cells, got {self.distortion}; the paper's is .25 to .3.")
        if not self.noise_scale >= 0:
            raise ConfigError(f"noise_scale is a standard deviation, got {self.noise_scale}; targets have 1.")

    def all(self, recipes: Sequence[str], batch: Batch, rng: Noise, scale: Tensor | float = 1.0) -> list[Tensor]:
        """Apply every recipe to every utterance: tensors (B, T, C), 0 at padding. A model is drawn once.

        ``scale`` (C,) multiplies the noise of each channel.
        """
        drawn: dict[str, Tensor] = {}
        for name in adapters_in(recipes):
            grid = self.sources[name].adapter.info.nfe
            nfe = DRAW_NFE if DRAW_NFE in grid else grid[0]
            drawn[name] = draw(self.sources[name], batch.cond.sources[name], rng, nfe)
        return [self._follow(recipe, batch, drawn, rng, scale) for recipe in recipes]

    def sample_recipes(self, recipes: Sequence[str], batch: Batch, rng: Noise, scale: Tensor | float = 1.0) -> Tensor:
        """Apply one recipe, drawn uniformly, to each utterance: (B, T, C)."""
        made = torch.stack(self.all(recipes, batch, rng, scale))
        chosen = (rng.time(made.device) * len(recipes)).long()
        return made[chosen, torch.arange(len(chosen), device=made.device)]

    def _follow(
        self, recipe: str, batch: Batch, drawn: Mapping[str, Tensor], rng: Noise, scale: Tensor | float
    ) -> Tensor:
        made = batch.target
        for part in recipe.split("+"):
            made = drawn[part] if part in drawn else self._apply(part, made, batch.mask, rng, scale)
        return made * batch.mask.unsqueeze(-1)

    def _apply(self, part: str, made: Tensor, mask: Tensor, rng: Noise, scale: Tensor | float) -> Tensor:
        channels = made.shape[-1]
        if part == "noise":
            return made + self.noise_scale * scale * rng.normal(mask, channels)
        if part == "specaugment":
            return made * ~self._runs(mask, channels, rng)
        return made * (rng.uniform(mask, channels if part == "mask" else 1) >= self.distortion)

    def _runs(self, mask: Tensor, channels: int, rng: Noise) -> Tensor:
        """Return a mask (B, T, C) of one run of frames and one run of channels; each keeps sqrt(1 - distortion)."""
        width = 1 - math.sqrt(1 - self.distortion)
        frames = torch.arange(mask.shape[1], device=mask.device) + 0.5
        bands = torch.arange(channels, device=mask.device) + 0.5
        lengths = mask.sum(dim=1, keepdim=True)
        in_time = _within(frames / lengths, rng.time(mask.device), width)
        in_band = _within((bands / channels).unsqueeze(0), rng.time(mask.device), width)
        return in_time.unsqueeze(2) | in_band.unsqueeze(1)


def _within(place: Tensor, start: Tensor, width: float) -> Tensor:
    """Return whether positions (B, N) in [0, 1] lie in a run of ``width`` that begins at ``start`` (B,) of the rest."""
    after = place - start.unsqueeze(1) * (1 - width)
    return (after >= 0) & (after < width)


def draw(source: Any, cond: Condition, rng: Noise, nfe: int | None = None) -> Tensor:
    """Return a draw (B, T, C) of a trained model without gradients; by default with its own number of evaluations."""
    with torch.no_grad():
        drawn: Tensor = source.sample(cond, nfe or source.adapter.info.nfe[0], rng, 1.0)
    return drawn


def parse_recipes(recipes: Sequence[str], what: str) -> tuple[str, ...]:
    """Parse the recipes of an option; raises ``ConfigError`` for one that leaves the target unchanged."""
    if isinstance(recipes, str) or not recipes or any(not part for recipe in recipes for part in recipe.split("+")):
        raise ConfigError(f"{what} is a list of recipes such as [mask, l2, l2+noise], got {recipes!r}.")
    return tuple(recipes)
