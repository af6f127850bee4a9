"""Parts: files that the tasks of a job have left, which ``finish`` reads by name.

A listing of a folder on a network disk may lack files that another machine has just written, and the results in them
would be lost without a word. So a stage computes the names of the parts that it expects, and fails if one is missing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from ttsbench.errors import TtsbenchError

WAIT_S = 70.0  # NFS may deny for 60 s that a file exists (acdirmax, nfs(5))
POLL_S = 0.5


def require_parts(paths: Iterable[Path]) -> None:
    """Wait until all files exist; raises ``TtsbenchError`` with the first missing file after ``WAIT_S`` seconds."""
    deadline = time.monotonic() + WAIT_S
    missing = [path for path in paths if not path.exists()]
    while missing:
        if time.monotonic() > deadline:
            more = f" and {len(missing) - 1} more files are" if len(missing) > 1 else " is"
            raise TtsbenchError(
                f"{missing[0]}{more} missing, although the tasks have ended. Check that all machines write to the same "
                "disk, and run the same command again: it repeats only what is missing."
            )
        time.sleep(POLL_S)
        missing = [path for path in missing if not path.exists()]
