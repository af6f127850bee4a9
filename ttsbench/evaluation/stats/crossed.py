"""Means of ratings, and their differences, if listeners and utterances are both samples of larger populations.

A rating belongs to one listener and one utterance, so ratings are not independent, and an interval that assumes
independence is far too short. The variance is that of two-way clustering: A. C. Cameron, J. B. Gelbach and D. L.
Miller, "Robust inference with multiway clustering", Journal of Business & Economic Statistics 29(2), 2011,
https://doi.org/10.1198/jbes.2010.07136. With e the weighted deviation of each rating from the mean of its group,

    V = V_listeners + V_utterances - V_pairs,    V_c = m / (m - 1) * sum over the m clusters c of (sum of e in c)^2

V can fall below both terms if little depends on listener and utterance, so the smaller of the first two is its lower
bound. Intervals and p use Student's t distribution with the smaller number of clusters minus one degrees of freedom.

The pigeonhole bootstrap (see ``bootstrap``; A. B. Owen and D. Eckles, "Bootstrapping data arrays of arbitrary order",
Annals of Applied Statistics 6(3), 2012, https://doi.org/10.1214/12-AOAS547) is not used here, because it counts the
variance of single ratings three times. If a listener hears every utterance once, under one of the systems, single
ratings make up most of the error. Coverage of 95 % intervals in simulated tests (tests/evaluation/test_crossed.py):

    pigeonhole bootstrap, balanced designs               mean 98 to 99 %, difference 99 to 100 %
    pigeonhole bootstrap, few listeners hear everything  90 to 95 %
    the formula above                                    94 to 97 %
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ttsbench.evaluation.stats.bootstrap import LEVEL


class CrossedEstimate(NamedTuple):
    """A weighted sum of group means, with interval, standard error, and the two-sided p value that it is 0.

    ``p`` is never below the p value of a sign test over listeners, or over utterances, that all agree. Everything but
    the value is NaN with fewer than two listeners or utterances. The interval is also NaN if nothing varies.
    """

    value: float
    low: float
    high: float
    error: float
    p: float


def crossed_estimate(
    values: NDArray[np.float64],
    groups: NDArray[Any],
    weights: Mapping[Any, float],
    listeners: NDArray[Any],
    utterances: NDArray[Any],
    level: float = LEVEL,
) -> CrossedEstimate:
    """Return the sum of ``weights[group]`` times the mean of the group's values (n,), over the groups with a weight.

    ``{"a": 1}`` gives the mean of a, ``{"a": 1, "b": -1}`` a difference of means, in which effects of a listener or an
    utterance on both groups cancel. ``groups``, ``listeners`` and ``utterances`` label each value. The result is NaN if
    a group has no values.

    >>> ratings = np.array([5.0, 4.0, 4.0, 3.0, 5.0, 3.0, 4.0, 2.0])
    >>> systems, listeners = np.array(["a", "b"] * 4), np.array([1, 1, 1, 1, 2, 2, 2, 2])
    >>> utterances = np.array([1, 1, 2, 2, 1, 1, 2, 2])
    >>> crossed_estimate(ratings, systems, {"a": 1, "b": -1}, listeners, utterances).value
    1.5
    """
    deviations = np.zeros(len(values))
    value = 0.0
    for group, weight in weights.items():
        chosen = groups == group
        if not chosen.any():
            return CrossedEstimate(math.nan, math.nan, math.nan, math.nan, math.nan)
        mean = float(values[chosen].mean())
        value += weight * mean
        deviations[chosen] = weight * (values[chosen] - mean) / chosen.sum()
    used = np.isin(groups, list(weights))
    listener, utterance = (np.unique(labels[used], return_inverse=True)[1] for labels in (listeners, utterances))
    return _estimate(value, deviations[used], listener, utterance, level)


def _estimate(
    value: float, deviations: NDArray[np.float64], listener: NDArray[Any], utterance: NDArray[Any], level: float
) -> CrossedEstimate:
    fewest = min(len(np.unique(listener)), len(np.unique(utterance)))
    if fewest < 2:
        return CrossedEstimate(value, math.nan, math.nan, math.nan, math.nan)
    pair = listener * (utterance.max() + 1) + utterance
    of_listeners, of_utterances, of_pairs = (_variance(deviations, code) for code in (listener, utterance, pair))
    error = math.sqrt(max(of_listeners + of_utterances - of_pairs, min(of_listeners, of_utterances)))
    unanimous = 2.0 ** (1 - fewest)
    if error == 0:
        return CrossedEstimate(value, math.nan, math.nan, 0.0, unanimous if value else 1.0)
    half = float(stats.t.ppf((1 + level) / 2, fewest - 1)) * error
    p = 2 * float(stats.t.sf(abs(value) / error, fewest - 1))
    return CrossedEstimate(value, value - half, value + half, error, max(p, unanimous))


def _variance(deviations: NDArray[np.float64], code: NDArray[Any]) -> float:
    """Return the variance of a sum of deviations if whole clusters (numbered by ``code``) were sampled."""
    distinct, number = np.unique(code, return_inverse=True)
    sums = np.bincount(number, deviations)
    return float((sums**2).sum() * len(distinct) / (len(distinct) - 1))
