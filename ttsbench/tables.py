"""Markdown and LaTeX tables: systems down, metrics across, the best of each metric in bold.

A value is bold when no other model is better on the utterances that all models share; whoever has failures says so.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ttsbench.results import Cell, MetricRows


@dataclass(frozen=True)
class Table:
    """What both renderings show. ``references`` come first and are never ranked."""

    title: str
    systems: Sequence[str]
    references: Sequence[str]
    metrics: Sequence[MetricRows]
    cells: Mapping[tuple[str, str], Cell]
    notes: Sequence[str]

    def best(self, rows: MetricRows) -> set[str]:
        """The best models of a metric, compared on the utterances that all of them have; none where one has none."""
        models = [name for name in self.systems if name not in self.references]
        if rows.info.higher_is_better is None or len(models) < 2:
            return set()
        common = set.intersection(*(rows.utterances(name) for name in models))
        values = {name: rows.value(name, common) for name in models}
        if any(math.isnan(value) for value in values.values()):
            return set()
        extreme = max(values.values()) if rows.info.higher_is_better else min(values.values())
        best = {name for name, value in values.items() if math.isclose(value, extreme, rel_tol=1e-9)}
        return best if len(best) < len(models) else set()

    def column(self, rows: MetricRows) -> list[Cell]:
        """The cells of a metric, in the order of the systems."""
        return [self.cells[system, rows.info.name] for system in self.systems]


def markdown(table: Table) -> str:
    """A table for a README or a terminal."""
    header = ["system", *(_heading(rows) for rows in table.metrics)]
    best = {rows.info.name: table.best(rows) for rows in table.metrics}
    digits = {rows.info.name: decimals(table.column(rows)) for rows in table.metrics}
    body = []
    for system in table.systems:
        row = [system]
        for rows in table.metrics:
            cell = table.cells[system, rows.info.name]
            text = cell_text(cell, rows.info.unit, digits[rows.info.name])
            row.append(f"**{text}**" if text and system in best[rows.info.name] else text)
        body.append(row)
    widths = [max(len(line[column]) for line in [header, *body]) for column in range(len(header))]
    lines = [f"| {' | '.join(value.ljust(width) for value, width in zip(line, widths, strict=True))} |"
             for line in [header, ["-" * width for width in widths], *body]]  # fmt: skip
    notes = [f"- {note}" for note in [*table.notes, *failure_notes(table)]]
    signatures = [f"- {rows.info.title}: `{rows.signature}`" for rows in table.metrics]
    return "\n".join([f"# {table.title}", "", *lines, "", *notes, "", "Signatures:", "", *signatures]) + "\n"


def latex(table: Table) -> str:
    """A booktabs table for a paper; intervals as subscripted bounds."""
    best = {rows.info.name: table.best(rows) for rows in table.metrics}
    digits = {rows.info.name: decimals(table.column(rows)) for rows in table.metrics}
    header = " & ".join(["System", *(_latex_heading(rows) for rows in table.metrics)])
    lines = [
        f"% {table.title}",
        *(f"% {rows.info.name}: {rows.signature}" for rows in table.metrics),
        rf"\begin{{tabular}}{{l{'r' * len(table.metrics)}}}",
        r"\toprule",
        rf"{header} \\",
        r"\midrule",
    ]
    for system in table.systems:
        row = [_escape(system)]
        for rows in table.metrics:
            name = rows.info.name
            row.append(_latex_cell(table.cells[system, name], rows.info.unit, digits[name], system in best[name]))
        lines.append(rf"{' & '.join(row)} \\")
        if table.references and system == table.references[-1]:
            lines.append(r"\midrule")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def cell_text(cell: Cell, unit: str, digits: int) -> str:
    """``value [low, high]``; empty where nothing was measured, with the count where some of it failed."""
    if math.isnan(cell.value):
        return ""
    text = format_value(cell.value, unit, digits)
    if _has_interval(cell):
        text += f" [{format_value(cell.low, unit, digits)}, {format_value(cell.high, unit, digits)}]"
    return text + (f" ({cell.n} of {cell.n + cell.n_failed})" if cell.n_failed else "")


def decimals(cells: Iterable[Cell]) -> int:
    """Decimals of a column: two significant digits of the median half width of its intervals.

    Without any interval, none where all values are whole, else three significant digits of the smallest.
    """
    cells = list(cells)
    halves = [(cell.high - cell.low) / 2 for cell in cells if _has_interval(cell)]
    if halves:
        return _digits(statistics.median(halves), 2)
    values = [abs(cell.value) for cell in cells if not math.isnan(cell.value) and cell.value]
    return 0 if all(value.is_integer() for value in values) else _digits(min(values), 3)


def _digits(value: float, significant: int) -> int:
    return max(0, min(4, significant - 1 - math.floor(math.log10(value))))


def _has_interval(cell: Cell) -> bool:
    return not math.isnan(cell.low) and cell.low < cell.high


def format_value(value: float, unit: str, digits: int) -> str:
    """A number; parameters in millions."""
    return f"{value / 1e6:.2f}M" if unit == "parameters" else f"{value:.{digits}f}"


def failure_notes(table: Table) -> list[str]:
    """Which cells lack utterances."""
    notes = []
    for rows in table.metrics:
        for system, count in rows.failures["system"].value_counts().sort_index().items():
            reason = rows.failures.loc[rows.failures["system"] == system, "error"].iloc[0]
            notes.append(f"{system}, {rows.info.name}: {count} failed, the first because: {reason}")
    return notes


def _heading(rows: MetricRows) -> str:
    arrow = {True: " ↑", False: " ↓", None: ""}[rows.info.higher_is_better]
    unit = f" ({rows.info.unit})" if rows.info.unit else ""
    return f"{rows.info.name}{unit}{arrow}"


def _latex_heading(rows: MetricRows) -> str:
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}[rows.info.higher_is_better]
    unit = f" ({_escape(rows.info.unit)})" if rows.info.unit else ""
    return f"{_escape(rows.info.title)}{unit}{arrow}"


def _latex_cell(cell: Cell, unit: str, digits: int, best: bool) -> str:
    if math.isnan(cell.value):
        return "--"
    value = format_value(cell.value, unit, digits)
    text = rf"\textbf{{{value}}}" if best else value
    if _has_interval(cell):
        low, high = (format_value(bound, unit, digits) for bound in (cell.low, cell.high))
        text += rf"\,{{\scriptsize [{low}, {high}]}}"
    return text


def _escape(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, rf"\{character}")
    return text
