"""The numbers of a table: a value with its interval, and the difference between two systems."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ttsbench.evaluation.stats import holm


@dataclass(frozen=True)
class BootstrapSettings:
    """Settings of intervals and tests. ``resamples`` is also the number of permutations."""

    resamples: int
    level: float
    seed: int


@dataclass(frozen=True)
class MetricCell:
    """Value of one metric for one system. ``value``, ``low`` and ``high`` are NaN if they are undefined.

    ``n`` counts rows. ``floor`` is the value expected by chance alone, NaN for a metric without a floor.
    """

    system: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    n_failed: int
    floor: float = math.nan


@dataclass(frozen=True)
class Comparison:
    """``system`` minus ``baseline`` under one metric, on the ``n`` utterances that both systems have in full.

    ``p`` comes from a paired permutation test, ``p_holm`` is corrected over the family (see ``corrected``).
    ``effect_size`` is in standard deviations of an utterance's difference, ``mde`` is the smallest true difference
    that the test finds with 80 % power. Each of these is NaN if it is undefined. ``seeds`` is the number of training
    seeds of the system that has fewer.
    """

    system: str
    baseline: str
    metric: str
    value: float
    low: float
    high: float
    p: float
    effect_size: float
    mde: float
    n: int
    seeds: int
    p_holm: float = math.nan


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons in the same order, with Holm's correction in ``p_holm``.

    A family holds all systems that are compared with one baseline under one metric: the metrics of a table answer
    different questions, so each metric has its own error rate.
    """
    families: dict[tuple[str, str], list[int]] = {}
    for index, comparison in enumerate(comparisons):
        families.setdefault((comparison.baseline, comparison.metric), []).append(index)
    results = list(comparisons)
    for members in families.values():
        adjusted = holm(np.array([comparisons[index].p for index in members]))
        for index, p in zip(members, adjusted.tolist(), strict=True):
            results[index] = replace(comparisons[index], p_holm=p)
    return results
