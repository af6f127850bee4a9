"""Numbers of training seeds, utterances and draws that a comparison needs.

Power of the t test: J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, ch. 2, by the noncentral
t distribution. Power of the two one-sided tests: K. F. Phillips, "Power of the two one-sided tests procedure in
bioequivalence", Journal of Pharmacokinetics and Biopharmaceutics 18(2), 1990, https://doi.org/10.1007/BF01063556, with
the usual approximation by two noncentral t distributions.

What a larger run would give is predicted from the variance components of a finished one. For differences d[s, u, k] of
seed s, utterance u and draw k, the mean has the variance

    seeds / S + pairs / (S U) + draws / (S U K)

over trainings and draws, for a fixed set of utterances. The components are the classical estimates of a two-way
random-effects analysis of variance with nested draws (S. R. Searle, G. Casella and C. E. McCulloch, "Variance
Components", 1992, ch. 4); a negative estimate is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ttsbench.evaluation.stats.bootstrap import LEVEL
from ttsbench.evaluation.stats.effect import POWER

MOST_SEEDS = 1000


@dataclass(frozen=True)
class VarianceComponents:
    """Variances of a paired difference: between seeds, between (seed, utterance) pairs, and between draws of a pair.

    ``utterances`` is the variance between utterances, which is common to all trainings.
    """

    seeds: float
    utterances: float
    pairs: float
    draws: float

    def seed_deviation(self, utterances: int, draws: int = 1) -> float:
        """Return the standard deviation of a training's difference, the mean over ``utterances`` and ``draws``."""
        return math.sqrt(self.seeds + self.pairs / utterances + self.draws / (utterances * draws))


def variance_components(differences: NDArray[np.float64]) -> VarianceComponents:
    """Estimate the components of differences (S, U, K); those that the design does not show are 0.

    The draws component is part of ``pairs`` if K is 1. Raises ``ValueError`` with fewer than two seeds or utterances.
    """
    seeds, utterances, draws = differences.shape
    if min(seeds, utterances) < 2:
        raise ValueError(
            f"Variance components need at least 2 seeds and 2 utterances, got {seeds} and {utterances}; run more seeds."
        )
    pairs = differences.mean(axis=2)
    of_seeds, of_utterances, mean = pairs.mean(axis=1), pairs.mean(axis=0), pairs.mean()
    residual = pairs - of_seeds[:, None] - of_utterances + mean
    pair_square = float((residual**2).sum()) / ((seeds - 1) * (utterances - 1))
    draw_variance = float(differences.var(axis=2, ddof=1).mean()) if draws > 1 else 0.0
    return VarianceComponents(
        seeds=max(0.0, float(of_seeds.var(ddof=1)) - pair_square / utterances),
        utterances=max(0.0, float(of_utterances.var(ddof=1)) - pair_square / seeds),
        pairs=max(0.0, pair_square - draw_variance / draws),
        draws=draw_variance,
    )


def difference_power(effect: float, deviation: float, seeds: int, level: float = LEVEL) -> float:
    """Return the probability that a paired t test over seeds finds a true difference of ``effect``.

    ``deviation`` is the standard deviation of the difference between trainings.

    >>> round(difference_power(effect=1.0, deviation=1.0, seeds=10), 2)
    0.8
    """
    df, error = seeds - 1, deviation / math.sqrt(seeds)
    if not error > 0:
        return float(effect != 0)
    critical, noncentrality = float(stats.t.ppf((1 + level) / 2, df)), abs(effect) / error
    return float(stats.nct.sf(critical, df, noncentrality) + stats.nct.cdf(-critical, df, noncentrality))


def equivalence_power(margin: float, deviation: float, seeds: int, effect: float = 0.0, level: float = LEVEL) -> float:
    """Return the probability that a true difference of ``effect`` is found to lie within ``margin``."""
    df, error = seeds - 1, deviation / math.sqrt(seeds)
    if not error > 0:
        return float(abs(effect) < margin)
    critical = float(stats.t.ppf(level, df))
    above = stats.nct.sf(critical, df, (effect + margin) / error)
    below = stats.nct.cdf(-critical, df, (effect - margin) / error)
    return max(0.0, float(above + below) - 1.0)


def seeds_needed(effect: float, deviation: float, power: float = POWER, level: float = LEVEL) -> int | None:
    """Return the smallest number of seeds that finds a difference of ``effect`` with ``power``; None above 1000.

    >>> seeds_needed(effect=1.0, deviation=1.0)
    10
    """
    return _smallest(lambda seeds: difference_power(effect, deviation, seeds, level), power)


def seeds_needed_for_equivalence(
    margin: float, deviation: float, power: float = POWER, level: float = LEVEL
) -> int | None:
    """Return the smallest number of seeds that shows equal systems to be equivalent with ``power``; None above 1000."""
    return _smallest(lambda seeds: equivalence_power(margin, deviation, seeds, level=level), power)


def _smallest(power_of: Callable[[int], float], power: float) -> int | None:
    """Return the smallest number of seeds with at least that power."""
    return next((seeds for seeds in range(2, MOST_SEEDS + 1) if power_of(seeds) >= power), None)
