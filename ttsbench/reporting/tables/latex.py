"""Booktabs tables for a paper: intervals below the values, marks in the caption, signatures in the notes.

The metrics are split into blocks that fit the width of a page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttsbench.evaluation.estimates import MetricCell
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting import latex as tex
from ttsbench.reporting.tables.notes import DIFFERS, TIED, floor_notes, given_notes, incomplete, mark_notes, rule_notes
from ttsbench.reporting.tables.numbers import decimals, interval, scaled
from ttsbench.reporting.tables.table import Table

INCOMPLETE = "∗"


def latex(table: Table) -> str:
    """Return one float per block, each with caption, label, marks and signatures."""
    blocks, gap = _blocks(table)
    lines = [f"% {tex.PREAMBLE}"]
    for number, block in enumerate(blocks):
        label = table.label if number == 0 else f"{table.label}-{number + 1}"
        caption = _caption(table, block) if number == 0 else _continued(table, block)
        notes = _notes(table, block, table.notes if number == 0 else [])
        points = _points(table, block, gap)
        lines += ["", *tex.table(_tabular(table, block), caption, label, notes, points, gap)]
    return "\n".join(lines) + "\n"


def _blocks(table: Table) -> tuple[list[Sequence[MetricRows]], float]:
    """Return the smallest number of blocks that fit the width of a page, and the gap between their columns."""
    for gap in tex.GAPS:
        if _points(table, table.metrics, gap) <= tex.TEXT_POINTS:
            return [table.metrics], gap
    for columns in range(len(table.metrics) - 1, 1, -1):
        blocks = table.blocks(columns)
        if all(_points(table, block, tex.GAPS[0]) <= tex.TEXT_POINTS for block in blocks):
            return blocks, tex.GAPS[0]
    return table.blocks(1), tex.GAPS[0]


def _points(table: Table, block: Sequence[MetricRows], gap: float) -> float:
    """Estimate the width of a block in points."""
    points = min(_name_points(table), tex.NAME_POINTS)
    count = len(table.layout.titles) if table.layout else 1
    for rows in block:
        cells, places = _scaled_column(table, rows)
        head = max(len(line) for line in tex.wrapped(table.heading(rows).title))
        bounds = max(len(interval(cell, places)) if table.intervals else 5 for cell in cells)
        points += count * (gap + max(tex.CHARACTER_POINTS * (head + 1), tex.SMALL_POINTS * bounds))
    return points


def _name_points(table: Table) -> float:
    return tex.CHARACTER_POINTS * max(len(title) for title, systems in _rows(table) if systems)


def _scaled_column(table: Table, rows: MetricRows) -> tuple[list[MetricCell], int]:
    cells = [scaled(cell, table.heading(rows).scale) for cell in table.column(rows)]
    return cells, decimals(cells)


def _tabular(table: Table, block: Sequence[MetricRows]) -> list[str]:
    columns, titles = [_column(table, rows) for rows in block], _titles(table)
    names = "l" if _name_points(table) <= tex.NAME_POINTS else rf"p{{{tex.NAME_POINTS:g}pt}}"
    lines = [rf"\begin{{tabular}}{{{names}{'c' * len(block) * len(titles)}}}", r"\toprule"]
    if any(titles):
        lines += _spanning_heads(titles, len(block))
    heads = " & ".join(["System", *[head for head, _ in columns] * len(titles)])
    lines += [rf"{heads} \\", r"\midrule"]
    rows = _rows(table)
    for number, (title, systems) in enumerate(rows):
        if not systems:
            lines.append(
                rf"\addlinespace[2pt]\multicolumn{{{len(block) + 1}}}{{l}}{{\textit{{{tex.escape(title)}}}}} \\"
            )
            continue
        texts = [cells.get(system or "", ("", "")) for system in systems for _, cells in columns]
        lines.append(" & ".join([tex.escape(title), *(value for value, _ in texts)]) + r" \\")
        if any(below for _, below in texts):
            lines.append(" & ".join(["", *(below for _, below in texts)]) + r" \\[2pt]")
        if table.references and systems[0] == table.references[-1] and number + 1 < len(rows):
            lines.append(r"\midrule")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _rows(table: Table) -> Sequence[tuple[str, Sequence[str | None]]]:
    """Return title and systems of every row: one system, or one for each block."""
    return table.layout.rows if table.layout else [(table.name(name), [name]) for name in table.systems]


def _titles(table: Table) -> Sequence[str]:
    return table.layout.titles if table.layout else [""]


def _spanning_heads(titles: Sequence[str], count: int) -> list[str]:
    """Return a line of headings over ``count`` columns each, with rules below them."""
    heads = " & ".join(["", *(rf"\multicolumn{{{count}}}{{c}}{{{tex.escape(title)}}}" for title in titles)])
    starts = range(2, 2 + count * len(titles), count)
    return [rf"{heads} \\", "".join(rf"\cmidrule(lr){{{start}-{start + count - 1}}}" for start in starts)]


def _column(table: Table, rows: MetricRows) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return the heading of a metric, and (value, interval) by system."""
    head, (cells, places) = table.heading(rows), _scaled_column(table, rows)
    best, lacking = table.best(rows), incomplete(table, [rows])
    texts: dict[str, tuple[str, str]] = {}
    for cell in cells:
        if math.isnan(cell.value):
            texts[cell.system] = ("--", "")
            continue
        key = (cell.system, cell.metric)
        signs = (
            (DIFFERS, key in table.differing),
            (TIED, key in table.tied_with_best),
            (INCOMPLETE, key in lacking),
        )
        marks = "".join(tex.escape(sign) for sign, applies in signs if applies)
        value = tex.number(f"{cell.value:.{places}f}")
        value = rf"\textbf{{{value}}}" if cell.system in best else value
        bounds = tex.number(interval(cell, places)) if table.intervals else ""
        marked = value + (rf"\rlap{{\textsuperscript{{{marks}}}}}" if marks else "")
        texts[cell.system] = (marked, rf"{{\scriptsize {bounds}}}" if bounds else "")
    return tex.head(head.title, head.unit, head.direction), texts


def _caption(table: Table, block: Sequence[MetricRows]) -> str:
    """Return title, description, and the meaning of bold type and marks."""
    sentences = [f"{table.title}.", table.about, *mark_notes(table), *_incomplete_note(table, block)]
    return " ".join(tex.escape(note) for note in sentences if note)


def _continued(table: Table, block: Sequence[MetricRows]) -> str:
    """Return the caption of a later block, with the remarks on that block alone."""
    remarks = " ".join(tex.escape(note) for note in _incomplete_note(table, block))
    return rf"{tex.escape(table.title)}, continued from Table~\ref{{{table.label}}}. {remarks}"


def _incomplete_note(table: Table, block: Sequence[MetricRows]) -> list[str]:
    titles = {rows.info.name: table.heading(rows).title for rows in block}
    lacking = [f"{titles[metric]} of {table.name(system)} {count}" for (system, metric), count in
               incomplete(table, block).items()]  # fmt: skip
    return [f"{INCOMPLETE} not all clips were measured: {'; '.join(lacking)}."] if lacking else []


def _notes(table: Table, block: Sequence[MetricRows], more: Sequence[str]) -> list[str]:
    """Return further notes, the floors of metrics, and the signatures."""
    signatures = [f"{tex.escape(table.heading(rows).title)} {tex.breaking(rows.signature)}" for rows in block]
    sentences = [*more, *rule_notes(table), *floor_notes(table, block), *given_notes(table)]
    return [*map(tex.escape, sentences), *([f"Signatures: {'; '.join(signatures)}."] if table.signatures else [])]
