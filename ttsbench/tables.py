"""Markdown and LaTeX tables: systems down, metrics across, the best of each metric in bold.

A value is bold when no other model is better on the utterances that all models share, and carries a dagger when it
differs from the first model's; whoever has failures says so. Many metrics make several blocks, since a line of twenty
columns cannot be read.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

from ttsbench.results import Cell, Comparison, MetricRows

COLUMNS = 8  # most metrics side by side
SIGNIFICANT = 0.05  # after Holm's correction
MARK = "†"  # an asterisk would end the bold type of Markdown


@dataclass(frozen=True)
class Table:
    """What both renderings show. ``references`` come first and are never ranked, nor compared with the baseline."""

    title: str
    systems: Sequence[str]
    references: Sequence[str]
    metrics: Sequence[MetricRows]
    cells: Mapping[tuple[str, str], Cell]
    notes: Sequence[str]
    comparisons: Sequence[Comparison] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """What is ranked."""
        return [name for name in self.systems if name not in self.references]

    @property
    def marked(self) -> set[tuple[str, str]]:
        """(system, metric) of the values that differ from the baseline's, by the test and by the interval."""
        return {
            (one.system, one.metric)
            for one in self.comparisons
            if one.p_holm < SIGNIFICANT and not one.low <= 0 <= one.high
        }

    def best(self, rows: MetricRows) -> set[str]:
        """The best models of a metric, compared on the utterances that all of them have; none where one has none."""
        if rows.info.higher_is_better is None or len(self.models) < 2:
            return set()
        common = set.intersection(*(rows.utterances(name) for name in self.models))
        values = {name: rows.value(name, common) for name in self.models}
        if any(math.isnan(value) for value in values.values()):
            return set()
        extreme = max(values.values()) if rows.info.higher_is_better else min(values.values())
        best = {name for name, value in values.items() if math.isclose(value, extreme, rel_tol=1e-9)}
        return best if len(best) < len(values) else set()

    def column(self, rows: MetricRows) -> list[Cell]:
        """The cells of a metric, in the order of the systems."""
        return [self.cells[system, rows.info.name] for system in self.systems]

    def blocks(self) -> list[Sequence[MetricRows]]:
        """The metrics in runs of at most ``COLUMNS``, as even as can be."""
        count = max(1, math.ceil(len(self.metrics) / COLUMNS))
        bounds = [len(self.metrics) * number // count for number in range(count + 1)]
        return [self.metrics[start:end] for start, end in pairwise(bounds)]


def markdown(table: Table) -> str:
    """A table for a README or a terminal."""
    lines = [f"# {table.title}", ""]
    for block in table.blocks():
        lines += [*_markdown_block(table, block), ""]
    lines += [f"- {note}" for note in all_notes(table)]
    signatures = [f"- {rows.info.title}: `{rows.signature}`" for rows in table.metrics]
    return "\n".join([*lines, "", "Signatures:", "", *signatures]) + "\n"


def latex(table: Table) -> str:
    """Booktabs tables for a paper, one under the other; intervals in small brackets."""
    lines = [f"% {table.title}", *(f"% {rows.info.name}: {rows.signature}" for rows in table.metrics)]
    lines += [f"% {note}" for note in [*mark_notes(table), *floor_notes(table)]]
    blocks = ["\n".join(_latex_block(table, block)) for block in table.blocks()]
    return "\n".join([*lines, "\n\n\\bigskip\n\n".join(blocks)]) + "\n"


def all_notes(table: Table) -> list[str]:
    """What a reader has to know of the numbers, the table's own notes first."""
    return [
        *table.notes, *mark_notes(table), *floor_notes(table), *share_notes(table), *failure_notes(table),
        *warning_notes(table),
    ]  # fmt: skip


def _markdown_block(table: Table, block: Sequence[MetricRows]) -> list[str]:
    columns = [["system", *table.systems]]
    for rows in block:
        best, digits, unit = table.best(rows), decimals(table.column(rows)), rows.info.unit
        column = [_heading(rows)]
        for cell in table.column(rows):
            text = cell_text(cell, unit, digits, (cell.system, cell.metric) in table.marked)
            column.append(f"**{text}**" if text and cell.system in best else text)
        columns.append(column)
    widths = [max(map(len, column)) for column in columns]
    body = [[text.ljust(width) for text, width in zip(line, widths, strict=True)]
            for line in zip(*columns, strict=True)]  # fmt: skip
    return [f"| {' | '.join(line)} |" for line in [body[0], ["-" * width for width in widths], *body[1:]]]


def _latex_block(table: Table, block: Sequence[MetricRows]) -> list[str]:
    best = {rows.info.name: table.best(rows) for rows in block}
    digits = {rows.info.name: decimals(table.column(rows)) for rows in block}
    header = " & ".join(["System", *(_latex_heading(rows) for rows in block)])
    lines = [rf"\begin{{tabular}}{{l{'r' * len(block)}}}", r"\toprule", rf"{header} \\", r"\midrule"]
    for system in table.systems:
        row = [_escape(system)]
        for rows in block:
            name, marked = rows.info.name, (system, rows.info.name) in table.marked
            cell = table.cells[system, name]
            row.append(_latex_cell(cell, rows.info.unit, digits[name], system in best[name], marked))
        lines.append(rf"{' & '.join(row)} \\")
        if table.references and system == table.references[-1]:
            lines.append(r"\midrule")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def cell_text(cell: Cell, unit: str, digits: int, marked: bool = False) -> str:
    """``value [low, high]``; empty where nothing was measured, with the count where some of it failed."""
    if math.isnan(cell.value):
        return ""
    text = format_value(cell.value, unit, digits) + (MARK if marked else "")
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


def mark_notes(table: Table) -> list[str]:
    """What the mark means, where there is one."""
    if not table.marked:
        return []
    text = (
        f"{MARK} differs from {table.comparisons[0].baseline}: p < {SIGNIFICANT:g} in a paired permutation test over "
        "utterances, after Holm's correction over the systems under one metric, and 0 outside the interval of the "
        "difference."
    )
    several = max(one.seeds for one in table.comparisons) > 1
    one_seed = " With one training seed this is about these models, and another seed might turn it round."
    few_seeds = " With few training seeds it is found too readily: see ttsbench/stats/bootstrap.py."
    return [text + (few_seeds if several else one_seed)]


def floor_notes(table: Table) -> list[str]:
    """What a metric with a floor would show of models that are right, by chance alone."""
    notes = []
    for rows in table.metrics:
        cells = [table.cells[system, rows.info.name] for system in table.models or table.systems]
        floors = [cell.floor for cell in cells if not math.isnan(cell.floor)]
        if floors:
            digits = _digits(max(floors), 2) if max(floors) > 0 else 0
            ends = dict.fromkeys(f"{floor:.{digits}f}" for floor in (min(floors), max(floors)))
            notes.append(f"{rows.info.name}: two samples of one distribution this size would show {' to '.join(ends)}.")
    return notes


def share_notes(table: Table) -> list[str]:
    """Which metrics compare models on fewer utterances than were asked for, and whom that is due to."""
    shares: dict[str, list[str]] = {}
    for rows in table.metrics:
        asked = set[str]().union(*(rows.asked(name) for name in table.models))
        left_out = {name: len(asked - rows.utterances(name)) for name in table.models}
        common = asked.intersection(*(rows.utterances(name) for name in table.models))
        if len(table.models) > 1 and common != asked:
            whom = ", ".join(f"{name} {count}" for name, count in left_out.items() if count)
            text = f"{len(asked) - len(common)} of {len(asked)} utterances are left out ({whom})"
            shares.setdefault(text, []).append(rows.info.name)
    return [
        f"{', '.join(names)}: {text} where models are ranked; the difference of two is on what both have."
        for text, names in shares.items()
    ]


def failure_notes(table: Table) -> list[str]:
    """Which cells lack utterances, and why."""
    return _counted("failed", "the first because", "error", {rows.info.name: rows.failures for rows in table.metrics})


def warning_notes(table: Table) -> list[str]:
    """Which cells hold clips that something is to be said of."""
    found = {rows.info.name: rows.warnings for rows in table.metrics}
    return _counted("to be read with care", "the first because", "warning", found)


def _counted(what: str, because: str, column: str, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One line per system, count and first reason, whatever the number of metrics that share it."""
    lines: dict[tuple[str, int, str], list[str]] = {}
    for name, found in tables.items():
        for system, reasons in found.groupby("system")[column]:
            lines.setdefault((str(system), len(reasons), str(reasons.iloc[0])), []).append(name)
    return [
        f"{system}, {', '.join(names)}: {count} {what}, {because}: {reason}"
        for (system, count, reason), names in lines.items()
    ]


def _heading(rows: MetricRows) -> str:
    arrow = {True: " ↑", False: " ↓", None: ""}[rows.info.higher_is_better]
    unit = f" ({rows.info.unit})" if rows.info.unit else ""
    return f"{rows.info.name}{unit}{arrow}"


def _latex_heading(rows: MetricRows) -> str:
    arrow = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}[rows.info.higher_is_better]
    unit = f" ({_escape(rows.info.unit)})" if rows.info.unit else ""
    return f"{_escape(rows.info.title)}{unit}{arrow}"


def _latex_cell(cell: Cell, unit: str, digits: int, best: bool, marked: bool) -> str:
    if math.isnan(cell.value):
        return "--"
    value = format_value(cell.value, unit, digits)
    text = rf"\textbf{{{value}}}" if best else value
    if marked:
        text += r"$^{\dagger}$"
    if _has_interval(cell):
        low, high = (format_value(bound, unit, digits) for bound in (cell.low, cell.high))
        text += rf"\,{{\scriptsize [{low}, {high}]}}"
    return text


def _escape(text: str) -> str:
    for character in "&%$#_{}":
        text = text.replace(character, rf"\{character}")
    return text
