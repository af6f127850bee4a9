"""Tables of estimates: ``summary.csv`` (a row per system and metric), ``differences.csv`` (a row per comparison)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from ttsbench.evaluation.estimates import BootstrapSettings, Comparison, MetricCell, corrected
from ttsbench.evaluation.metric_rows import MetricRows

SUMMARY_COLUMNS = (
    "system", "metric", "value", "low", "high", "n", "n_failed", "unit", "higher_is_better", "signature", "floor",
)  # fmt: skip
DIFFERENCE_COLUMNS = (
    "system", "baseline", "metric", "difference", "low", "high", "p", "p_holm", "effect_size", "mde", "n", "seeds",
    "unit",
)  # fmt: skip


def summary(metrics: Sequence[MetricRows], systems: Sequence[str], settings: BootstrapSettings) -> list[MetricCell]:
    """Return every cell, system by system."""
    return [rows.cell(system, settings) for system in systems for rows in metrics]


def compare(metrics: Sequence[MetricRows], models: Sequence[str], settings: BootstrapSettings) -> list[Comparison]:
    """Compare every model with the first one, model by model, and set ``p_holm``."""
    return corrected([rows.difference(model, models[0], settings) for model in models[1:] for rows in metrics])


def summary_frame(cells: Sequence[MetricCell], metrics: Sequence[MetricRows]) -> pd.DataFrame:
    """Return ``summary.csv`` as a data frame. Undefined numbers become empty strings."""
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
    """Return ``differences.csv`` as a data frame. Undefined numbers become empty strings."""
    units = {rows.info.name: rows.info.unit for rows in metrics}
    lines = [
        [pair.system, pair.baseline, pair.metric,
         *_numbers(pair.value, pair.low, pair.high, pair.p, pair.p_holm, pair.effect_size, pair.mde),
         pair.n, pair.seeds, units[pair.metric]]
        for pair in comparisons
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=list(DIFFERENCE_COLUMNS))


def _numbers(*values: float) -> list[str]:
    return ["" if math.isnan(value) else f"{value:.6g}" for value in values]
