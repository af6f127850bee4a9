"""The scored rows as the report reads them: per metric, a table of sufficient statistics with who they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ttsbench.score import NOT_APPLICABLE
from ttsbench.stats import bootstrap_interval, paired_difference
from ttsbench.types import MetricInfo

SUMMARY_COLUMNS = ("system", "metric", "value", "low", "high", "n", "n_failed", "unit", "higher_is_better", "signature")


@dataclass(frozen=True)
class Sampling:
    """How intervals are made."""

    resamples: int
    level: float
    seed: int


@dataclass(frozen=True)
class Cell:
    """One system under one metric. ``value`` and the interval are NaN where there is none."""

    system: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    n_failed: int


class MetricRows:
    """All rows of one metric."""

    def __init__(self, metric: Any, table: pd.DataFrame, signature: str) -> None:
        self.metric, self.signature = metric, signature
        self.info: MetricInfo = metric.info
        self._table = table

    @property
    def failures(self) -> pd.DataFrame:
        """Rows without numbers, with their reasons."""
        failed = self._table["error"].ne("") & self._table["error"].ne(NOT_APPLICABLE)
        return self._table[failed]

    def utterances(self, system: str) -> set[str]:
        """Utterances of which every draw of every seed was measured."""
        rows = self._table[self._table["system"] == system]
        return set(rows["utterance"]) - set(rows.loc[rows["error"].ne(""), "utterance"])

    def rows(self, system: str, among: set[str] | None = None) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Sufficient statistics (n, columns) and the utterance of each row (n,)."""
        table = self._table[(self._table["system"] == system) & self._table["error"].eq("")]
        if among is not None:
            table = table[table["utterance"].isin(among)]
        return table[list(self.info.columns)].to_numpy(dtype=np.float64), table["utterance"].to_numpy()

    def value(self, system: str, among: set[str] | None = None) -> float:
        """The metric over a system's rows; NaN where there are none."""
        rows, _ = self.rows(system, among)
        return float(self.metric.reduce(rows)) if len(rows) else float("nan")

    def cell(self, system: str, sampling: Sampling) -> Cell:
        """Value, interval and counts."""
        rows, groups = self.rows(system)
        failed = int((self.failures["system"] == system).sum())
        if not len(rows):
            return Cell(system, self.info.name, np.nan, np.nan, np.nan, 0, failed)
        low, high = bootstrap_interval(
            rows, self.metric.reduce, sampling.seed, groups, sampling.resamples, sampling.level
        )
        return Cell(system, self.info.name, float(self.metric.reduce(rows)), low, high, len(rows), failed)

    def difference(self, system: str, baseline: str, sampling: Sampling) -> tuple[float, float, float, int]:
        """``system`` minus ``baseline`` on the utterances both have, its interval, and how many those are."""
        common = self.utterances(system) & self.utterances(baseline)
        if not common:
            return float("nan"), float("nan"), float("nan"), 0
        rows_a, groups_a = self.rows(system, common)
        rows_b, groups_b = self.rows(baseline, common)
        found = paired_difference(
            rows_a, rows_b, self.metric.reduce, sampling.seed, groups_a, groups_b, sampling.resamples, sampling.level
        )
        return found.value, found.low, found.high, len(common)


def read_rows(path: Path, metric: Any, signature: str) -> MetricRows:
    """``scores/<metric>.csv``."""
    columns = dict.fromkeys(metric.info.columns, np.float64)
    names = {"system": str, "utterance": str, "error": str}
    table = pd.read_csv(
        path, dtype={**names, **columns}, keep_default_na=False, na_values={name: [""] for name in columns}
    )
    return MetricRows(metric, table, signature)


def summary(metrics: Sequence[MetricRows], systems: Sequence[str], sampling: Sampling) -> list[Cell]:
    """Every cell, system by system."""
    return [rows.cell(system, sampling) for system in systems for rows in metrics]


def summary_frame(cells: Sequence[Cell], metrics: Sequence[MetricRows]) -> pd.DataFrame:
    """``summary.csv``: one row per (system, metric); an empty cell stays empty."""
    by_name = {rows.info.name: rows for rows in metrics}
    lines = []
    for cell in cells:
        rows = by_name[cell.metric]
        better = "" if rows.info.higher_is_better is None else str(rows.info.higher_is_better).lower()
        numbers = [_number(value) for value in (cell.value, cell.low, cell.high)]
        lines.append(
            [cell.system, cell.metric, *numbers, cell.n, cell.n_failed, rows.info.unit, better, rows.signature]
        )
    return pd.DataFrame(lines, columns=list(SUMMARY_COLUMNS))


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"
