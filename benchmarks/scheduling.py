"""CPU seconds that the executor and the estimate of the time left take themselves, per 1,000 tasks, at three sizes.

The engine ends every task at once, so nothing but scheduling is measured. A flat last column means that the
cost is linear.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from ttsbench.config.loading import validate
from ttsbench.engine import executor
from ttsbench.engine.events import Event, TaskCall, TaskDone, TaskProgress
from ttsbench.engine.job import Job, Run
from ttsbench.engine.progress import RunReporter
from ttsbench.engine.resources import Resources

TASKS_PER_JOB = 20
SIZES = (1_000, 4_000, 16_000)


class InstantEngine:
    """Ends two tasks with every look at its events."""

    machines, slots = (Resources(2.0),), 2

    def __init__(self, run: Run, workers: int | None) -> None:
        self._waiting: deque[TaskCall] = deque()

    def submit(self, call: TaskCall) -> None:
        """Queue a task."""
        self._waiting.append(call)

    def events(self, timeout_s: float) -> list[Event]:
        """End two tasks."""
        calls = [self._waiting.popleft() for _ in range(min(2, len(self._waiting)))]
        return [event for call in calls for event in (TaskProgress(call, 0.0), TaskProgress(call, 0.5), TaskDone(call))]

    def stop(self, call: TaskCall) -> None:
        """Do nothing: no task runs for long."""

    def close(self) -> None:
        """Do nothing: there are no workers."""


def scheduling_s(tasks: int) -> float:
    """Return the CPU seconds of a run with this many tasks, whose jobs all need one first job."""
    experiment = validate({"name": "scheduling", "adapters": {}, "metrics": {"mcd": {}}}, "benchmark")
    plan = [Job("first", "prepare", (), "key", "first", 1.0, None)]
    plan += [Job(f"job{i}", "score", ("first",), "key", f"job{i}", 1.0, None) for i in range(tasks // TASKS_PER_JOB)]
    reporter = RunReporter(Console(file=io.StringIO()), quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        executor.execute(Run(Path(folder), experiment), plan, None, reporter, InstantEngine)
        return time.process_time() - start


def main() -> None:
    """Print one line per size."""
    stage = SimpleNamespace(tasks=lambda run, job: [{}] * TASKS_PER_JOB, finish=lambda run, job: None)
    executor.stage_module = lambda name: stage
    for tasks in SIZES:
        seconds = scheduling_s(tasks)
        print(f"{tasks:>7} tasks {seconds:7.2f} s {1000 * seconds / tasks:7.3f} s per 1,000 tasks")


if __name__ == "__main__":
    main()
