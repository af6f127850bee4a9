"""Confidence intervals over utterances and training seeds.

B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13 (percentile intervals); for ratios of
sums such as WER: M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
ICASSP 2004, who also give the paired difference; for several training seeds: A. B. Owen, "The pigeonhole bootstrap",
Annals of Applied Statistics 1(2), 2007, https://doi.org/10.1214/07-AOAS122.

Every seed speaks every utterance, so the two are crossed: S seeds and U utterances are drawn with replacement, each on
its own, and every row of a drawn pair counts as often as both were drawn. Rows of one pair (sampling draws) are no
independent evidence and stay together. With one seed this is the plain bootstrap over utterances.

What the interval is worth. Of the variance of a mean it holds (S-1)/S of the part that seeds differ by (two thirds at
S = 3), (U-1)/U of the part that utterances differ by, and (2-1/S)(2-1/U)-1 times the part that only pairs differ by
(2.3 times at S = 3, which is conservative). So it is wide where seeds do not matter and too short where they do: with
real scores and three seeds on either side, 95 % intervals of systems that are alike left out 0 in 1 % of cases, and
those of three trainings against three others of the same objective in 12 to 14 % (see `test_false_positives`). With
one seed it says nothing of other seeds. Percentile intervals are a little short below some twenty utterances.

A metric whose ``reduce`` finite samples push up (a divergence of histograms) is pushed up once more by resampling, and
its percentile interval would lie above its value. With ``centred`` the resampled values are shifted by what their mean
differs from the value (Efron and Tibshirani, ch. 10, estimate of bias). Nothing is clipped, so that a bound may fall
below the least possible value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ttsbench.evaluation.stats.scores import Crossing, Reduce, Rows, Scores, crossing, reduce_many, same_utterances

RESAMPLES = 1000
LEVEL = 0.95


class Interval(NamedTuple):
    """A confidence interval; NaN where there is none."""

    low: float
    high: float


class Difference(NamedTuple):
    """The value of one system minus that of another, its confidence interval and its standard error."""

    value: float
    low: float
    high: float
    error: float


class Contrast(NamedTuple):
    """A weighted sum of systems' values, its interval and standard error, and two-sided p that it is 0."""

    value: float
    low: float
    high: float
    error: float
    p: float


def bootstrap_interval(
    scores: Scores,
    reduce: Reduce,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    centred: bool = False,
) -> Interval:
    """Percentile interval of ``reduce`` over seeds and utterances.

    NaN for fewer than two utterances, and where ``reduce`` is undefined on the rows or on some resample.
    """
    design, value = crossing(scores), reduce(scores.rows)
    if len(design.utterances) < 2 or np.isnan(value):
        return Interval(np.nan, np.nan)
    utterances = _picks(rng, resamples, len(design.utterances))
    seeds = _picks(rng, resamples, len(design.seeds))
    values = _resampled(scores.rows, reduce, design, seeds, utterances)
    return _percentiles(values, level, value if centred else None)


def paired_difference(
    a: Scores,
    b: Scores,
    reduce: Reduce,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    centred: bool = False,
) -> Difference:
    """``reduce`` of a minus ``reduce`` of b, with percentile interval and standard error, on the same drawn utterances.

    Both are also given the same drawn seeds where they have the same set of seeds; else each draws its own. The
    interval is NaN as in ``bootstrap_interval``. Raises ``ValueError`` where the two do not cover the same utterances.
    """
    value, low, high, error, _ = contrast((a, b), (1.0, -1.0), reduce, rng, resamples, level, centred)
    return Difference(value, low, high, error)


def contrast(
    systems: Sequence[Scores],
    weights: Sequence[float],
    reduce: Reduce,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    centred: bool = False,
) -> Contrast:
    """``reduce`` of each system times its weight, summed, on the same drawn utterances.

    Systems with the same set of seeds are given the same drawn seeds. p is twice the smaller share of resamples on
    either side of 0, at least 1 / (resamples + 1) (Efron and Tibshirani, ch. 15.4): for a difference of two systems
    ``permutation_test`` assumes less. All but the value is NaN as in ``bootstrap_interval``. Raises ``ValueError``
    where the systems do not cover the same utterances.
    """
    designs = [crossing(one) for one in systems]
    for design in designs[1:]:
        same_utterances(designs[0], design)
    value = sum(weight * reduce(one.rows) for one, weight in zip(systems, weights, strict=True))
    if len(designs[0].utterances) < 2 or np.isnan(value):
        return Contrast(value, np.nan, np.nan, np.nan, np.nan)
    utterances = _picks(rng, resamples, len(designs[0].utterances))
    drawn: dict[tuple[object, ...], NDArray[np.int64]] = {}
    values = np.zeros(resamples)
    for one, weight, design in zip(systems, weights, designs, strict=True):
        seeds = tuple(design.seeds)
        if seeds not in drawn:
            drawn[seeds] = _picks(rng, resamples, len(seeds))
        values += weight * _resampled(one.rows, reduce, design, drawn[seeds], utterances)
    low, high = _percentiles(values, level, value if centred else None)
    moved = values + (value - values.mean()) if centred else values
    beyond = min(int((moved <= 0).sum()), int((moved >= 0).sum()))
    p = min(1.0, 2 * (1 + beyond) / (1 + resamples)) if np.isfinite(moved).all() else np.nan
    return Contrast(value, low, high, float(values.std()), p)


def _picks(rng: np.random.Generator, resamples: int, count: int) -> NDArray[np.int64]:
    """What is drawn with replacement, (resamples, count)."""
    return rng.integers(0, count, size=(resamples, count))


def _resampled(
    rows: Rows, reduce: Reduce, design: Crossing, seeds: NDArray[np.int64], utterances: NDArray[np.int64]
) -> Rows:
    """``reduce`` of all rows of the drawn pairs, (resamples,), for picks (resamples, S) and (resamples, U)."""
    there = design.table >= 0
    order, (seed, utterance, _) = design.table[there], np.nonzero(there)

    def weights(some: slice) -> Rows:
        drawn = np.empty((some.stop - some.start, len(rows)))
        times_seed = _times(seeds[some], len(design.seeds))
        drawn[:, order] = times_seed[:, seed] * _times(utterances[some], len(design.utterances))[:, utterance]
        return drawn

    def index(number: int) -> NDArray[np.int64]:
        drawn: NDArray[np.int64] = design.table.take(seeds[number], axis=0).take(utterances[number], axis=1).ravel()
        return drawn[drawn >= 0]

    return reduce_many(reduce, rows, len(utterances), weights, index)


def _times(picks: NDArray[np.int64], count: int) -> Rows:
    """How often each of ``count`` was picked, (R, count), for picks (R, number)."""
    lines = np.arange(len(picks))[:, None] * count
    times = np.bincount((picks + lines).ravel(), minlength=len(picks) * count)
    return times.reshape(len(picks), count).astype(np.float64)


def _percentiles(values: Rows, level: float, centre: float | None) -> Interval:
    """The interval that holds ``level`` of the values, first moved so that their mean is ``centre``."""
    if centre is not None:
        values = values + (centre - values.mean())
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
