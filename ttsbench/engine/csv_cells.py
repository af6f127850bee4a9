"""Cells of CSV files that people open.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return as a formula. Comments
of listeners, file names and ids come from anywhere, so such a cell gets an apostrophe, which spreadsheets do not show
(OWASP, CSV injection, https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import re
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBERS = re.compile(r"[+-][\d.,eE+\-\[\]% ]*")  # such as -0.5 [-1.2, 0.3]


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe, all else is unchanged.

    >>> safe_cell("=1+2"), safe_cell("-0.5 [-1.2, 0.3]"), safe_cell(-0.5), safe_cell("clip-1")
    ("'=1+2", '-0.5 [-1.2, 0.3]', -0.5, 'clip-1')
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBERS.fullmatch(value):
        return f"'{value}"
    return value


def original_cell(cell: str) -> str:
    """Return the text from which ``safe_cell`` made a cell.

    >>> original_cell("'=1+2"), original_cell("'tis")
    ('=1+2', "'tis")
    """
    return cell[1:] if cell.startswith("'") and safe_cell(cell[1:]) == cell else cell
