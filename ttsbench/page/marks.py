"""``table.json``: title and notes of the table, and which cells are marked: what ``summary.csv`` does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttsbench.store import read_json
from ttsbench.tables import MARK, Table, all_notes

MARKS = "table.json"


def table_marks(table: Table) -> dict[str, Any]:
    """JSON values. ``signs`` says what each sign means; a metric has who is best, and under a sign whom it marks."""
    return {
        "title": table.title,
        "references": list(table.references),
        "notes": all_notes(table),
        "signs": {MARK: f"differs from {table.models[0]}"} if table.marked else {},
        "metrics": {
            rows.info.name: {
                "title": rows.info.title,
                "best": sorted(table.best(rows)),
                "signs": {MARK: sorted(system for system, metric in table.marked if metric == rows.info.name)},
            }
            for rows in table.metrics
        },
    }


def read_marks(folder: Path) -> dict[str, Any]:
    """What ``table_marks`` left in a run's folder; bare of marks, and saying so, where an older version made it."""
    path = folder / MARKS
    if path.exists():
        values: dict[str, Any] = read_json(path)
        return values
    note = f"Titles, best values and notes are not known here: there is no {MARKS}. `ttsbench report` writes it."
    return {"title": folder.resolve().name, "references": None, "notes": [note], "signs": {}, "metrics": {}}
