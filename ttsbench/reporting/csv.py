"""Write data frames as CSV files: every table that a person opens goes through here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ttsbench.engine.csv_cells import safe_cell
from ttsbench.engine.store import write_text


def write_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a frame without its index, with Unix line ends; the file appears whole or not at all."""
    safe = frame.rename(columns=safe_cell)
    for column in safe.select_dtypes(exclude=["number", "bool"]):
        safe[column] = safe[column].map(safe_cell)
    write_text(path, safe.to_csv(index=False, float_format=float_format, lineterminator="\n"))
