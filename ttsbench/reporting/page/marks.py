"""``table.json``: title and notes of the table, and which cells are marked: what ``summary.csv`` does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttsbench.engine.store import read_json
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.reporting.tables import DIFFERS, TIED, Table, all_notes

MARKS = "table.json"


def table_marks(table: Table) -> dict[str, Any]:
    """JSON values. ``signs`` says what each sign means; a metric has who is best, and under a sign whom it marks.

    ``titles``: what those systems are called that have another name for a paper.
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
    """What the column is called, its unit there, and times what its values are shown."""
    heading = table.heading(rows)
    return {"title": heading.title, "unit": heading.unit, "scale": heading.scale}


def _signs(table: Table) -> dict[str, tuple[str, set[tuple[str, str]]]]:
    """What each sign of the table means, and the cells (system, metric) that carry it; those that mark nothing left."""
    signs = {
        DIFFERS: (
            f"significant difference from {table.name(table.models[0])}" if table.models else "",
            table.differing,
        ),
        TIED: ("no significant difference from the best model", table.tied_with_best),
    }
    return {sign: (meaning, cells) for sign, (meaning, cells) in signs.items() if cells}


def read_marks(folder: Path) -> dict[str, Any]:
    """What ``table_marks`` left in a run's folder; bare of marks, and saying so, where an older version made it."""
    path = folder / MARKS
    if path.exists():
        values: dict[str, Any] = read_json(path)
        return values
    note = f"Titles, best values and notes are not known here: there is no {MARKS}. `ttsbench report` writes it."
    return {"title": folder.resolve().name, "references": None, "notes": [note], "signs": {}, "metrics": {}}
