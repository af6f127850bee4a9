"""Spearman's rank correlation with a cluster bootstrap interval and a permutation test, for grouped observations.

C. Spearman, "The proof and measurement of association between two things", American Journal of Psychology 15, 1904.

Observations come in blocks, such as the systems of one run or the clips of one utterance. Differences between blocks
are removed: both variables are centred on the mean of their block, and the correlation is that of the ranks of what
remains. A text that is hard for all systems therefore does not look like agreement.

    interval   percentile bootstrap over clusters (systems or utterances), which are drawn with replacement
    p          two-sided: the scores are permuted within blocks, which is valid if the observations of a block are
               exchangeable under the null hypothesis. All permutations are tried if there are at most 5,040.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ttsbench.evaluation.estimates import BootstrapSettings

LEAST = 4  # observations
EXACT = 7  # observations in a single block, up to which all permutations are tried

Values = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho of ``n`` observations with interval and p; NaN where it is undefined."""

    value: float
    low: float
    high: float
    p: float
    n: int


def correlation(x: Values, y: Values, block: Labels, cluster: Labels, settings: BootstrapSettings) -> Correlation:
    """Return the correlation of x and y (n,) within blocks (n,); whole clusters (n,) are resampled.

    >>> x, one = np.arange(6.0), np.zeros(6, dtype=np.int64)
    >>> found = correlation(x, x**3, one, np.arange(6), BootstrapSettings(200, 0.95, 0))
    >>> print(f"{found.value:.1f} {found.p:.4f}")
    1.0 0.0028
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y, block, cluster = x[known], y[known], block[known], cluster[known]
    if len(x) < LEAST:
        return Correlation(math.nan, math.nan, math.nan, math.nan, len(x))
    value = _rho(x, y, block)
    if math.isnan(value):
        return Correlation(math.nan, math.nan, math.nan, math.nan, len(x))
    rng = np.random.default_rng(settings.seed)
    resampled = np.array([_rho(x[i], y[i], block[i]) for i in _resamples(cluster, rng, settings.resamples)])
    tail = 100 * (1 - settings.level) / 2
    low, high = np.nanpercentile(resampled, [tail, 100 - tail]) if np.isfinite(resampled).any() else (math.nan,) * 2
    return Correlation(value, float(low), float(high), _p(x, y, block, value, rng, settings.resamples), len(x))


def _rho(x: Values, y: Values, block: Labels) -> float:
    """Return the correlation of ranks after centring within blocks; NaN if a variable is constant."""
    a, b = (rankdata(_centred(values, block)) for values in (x, y))
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else math.nan


def _centred(values: Values, block: Labels) -> Values:
    _, index = np.unique(block, return_inverse=True)
    means = np.bincount(index, values) / np.bincount(index)
    centred: Values = np.round(values - means[index], 12)  # equal values stay equal in spite of rounding
    return centred


def _resamples(cluster: Labels, rng: np.random.Generator, count: int) -> Iterator[Labels]:
    _, index = np.unique(cluster, return_inverse=True)
    members = [np.flatnonzero(index == number) for number in range(index.max() + 1)]
    for _ in range(count):
        yield np.concatenate([members[number] for number in rng.integers(0, len(members), len(members))])


def _p(x: Values, y: Values, block: Labels, value: float, rng: np.random.Generator, count: int) -> float:
    """Return the share of permutations within blocks with a correlation at least as far from 0."""
    _, index = np.unique(block, return_inverse=True)
    groups = [np.flatnonzero(index == number) for number in range(index.max() + 1)]
    exact = len(groups) == 1 and len(x) <= EXACT
    if exact:
        orders = [np.array(order) for order in permutations(range(len(x)))]
    else:
        orders = [_shuffled(groups, len(x), rng) for _ in range(count)]
    extreme = sum(abs(_rho(x, y[order], block)) >= abs(value) - 1e-12 for order in orders)
    return extreme / len(orders) if exact else (1 + extreme) / (1 + len(orders))


def _shuffled(groups: list[Labels], count: int, rng: np.random.Generator) -> Labels:
    order = np.arange(count)
    for members in groups:
        order[members] = rng.permutation(members)
    return order
