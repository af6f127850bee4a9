"""The Ray engine: tasks run on one machine, or on all machines of a Ray cluster that share a disk.

Every task becomes a Ray task with the CPUs, GPUs and memory that it needs; Ray chooses the machine and sets
``CUDA_VISIBLE_DEVICES``. The run folder, the cache and the corpus must have the same paths on all machines. Progress
and output go through files in the run folder (``task_files``). Ray repeats nothing by itself: a task whose worker or
machine is lost is reported to the executor. Ray ends the workers of a run that was killed.

Source: Moritz et al. 2018, Ray: A Distributed Framework for Emerging AI Applications, https://arxiv.org/abs/1712.05889.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ttsbench.engine.code_version import code_version, differences
from ttsbench.engine.events import Event, TaskCall, TaskDone, TaskFailed, TaskLost, TaskProgress, WorkerOutput
from ttsbench.engine.job import AnyJob, Run, Task
from ttsbench.engine.local import Work, default_workers
from ttsbench.engine.resources import Resources, cuda_devices
from ttsbench.engine.store import cache_dir, write_text
from ttsbench.engine.task_files import FileProgress, OutputFile, read_progress, redirect_output
from ttsbench.engine.worker import run_task, thread_environment
from ttsbench.errors import ConfigError, TtsbenchError

GIGABYTE = 10**9
OBJECT_STORE_BYTES = 200_000_000  # only arguments travel through it: results are files
POLL_S = 1.0  # between looks at the files of running tasks
MACHINES_S = 10.0  # between looks at the machines, which may join and leave
CONNECT_S = 10.0
CANCEL_S = 10.0  # longest wait for workers to end


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker on any machine needs besides its task."""

    run: Run
    work: Work
    threads: int
    cache: Path
    current: Path  # the working folder of the command
    code: Mapping[str, str]

    @property
    def shared(self) -> list[Path]:
        """The folders that all machines must see under the same path."""
        corpus = self.run.experiment.corpus.path
        return [self.run.folder, self.cache, *([corpus.absolute()] if corpus else [])]


@dataclass
class _Submitted:
    call: TaskCall
    progress: Path
    output: OutputFile
    reported: float = -1.0  # the last fraction that was reported


