"""All rows of one metric: the sufficient statistics of every clip, and the estimates made from them.

The statistical methods and their papers are described in ``ttsbench/evaluation/stats``.
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ttsbench.engine.csv_cells import original_cell
from ttsbench.evaluation.estimates import BootstrapSettings, Comparison, MetricCell
from ttsbench.evaluation.stats import (
    Reduction,
    Scores,
    bootstrap_interval,
    contrast,
    crossing,
    effect_size,
    minimum_detectable_effect,
    paired_difference,
    permutation_test,
)
from ttsbench.interfaces import FlooredMetric, WeightedMetric
from ttsbench.types import MetricInfo

NOT_APPLICABLE = "not applicable"  # the error of a row whose metric has no meaning for the clip: not a failure


class MetricRows:
    """All rows of one metric, for every system, training seed, draw and utterance."""

    def __init__(self, metric: Any, table: pd.DataFrame, signature: str) -> None:
        self.metric, self.signature = metric, signature
        self.info: MetricInfo = metric.info
        self.floored = isinstance(metric, FlooredMetric)
        self.reduce = Reduction(metric.reduce, metric.reduce_weighted if isinstance(metric, WeightedMetric) else None)
        self._table = table if "machine" in table else table.assign(machine="")
        self._complete: dict[str, set[str]] = {}
        self._scores: dict[tuple[str, frozenset[str] | None], Scores] = {}
        self._differences: dict[tuple[str, str, BootstrapSettings], Comparison] = {}

    @cached_property
    def _by_system(self) -> Mapping[str, pd.DataFrame]:
        """The rows of each system."""
        return {str(name): rows for name, rows in self._table.groupby("system", sort=False)}

    @property
    def systems(self) -> set[str]:
        """Names of all systems that have rows."""
        return set(self._table["system"])

    def on_one_machine(self, systems: Sequence[str]) -> bool:
        """Return whether these systems may be ranked and tested against each other.

        Times may not if their clips were made on several devices or hosts. Rows without a record of it may.
        """
        if not self.info.timed:
            return True
        machines = set(self._table.loc[self._table["system"].isin(systems), "machine"]) - {""}
        return len(machines) <= 1

    def clips(self) -> pd.DataFrame:
        """Return a row per clip: system, seed, sample, utterance, value, statistics, error, warning, machine.

        ``value`` is the metric of that clip alone, NaN if a single clip has none. ``statistics`` are its sufficient
        statistics in the order of the metric's columns, empty if the measurement failed. Clips to which the metric does
        not apply are left out.
        """
        table = self._table[self._applies]
        numbers = table[list(self.info.columns)].to_numpy(dtype=np.float64)
        measured = table["error"].eq("").to_numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a single clip may have no spread, for example
            values = [float(self.metric.reduce(row[None])) if ok else math.nan
                      for row, ok in zip(numbers, measured, strict=True)]  # fmt: skip
        frame = table[["system", "seed", "sample", "utterance", "error", "warning", "machine"]].reset_index(drop=True)
        frame.insert(4, "value", values)
        frame.insert(5, "statistics", [row if ok else row[:0] for row, ok in zip(numbers, measured, strict=True)])
        return frame

    def reduced_by(self, metric: Any) -> MetricRows:
        """Return the same rows, reduced by another metric."""
        return MetricRows(metric, self._table, self.signature)

    def without(self, systems: Collection[str]) -> MetricRows:
        """Return the rows of all other systems."""
        return MetricRows(self.metric, self._table[~self._table["system"].isin(systems)], self.signature)

    def joined(self, others: Sequence[MetricRows], signature: str) -> MetricRows:
        """Return these rows and those of others, which were computed by the same metric."""
        tables = [rows._table for rows in (self, *others)]
        return MetricRows(self.metric, pd.concat(tables, ignore_index=True), signature)

    @property
    def failures(self) -> pd.DataFrame:
        """Rows without numbers, with their reasons."""
        return self._table[self._applies & self._table["error"].ne("")]

    @property
    def warnings(self) -> pd.DataFrame:
        """Rows with numbers that carry a warning."""
        return self._table[self._table["warning"].ne("") & self._table["error"].eq("")]

    def utterances(self, system: str) -> set[str]:
        """Return the utterances whose every draw was measured for every training seed.

        Draws to which the metric does not apply are left out: operations, for example, are counted on first draws.
        """
        if system not in self._complete:
            rows = self._by_system.get(system, self._table[:0])
            rows = rows[rows["error"].ne(NOT_APPLICABLE)]
            self._complete[system] = set(rows["utterance"]) - set(rows.loc[rows["error"].ne(""), "utterance"])
        return self._complete[system]

    def applicable_utterances(self, system: str) -> set[str]:
        """Return the utterances to which the metric applies, including those whose measurement failed."""
        return set(self._table.loc[self._applies & (self._table["system"] == system), "utterance"])

    def applicable_systems(self, systems: Sequence[str]) -> list[str]:
        """Return the systems with at least one utterance to which the metric applies."""
        return [system for system in systems if self.applicable_utterances(system)]

    def scores(self, system: str, among: set[str] | None = None) -> Scores:
        """Return sufficient statistics (n, columns), with the utterance and the training seed of each row."""
        key = (system, None if among is None else frozenset(among))
        if key not in self._scores:
            table = self._by_system.get(system, self._table[:0])
            table = table[table["error"].eq("")]
            if among is not None:
                table = table[table["utterance"].isin(among)]
            rows = table[list(self.info.columns)].to_numpy(dtype=np.float64)
            self._scores[key] = Scores(rows, table["utterance"].to_numpy(), table["seed"].to_numpy())
        return self._scores[key]

    def value(self, system: str, among: set[str] | None = None) -> float:
        """Return the metric over a system's rows, NaN if it has no rows."""
        rows = self.scores(system, among).rows
        return float(self.metric.reduce(rows)) if len(rows) else math.nan

    def cell(self, system: str, settings: BootstrapSettings) -> MetricCell:
        """Return the value, its interval over seeds and utterances, counts, and the floor of a floored metric."""
        scores, name = self.scores(system), self.info.name
        failed = int((self.failures["system"] == system).sum())
        if not len(scores.rows):
            return MetricCell(system, name, math.nan, math.nan, math.nan, 0, failed)
        rng = np.random.default_rng(settings.seed)
        interval = bootstrap_interval(
            scores, self.reduce, rng, settings.resamples, settings.level, centred=self.floored
        )
        floor = float(self.metric.floor(scores.rows, rng)) if self.floored else math.nan
        return MetricCell(system, name, self.value(system), *interval, len(scores.rows), failed, floor)

    def difference(self, system: str, baseline: str, settings: BootstrapSettings) -> Comparison:
        """Return ``system`` minus ``baseline`` on the utterances that both have in full. Results are cached.

        If the rows of neither system vary (a number of parameters, for example) no test is made, and p is NaN. All
        numbers are NaN for times that were measured on different machines.
        """
        key = (system, baseline, settings)
        if key not in self._differences:
            self._differences[key] = self._difference(system, baseline, settings)
        return self._differences[key]

    def _difference(self, system: str, baseline: str, settings: BootstrapSettings) -> Comparison:
        common = self.utterances(system) & self.utterances(baseline)
        names = (system, baseline, self.info.name)
        if not common or not self.on_one_machine([system, baseline]):
            return _undefined(*names)
        a, b = self.scores(system, common), self.scores(baseline, common)
        rng, reduce = np.random.default_rng(settings.seed), self.reduce
        value, low, high, error = paired_difference(
            a, b, reduce, rng, settings.resamples, settings.level, centred=self.floored
        )
        tested = _vary(a) or _vary(b)
        p = permutation_test(a, b, reduce, rng, settings.resamples) if tested else math.nan
        return _comparison(names, (value, low, high, error, p), len(common), (a, b), settings)

    def contrast(self, weights: Mapping[str, float], settings: BootstrapSettings) -> Comparison:
        """Return the weighted sum of systems' values on the utterances that all have in full, with a bootstrap p."""
        common = set.intersection(*(self.utterances(system) for system in weights))
        names = (" ".join(f"{weight:+g} {system}" for system, weight in weights.items()), "", self.info.name)
        if not common or not self.on_one_machine(list(weights)):
            return _undefined(*names)
        scores = [self.scores(system, common) for system in weights]
        estimate = contrast(
            scores, list(weights.values()), self.reduce, np.random.default_rng(settings.seed),
            settings.resamples, settings.level, self.floored,
        )  # fmt: skip
        return _comparison(names, estimate, len(common), scores, settings)

    @property
    def _applies(self) -> pd.Series[bool]:
        return self._table["error"].ne(NOT_APPLICABLE)


