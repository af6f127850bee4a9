"""Engines: where the tasks of a run are carried out.

An engine is registered under ``ttsbench.engines`` and built as ``cls(run, workers)``. It carries out tasks;
the executor decides which tasks there are and what follows from their results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ttsbench.engine.events import Event, TaskCall
from ttsbench.engine.job import Run


class Engine(Protocol):
    """Carries out tasks in worker processes."""

    def submit(self, call: TaskCall) -> None:
        """Queue a task."""
        ...

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what has happened since the last call, after waiting for at most ``timeout_s`` seconds."""
        ...

    def stop(self, call: TaskCall) -> None:
        """Stop the worker that carries out a task, which is then reported as lost."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


class EngineFactory(Protocol):
    """Builds an engine for a run."""

    def __call__(self, run: Run, workers: int) -> Engine:
        """Return an engine with at most ``workers`` workers."""
        ...
