"""Runs a plan: jobs whose needs are met are cut into tasks, and tasks go to worker processes.

Workers are separate processes with a fixed number of threads, so that their number never changes a result. A task that
fails stops only what depends on it; everything else is finished and kept.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from ttsbench.engine.isolation import die_with_parent
from ttsbench.engine.job import AnyJob, Progress, Run, StageModule, Task
from ttsbench.engine.progress import Reporter
from ttsbench.engine.store import is_done, mark_done, open_folder
from ttsbench.errors import TtsbenchError

ATTEMPTS = 2  # a worker that dies (a crash in a C library, say) may have been killed by another's task

_progress_queue: Any = None


@dataclass
class _Running:
    job: AnyJob
    left: int
    futures: dict[Future[None], tuple[int, Task]] = field(default_factory=dict)
    failed: bool = False


def stage_module(stage: str) -> StageModule:
    """The module that does a stage's work."""
    return cast(StageModule, importlib.import_module(f"ttsbench.stages.{stage}"))


def execute(run: Run, plan: Sequence[AnyJob], workers: int, reporter: Reporter) -> Mapping[str, str]:
    """Run what is not done yet; returns the jobs that failed or could not run, with the reason of each."""
    waiting = [job for job in plan if not is_done(job.path(run), job.key)]
    reporter.start(plan, waiting)
    if not waiting:
        return {}
    return _Executor(run, waiting, workers, reporter).run()


