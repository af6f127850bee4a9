"""The local engine: worker processes on this machine, each with a pipe of its own.

A worker that dies loses the one task that it was carrying out: the other workers are not touched, and tasks that wait
are not charged. The output of a worker goes to a file, from which its lines are shown and its last words are kept; a
crash in a native library leaves its Python traceback there.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ttsbench.engine.allocation import NOTHING, Allocator, Grant, WaitingTasks
from ttsbench.engine.events import Event, TaskCall, TaskDone, TaskFailed, TaskLost, TaskProgress, WorkerOutput
from ttsbench.engine.isolation import die_with_parent
from ttsbench.engine.job import Progress, Run
from ttsbench.engine.resources import Resources, cpu_count, cuda_devices, memory_bytes
from ttsbench.engine.task_files import OutputFile, redirect_output
from ttsbench.engine.worker import run_task, thread_environment

Work = Callable[[Run, TaskCall, Progress], str | None]


class LocalEngine:
    """Worker processes on this machine, started when tasks wait and stopped when the engine is closed.

    The machine has the CPUs of ``workers`` tasks with ``compute.threads`` each. A worker sees the GPUs of its task
    alone, and keeps them until it ends; tasks with other GPUs get another worker.
    """

    def __init__(self, run: Run, workers: int | None = None, work: Work = run_task) -> None:
        threads = run.experiment.compute.threads
        gpus = cuda_devices(run.experiment.compute)
        self.slots = workers or default_workers(threads)
        self.machines = [Resources(float(self.slots * threads), float(len(gpus)), memory_bytes() / 1e9)]
        self._run, self._work = run, work
        self._hides_gpus = bool(gpus)
        self._allocator = Allocator(self.machines[0], gpus)
        self._waiting = WaitingTasks()
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._outputs = tempfile.TemporaryDirectory(prefix="ttsbench-workers-")
        self._started = 0
        # After Ctrl-C the resource tracker would warn about semaphores that the system reclaims anyway.
        os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
        os.environ.update(thread_environment(threads))

    def submit(self, call: TaskCall) -> None:
        """Queue a task."""
        self._waiting.put(call)

    def events(self, timeout_s: float) -> list[Event]:
        """Hand waiting tasks to idle workers; return what happened, after at most ``timeout_s`` seconds."""
        self._assign()
        events: list[Event] = []
        ready = wait([worker.connection for worker in self._workers if worker.call is not None], timeout_s)
        for worker in list(self._workers):
            if worker.connection in ready:
                events += self._receive(worker)
            if lines := worker.output.new_lines():
                events.append(WorkerOutput(lines))
        return events

    def stop(self, call: TaskCall) -> None:
        """Kill the worker that carries out a task; ``events`` then reports the task as lost."""
        for worker in self._workers:
            if worker.call is call:
                worker.process.kill()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        self._workers.clear()
        self._outputs.cleanup()

    def _assign(self) -> None:
        """Start every task whose resources are free; a task whose worker died while idle stays in the queue."""
        while (next_task := self._waiting.take(self._allocator)) is not None:
            call, grant = next_task
            worker = self._worker_for(grant.gpus)
            try:
                worker.connection.send(call)
            except OSError:  # it died while it was idle
                self._remove(worker)
                self._allocator.release(grant)
                self._waiting.put_back(call)
                continue
            worker.call, worker.grant = call, grant

    def _worker_for(self, gpus: tuple[str, ...]) -> _Worker:
        """Return an idle worker that sees these GPUs alone; it replaces an idle worker if there are enough workers."""
        idle = [worker for worker in self._workers if worker.call is None]
        worker = next((worker for worker in idle if worker.gpus == gpus), None)
        if worker is not None:
            return worker
        if idle and len(self._workers) >= self.slots:
            idle[0].process.terminate()
            idle[0].process.join()
            self._remove(idle[0])
        return self._start(gpus)

    def _receive(self, worker: _Worker) -> list[Event]:
        call = worker.call
        assert call is not None
        events: list[Event] = []
        try:
            while worker.call is not None and (not events or worker.connection.poll()):
                kind, value = worker.connection.recv()
                if kind == "progress":
                    events.append(TaskProgress(call, value, f"pid {worker.process.pid}"))
                    continue
                events.append(TaskDone(call) if value is None else TaskFailed(call, value))
                worker.call = None
                self._allocator.release(worker.grant)
        except (EOFError, OSError):
            worker.process.join()
            events.append(TaskLost(call, _cause(worker.process.exitcode), worker.output.last_lines()))
            self._allocator.release(worker.grant)
            self._remove(worker)
        return events

    def _start(self, gpus: tuple[str, ...]) -> _Worker:
        output = Path(self._outputs.name, f"{self._started}.log")
        self._started += 1
        ours, theirs = self._context.Pipe()
        visible = ",".join(gpus) if self._hides_gpus else None
        arguments = (theirs, self._run, self._work, output, visible)
        process = self._context.Process(target=_serve, args=arguments, daemon=False)
        with _interrupts_blocked():
            process.start()
        theirs.close()
        worker = _Worker(process, ours, OutputFile(output), gpus)
        self._workers.append(worker)
        return worker

    def _remove(self, worker: _Worker) -> None:
        worker.connection.close()
        self._workers.remove(worker)


@dataclass(eq=False)
class _Worker:
    """A process, the pipe to it, its output, the GPUs that it sees, and its task with the resources of the task."""

    process: BaseProcess
    connection: Connection[Any, Any]
    output: OutputFile
    gpus: tuple[str, ...]
    call: TaskCall | None = None
    grant: Grant = NOTHING


class PipeProgress:
    """Reports the progress of a task through the pipe of its worker.

    It can be sent to processes that the worker starts, such as those of a training on several devices; only one of
    them may use it, because messages of two writers would mix.
    """

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection

    def __call__(self, fraction: float) -> None:
        """Report the completed fraction of the task."""
        self._connection.send(("progress", fraction))


def _serve(connection: Connection[Any, Any], run: Run, work: Work, output: Path, gpus: str | None) -> None:
    """Carry out tasks until the pipe is closed."""
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus  # read when CUDA is first used
    progress = PipeProgress(connection)
    redirect_output(output)
    die_with_parent()
    while True:
        try:
            call: TaskCall = connection.recv()
        except EOFError:
            return
        progress(0.0)
        reason = work(run, call, progress)
        sys.stdout.flush()
        connection.send(("end", reason))


def default_workers(threads: int) -> int:
    """Return how many tasks with ``threads`` CPUs each this machine carries out at a time."""
    return max(1, cpu_count() // threads)


def _cause(exitcode: int | None) -> str:
    """Return what the exit code of a worker says about its death."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        return f"its worker was killed by {name}" + (" (out of memory?)" if -exitcode == signal.SIGKILL else "")
    return f"its worker exited with status {exitcode}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes that never receive Ctrl-C: the parent handles it, and they end with the parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
