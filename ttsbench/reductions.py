"""Two base classes for metrics: how the rows of single clips are reduced to one number.

``reduce_weighted`` computes ``reduce`` for many bootstrap resamples at once, each given as the number of times that it
contains every row: see ``ttsbench.interfaces.WeightedMetric``.

>>> import numpy as np
>>> errors_and_words = np.array([[1.0, 4.0], [0.0, 6.0]])
>>> RatioOfSums().reduce(errors_and_words)
0.1
>>> RatioOfSums().reduce_weighted(errors_and_words, weights=np.array([[1, 1], [2, 0]]))
array([0.1 , 0.25])
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Mean:
    """Reduce to the mean of the first column over clips."""

    def reduce(self, rows: Values) -> float:
        """Return the mean of the first column of rows (n, columns)."""
        return float(rows[:, 0].mean())

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the mean of the first column for each row of weights (R, n), as (R,)."""
        mean: Values = weights @ rows[:, 0] / weights.sum(axis=1)
        return mean


class RatioOfSums:
    """Reduce to the sum of the first column over the sum of the second, so that long clips weigh more.

    The result is NaN if the second column sums to zero.
    """

    def reduce(self, rows: Values) -> float:
        """Return the ratio of the sums of the first two columns of rows (n, columns)."""
        part, whole = rows[:, :2].sum(axis=0)
        return float(part / whole) if whole > 0 else float("nan")

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the ratio of sums for each row of weights (R, n), as (R,)."""
        part, whole = (weights @ rows[:, :2]).T
        ratio: Values = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
        return ratio
