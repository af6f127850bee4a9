"""Write data frames as CSV files: every table of a run goes through here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ttsbench.engine.store import write_text


def write_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a frame without its index, with Unix line ends; the file appears whole or not at all."""
    write_text(path, frame.to_csv(index=False, float_format=float_format, lineterminator="\n"))
