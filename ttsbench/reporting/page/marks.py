"""``table.json``: the parts of a table that ``summary.csv`` lacks, such as titles, notes and marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttsbench.engine.store import read_json
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables import DIFFERS, TIED, Table, all_notes

MARKS = "table.json"


def table_marks(table: Table) -> dict[str, Any]:
    """Return JSON values: title, notes, the meaning of each sign, and for each metric its best and marked systems.

    ``titles`` holds the systems that are displayed under another title.
    """
    return {
        "title": table.title,
        "references": list(table.references),
        "titles": {name: table.name(name) for name in table.systems if table.name(name) != name},
        "notes": all_notes(table),
        "signs": {sign: meaning for sign, (meaning, _) in _signs(table).items()},
        "metrics": {
            rows.info.name: {
                **_heading(table, rows),
                "best": sorted(table.best(rows)),
                "signs": {
                    sign: sorted(system for system, metric in cells if metric == rows.info.name)
                    for sign, (_, cells) in _signs(table).items()
                },
            }
            for rows in table.metrics
        },
    }


def _heading(table: Table, rows: MetricRows) -> dict[str, Any]:
    """Return title, display unit and scale of a column."""
    heading = table.heading(rows)
    return {"title": heading.title, "unit": heading.unit, "scale": heading.scale}


def _signs(table: Table) -> dict[str, tuple[str, set[tuple[str, str]]]]:
    """Return sign -> (meaning, marked cells as (system, metric)), without signs that mark nothing."""
    baseline = table.name(table.models[0]) if table.models else ""
    signs = {
        DIFFERS: (f"significant difference from {baseline}", table.differing),
        TIED: ("no significant difference from the best model", table.tied_with_best),
    }
    return {sign: (meaning, cells) for sign, (meaning, cells) in signs.items() if cells}


def read_marks(folder: Path) -> dict[str, Any]:
    """Read ``table.json``; without it, return values without marks and a note that says so."""
    path = folder / MARKS
    if path.exists():
        values: dict[str, Any] = read_json(path)
        return values
    note = f"Titles, best values and notes are missing, because there is no {MARKS}. `ttsbench report` writes it."
    return {"title": folder.resolve().name, "references": None, "notes": [note], "signs": {}, "metrics": {}}
