"""Sentinels of job folders: what a finished job vouches for.

A job's folder holds ``key`` (the hash of its inputs) from the start and ``done`` at the end. ``done`` lists every file
of the job with its size, modification time and hash. A job that was killed resumes; a job whose inputs changed starts
from an empty folder; a finished job is not run again, unless one of its files is missing or differs from what ``done``
says.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ttsbench.engine.store import file_hash, write_json, write_text

KEY = "key"
DONE = "done"


def open_folder(folder: Path, key: str) -> None:
    """Prepare a folder for a job: keep the files of an interrupted run with the same inputs, else start empty."""
    try:
        same = (folder / KEY).read_text(encoding="utf-8") == key
    except (OSError, UnicodeDecodeError):
        same = False
    if not same and folder.exists():
        shutil.rmtree(folder)
    write_text(folder / KEY, key)


def mark_done(folder: Path, key: str, others: Sequence[Path] = ()) -> None:
    """Mark a job as finished; the sentinel covers all files in its folder and ``others``, which lie elsewhere."""
    paths = [*_files(folder), *others]
    files = {os.path.relpath(path, folder): _state(path) for path in paths}
    write_json(folder / DONE, {"key": key, "files": files}, durable=True)


def is_done(folder: Path, key: str) -> bool:
    """Return whether the job that owns this folder finished with these inputs and all its files are intact."""
    sentinel = _read(folder)
    return sentinel is not None and sentinel["key"] == key and not damaged_files(folder)


def was_done(folder: Path, key: str) -> bool:
    """Return whether the job finished with these inputs, whatever happened to its files since."""
    sentinel = _read(folder)
    return sentinel is not None and sentinel["key"] == key


def damaged_files(folder: Path, thorough: bool = False) -> list[Path]:
    """Return the files of a finished job that are missing or have changed.

    Files with the recorded size and modification time count as intact, unless ``thorough`` asks for their hash.
    """
    sentinel = _read(folder)
    if sentinel is None:
        return []
    paths = {Path(os.path.normpath(folder / name)): state for name, state in sentinel["files"].items()}
    return [path for path, state in paths.items() if not _is_intact(path, state, thorough)]


def discard_damage(folder: Path, whole: bool) -> list[Path]:
    """Remove the damaged files of a finished job, or its ``whole`` folder, so that it runs again; return them."""
    damaged = damaged_files(folder)
    if whole:
        shutil.rmtree(folder)
        return damaged
    for path in damaged:
        path.unlink(missing_ok=True)
    (folder / DONE).unlink(missing_ok=True)
    return damaged


def _read(folder: Path) -> Any:
    """Return the content of the sentinel; None if there is none, or none that can be read."""
    try:
        sentinel = json.loads((folder / DONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return sentinel if isinstance(sentinel, dict) and {"key", "files"} <= sentinel.keys() else None


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path not in (folder / KEY, folder / DONE):
            yield path


def _state(path: Path) -> list[Any]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, file_hash(path)]


def _is_intact(path: Path, state: Sequence[Any], thorough: bool) -> bool:
    size, modified, content = state
    try:
        status = path.stat()
        if status.st_size != size:
            return False
        return (status.st_mtime_ns == modified and not thorough) or file_hash(path) == content
    except OSError:
        return False
