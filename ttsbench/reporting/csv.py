"""Write data frames as CSV files: every table that a person opens goes through here.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return as a formula. Comments
of listeners, file names and ids come from anywhere, so such a cell gets an apostrophe, which spreadsheets do not show
(OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from ttsbench.engine.store import write_text

_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBERS = re.compile(r"[+-][\d.,eE+\-\[\]% ]*")  # such as -0.5 [-1.2, 0.3]


def write_csv(frame: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a frame without its index, with Unix line ends; the file appears whole or not at all."""
    safe = frame.rename(columns=safe_cell)
    for column in safe.select_dtypes(exclude=["number", "bool"]):
        safe[column] = safe[column].map(safe_cell)
    write_text(path, safe.to_csv(index=False, float_format=float_format, lineterminator="\n"))


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe, all else is unchanged.

    >>> safe_cell("=1+2"), safe_cell("-0.5 [-1.2, 0.3]"), safe_cell(-0.5), safe_cell("clip-1")
    ("'=1+2", '-0.5 [-1.2, 0.3]', -0.5, 'clip-1')
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBERS.fullmatch(value):
        return f"'{value}"
    return value
