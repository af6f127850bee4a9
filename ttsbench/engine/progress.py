"""What a person sees of a run: a bar with the time left on a terminal, lines elsewhere or with ``--quiet``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ttsbench.engine.eta import Pace
from ttsbench.engine.job import AnyJob

LINE_EVERY_S = 15.0


class Reporter(Protocol):
    """Told of everything the executor does."""

    def start(self, plan: Sequence[AnyJob], waiting: Sequence[AnyJob]) -> None:
        """The plan, and what of it is not done."""
        ...

    def job_started(self, job: AnyJob) -> None:
        """A job's needs are met."""
        ...

    def job_cut(self, job: AnyJob, tasks: int) -> None:
        """How many tasks a job has left."""
        ...

    def task_progress(self, job_id: str, index: int, fraction: float) -> None:
        """How far a task is."""
        ...

    def task_done(self, job: AnyJob, index: int) -> None:
        """A task ended well."""
        ...

    def job_done(self, job: AnyJob) -> None:
        """A job's folder is complete."""
        ...

    def job_failed(self, job: AnyJob, reason: str) -> None:
        """A job failed, or needs one that did."""
        ...

    def message(self, text: str) -> None:
        """Something worth a line."""
        ...


class RunReporter:
    """Says what is done, what is under way and how long the rest will take."""

    def __init__(self, console: Console, quiet: bool, workers: int) -> None:
        self._console, self._workers = console, workers
        self._bar = None if quiet or not console.is_terminal else _bar(console)
        self._lock = threading.Lock()
        self._pace = Pace([], workers)
        self._active: list[str] = []
        self._began = self._last_line = time.monotonic()
        self._heading = ""

    def start(self, plan: Sequence[AnyJob], waiting: Sequence[AnyJob]) -> None:
        """Open the bar."""
        self._pace = Pace(waiting, self._workers)
        done = len(plan) - len(waiting)
        if not waiting:
            return
        self._heading = f"{len(waiting)} jobs to do, {done} already done, {self._workers} workers."
        if self._bar is not None:
            self._bar.start()
            self._bar_task = self._bar.add_task("starting", total=1.0, left="")

    def stop(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()

    def job_started(self, job: AnyJob) -> None:
        """Name it."""
        with self._lock:
            self._active.append(job.id)
        self._show()

    def job_cut(self, job: AnyJob, tasks: int) -> None:
        """Remember the number of tasks; the first job to get this far shows that the corpus can be used."""
        if self._heading:
            self._console.print(self._heading)
            self._heading = ""
        with self._lock:
            self._pace.cut(job, tasks)

    def task_progress(self, job_id: str, index: int, fraction: float) -> None:
        """Move the bar."""
        with self._lock:
            self._pace.seen(job_id, index, fraction, time.monotonic())
        self._show()

    def task_done(self, job: AnyJob, index: int) -> None:
        """Move the bar."""
        self.task_progress(job.id, index, 1.0)

    def job_done(self, job: AnyJob) -> None:
        """A line for each job."""
        self._close(job, self._pace.done)
        self._console.print(f"  done    {job.id}  [dim]{clock(self._elapsed())}[/dim]", highlight=False)

    def job_failed(self, job: AnyJob, reason: str) -> None:
        """A line with the reason."""
        self._close(job, self._pace.given_up)
        self._console.print(f"  failed  {job.id}: {reason}", style="red", highlight=False, markup=False)

    def message(self, text: str) -> None:
        """A line."""
        self._console.print(text, highlight=False, markup=False)

    def _close(self, job: AnyJob, note: Callable[[AnyJob], None]) -> None:
        with self._lock:
            if job.id in self._active:
                self._active.remove(job.id)
            note(job)
        self._show()

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _show(self) -> None:
        with self._lock:
            elapsed, seconds = self._elapsed(), self._pace.left_s()
            fraction = elapsed / (elapsed + seconds) if seconds else 1.0
            left = f"about {clock(seconds)} left"
            what = ", ".join(self._active[:3]) + (" …" if len(self._active) > 3 else "")
            line_due = time.monotonic() - self._last_line > LINE_EVERY_S
            if line_due:
                self._last_line = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._bar_task, completed=min(1.0, fraction), description=what or "finishing", left=left)
        elif line_due:
            self._console.print(f"  {fraction:4.0%}  {left}  {what}", highlight=False, markup=False)


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
    """Seconds as m:ss or h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def console() -> Console:
    """The console that progress goes to: standard error, so that standard output holds results only."""
    return Console(file=sys.stderr, soft_wrap=True)
