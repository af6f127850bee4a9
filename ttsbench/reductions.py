"""The two ways in which most metrics reduce the rows of single clips to one number; to inherit from.

``reduce_weighted`` is ``reduce`` of many resamples at once, each told as how often it holds every row: see
``ttsbench.interfaces.WeightedMetric``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Mean:
    """The first column's mean over clips."""

    def reduce(self, rows: Values) -> float:
        """Mean of the first column, rows (n, columns)."""
        return float(rows[:, 0].mean())

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Mean of the first column for each row of weights (R, n)."""
        mean: Values = weights @ rows[:, 0] / weights.sum(axis=1)
        return mean


class RatioOfSums:
    """The first column's sum over the second's: long clips count for more. NaN where the second sums to nothing."""

    def reduce(self, rows: Values) -> float:
        """Ratio of sums, rows (n, 2)."""
        part, whole = rows.sum(axis=0)
        return float(part / whole) if whole > 0 else float("nan")

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Ratio of sums for each row of weights (R, n)."""
        part, whole = (weights @ rows).T
        ratio: Values = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
        return ratio
