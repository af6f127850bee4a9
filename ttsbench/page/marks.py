"""``table.json``: what ``summary.csv`` does not hold of the table, its title, its notes, and which cells are marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ttsbench.store import read_json
from ttsbench.tables import Table, all_notes

MARKS = "table.json"


def table_marks(table: Table) -> dict[str, Any]:
    """JSON values, metric by metric; the cells are those that are bold, and those with a dagger, in ``table.md``."""
    return {
        "title": table.title,
        "references": list(table.references),
        "notes": all_notes(table),
        "metrics": {
            rows.info.name: {
                "title": rows.info.title,
                "best": sorted(table.best(rows)),
                "marked": sorted(system for system, metric in table.marked if metric == rows.info.name),
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
    return {"title": folder.resolve().name, "references": None, "notes": [note], "metrics": {}}
