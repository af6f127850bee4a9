"""The scored rows as the report reads them: per metric, a table of sufficient statistics with who they belong to.

What is estimated, tested and corrected, and from which papers, is in ``ttsbench/stats``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttsbench.evaluation.stats import (
    Reduction,
    Scores,
    bootstrap_interval,
    contrast,
    crossing,
    effect_size,
    holm,
    minimum_detectable_effect,
    paired_difference,
    permutation_test,
)
from ttsbench.interfaces import FlooredMetric, WeightedMetric
from ttsbench.stages.score import NOT_APPLICABLE
from ttsbench.types import MetricInfo

SUMMARY_COLUMNS = (
    "system", "metric", "value", "low", "high", "n", "n_failed", "unit", "higher_is_better", "signature", "floor",
)  # fmt: skip
DIFFERENCE_COLUMNS = (
    "system", "baseline", "metric", "difference", "low", "high", "p", "p_holm", "effect_size", "mde", "n", "seeds",
    "unit",
)  # fmt: skip


@dataclass(frozen=True)
class Sampling:
    """How intervals are made; as many permutations are tried as resamples."""

    resamples: int
    level: float
    seed: int


@dataclass(frozen=True)
class Cell:
    """One system under one metric. ``value`` and the interval are NaN where there is none.

    ``floor`` is what the metric would be expected to give by chance alone, NaN for one without a floor; ``n`` counts
    rows.
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
    """``system`` minus ``baseline`` under one metric, on the ``n`` utterances that both have in full.

    ``p`` is a paired permutation test's, ``p_holm`` after correction over the family (see ``corrected``);
    ``effect_size`` is in standard deviations of an utterance's difference, ``mde`` the least true difference that is
    found four times of five. All of these are NaN where there is none. ``seeds``: of the side that has fewer.
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


class MetricRows:
    """All rows of one metric."""

    def __init__(self, metric: Any, table: pd.DataFrame, signature: str) -> None:
        self.metric, self.signature = metric, signature
        self.info: MetricInfo = metric.info
        self.floored = isinstance(metric, FlooredMetric)
        self.reduce = Reduction(metric.reduce, metric.reduce_weighted if isinstance(metric, WeightedMetric) else None)
        self._table = table
        self._whole: dict[str, set[str]] = {}
        self._scores: dict[tuple[str, frozenset[str] | None], Scores] = {}
        self._differences: dict[tuple[str, str, Sampling], Comparison] = {}

    @cached_property
    def _of(self) -> Mapping[str, pd.DataFrame]:
        """The rows of each system."""
        return {str(name): rows for name, rows in self._table.groupby("system", sort=False)}

    @property
    def systems(self) -> set[str]:
        """Every system that has rows."""
        return set(self._table["system"])

    def clips(self) -> pd.DataFrame:
        """Every clip that the metric was asked of: system, seed, sample, utterance, value, statistics, error, warning.

        ``value`` is the metric over that clip alone, NaN where it has none; ``statistics`` are its sufficient
        statistics in the order of the metric's columns, empty where it failed.
        """
        table = self._table[self._applies]
        numbers = table[list(self.info.columns)].to_numpy(dtype=np.float64)
        known = table["error"].eq("").to_numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of what one clip alone has no answer to
            values = [float(self.metric.reduce(row[None])) if there else math.nan
                      for row, there in zip(numbers, known, strict=True)]  # fmt: skip
        found = table[["system", "seed", "sample", "utterance", "error", "warning"]].reset_index(drop=True)
        found.insert(4, "value", values)
        found.insert(5, "statistics", [row if there else row[:0] for row, there in zip(numbers, known, strict=True)])
        return found

    def seen_as(self, metric: Any) -> MetricRows:
        """The same rows, reduced by another metric."""
        return MetricRows(metric, self._table, self.signature)

    @property
    def failures(self) -> pd.DataFrame:
        """Rows without numbers, with their reasons."""
        return self._table[self._applies & self._table["error"].ne("")]

    @property
    def warnings(self) -> pd.DataFrame:
        """Rows with numbers that something is to be said of."""
        return self._table[self._table["warning"].ne("") & self._table["error"].eq("")]

    def utterances(self, system: str) -> set[str]:
        """Utterances of which every draw of every seed was measured."""
        if system not in self._whole:
            rows = self._of.get(system, self._table[:0])
            self._whole[system] = set(rows["utterance"]) - set(rows.loc[rows["error"].ne(""), "utterance"])
        return self._whole[system]

    def asked(self, system: str) -> set[str]:
        """Utterances that should have been measured, whether or not they were."""
        return set(self._table.loc[self._applies & (self._table["system"] == system), "utterance"])

    def scores(self, system: str, among: set[str] | None = None) -> Scores:
        """Sufficient statistics (n, columns), with the utterance and the training seed of each row."""
        key = (system, None if among is None else frozenset(among))
        if key not in self._scores:
            table = self._of.get(system, self._table[:0])
            table = table[table["error"].eq("")]
            if among is not None:
                table = table[table["utterance"].isin(among)]
            rows = table[list(self.info.columns)].to_numpy(dtype=np.float64)
            self._scores[key] = Scores(rows, table["utterance"].to_numpy(), table["seed"].to_numpy())
        return self._scores[key]

    def value(self, system: str, among: set[str] | None = None) -> float:
        """The metric over a system's rows; NaN where there are none."""
        rows = self.scores(system, among).rows
        return float(self.metric.reduce(rows)) if len(rows) else math.nan

    def cell(self, system: str, sampling: Sampling) -> Cell:
        """Value, interval over seeds and utterances, counts, and the floor where the metric has one."""
        scores, name = self.scores(system), self.info.name
        failed = int((self.failures["system"] == system).sum())
        if not len(scores.rows):
            return Cell(system, name, math.nan, math.nan, math.nan, 0, failed)
        rng = np.random.default_rng(sampling.seed)
        interval = bootstrap_interval(
            scores, self.reduce, rng, sampling.resamples, sampling.level, centred=self.floored
        )
        floor = float(self.metric.floor(scores.rows, rng)) if self.floored else math.nan
        return Cell(system, name, self.value(system), *interval, len(scores.rows), failed, floor)

    def difference(self, system: str, baseline: str, sampling: Sampling) -> Comparison:
        """``system`` minus ``baseline`` on the utterances of which both were measured in full; computed once.

        Where neither has rows that vary (a number of parameters, say) a difference needs no test: p is NaN.
        """
        key = (system, baseline, sampling)
        if key not in self._differences:
            self._differences[key] = self._difference(system, baseline, sampling)
        return self._differences[key]

    def _difference(self, system: str, baseline: str, sampling: Sampling) -> Comparison:
        common = self.utterances(system) & self.utterances(baseline)
        names = (system, baseline, self.info.name)
        if not common:
            nothing = math.nan
            return Comparison(*names, nothing, nothing, nothing, nothing, nothing, nothing, n=0, seeds=0)
        a, b = self.scores(system, common), self.scores(baseline, common)
        rng, reduce = np.random.default_rng(sampling.seed), self.reduce
        value, low, high, error = paired_difference(
            a, b, reduce, rng, sampling.resamples, sampling.level, centred=self.floored
        )
        tested = _vary(a) or _vary(b)
        p = permutation_test(a, b, reduce, rng, sampling.resamples) if tested else math.nan
        effect = effect_size(value, error, len(common))
        mde = minimum_detectable_effect(error, sampling.level) if error > 0 else math.nan
        seeds = min(len(crossing(a).seeds), len(crossing(b).seeds))
        return Comparison(*names, value, low, high, p, effect, mde, len(common), seeds)

    def contrast(self, weights: Mapping[str, float], sampling: Sampling) -> Comparison:
        """Weighted sum of systems' values, on the utterances of which all were measured in full; p by bootstrap."""
        common = set.intersection(*(self.utterances(system) for system in weights))
        names = (" ".join(f"{weight:+g} {system}" for system, weight in weights.items()), "", self.info.name)
        if not common:
            nothing = math.nan
            return Comparison(*names, nothing, nothing, nothing, nothing, nothing, nothing, n=0, seeds=0)
        scores = [self.scores(system, common) for system in weights]
        value, low, high, error, p = contrast(
            scores, list(weights.values()), self.reduce, np.random.default_rng(sampling.seed),
            sampling.resamples, sampling.level, self.floored,
        )  # fmt: skip
        effect = effect_size(value, error, len(common))
        mde = minimum_detectable_effect(error, sampling.level) if error > 0 else math.nan
        seeds = min(len(crossing(one).seeds) for one in scores)
        return Comparison(*names, value, low, high, p, effect, mde, len(common), seeds)

    @property
    def _applies(self) -> pd.Series[bool]:
        return self._table["error"].ne(NOT_APPLICABLE)


