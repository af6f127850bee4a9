"""The page of a run: a static ``index.html`` with its tables, figures and clips, without network access or server."""

from ttsbench.reporting.page.marks import MARKS, table_marks
from ttsbench.reporting.page.write import PAGE, mark_outdated, write_page

__all__ = ["MARKS", "PAGE", "mark_outdated", "table_marks", "write_page"]
