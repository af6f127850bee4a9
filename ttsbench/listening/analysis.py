"""Analyse the accepted ratings: cells and comparisons for the tables.

In MOS and MUSHRA tests the value of a system is the mean of its ratings, and it is compared with the baseline. In CMOS
and preference tests the ratings already are comparisons with the baseline: the value is their mean (for preference in
%, with half a point for no preference), and it is compared with the value of a system as good as the baseline. Both
listeners and utterances are random effects; see ``ttsbench/evaluation/stats/crossed.py``.

All accepted ratings are used. If a list was not accepted, systems were rated on different utterances; the assignment is
random, so the intervals cover this variation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ttsbench.evaluation.estimates import Comparison, MetricCell, corrected
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.stats import LEVEL, CrossedEstimate, crossed_estimate, effect_size, minimum_detectable_effect
from ttsbench.listening.answers import AcceptedSession, Rating
from ttsbench.listening.key import Key
from ttsbench.listening.kinds import Kind
from ttsbench.types import MetricInfo


class MeanRating:
    """A listening test as a metric: the mean of its ratings."""

    def __init__(self, info: MetricInfo) -> None:
        self.info = info

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Return the mean of rows (n, 1)."""
        return float(rows[:, 0].mean())


@dataclass(frozen=True)
class Analysis:
    """The result of a test; ``ratings`` has one row per accepted rating."""

    ratings: pd.DataFrame
    rows: MetricRows
    cells: Sequence[MetricCell]
    comparisons: Sequence[Comparison]


def analyse(
    accepted: Sequence[AcceptedSession],
    kind: Kind,
    key: Key,
    info: MetricInfo,
    lost: Mapping[str, int],
    level: float = LEVEL,
) -> Analysis:
    """Return the cells of all systems and the comparisons of all models (in paired tests, of all systems).

    ``lost`` counts the rejected ratings of each system.
    """
    columns = list(Rating.__dataclass_fields__)
    ratings = pd.DataFrame([asdict(rating) for session in accepted for rating in session.ratings], columns=columns)
    ratings["value"] = kind.offset + kind.factor * ratings["rating"].astype(float)
    cells = [_cell(ratings, kind, system, lost.get(system, 0), level) for system in key.systems]
    compared = [name for name in key.systems if name != key.baseline and (kind.paired or name not in key.references)]
    comparisons = corrected([_comparison(ratings, kind, key, system, level) for system in compared])
    return Analysis(ratings, _metric_rows(ratings, info), cells, comparisons)


def _cell(ratings: pd.DataFrame, kind: Kind, system: str, lost: int, level: float) -> MetricCell:
    """Return the mean with its interval, clipped to the scale."""
    found = _estimate(ratings, {system: 1.0}, level)
    low, high = np.clip([found.low, found.high], *kind.bounds).tolist()
    return MetricCell(system, kind.name, found.value, low, high, int((ratings["system"] == system).sum()), lost)


def _comparison(ratings: pd.DataFrame, kind: Kind, key: Key, system: str, level: float) -> Comparison:
    """Return ``system`` minus the baseline; in paired tests, minus the value of a system as good as the baseline."""
    if kind.paired:
        ratings = ratings.assign(value=ratings["value"] - kind.offset)
    found = _estimate(ratings, {system: 1.0} | ({} if kind.paired else {key.baseline: -1.0}), level)
    count = ratings.loc[ratings["system"].isin([system, key.baseline]), "utterance"].nunique()
    effect = effect_size(found.value, found.error, count)
    mde = minimum_detectable_effect(found.error, level) if found.error > 0 else float("nan")
    return Comparison(system, key.baseline, kind.name, found.value, found.low, found.high, found.p, effect, mde, count,
                      key.seeds)  # fmt: skip


def _estimate(ratings: pd.DataFrame, weights: Mapping[str, float], level: float) -> CrossedEstimate:
    values, systems = ratings["value"].to_numpy(np.float64), ratings["system"].to_numpy(str)
    listeners, utterances = ratings["listener"].to_numpy(str), ratings["utterance"].to_numpy(str)
    return crossed_estimate(values, systems, weights, listeners, utterances, level)


def _metric_rows(ratings: pd.DataFrame, info: MetricInfo) -> MetricRows:
    """Return the ratings as rows of a metric, with listeners in the place of utterances.

    Tables rank systems on shared units. All listeners rate all systems, but on different utterances.
    """
    table = pd.DataFrame(
        {"system": ratings["system"], "utterance": ratings["listener"], "seed": ratings["seed"].astype(str),
         "sample": "0", "rating": ratings["value"], "error": "", "warning": ""}
    )  # fmt: skip
    return MetricRows(MeanRating(info), table, info.signature)


def answer_counts(ratings: pd.DataFrame, kind: Kind, systems: Sequence[str]) -> pd.DataFrame:
    """Count the answers of each system: columns system and every rating, from the lowest."""
    possible = range(kind.low, kind.high + 1)
    counts = {system: Counter(ratings.loc[ratings["system"] == system, "rating"]) for system in systems}
    lines = [[system, *(counts[system][rating] for rating in possible)] for system in systems]
    return pd.DataFrame(lines, columns=["system", *map(str, possible)])