def read_rows(path: Path, metric: Any, signature: str) -> MetricRows:
    """``scores/<metric>.csv``; it may lack the column of warnings."""
    columns = dict.fromkeys(metric.info.columns, np.float64)
    names = dict.fromkeys(("system", "seed", "sample", "utterance", "error", "warning"), str)
    table = pd.read_csv(
        path, dtype={**names, **columns}, keep_default_na=False, na_values={name: [""] for name in columns}
    )
    if "warning" not in table:
        table["warning"] = ""
    return MetricRows(metric, table, signature)


def summary(metrics: Sequence[MetricRows], systems: Sequence[str], sampling: Sampling) -> list[Cell]:
    """Every cell, system by system."""
    return [rows.cell(system, sampling) for system in systems for rows in metrics]


def compare(metrics: Sequence[MetricRows], models: Sequence[str], sampling: Sampling) -> list[Comparison]:
    """Every model but the first against the first, model by model, with ``p_holm``."""
    return corrected([rows.difference(model, models[0], sampling) for model in models[1:] for rows in metrics])


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same in the same order, with Holm's correction in ``p_holm``.

    A family is all systems that are compared with one baseline under one metric: the metrics of a table answer
    different questions, and each is held to its own level.
    """
    families: dict[tuple[str, str], list[int]] = {}
    for index, one in enumerate(comparisons):
        families.setdefault((one.baseline, one.metric), []).append(index)
    found = list(comparisons)
    for members in families.values():
        adjusted = holm(np.array([comparisons[index].p for index in members]))
        for index, p in zip(members, adjusted.tolist(), strict=True):
            found[index] = replace(comparisons[index], p_holm=p)
    return found


def summary_frame(cells: Sequence[Cell], metrics: Sequence[MetricRows]) -> pd.DataFrame:
    """``summary.csv``: one row per (system, metric); an empty cell stays empty."""
    by_name = {rows.info.name: rows for rows in metrics}
    lines = []
    for cell in cells:
        rows = by_name[cell.metric]
        better = "" if rows.info.higher_is_better is None else str(rows.info.higher_is_better).lower()
        lines.append(
            [cell.system, cell.metric, *_numbers(cell.value, cell.low, cell.high), cell.n, cell.n_failed,
             rows.info.unit, better, rows.signature, *_numbers(cell.floor)]
        )  # fmt: skip
    return pd.DataFrame(lines, columns=list(SUMMARY_COLUMNS))


def difference_frame(comparisons: Sequence[Comparison], metrics: Sequence[MetricRows]) -> pd.DataFrame:
    """``differences.csv``: one row per comparison; what is not known stays empty."""
    units = {rows.info.name: rows.info.unit for rows in metrics}
    lines = [
        [one.system, one.baseline, one.metric,
         *_numbers(one.value, one.low, one.high, one.p, one.p_holm, one.effect_size, one.mde),
         one.n, one.seeds, units[one.metric]]
        for one in comparisons
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=list(DIFFERENCE_COLUMNS))


def _vary(scores: Scores) -> bool:
    return bool((scores.rows != scores.rows[0]).any())


def _numbers(*values: float) -> list[str]:
    return ["" if math.isnan(value) else f"{value:.6g}" for value in values]