def read_rows(path: Path, metric: Any, signature: str) -> MetricRows:
    """Read ``scores/<metric>.csv``. The columns of warnings and machines are optional."""
    columns = dict.fromkeys(metric.info.columns, np.float64)
    names = dict.fromkeys(("system", "seed", "sample", "utterance", "error", "warning", "machine"), str)
    table = pd.read_csv(
        path, dtype={**names, **columns}, keep_default_na=False, na_values={name: [""] for name in columns}
    )
    if "warning" not in table:
        table["warning"] = ""
    if "machine" not in table:
        table["machine"] = ""
    for name in ("utterance", "error", "warning", "machine"):
        table[name] = table[name].map(original_cell)
    return MetricRows(metric, table, signature)


def iterate_rows(path: Path, utterances: Collection[str]) -> Iterator[Mapping[str, str]]:
    """Yield the rows of ``scores/<metric>.csv`` that belong to these utterances and to which the metric applies.

    The file is read one row at a time, so its size does not matter.
    """
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            utterance = original_cell(row["utterance"])
            if utterance in utterances and row["error"] != NOT_APPLICABLE:
                yield {**row, "utterance": utterance, "error": original_cell(row["error"])}


def _comparison(
    names: tuple[str, str, str],
    estimate: tuple[float, float, float, float, float],
    utterances: int,
    scores: Sequence[Scores],
    settings: BootstrapSettings,
) -> Comparison:
    """Complete an estimate (value, low, high, standard error, p) with effect sizes and counts."""
    value, low, high, error, p = estimate
    effect = effect_size(value, error, utterances)
    mde = minimum_detectable_effect(error, settings.level) if error > 0 else math.nan
    seeds = min(len(crossing(system).seeds) for system in scores)
    return Comparison(*names, value, low, high, p, effect, mde, utterances, seeds)


def _undefined(system: str, baseline: str, metric: str) -> Comparison:
    """Return the comparison of systems that share no utterance."""
    return Comparison(
        system, baseline, metric, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, n=0, seeds=0
    )


def _vary(scores: Scores) -> bool:
    return bool((scores.rows != scores.rows[0]).any())
