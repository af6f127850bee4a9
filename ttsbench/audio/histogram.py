"""Histograms over fixed bins, and the Jensen-Shannon divergence between two of them.

J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Information Theory 37(1), 1991:

    JS = 1/2 sum_i p_i log2(p_i / m_i) + 1/2 sum_i q_i log2(q_i / m_i),    m = (p + q) / 2

in bits: 0 for equal histograms, 1 for histograms that share no bin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

PAPER = "Lin 1991, https://doi.org/10.1109/18.61115"

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """``count`` bins of equal ``width`` from ``low`` upwards; the outermost bins also count all values beyond them.

    >>> Bins(0.0, 1.0, 3).histogram(np.array([[-5.0], [0.5], [1.0], [9.0]]))
    array([[2., 1., 1.]])
    """

    low: float
    width: float
    count: int

    @property
    def inner_edges(self) -> Values:
        """The edges between neighbouring bins, (count - 1,)."""
        edges: Values = self.low + self.width * np.arange(1, self.count, dtype=np.float64)
        return edges

    def histogram(self, values: Values) -> Values:
        """Return the counts (G, count) of G sets of values (N, G)."""
        index = np.searchsorted(self.inner_edges, values, side="right")
        return np.stack([np.bincount(column, minlength=self.count) for column in index.T]).astype(np.float64)


def jensen_shannon(p: Values, q: Values) -> Values:
    """Return the divergence in bits (...,) of counts or probabilities (..., K); NaN where either side is all zeros.

    >>> float(jensen_shannon(np.array([3.0, 0.0]), np.array([0.0, 7.0])))
    1.0
    >>> float(jensen_shannon(np.array([1.0, 3.0]), np.array([10.0, 30.0])))
    0.0
    """
    with np.errstate(invalid="ignore"):
        shares_p, shares_q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
    middle = (shares_p + shares_q) / 2
    bits = (rel_entr(shares_p, middle) + rel_entr(shares_q, middle)).sum(axis=-1) / (2 * np.log(2))
    result: Values = np.maximum(bits, 0.0)  # rounding may give a negative value for equal histograms
    return result
