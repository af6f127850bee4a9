"""Files through which a task reports to the run, from any machine that shares the run folder.

An engine whose workers are no children of the run gives each task two files: its progress, and what it prints. Both are
small, are written without locks, and only lose a message if a network disk is slow to show them.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from pathlib import Path

from ttsbench.engine.store import read_json, write_json
from ttsbench.errors import TtsbenchError

LAST_LINES = 20


class FileProgress:
    """Writes the progress of a task into a file. It can be sent to other processes and machines."""

    def __init__(self, path: Path, worker: str) -> None:
        self._path, self._worker = path, worker

    def __call__(self, fraction: float) -> None:
        """Report the completed fraction of the task."""
        write_json(self._path, [fraction, self._worker])


def read_progress(path: Path) -> tuple[float, str] | None:
    """Return the completed fraction of a task and its worker; None if the task has not started."""
    try:
        fraction, worker = read_json(path)
    except (OSError, TtsbenchError):
        return None
    return float(fraction), str(worker)


class OutputFile:
    """The file that the output of a worker goes to."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def new_lines(self) -> tuple[str, ...]:
        """Return the lines that the worker has printed since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return ()
        end = data.rfind(b"\n") + 1
        self._read += end
        return tuple(data[:end].decode("utf-8", "replace").splitlines())

    def last_lines(self) -> tuple[str, ...]:
        """Return the last lines that the worker has printed."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        return tuple(text.splitlines()[-LAST_LINES:])


def redirect_output(path: Path) -> None:
    """Send everything that this process prints to a file, with the traceback of a crash in a native library."""
    sys.stdout.flush()
    sys.stderr.flush()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = open(1, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="replace", buffering=1, closefd=False)  # noqa: SIM115
    faulthandler.enable(file=2)
