"""Engines: where the tasks of a run are carried out.

An engine is registered under ``ttsbench.engines`` and built as ``cls(run, workers, **options)``. It carries out tasks;
the executor decides which tasks there are and what follows from their results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from ttsbench import registry
from ttsbench.engine.events import Event, TaskCall
from ttsbench.engine.job import Run
from ttsbench.engine.local import LocalEngine
from ttsbench.engine.resources import Resources

LOCAL = "local"


class Engine(Protocol):
    """Carries out tasks in worker processes."""

    @property
    def machines(self) -> Sequence[Resources]:
        """What each machine has; a task runs on one machine."""
        ...

    @property
    def slots(self) -> int:
        """The number of tasks that run at a time if each needs ``compute.threads`` CPUs."""
        ...

    def submit(self, call: TaskCall) -> None:
        """Queue a task, which starts when a machine has the resources that it needs."""
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

    def __call__(self, run: Run, workers: int | None) -> Engine:
        """Return an engine that carries out at most ``workers`` tasks at a time; None for as many as it can."""
        ...


@dataclass(frozen=True)
class EngineChoice:
    """The engine that a command uses, with the options of its constructor."""

    name: str = LOCAL
    workers: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def factory(self) -> EngineFactory:
        """Return the constructor of the engine; raises ``ConfigError`` for an unknown engine or option."""
        if self.name == LOCAL and not self.options:  # works if the installed metadata is older than the code
            return LocalEngine
        registry.check_options("engines", self.name, self.options, reserved=("run", "workers", "work"))
        return partial(registry.load("engines", self.name), **self.options)
