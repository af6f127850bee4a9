"""Progress on standard error: a bar with the time left on a terminal, lines otherwise or with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ttsbench.engine.eta import RemainingTime
from ttsbench.engine.job import AnyJob
from ttsbench.engine.terminal import visible

LINE_EVERY_S = 15.0


class Reporter(Protocol):
    """Receives everything that the executor does."""

    def start(self, plan: Sequence[AnyJob], waiting: Sequence[AnyJob], slots: int) -> None:
        """Start with the plan, the jobs of it that are not done, and the number of tasks that run at a time."""
        ...

    def job_started(self, job: AnyJob) -> None:
        """Note that the needs of a job are met."""
        ...

    def job_split(self, job: AnyJob, tasks: int) -> None:
        """Note how many tasks a job has left."""
        ...

    def task_progress(self, job_id: str, index: int, fraction: float) -> None:
        """Note the progress of a task."""
        ...

    def job_done(self, job: AnyJob) -> None:
        """Note that the folder of a job is complete."""
        ...

    def job_failed(self, job: AnyJob, reason: str) -> None:
        """Note that a job failed, or needs a job that failed."""
        ...

    def message(self, text: str) -> None:
        """Show a line."""
        ...

    def tick(self) -> None:
        """Refresh what is shown; called about once a second."""
        ...


class RunReporter:
    """Shows finished jobs, jobs in progress, and the remaining time."""

    def __init__(self, console: Console, quiet: bool) -> None:
        self._console = console
        self._bar = None if quiet or not console.is_terminal else _bar(console)
        self._remaining = RemainingTime([], 1)
        self._active: dict[str, None] = {}  # ids of the jobs in progress, in order
        self._began = self._last_line = time.monotonic()
        self._heading = ""

    def start(self, plan: Sequence[AnyJob], waiting: Sequence[AnyJob], slots: int) -> None:
        """Open the bar."""
        self._remaining = RemainingTime(waiting, slots)
        done = len(plan) - len(waiting)
        if not waiting:
            return
        self._heading = f"{len(waiting)} jobs to do, {done} already done, {slots} workers."
        if self._bar is not None:
            self._bar.start()
            self._bar_task = self._bar.add_task("starting", total=1.0, left="")

    def stop(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()

    def job_started(self, job: AnyJob) -> None:
        """Show the job among those in progress."""
        self._active[job.id] = None
        self.tick()

    def job_split(self, job: AnyJob, tasks: int) -> None:
        """Record the number of tasks; print the heading at the first job, once the corpus has proved usable."""
        if self._heading:
            self._console.print(self._heading)
            self._heading = ""
        self._remaining.set_tasks(job, tasks)

    def task_progress(self, job_id: str, index: int, fraction: float) -> None:
        """Move the bar."""
        self._remaining.record(job_id, index, fraction, time.monotonic())
        self.tick()

    def job_done(self, job: AnyJob) -> None:
        """Print a line for the job."""
        self._close(job, self._remaining.finish)
        self._console.print(f"  done    {job.id}  [dim]{clock(self._elapsed())}[/dim]", highlight=False)

    def job_failed(self, job: AnyJob, reason: str) -> None:
        """Print a line with the reason."""
        self._close(job, self._remaining.drop)
        text = visible(f"  failed  {job.id}: {reason}")
        self._console.print(text, style="red", highlight=False, markup=False)

    def message(self, text: str) -> None:
        """Print a line."""
        self._console.print(visible(text), highlight=False, markup=False)

    def tick(self) -> None:
        """Move the bar, or print a line if the last one is older than ``LINE_EVERY_S``."""
        fraction = self._remaining.fraction()
        left = f"about {clock(self._remaining.seconds())} left"
        active = ", ".join(islice(self._active, 3)) + (" …" if len(self._active) > 3 else "")
        if self._bar is not None:
            description = active or "finishing"
            self._bar.update(self._bar_task, completed=fraction, description=description, left=left)
        elif time.monotonic() - self._last_line > LINE_EVERY_S:
            self._last_line = time.monotonic()
            self._console.print(f"  {fraction:4.0%}  {left}  {active}", highlight=False, markup=False)

    def _close(self, job: AnyJob, record: Callable[[AnyJob], None]) -> None:
        self._active.pop(job.id, None)
        record(job)
        self.tick()

    def _elapsed(self) -> float:
        return time.monotonic() - self._began


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
    )


def clock(seconds: float) -> str:
    """Return seconds as m:ss or h:mm:ss.

    >>> clock(75)
    '1:15'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def console() -> Console:
    """Return the console for progress: standard error, so that standard output holds only results."""
    return Console(file=sys.stderr, soft_wrap=True)
