"""Calls of tasks, and what an engine reports about them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ttsbench.engine.job import AnyJob, Task
from ttsbench.engine.resources import ONE_CPU, Resources


@dataclass(frozen=True, eq=False)
class TaskCall:
    """A task of a job, which any worker can carry out. Calls are compared by identity."""

    job: AnyJob
    index: int
    task: Task
    needs: Resources = ONE_CPU

    def item_at(self, fraction: float) -> str:
        """Return the name of the clip or utterance that the task has reached; empty if the task has no items."""
        items = self.task.get("clips") or self.task.get("utterances") or ()
        if not items:
            return ""
        item = items[min(int(fraction * len(items)), len(items) - 1)]
        if isinstance(item, dict):
            return str(item.get("id", ""))
        return str(item[0]) if isinstance(item, list | tuple) else str(item)

    @property
    def name(self) -> str:
        """The job and the number of the task."""
        return f"{self.job.id}, task {self.index + 1}"


@dataclass(frozen=True)
class TaskProgress:
    """A task has started, or has advanced to ``fraction`` of its work."""

    call: TaskCall
    fraction: float
    worker: str = ""


@dataclass(frozen=True)
class TaskDone:
    """A task has ended successfully."""

    call: TaskCall


@dataclass(frozen=True)
class TaskFailed:
    """A task has raised an exception; ``reason`` is its text."""

    call: TaskCall
    reason: str


@dataclass(frozen=True)
class TaskLost:
    """The worker that carried out a task has died. ``output`` holds its last lines."""

    call: TaskCall
    reason: str
    output: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class WorkerOutput:
    """Lines that a worker, most often a plug-in in it, has printed."""

    lines: tuple[str, ...]


Event = TaskProgress | TaskDone | TaskFailed | TaskLost | WorkerOutput
