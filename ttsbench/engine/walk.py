"""Walk a folder in a fixed order, through links to other folders."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def walk_files(folder: Path, skipped: Collection[Path] = ()) -> Iterator[Path]:
    """Yield every entry below a folder that is not a folder, sorted by folder and name.

    Links to folders are followed, each folder once: a link to a folder above would be followed without end.
    ``skipped`` are folders that are left out.
    """
    visited = {path.resolve() for path in skipped}
    for parent, folders, files in os.walk(folder, followlinks=True):
        real = Path(parent).resolve()
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        yield from (Path(parent, name) for name in sorted(files))
