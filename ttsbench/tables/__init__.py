"""Tables of systems down and metrics across, in Markdown and LaTeX."""

from ttsbench.tables.headings import Heading, heading
from ttsbench.tables.latex import latex
from ttsbench.tables.markdown import markdown
from ttsbench.tables.notes import DIFFERS, LEVEL, all_notes
from ttsbench.tables.numbers import decimals, interval, shown
from ttsbench.tables.table import SIGNIFICANT, Table, rivals, told_apart

__all__ = [
    "DIFFERS",
    "LEVEL",
    "SIGNIFICANT",
    "Heading",
    "Table",
    "all_notes",
    "decimals",
    "heading",
    "interval",
    "latex",
    "markdown",
    "rivals",
    "shown",
    "told_apart",
]
