"""The page of a run: a static ``index.html`` to read its tables and hear its clips, without network or server."""

from ttsbench.reporting.page.marks import MARKS, table_marks
from ttsbench.reporting.page.write import PAGE, write_page

__all__ = ["MARKS", "PAGE", "table_marks", "write_page"]
