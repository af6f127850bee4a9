"""Tables of systems down and metrics across, in Markdown and LaTeX."""

from ttsbench.reporting.tables.headings import Heading, heading
from ttsbench.reporting.tables.latex import latex
from ttsbench.reporting.tables.markdown import markdown
from ttsbench.reporting.tables.notes import DIFFERS, LEVEL, all_notes
from ttsbench.reporting.tables.numbers import decimals, interval, shown
from ttsbench.reporting.tables.table import SIGNIFICANT, Table, compare_with_best, significant

__all__ = [
    "DIFFERS",
    "LEVEL",
    "SIGNIFICANT",
    "Heading",
    "Table",
    "all_notes",
    "compare_with_best",
    "decimals",
    "heading",
    "interval",
    "latex",
    "markdown",
    "shown",
    "significant",
]
