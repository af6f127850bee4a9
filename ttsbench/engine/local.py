"""The local engine: worker processes on this machine, each with a pipe of its own.

A worker that dies loses the one task that it was carrying out: the other workers are not touched, and tasks that wait
are not charged. The output of a worker goes to a file, from which its lines are shown and its last words are kept; a
crash in a native library leaves its Python traceback there.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ttsbench.engine.events import Event, TaskCall, TaskDone, TaskFailed, TaskLost, TaskProgress, WorkerOutput
from ttsbench.engine.isolation import die_with_parent
from ttsbench.engine.job import Progress, Run
from ttsbench.engine.worker import run_task, set_threads

LAST_LINES = 20
Work = Callable[[Run, TaskCall, Progress], str | None]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class LocalEngine:
    """At most ``workers`` processes, which start when tasks wait and live until the engine is closed."""

    def __init__(self, run: Run, workers: int, work: Work = run_task) -> None:
        self._run, self._limit, self._work = run, workers, work
        self._waiting: deque[TaskCall] = deque()
        self._workers: list[_Worker] = []
        self._context = multiprocessing.get_context("spawn")
        self._outputs = tempfile.TemporaryDirectory(prefix="ttsbench-workers-")
        self._started = 0
        # After Ctrl-C the resource tracker would warn about semaphores that the system reclaims anyway.
        os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        for name in THREAD_VARIABLES:
            os.environ[name] = str(run.experiment.compute.threads)

    def submit(self, call: TaskCall) -> None:
        """Queue a task."""
        self._waiting.append(call)

    def events(self, timeout_s: float) -> list[Event]:
        """Hand waiting tasks to idle workers; return what happened, after at most ``timeout_s`` seconds."""
        self._assign()
        events: list[Event] = []
        ready = wait([worker.connection for worker in self._workers if worker.call is not None], timeout_s)
        for worker in list(self._workers):
            if worker.connection in ready:
                events += self._receive(worker)
            if lines := worker.new_lines():
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
        """Give each idle worker a task; tasks that were given to a worker which died while idle stay in the queue."""
        while self._waiting:
            worker = next((worker for worker in self._workers if worker.call is None), None)
            if worker is None and len(self._workers) < self._limit:
                worker = self._start()
            if worker is None:
                break
            call = self._waiting[0]
            try:
                worker.connection.send(call)
            except OSError:  # it died while it was idle
                self._remove(worker)
                continue
            worker.call = self._waiting.popleft()

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
        except (EOFError, OSError):
            worker.process.join()
            events.append(TaskLost(call, _cause(worker.process.exitcode), worker.last_lines()))
            self._remove(worker)
        return events

    def _start(self) -> _Worker:
        output = Path(self._outputs.name, f"{self._started}.log")
        self._started += 1
        ours, theirs = self._context.Pipe()
        arguments = (theirs, self._run, self._work, self._run.experiment.compute.threads, output)
        process = self._context.Process(target=_serve, args=arguments, daemon=False)
        with _interrupts_blocked():
            process.start()
        theirs.close()
        worker = _Worker(process, ours, output)
        self._workers.append(worker)
        return worker

    def _remove(self, worker: _Worker) -> None:
        worker.connection.close()
        self._workers.remove(worker)


class _Worker:
    """A process, the pipe to it, its task, and the file that its output goes to."""

    def __init__(self, process: BaseProcess, connection: Connection[Any, Any], output: Path) -> None:
        self.process, self.connection = process, connection
        self.call: TaskCall | None = None
        self._output, self._read = output, 0

    def new_lines(self) -> tuple[str, ...]:
        """Return the lines that the worker has printed since the last call."""
        try:
            with self._output.open("rb") as file:
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
            text = self._output.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ()
        return tuple(text.splitlines()[-LAST_LINES:])


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


def _serve(connection: Connection[Any, Any], run: Run, work: Work, threads: int, output: Path) -> None:
    """Carry out tasks until the pipe is closed."""
    progress = PipeProgress(connection)
    with output.open("wb", buffering=0) as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    faulthandler.enable()
    die_with_parent()
    set_threads(threads)
    while True:
        try:
            call: TaskCall = connection.recv()
        except EOFError:
            return
        progress(0.0)  # the task starts now, after the imports of a new worker
        reason = work(run, call, progress)
        sys.stdout.flush()
        connection.send(("end", reason))


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