class RayEngine:
    """Tasks of a Ray cluster: the one at ``address``, or one on this machine that ends with the engine.

    ``address`` is that of ``ray start --head``, such as "10.0.0.1:6379", or "auto" for the cluster of this machine.
    At most ``workers`` tasks run at a time; the default is as many as the machines can take.
    """

    def __init__(self, run: Run, workers: int | None = None, address: str = "", work: Work = run_task) -> None:
        self._ray = _import_ray()
        self._run, self._workers = run, workers
        self._threads = run.experiment.compute.threads
        self._setup = WorkerSetup(run, work, self._threads, cache_dir().absolute(), Path.cwd(), code_version())
        self._folder = run.layout.worker_files
        self._waiting: deque[TaskCall] = deque()
        self._tasks: dict[Any, _Submitted] = {}  # reference to the result -> task
        self._jobs: dict[str, Any] = {}  # id -> reference to the job, which travels once
        self._count, self._polled, self._looked = 0, 0.0, 0.0
        self._owns = not address
        self._start(address)
        try:
            self.machines = self._alive()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            if not self._owns:
                self._check_machines()
            self._reference = self._ray.put(self._setup)
            self._remote = self._ray.remote(max_retries=0)(carry_out)
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """The number of tasks that run at a time if each needs ``compute.threads`` CPUs."""
        slots = max(1, sum(int(machine.cpus // self._threads) for machine in self.machines))
        return min(slots, self._workers or slots)

    def submit(self, call: TaskCall) -> None:
        """Queue a task."""
        self._waiting.append(call)

    def events(self, timeout_s: float) -> list[Event]:
        """Give waiting tasks to Ray; return what happened, after at most ``timeout_s`` seconds."""
        self._look_at_machines()
        self._launch()
        if not self._tasks:
            return []
        ready, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=0)
        events = list(self._poll()) if time.monotonic() - self._polled > POLL_S else []
        for reference in ready:
            events += self._end(reference)
        return events

    def stop(self, call: TaskCall) -> None:
        """Kill the worker that carries out a task; ``events`` then reports the task as lost."""
        for reference, submitted in self._tasks.items():
            if submitted.call is call:
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """End all workers of the run, and the cluster if the engine started it."""
        for reference in self._tasks:
            self._ray.cancel(reference, force=True)
        if self._tasks:
            self._ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=CANCEL_S)
        self._tasks.clear()
        self._ray.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, address: str) -> None:
        os.environ.update(thread_environment(self._threads))
        options: dict[str, Any] = {"address": address}
        if address not in ("", "auto"):
            _check_reachable(address)
        if self._owns:
            workers = self._workers or default_workers(self._threads)
            gpus = len(cuda_devices(self._run.experiment.compute))
            options = {"address": "local", "num_cpus": workers * self._threads, "num_gpus": gpus,
                       "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}  # fmt: skip
        own_path = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)  # noqa: PTH100
        try:
            self._ray.init(**options, log_to_driver=False, logging_level="ERROR", configure_logging=True)
        except Exception as error:
            where = f"cannot join the cluster at {address}" if address else "cannot be started on this machine"
            advice = "Check `ray status` and the address" if address else "Use --engine local"
            raise ConfigError(f"Ray {where}: {_reason(error)} {advice}, and run the same command again.") from error
        finally:  # the processes that Ray started import what this process imports
            os.environ.pop("PYTHONPATH")
            if own_path is not None:
                os.environ["PYTHONPATH"] = own_path

    def _alive(self) -> list[Resources]:
        """Return what each living machine has."""
        offers = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return [
            Resources(offer.get("CPU", 0.0), offer.get("GPU", 0.0), offer.get("memory", 0.0) / GIGABYTE)
            for offer in offers
        ]

    def _look_at_machines(self) -> None:
        """Note the machines that have joined or left since the last look."""
        if time.monotonic() - self._looked > MACHINES_S:
            self.machines, self._looked = self._alive(), time.monotonic()

    def _check_machines(self) -> None:
        """Raise ``ConfigError`` if a machine has other code, or does not see the folders of the run."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        token = self._folder / "shared"
        write_text(token, "")
        probe = self._ray.remote(max_retries=0, num_cpus=0)(find_problem)
        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
        probes = [
            probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                self._setup, token
            )
            for node in nodes
        ]
        for reference in probes:
            try:
                problem = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                problem = f"A machine of the cluster cannot work: {_reason(error)} Remove it, or install what it lacks."
            if problem:
                raise ConfigError(problem)

    def _launch(self) -> None:
        """Give Ray as many tasks as the machines can take, and as many again, so that it may add machines."""
        limit = self._workers or 2 * self.slots
        while self._waiting and len(self._tasks) < limit:
            call = self._waiting.popleft()
            self._count += 1
            progress, output = (self._folder / f"{self._count}.{ending}" for ending in ("progress", "log"))
            if call.job.id not in self._jobs:
                self._jobs[call.job.id] = self._ray.put(call.job)
            needs = call.needs
            options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "name": call.name}
            if needs.memory_gb:
                options["memory"] = int(needs.memory_gb * GIGABYTE)
            reference = self._remote.options(**options).remote(
                self._reference, self._jobs[call.job.id], call.index, call.task, progress, output
            )
            self._tasks[reference] = _Submitted(call, progress, OutputFile(output))

    def _poll(self) -> Iterator[Event]:
        """Yield the progress and the output of running tasks."""
        self._polled = time.monotonic()
        for submitted in self._tasks.values():
            progress = read_progress(submitted.progress)
            if progress is not None and progress[0] != submitted.reported:
                submitted.reported = progress[0]
                yield TaskProgress(submitted.call, *progress)
            if lines := submitted.output.new_lines():
                yield WorkerOutput(lines)

    def _end(self, reference: Any) -> list[Event]:
        """Return the events of a task that has ended or was lost."""
        submitted = self._tasks.pop(reference)
        call = submitted.call
        events: list[Event] = []
        progress = read_progress(submitted.progress)
        if progress is not None and progress[0] != submitted.reported:
            events.append(TaskProgress(call, *progress))
        if lines := submitted.output.new_lines():
            events.append(WorkerOutput(lines))
        try:
            reason = self._ray.get(reference)
            events.append(TaskDone(call) if reason is None else TaskFailed(call, reason))
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, TtsbenchError):  # the worker refuses to work: see ``find_problem``
                raise error.cause from None
            events.append(TaskFailed(call, _reason(error)))
        except self._ray.exceptions.RayError as error:
            events.append(TaskLost(call, _cause(error), submitted.output.last_lines()))
        return events


def carry_out(setup: WorkerSetup, job: AnyJob, index: int, task: Task, progress: Path, output: Path) -> str | None:
    """Carry out a task in a worker of Ray; return None, or the reason of its failure."""
    os.environ.update(thread_environment(setup.threads))  # before the libraries that read it are imported
    os.environ["TTSBENCH_CACHE"] = str(setup.cache)
    if setup.current.is_dir():
        os.chdir(setup.current)
    redirect_output(output)
    if problem := find_problem(setup, output.parent):
        raise TtsbenchError(problem)
    report = FileProgress(progress, f"pid {os.getpid()} on {socket.gethostname()}")
    report(0.0)
    return setup.work(setup.run, TaskCall(job, index, task), report)


def find_problem(setup: WorkerSetup, token: Path) -> str:
    """Return why this machine cannot work for the run; empty if it can."""
    host = socket.gethostname()
    if other := differences(setup.code, code_version()):
        return (
            f"The machine {host} has other code: {other}. Install the same version everywhere; finished work is kept."
        )
    for path in (*setup.shared, token):
        if not path.exists():
            return (
                f"The machine {host} does not see {path}. Put the run (--output), the cache (TTSBENCH_CACHE) and the "
                "corpus on a disk that all machines mount at the same path."
            )
    return ""


def _check_reachable(address: str) -> None:
    """Raise ``ConfigError`` if nothing listens at an address, for which Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"--address {address}: no Ray cluster can be reached ({error}). Give the host:port that `ray start --head` "
            "prints, or auto for the cluster of this machine."
        ) from error


def _cause(error: Exception) -> str:
    """Return what an error of Ray says about the loss of a task."""
    name = type(error).__name__
    causes = {
        "OutOfMemoryError": "its worker was killed, because the machine ran out of memory",
        "NodeDiedError": "its machine was lost",
        "TaskCancelledError": "its worker was stopped",
        "WorkerCrashedError": "its worker died (a crash in a native library, a lost machine, or out of memory)",
    }
    return causes.get(name, _reason(error))


def _reason(error: Exception) -> str:
    """Return the first line of what an error, or the error of a worker in it, says."""
    cause = getattr(error, "cause", None) or error
    return f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0].rstrip('.')}."


def _import_ray() -> Any:
    """Return the package ray, which reads some of its settings when it is imported."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")  # that of the run; Ray's default is 15
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f"The engine 'ray' needs the package ray ({error}). Install it: pip install 'ttsbench[ray]'."
        ) from error
    return ray
