"""The results table of the page: ``summary.csv`` as rows of formatted cells, with the marks of ``table.md``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ttsbench.config.systems import GROUND_TRUTH, REFERENCES
from ttsbench.engine.layout import RunLayout
from ttsbench.evaluation.estimates import MetricCell
from ttsbench.reporting.page.marks import read_marks
from ttsbench.reporting.tables import decimals, interval, scaled


@dataclass(frozen=True)
class Column:
    """A metric; ``better`` is "higher", "lower" or empty."""

    name: str
    title: str
    unit: str
    better: str
    signature: str


@dataclass(frozen=True)
class PageCell:
    """A formatted cell; ``value`` is empty if nothing was measured, ``order`` is the sort key."""

    value: str
    interval: str
    failures: str
    order: str
    best: bool
    signs: Sequence[str]


@dataclass(frozen=True)
class Row:
    """A system; ``title`` is its displayed title, empty if that is its name."""

    system: str
    title: str
    cells: Sequence[PageCell]


@dataclass(frozen=True)
class PageTable:
    """The results of the page; ``utterances`` counts the reference clips, ``signs`` explains the marks."""

    title: str
    notes: Sequence[str]
    columns: Sequence[Column]
    references: Sequence[Row]
    models: Sequence[Row]
    utterances: int
    signs: Mapping[str, str]
    titles: Mapping[str, str]

    @property
    def systems(self) -> list[str]:
        """All systems, references first."""
        return [row.system for row in (*self.references, *self.models)]


def read_table(folder: Path) -> PageTable:
    """Read the table of a run's folder."""
    marks = read_marks(folder)
    frame = pd.read_csv(RunLayout(folder).summary, dtype=str, keep_default_na=False)
    systems = list(dict.fromkeys(frame["system"]))
    references = marks["references"] or [name for name in REFERENCES if name in systems]
    scales = {name: float(known.get("scale", 1.0)) for name, known in marks["metrics"].items()}
    rows_read = [_cell(row) for _, row in frame.iterrows()]
    cells = {(cell.system, cell.metric): scaled(cell, scales.get(cell.metric, 1.0)) for cell in rows_read}
    metrics = list(dict.fromkeys(frame["metric"]))
    columns = [_column(name, frame, marks["metrics"].get(name, {})) for name in metrics]
    lines: dict[str, list[PageCell]] = {system: [] for system in systems}
    for column in columns:
        marked = marks["metrics"].get(column.name, {})
        digits = decimals(cells[system, column.name] for system in systems)
        for system in systems:
            lines[system].append(_text(cells[system, column.name], digits, marked))
    titles = marks.get("titles", {})
    rows = {system: Row(system, titles.get(system, ""), lines[system]) for system in systems}
    return PageTable(
        marks["title"], marks["notes"], columns,
        [rows[name] for name in references], [row for name, row in rows.items() if name not in references],
        max((cell.n + cell.n_failed for cell in cells.values() if cell.system == GROUND_TRUTH), default=0),
        marks["signs"], titles,
    )  # fmt: skip


def _cell(row: pd.Series[str]) -> MetricCell:
    value, low, high = (float(row[name] or math.nan) for name in ("value", "low", "high"))
    return MetricCell(row["system"], row["metric"], value, low, high, int(row["n"]), int(row["n_failed"]))


def _column(name: str, frame: pd.DataFrame, marks: Mapping[str, Any]) -> Column:
    first = frame[frame["metric"] == name].iloc[0]
    better = {"true": "higher", "false": "lower"}.get(str(first["higher_is_better"]).lower(), "")
    return Column(
        name, marks.get("title", name), marks.get("unit", str(first["unit"])), better, str(first["signature"])
    )


def _text(cell: MetricCell, digits: int, marks: Mapping[str, Any]) -> PageCell:
    failures = f"{cell.n} of {cell.n + cell.n_failed}" if cell.n_failed else ""
    if math.isnan(cell.value):
        return PageCell("", "", failures, "", False, ())
    return PageCell(
        f"{cell.value:.{digits}f}",
        interval(cell, digits),
        failures,
        repr(cell.value),
        cell.system in marks.get("best", ()),
        [sign for sign, systems in marks.get("signs", {}).items() if cell.system in systems],
    )
