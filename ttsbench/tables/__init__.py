"""Tables of systems down and metrics across, in Markdown and LaTeX."""

from ttsbench.tables.headings import Heading, heading
from ttsbench.tables.latex import latex
from ttsbench.tables.markdown import markdown
from ttsbench.tables.notes import all_notes
from ttsbench.tables.table import SIGNIFICANT, Table, rivals, told_apart

__all__ = ["SIGNIFICANT", "Heading", "Table", "all_notes", "heading", "latex", "markdown", "rivals", "told_apart"]
