"""Ratings that count, as cells and comparisons of the harness' tables.

Of MOS and MUSHRA, a system's value is the mean of its ratings and a comparison is with the baseline. Of CMOS and
preference, the ratings are comparisons with the baseline already: the value is their mean (in %, no preference counting
half) and the comparison is with "as good as". Listeners and utterances are both random, see
``ttsbench/evaluation/stats/crossed.py``.

All ratings are used. A list that nobody answered leaves systems heard with different utterances; since it was left to
chance which, that is part of what the intervals hold.
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
from ttsbench.listening.answers import Answered, Rating
from ttsbench.listening.key import Key
from ttsbench.listening.kinds import Kind
from ttsbench.types import MetricInfo


class MeanRating:
    """A kind of test as a metric: the mean of what its ratings count in a table."""

    def __init__(self, info: MetricInfo) -> None:
        self.info = info

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """The mean of rows (n, 1)."""
        return float(rows[:, 0].mean())


@dataclass(frozen=True)
class Analysis:
    """What a test found; ``ratings`` has a row per rating that counts."""

    ratings: pd.DataFrame
    rows: MetricRows
    cells: Sequence[MetricCell]
    comparisons: Sequence[Comparison]


def analyse(
    answered: Sequence[Answered], kind: Kind, key: Key, info: MetricInfo, lost: Mapping[str, int], level: float = LEVEL
) -> Analysis:
    """Cells of every system, and comparisons of every model, or of all that was heard in pairs.

    ``lost`` counts a system's ratings that do not count.
    """
    columns = list(Rating.__dataclass_fields__)
    ratings = pd.DataFrame([asdict(rating) for one in answered for rating in one.ratings], columns=columns)
    ratings["value"] = kind.offset + kind.factor * ratings["rating"].astype(float)
    cells = [_cell(ratings, kind, system, lost.get(system, 0), level) for system in key.systems]
    compared = [one for one in key.systems if one != key.baseline and (kind.paired or one not in key.references)]
    comparisons = corrected([_comparison(ratings, kind, key, system, level) for system in compared])
    return Analysis(ratings, _metric_rows(ratings, info), cells, comparisons)


def _cell(ratings: pd.DataFrame, kind: Kind, system: str, lost: int, level: float) -> MetricCell:
    """The mean and its interval, no farther than the scale goes: no mean can lie beyond."""
    found = _estimate(ratings, {system: 1.0}, level)
    low, high = np.clip([found.low, found.high], *kind.bounds).tolist()
    return MetricCell(system, kind.name, found.value, low, high, int((ratings["system"] == system).sum()), lost)


def _comparison(ratings: pd.DataFrame, kind: Kind, key: Key, system: str, level: float) -> Comparison:
    """``system`` minus the baseline; of a pair, minus what a system would get that is as good as the baseline."""
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
    """The ratings as tables take them, with listeners in the place of utterances.

    Tables rank systems on what all of them have: every listener has heard every system, with other utterances.
    """
    table = pd.DataFrame(
        {"system": ratings["system"], "utterance": ratings["listener"], "seed": ratings["seed"].astype(str),
         "sample": "0", "rating": ratings["value"], "error": "", "warning": ""}
    )  # fmt: skip
    return MetricRows(MeanRating(info), table, info.signature)


def answer_counts(ratings: pd.DataFrame, kind: Kind, systems: Sequence[str]) -> pd.DataFrame:
    """How often each answer was given to each system: columns system and every rating, from the lowest."""
    possible = range(kind.low, kind.high + 1)
    counts = {system: Counter(ratings.loc[ratings["system"] == system, "rating"]) for system in systems}
    lines = [[system, *(counts[system][rating] for rating in possible)] for system in systems]
    return pd.DataFrame(lines, columns=["system", *map(str, possible)])
