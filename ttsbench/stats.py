"""Intervals over utterances.

B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13 (percentile intervals); for ratios of
sums such as WER: M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
ICASSP 2004, who also give the paired difference.

What is resampled is the utterance: where one has several rows (sampling seeds, renderings), ``groups`` names it and its
rows are drawn together, because they are no independent evidence. Two systems are compared on the same draws. The
percentile interval is a little narrow below some twenty utterances.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Reduce = Callable[[Rows], float]
Groups = Sequence[Hashable] | NDArray[np.generic]

RESAMPLES = 1000
LEVEL = 0.95


class Interval(NamedTuple):
    """A confidence interval; NaN where there is none."""

    low: float
    high: float


class Difference(NamedTuple):
    """The value of one system minus that of another, and its confidence interval."""

    value: float
    low: float
    high: float


def bootstrap_interval(
    rows: Rows,
    reduce: Reduce,
    seed: int | np.random.Generator,
    groups: Groups | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Percentile bootstrap interval of ``reduce(rows)``.

    rows (n, columns) are sufficient statistics, ``groups`` (n,) the utterance of each row (each row its own by
    default). The interval is NaN for fewer than two groups, and where ``reduce`` is undefined on some resample.
    """
    _, table = _members(rows, groups)
    if len(table) < 2:
        return Interval(np.nan, np.nan)
    picks = _picks(seed, resamples, len(table))
    return _percentiles([reduce(rows[_drawn(table, pick)]) for pick in picks], level)


def paired_difference(
    rows_a: Rows,
    rows_b: Rows,
    reduce: Reduce,
    seed: int | np.random.Generator,
    groups_a: Groups | None = None,
    groups_b: Groups | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Difference:
    """``reduce(rows_a) - reduce(rows_b)`` and its percentile bootstrap interval over common utterances.

    rows_a (n, columns) and rows_b (m, columns) hold two systems, ``groups_a`` (n,) and ``groups_b`` (m,) the utterance
    of each row; without them row i of both is one utterance. The interval is NaN as in ``bootstrap_interval``. Raises
    ``ValueError`` where the two do not cover the same utterances.
    """
    labels_a, table_a = _members(rows_a, groups_a)
    labels_b, table_b = _members(rows_b, groups_b)
    if not np.array_equal(labels_a, labels_b):
        unshared = np.setxor1d(labels_a, labels_b)
        raise ValueError(
            f"a paired difference needs the same utterances on both sides, {len(unshared)} are on one only, such as "
            f"{unshared[0]!s}; leave those out first."
        )
    value = reduce(rows_a) - reduce(rows_b)
    if len(table_a) < 2:
        return Difference(value, np.nan, np.nan)
    picks = _picks(seed, resamples, len(table_a))
    differences = [reduce(rows_a[_drawn(table_a, p)]) - reduce(rows_b[_drawn(table_b, p)]) for p in picks]
    return Difference(value, *_percentiles(differences, level))


def _members(rows: Rows, groups: Groups | None) -> tuple[NDArray[np.generic], NDArray[np.int64]]:
    """Labels of the G groups in sorted order, and the indices of their rows, (G, largest group), -1 at padding."""
    if rows.ndim != 2:
        raise ValueError(f"rows have shape {rows.shape}, expected (n, columns).")
    labels, group = np.unique(np.arange(len(rows)) if groups is None else np.asarray(groups), return_inverse=True)
    if group.shape != (len(rows),):
        raise ValueError(f"groups have shape {group.shape}, expected one label for each of {len(rows)} rows.")
    sizes = np.bincount(group, minlength=len(labels))
    table = np.full((len(labels), sizes.max(initial=0)), -1)
    table[np.arange(table.shape[1]) < sizes[:, None]] = np.argsort(group, kind="stable")
    return labels, table


def _picks(seed: int | np.random.Generator, resamples: int, groups: int) -> NDArray[np.int64]:
    """Groups drawn with replacement, (resamples, groups)."""
    return np.random.default_rng(seed).integers(0, groups, size=(resamples, groups))


def _drawn(table: NDArray[np.int64], pick: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of all rows of the picked groups (G,), as often as they were picked."""
    indices = table[pick]
    return indices[indices >= 0]


def _percentiles(values: list[float], level: float) -> Interval:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
