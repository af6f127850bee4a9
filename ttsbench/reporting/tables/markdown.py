"""Tables in Markdown, for a README or a terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from ttsbench.evaluation.estimates import MetricCell
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables.notes import DIFFERS, TIED, all_notes
from ttsbench.reporting.tables.numbers import decimals, interval, scaled
from ttsbench.reporting.tables.table import Table

# Characters that Markdown would interpret. An underscore within a word, a lone bracket and a sign between numbers are
# left as they are.
MARKUP = re.compile(r"[\\`*|]|(?<!\w)_|_(?!\w)|~(?=~)|<(?=[A-Za-z/!?])|\[(?=[^\]]*\][(\[])|&(?=#?\w+;)")


def markdown(table: Table) -> str:
    """Return the table as Markdown: blocks of metrics that fit a line, then notes and signatures."""
    lines = [f"# {escape(table.title)}", ""]
    for block in table.blocks():
        lines += [*_block(table, block), ""]
    lines += [f"- {escape(note)}" for note in all_notes(table)]
    return "\n".join([*lines, *(["", *signature_lines(table)] if table.signatures else [])]) + "\n"


def signature_lines(table: Table) -> list[str]:
    """Return the signatures of all metrics as a list in Markdown."""
    return ["Signatures:", "", *(_signature(table, rows) for rows in table.metrics)]


def escape(text: str) -> str:
    """Return the text on one line, with all Markdown characters escaped."""
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _signature(table: Table, rows: MetricRows) -> str:
    """Return the full title of a metric and its signature."""
    title, info = table.heading(rows).title, rows.info
    names = ", ".join([escape(info.title)] * (info.title != title) + [f"`{info.name}`"])
    return f"- {escape(title)} ({names}): `{rows.signature}`"


def _block(table: Table, block: Sequence[MetricRows]) -> list[str]:
    columns = [["system", *(escape(table.name(system)) for system in table.systems)]]
    for rows in block:
        best, scale = table.best(rows), table.heading(rows).scale
        cells = [scaled(cell, scale) for cell in table.column(rows)]
        places, column = decimals(cells), [escape(table.heading(rows).text)]
        for cell in cells:
            shown = cell if table.intervals else replace(cell, low=math.nan, high=math.nan)
            text = cell_text(shown, places, _marks(table, cell))
            column.append(f"**{text}**" if text and cell.system in best else text)
        columns.append(column)
    widths = [max(map(len, column)) for column in columns]
    body = [[text.ljust(width) for text, width in zip(line, widths, strict=True)]
            for line in zip(*columns, strict=True)]  # fmt: skip
    return [f"| {' | '.join(line)} |" for line in [body[0], ["-" * width for width in widths], *body[1:]]]


def _marks(table: Table, cell: MetricCell) -> str:
    key = (cell.system, cell.metric)
    return (DIFFERS if key in table.differing else "") + (TIED if key in table.tied_with_best else "")


def cell_text(cell: MetricCell, places: int, marks: str = "") -> str:
    """Return ``value [low, high]`` with the count if clips failed; an empty string if nothing was measured."""
    if math.isnan(cell.value):
        return ""
    count = f"({cell.n} of {cell.n + cell.n_failed})" if cell.n_failed else ""
    return " ".join(text for text in (f"{cell.value:.{places}f}{marks}", interval(cell, places), count) if text)
