"""The effect that a comparison of a claim measures: one number per training seed, positive if the claim holds.

    less, more, nearer   the difference of two systems, or of their distances from a value
    rising, falling      the change of the metric over the range of a setting, by least squares over all its values
    contrast             a weighted sum of systems
    lowest               the setting at which the metric is lowest: the vertex of the parabola through the lowest value
                         and its neighbours, or an end of the range; measured from the middle of the claimed interval

Seeds are the units of inference (``ttsbench/evaluation/stats/seeds.py``): with the effects of S training seeds a
comparison is decided by Student's t with S - 1 degrees of freedom.

    supported    the effect is significantly above 0
    refuted      the effect is significantly below 0
    equivalent   the effect lies within the margin of the claim, by two one-sided tests, even if it is significant
    undecided    none of these

An effect of ``lowest`` is supported if the setting lies within the claimed interval by two one-sided tests, and refuted
if it lies significantly outside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ttsbench.evaluation.stats import POWER, SeedDifference, difference_of_means, equivalence_p
from ttsbench.reporting.claims.claim import Part
from ttsbench.reporting.claims.scored_run import ScoredRun

Array = NDArray[np.float64]
Outcome = Literal["supported", "refuted", "equivalent", "undecided"]
ALPHA = 0.05


@dataclass(frozen=True)
class Effect:
    """Effects (S,) of the training seeds on ``n`` utterances. ``pair`` holds the two systems of a plain difference."""

    sentence: str
    metric: str
    per_seed: Array
    margin: float
    n: int
    pair: tuple[str, str] | None = None
    is_location: bool = False

    @cached_property
    def difference(self) -> SeedDifference:
        """The mean effect with its interval, error and two-sided p."""
        return difference_of_means(self.per_seed)

    @property
    def p_equivalent(self) -> float:
        """The p value of the two one-sided tests, 1 if it is unknown."""
        if self.is_exact:
            return 0.0 if abs(self.difference.value) < self.margin else 1.0
        p = equivalence_p(self.difference, self.margin)
        return 1.0 if math.isnan(p) else p

    @property
    def p_different(self) -> float:
        """The two-sided p value of the effect, for a location that of lying outside; 1 if it is unknown."""
        if self.is_exact:
            distance = abs(self.difference.value) - (self.margin if self.is_location else 0.0)
            return 0.0 if distance > 0 else 1.0
        if self.is_location:
            beyond = (abs(self.difference.value) - self.margin) / self.difference.error
            p = float(stats.t.sf(beyond, self.difference.df))
        else:
            p = self.difference.p
        return 1.0 if math.isnan(p) else p

    @property
    def is_exact(self) -> bool:
        """True if several seeds agree exactly, as they do in a lowest value at the end of a range."""
        return self.seeds > 1 and not self.per_seed.std() > 0

    @property
    def seeds(self) -> int:
        """Number of training seeds."""
        return len(self.per_seed)

    @property
    def outcome(self) -> Outcome:
        """The outcome of this comparison alone, without a correction for others."""
        if self.is_location:
            if self.p_equivalent < ALPHA:
                return "supported"
            return "refuted" if self.p_different < ALPHA else "undecided"
        if self.p_equivalent < ALPHA:
            return "equivalent"
        if self.p_different < ALPHA:
            return "supported" if self.difference.value > 0 else "refuted"
        return "undecided"

    @property
    def effect_size(self) -> float:
        """The mean effect in standard deviations between trainings, NaN if they are unknown."""
        deviation = self.deviation
        return self.difference.value / deviation if deviation > 0 else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation between trainings; NaN for a single seed."""
        return float(self.per_seed.std(ddof=1)) if self.seeds > 1 else math.nan

    @property
    def mde(self) -> float:
        """The smallest true effect that is detected with 80 % power, NaN for a single seed."""
        if not self.difference.error > 0:
            return math.nan
        normal = stats.norm
        return float((normal.ppf(1 - ALPHA / 2) + normal.ppf(POWER)) * self.difference.error)


def effects(part: Part, run: ScoredRun) -> list[Effect]:
    """Return the effects of a part on a run that has its systems: one per system of ``than``, else a single one."""
    return list(_effects(part, run))


def _effects(part: Part, run: ScoredRun) -> Iterator[Effect]:
    metric = part.metric
    if part.than:
        yield from _differences(part, run)
    elif part.contrast:
        values, n = run.seed_values(metric, list(part.contrast))
        total = np.array(list(part.contrast.values())) @ values
        name = " ".join(f"{weight:+g} {system}" for system, weight in part.contrast.items())
        yield Effect(f"{metric}: {name} above 0", metric, total, part.margin, n)
    elif part.lowest:
        assert part.within is not None
        values, n = run.seed_values(metric, list(part.lowest))
        places = np.array([lowest_place(part.lowest, column) for column in values.T])
        low, high = part.within
        sentence = f"{metric}: lowest at {places.mean():.3g}, claimed between {low:g} and {high:g}"
        yield Effect(sentence, metric, places - (low + high) / 2, part.margin, n, is_location=True)
    else:
        axis, sign = (part.rising, 1.0) if part.rising else (part.falling, -1.0)
        values, n = run.seed_values(metric, list(axis))
        change = sign * np.array([fitted_change(axis, column) for column in values.T])
        ends = f"from {min(axis, key=axis.__getitem__)} to {max(axis, key=axis.__getitem__)}"
        sentence = f"{metric}: {'rises' if part.rising else 'falls'} {ends}"
        yield Effect(sentence, metric, change, part.margin, n)


def _differences(part: Part, run: ScoredRun) -> Iterator[Effect]:
    metric, system = part.metric, part.less or part.more or part.nearer
    sign = 1.0 if part.more else -1.0
    relation = "above" if part.more else "below" if part.less else f"nearer to {part.to:g} than"
    for other in part.than:
        values, n = run.seed_values(metric, [system, other])
        values = values if part.to is None else np.abs(values - part.to)
        difference = sign * (values[0] - values[1])
        pair = (system, other) if part.to is None else None
        yield Effect(f"{metric}: {system} {relation} {other}", metric, difference, part.margin, n, pair)


def fitted_change(axis: Mapping[str, float], values: Array) -> float:
    """Return the least-squares change of values (K,) over the range of their places on the axis.

    >>> round(fitted_change({"a": 0.0, "b": 1.0, "c": 2.0}, np.array([1.0, 2.0, 3.0])), 6)
    2.0
    """
    places = np.array(list(axis.values()))
    return float(np.polyfit(places, values, 1)[0] * (places.max() - places.min()))


def lowest_place(axis: Mapping[str, float], values: Array) -> float:
    """Return the place at which values (K,) are lowest: the vertex of a parabola, or an end of the range.

    >>> lowest_place({"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0}, np.array([1.0, 0.0, 1.0, 4.0]))
    1.0
    """
    order = np.argsort(list(axis.values()))
    places, sorted_values = np.array(list(axis.values()))[order], values[order]
    lowest = int(np.argmin(sorted_values))
    if lowest in (0, len(places) - 1):
        return float(places[lowest])
    around = slice(lowest - 1, lowest + 2)
    square, linear, _ = np.polyfit(places[around] - places[lowest], sorted_values[around], 2)
    return float(places[lowest] - linear / (2 * square)) if square > 0 else float(places[lowest])
