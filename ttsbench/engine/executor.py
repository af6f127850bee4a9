"""Run a plan: split jobs whose needs are met into tasks, and give the tasks to an engine.

A task that fails stops only what depends on it; everything else is finished and kept. A task whose worker dies is
repeated, at most ``ATTEMPTS`` times in all; tasks that were only waiting are never charged.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ttsbench.engine.engines import Engine, EngineFactory
from ttsbench.engine.events import Event, TaskCall, TaskDone, TaskFailed, TaskLost, TaskProgress, WorkerOutput
from ttsbench.engine.job import AnyJob, Run
from ttsbench.engine.local import LocalEngine
from ttsbench.engine.progress import Reporter, clock
from ttsbench.engine.resources import check_needs
from ttsbench.engine.sentinels import discard_damage, is_done, mark_done, open_folder, was_done
from ttsbench.engine.worker import failure_reason, stage_module
from ttsbench.errors import TtsbenchError

ATTEMPTS = 3  # of a task whose worker dies
TICK_S = 1.0
NOT_RUN = "not run, because it needs a job that failed"
ONE_RESULT = ("prepare", "train")  # stages whose folder is made as a whole
STALL_S = 600.0  # without progress, after which a task is reported as stalled


@dataclass
class _RunningJob:
    job: AnyJob
    remaining: int
    attempts: dict[int, int] = field(default_factory=dict)  # number of the task -> workers that died over it
    failures: list[str] = field(default_factory=list)


@dataclass
class _RunningTask:
    advanced: float  # when it last made progress, on the monotonic clock
    fraction: float = 0.0
    worker: str = ""
    reported: bool = False  # as stalled


def execute(
    run: Run,
    plan: Sequence[AnyJob],
    workers: int | None,
    reporter: Reporter,
    make_engine: EngineFactory = LocalEngine,
    tick_s: float = TICK_S,
) -> Mapping[str, str]:
    """Run the jobs that are not done; return the jobs that failed or could not run, each with its reason.

    Raises ``ConfigError`` before any job starts if a job needs more resources than any machine of the engine has.
    """
    waiting = [job for job in plan if not is_done(job.path(run), job.key)]
    if not waiting:
        reporter.start(plan, waiting, 1)
        return {}
    engine = make_engine(run, workers)
    try:
        check_needs({job.stage: job.resources(run, engine.machines) for job in waiting}, engine.machines)
        reporter.start(plan, waiting, engine.slots)
        return _Executor(run, waiting, engine, reporter, tick_s).run()
    finally:
        engine.close()


def discard_damaged_files(run: Run, plan: Sequence[AnyJob], reporter: Reporter) -> None:
    """Discard the damaged files of finished jobs, which then run again, and say so."""
    for job in plan:
        folder = job.path(run)
        if was_done(folder, job.key) and not is_done(folder, job.key):
            damaged = discard_damage(folder, whole=job.stage in ONE_RESULT)
            names = ", ".join(os.path.relpath(path, run.folder) for path in damaged[:3])
            more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
            reporter.message(f"{job.id}: {names}{more} missing or damaged; the job runs again.")


class _Executor:
    def __init__(self, run: Run, waiting: Sequence[AnyJob], engine: Engine, reporter: Reporter, tick_s: float) -> None:
        self._run, self._engine, self._reporter, self._tick_s = run, engine, reporter, tick_s
        waiting_ids = {job.id for job in waiting}
        self._unmet = {job.id: len(waiting_ids.intersection(job.needs)) for job in waiting}
        self._dependents: dict[str, list[AnyJob]] = defaultdict(list)
        for job in waiting:
            for need in waiting_ids.intersection(job.needs):
                self._dependents[need].append(job)
        self._ready = deque(job for job in waiting if not self._unmet[job.id])
        self._running: dict[str, _RunningJob] = {}
        self._tasks: dict[TaskCall, _RunningTask] = {}
        self._failures: dict[str, str] = {}

    def run(self) -> Mapping[str, str]:
        while self._ready or self._running:
            while self._ready:
                self._start(self._ready.popleft())
            if not self._running:
                continue
            for event in self._engine.events(self._tick_s):
                self._handle(event)
            self._check_stalls()
            self._reporter.tick()
        return self._failures

    def _start(self, job: AnyJob) -> None:
        self._reporter.job_started(job)
        try:
            if not job.incremental:
                open_folder(job.path(self._run), job.key)
            tasks = stage_module(job.stage).tasks(self._run, job)
        except Exception as error:
            self._fail_or_raise(job, error)
            return
        self._running[job.id] = _RunningJob(job, len(tasks))
        self._reporter.job_split(job, len(tasks))
        needs = job.resources(self._run, self._engine.machines)
        for index, task in enumerate(tasks):
            self._engine.submit(TaskCall(job, index, task, needs))
        if not tasks:
            self._finish(self._running[job.id])

    def _handle(self, event: Event) -> None:
        match event:
            case WorkerOutput(lines):
                for line in lines:
                    self._reporter.message(line)
            case TaskProgress(call, fraction, worker):
                self._record(call, fraction, worker)
            case TaskDone(call):
                self._reporter.task_progress(call.job.id, call.index, 1.0)
                self._end(call)
            case TaskFailed(call, reason):
                self._reporter.message(f"{call.job.id}: {reason}")
                self._end(call, reason)
            case TaskLost():
                self._repeat(event)

    def _record(self, call: TaskCall, fraction: float, worker: str) -> None:
        task = self._tasks.setdefault(call, _RunningTask(time.monotonic(), worker=worker))
        if fraction > task.fraction:
            task.advanced, task.fraction, task.reported = time.monotonic(), fraction, False
        self._reporter.task_progress(call.job.id, call.index, fraction)

    def _repeat(self, lost: TaskLost) -> None:
        """Submit a task again whose worker died, unless too many workers have died over it."""
        call = lost.call
        task = self._tasks.pop(call, None)
        running = self._running[call.job.id]
        attempt = running.attempts[call.index] = running.attempts.get(call.index, 0) + 1
        item = call.item_at(task.fraction) if task else ""
        reason = f"{call.name}{f' at {item}' if item else ''}: {lost.reason}"
        if attempt < ATTEMPTS:
            self._reporter.message(f"{reason}; it is repeated.")
            self._engine.submit(call)
            return
        lines = "".join(f"\n    {line}" for line in lost.output)
        self._end(call, f"{reason}, in each of {ATTEMPTS} attempts.{f' Its last lines:{lines}' if lines else ''}")

    def _end(self, call: TaskCall, failure: str = "") -> None:
        self._tasks.pop(call, None)
        running = self._running[call.job.id]
        running.remaining -= 1
        if failure:
            running.failures.append(failure)
        if running.remaining == 0:
            self._finish(running)

    def _finish(self, running: _RunningJob) -> None:
        job = running.job
        del self._running[job.id]
        if running.failures:
            self._fail(job, running.failures[0])
            return
        try:
            others = stage_module(job.stage).finish(self._run, job)
            mark_done(job.path(self._run), job.key, others or ())
        except Exception as error:
            self._fail_or_raise(job, error)
            return
        self._reporter.job_done(job)
        for dependent in self._dependents[job.id]:
            self._unmet[dependent.id] -= 1
            if not self._unmet[dependent.id]:
                self._ready.append(dependent)

    def _check_stalls(self) -> None:
        """Report tasks without progress, and stop them if the experiment sets ``compute.task_timeout_s``."""
        limit = self._run.experiment.compute.task_timeout_s
        now = time.monotonic()
        for call, task in list(self._tasks.items()):
            stalled_s = now - task.advanced
            item = call.item_at(task.fraction)
            where = f"{call.name}{f' at {item}' if item else ''} ({task.worker})"
            if limit is not None and stalled_s > limit:
                self._reporter.message(f"{where} made no progress for {clock(stalled_s)} and is stopped.")
                task.advanced = now
                self._engine.stop(call)
            elif stalled_s > STALL_S and not task.reported:
                task.reported = True
                self._reporter.message(
                    f"{where} has made no progress for {clock(stalled_s)}. Stop the run with Ctrl-C, or set "
                    "compute.task_timeout_s to have such tasks stopped."
                )

    def _fail_or_raise(self, job: AnyJob, error: Exception) -> None:
        """Fail a job; raise the error of a job without needs (the corpus), since nothing can run without it."""
        if isinstance(error, TtsbenchError) and not job.needs:
            raise error
        self._fail(job, failure_reason(error))

    def _fail(self, job: AnyJob, reason: str) -> None:
        """Fail a job and all jobs that need it."""
        self._failures[job.id] = reason
        self._reporter.job_failed(job, reason)
        dependents = deque(self._dependents[job.id])
        while dependents:
            dependent = dependents.popleft()
            if dependent.id not in self._failures:
                self._failures[dependent.id] = NOT_RUN
                self._reporter.job_failed(dependent, NOT_RUN)
                dependents += self._dependents[dependent.id]