class _Executor:
    def __init__(self, run: Run, waiting: Sequence[AnyJob], workers: int, reporter: Reporter) -> None:
        self._run, self._workers, self._reporter = run, workers, reporter
        self._waiting = list(waiting)
        self._pending = {job.id for job in waiting}
        self._running: dict[str, _Running] = {}
        self._failures: dict[str, str] = {}
        # A run stopped by hand leaves semaphores to the system; nobody needs to read about it.
        os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
        self._context = multiprocessing.get_context("spawn")
        self._pool = self._new_pool()

    def run(self) -> Mapping[str, str]:
        try:
            while self._waiting or self._running:
                self._start_ready()
                self._collect()
        except BaseException:  # stopped by hand: the workers die with this process, and all they left is whole
            self._pool.shutdown(wait=False, cancel_futures=True)
            raise
        self._pool.shutdown()
        self._updates.put(None)
        self._listener.join()
        return self._failures

    def _new_pool(self) -> ProcessPoolExecutor:
        """Workers with a queue of their own: one that died may have died holding the lock of the queue before."""
        self._updates: Any = self._context.Queue()
        self._listener = threading.Thread(target=self._listen, args=(self._updates,), daemon=True)
        self._listener.start()
        threads = self._run.experiment.compute.threads
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
            os.environ[name] = str(threads)
        return ProcessPoolExecutor(
            self._workers, self._context, initializer=_start_worker, initargs=(self._updates, threads)
        )

    def _start_ready(self) -> None:
        """Cut into tasks every waiting job whose needs are met."""
        for job in list(self._waiting):
            if self._failures.keys() & set(job.needs):
                self._waiting.remove(job)
                self._fail(job, "not run, because it needs a job that failed")
            elif not self._pending & set(job.needs):
                self._waiting.remove(job)
                self._start(job)

    def _start(self, job: AnyJob) -> None:
        self._reporter.job_started(job)
        try:
            if not job.incremental:
                open_folder(job.path(self._run), job.key)
            tasks = stage_module(job.stage).tasks(self._run, job)
        except Exception as error:
            self._fail_or_stop(job, error)
            return
        running = _Running(job, len(tasks))
        self._running[job.id] = running
        for index, task in enumerate(tasks):
            self._submit(running, index, task, 1)
        self._reporter.job_cut(job, len(tasks))
        if not tasks:
            self._finish(running)

    def _submit(self, running: _Running, index: int, task: Task, attempt: int) -> None:
        try:
            with _interrupts_held():
                future = self._pool.submit(_work, self._run, running.job, index, task)
        except BrokenProcessPool:  # a worker died while it had nothing to do
            self._renew_pool()
            with _interrupts_held():
                future = self._pool.submit(_work, self._run, running.job, index, task)
        running.futures[future] = (attempt, {"index": index, "task": task})

    def _collect(self) -> None:
        """Wait for at least one task and deal with those that ended."""
        futures = [future for running in self._running.values() for future in running.futures]
        if not futures:
            return
        done, _ = wait(futures, return_when=FIRST_COMPLETED)
        broken = any(isinstance(future.exception(), BrokenProcessPool) for future in done)
        for running in list(self._running.values()):
            for future in [future for future in running.futures if future in done]:
                self._settle(running, future)
        if broken:
            self._renew_pool()

    def _settle(self, running: _Running, future: Future[None]) -> None:
        error = future.exception()
        if isinstance(error, BrokenProcessPool):
            return  # _renew_pool submits it again
        _, submitted = running.futures.pop(future)
        running.left -= 1
        if error is not None:
            running.failed = True
            self._failures.setdefault(running.job.id, _reason(error))
            self._reporter.message(f"{running.job.id}: {_reason(error)}")
        else:
            self._reporter.task_done(running.job, int(submitted["index"]))
        if running.left == 0:
            self._finish(running)

    def _renew_pool(self) -> None:
        """A worker died. Submit again what was under way, each task at most ``ATTEMPTS`` times."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._new_pool()
        for running in list(self._running.values()):
            lost, running.futures = running.futures, {}
            for future, (attempt, submitted) in lost.items():
                if not future.cancelled() and future.exception() is None:
                    running.left -= 1
                elif attempt < ATTEMPTS:
                    self._submit(running, submitted["index"], submitted["task"], attempt + 1)
                else:
                    running.left -= 1
                    running.failed = True
                    self._failures.setdefault(
                        running.job.id,
                        "a worker died (out of memory, or a crash in a native library) each time this was tried. "
                        "Try --jobs 1, and see the last lines above for the clip it was at.",
                    )
            if running.left == 0:
                self._finish(running)

    def _finish(self, running: _Running) -> None:
        job = running.job
        del self._running[job.id]
        if running.failed:
            self._fail(job, self._failures[job.id])
            return
        try:
            stage_module(job.stage).finish(self._run, job)
            mark_done(job.path(self._run), job.key)
        except Exception as error:
            self._fail_or_stop(job, error)
            return
        self._pending.discard(job.id)
        self._reporter.job_done(job)

    def _fail_or_stop(self, job: AnyJob, error: Exception) -> None:
        """Without the job that needs none (the corpus) nothing can run, so its sentence alone is what to show."""
        if isinstance(error, TtsbenchError) and not job.needs:
            raise error
        self._fail(job, _reason(error))

    def _fail(self, job: AnyJob, reason: str) -> None:
        self._failures[job.id] = reason
        self._reporter.job_failed(job, reason)

    def _listen(self, updates: Any) -> None:
        while (update := updates.get()) is not None:
            self._reporter.task_progress(*update)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Workers started in here never see Ctrl-C: the parent does, and they die with it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reason(error: BaseException) -> str:
    """The sentence of an error meant for the user; the last lines of any other."""
    if isinstance(error, TtsbenchError):
        return str(error)
    text = "".join(traceback.format_exception(error)).strip()
    return f"{type(error).__name__}: {error}\n{text}"


def _start_worker(queue: Any, threads: int) -> None:
    """Fix the number of threads, and die with the parent."""
    global _progress_queue
    _progress_queue = queue
    import torch

    warnings.filterwarnings("ignore", category=UserWarning, message="pkg_resources")  # of pyworld and pysptk
    torch.set_num_threads(threads)
    die_with_parent()


def _work(run: Run, job: AnyJob, index: int, task: Task) -> None:
    progress = _task_progress(job.id, index)
    progress(0.0)  # this is when it begins
    stage_module(job.stage).work(run, job, task, progress)


def _task_progress(job_id: str, index: int) -> Progress:
    return partial(_report, job_id, index)  # no closure: training on several devices hands it to processes of its own


def _report(job_id: str, index: int, fraction: float) -> None:
    if _progress_queue is not None:
        _progress_queue.put((job_id, index, fraction))
