"""Tables with one row per system and one column per metric, in Markdown and LaTeX."""

from ttsbench.reporting.tables.headings import Heading, heading
from ttsbench.reporting.tables.latex import latex
from ttsbench.reporting.tables.markdown import markdown
from ttsbench.reporting.tables.notes import DIFFERS, TIED, all_notes
from ttsbench.reporting.tables.numbers import decimals, interval, scaled
from ttsbench.reporting.tables.table import SIGNIFICANT, Table, best_models, compare_with_best, significant

__all__ = [
    "DIFFERS",
    "SIGNIFICANT",
    "TIED",
    "Heading",
    "Table",
    "all_notes",
    "best_models",
    "compare_with_best",
    "decimals",
    "heading",
    "interval",
    "latex",
    "markdown",
    "scaled",
    "significant",
]
