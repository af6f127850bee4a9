"""Inference about objectives: training seeds are the units, compared by Student's t.

A test over utterances compares trained models: two trainings of one objective that differ in the seed alone are two
models, and such a test finds them different. A statement about objectives has to hold for trainings that were not run,
so its units are trainings. With S seeds each, let v_s be the metric of the training with seed s on all utterances. The
difference of the means of v over the seeds of two systems is compared by

    t, paired    if both systems have the same seeds (these share the initial model and the order of the data), S - 1 df
    t, Welch     otherwise (B. L. Welch, Biometrika 34, 1947)

Both systems speak the same utterances, so the statement is about this test set; ``permutation_test`` and the bootstrap
say whether it would hold for other utterances.

Equivalence: D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach for assessing
the equivalence of average bioavailability", Journal of Pharmacokinetics and Biopharmaceutics 15(6), 1987,
https://doi.org/10.1007/BF01068419. Two systems are equivalent within a margin if the difference is significantly above
-margin and significantly below +margin; the p value is the larger of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ttsbench.evaluation.stats.bootstrap import LEVEL
from ttsbench.evaluation.stats.scores import Reduce, Scores, crossing

Decision = Literal["greater", "less", "equivalent", "undecided"]


@dataclass(frozen=True)
class SeedDifference:
    """A mean difference over training seeds, with its interval, standard error, degrees of freedom and two-sided p.

    Everything but the value is NaN with a single seed on either side, or if the values do not vary.
    """

    value: float
    low: float
    high: float
    error: float
    df: float
    p: float
    seeds: int  # of the system that has fewer


def seed_values(scores: Scores, reduce: Reduce) -> tuple[NDArray[np.float64], NDArray[np.generic]]:
    """Return the metric of each training, (S,), and the seeds in the same order, (S,)."""
    design = crossing(scores)
    rows = design.table.reshape(len(design.seeds), -1)
    return np.array([reduce(scores.rows[row[row >= 0]]) for row in rows]), design.seeds


def seed_difference(a: Scores, b: Scores, reduce: Reduce, level: float = LEVEL) -> SeedDifference:
    """Compare two systems by t over training seeds: paired if both have the same seeds, Welch's test otherwise.

    >>> rng = np.random.default_rng(0)
    >>> seeds, trainings = np.repeat(np.arange(5), 20), rng.normal(0, 0.1, 5)
    >>> a = Scores(1 + trainings[seeds, None] + rng.normal(size=(100, 1)) / 9, np.tile(np.arange(20), 5), seeds)
    >>> b = Scores(trainings[seeds, None] + rng.normal(size=(100, 1)) / 9, np.tile(np.arange(20), 5), seeds)
    >>> difference = seed_difference(a, b, lambda rows: rows.mean())
    >>> print(f"{difference.value:.1f}, {difference.df:.0f} degrees of freedom, p < .001: {difference.p < 0.001}")
    1.0, 4 degrees of freedom, p < .001: True
    """
    (values_a, seeds_a), (values_b, seeds_b) = seed_values(a, reduce), seed_values(b, reduce)
    if np.array_equal(seeds_a, seeds_b):
        return difference_of_means(values_a - values_b, None, level)
    return difference_of_means(values_a, values_b, level)


def difference_of_means(
    a: NDArray[np.float64], b: NDArray[np.float64] | None = None, level: float = LEVEL
) -> SeedDifference:
    """Return the mean of paired differences a (S,), or the difference of the means of a (S,) and b (S',) by Welch."""
    groups = [a] if b is None else [a, b]
    value = float(a.mean() - (0.0 if b is None else b.mean()))
    seeds = min(map(len, groups))
    unknown = SeedDifference(value, math.nan, math.nan, math.nan, math.nan, math.nan, seeds)
    if seeds < 2:
        return unknown
    variances = [float(group.var(ddof=1)) / len(group) for group in groups]
    error = math.sqrt(sum(variances))
    if not error > 0:
        return unknown
    shares = [variance**2 / (len(group) - 1) for variance, group in zip(variances, groups, strict=True)]
    df = seeds - 1.0 if b is None else error**4 / sum(shares)  # Welch and Satterthwaite
    half = float(stats.t.ppf((1 + level) / 2, df)) * error
    p = 2 * float(stats.t.sf(abs(value) / error, df))
    return SeedDifference(value, value - half, value + half, error, df, p, seeds)


def equivalence_p(difference: SeedDifference, margin: float) -> float:
    """Return the p value of the two one-sided tests that the difference lies within ``margin``; NaN if unknown.

    Raises ``ValueError`` for a margin that is not positive.
    """
    if not margin > 0:
        raise ValueError(f"The margin of an equivalence test must be positive, got {margin:g}.")
    t = stats.t(difference.df)
    above = float(t.sf((difference.value + margin) / difference.error))
    below = float(t.cdf((difference.value - margin) / difference.error))
    return max(above, below)


def decide(difference: SeedDifference, margin: float, level: float = LEVEL) -> Decision:
    """Decide about a difference, given the smallest difference that matters.

    It is "equivalent" if it lies within the margin by two one-sided tests at 1 - ``level``, even if it also differs
    significantly from 0: such a difference is too small to matter. Otherwise it is "greater" or "less" if it differs
    significantly from 0, and "undecided" if neither holds: the interval is too wide, and more seeds are needed.

    >>> decide(difference_of_means(np.array([0.9, 1.0, 1.1])), margin=0.5)
    'greater'
    >>> decide(difference_of_means(np.array([-0.1, 0.0, 0.1])), margin=0.5)
    'equivalent'
    >>> decide(difference_of_means(np.array([-1.0, 0.0, 1.0])), margin=0.5)
    'undecided'
    """
    if equivalence_p(difference, margin) < 1 - level:
        return "equivalent"
    if difference.p < 1 - level:
        return "greater" if difference.value > 0 else "less"
    return "undecided"
