"""Carry out one task in a worker process, whatever engine started the process."""

from __future__ import annotations

import importlib
import traceback
import warnings
from typing import cast

from ttsbench.engine.events import TaskCall
from ttsbench.engine.job import Progress, Run, StageModule
from ttsbench.errors import TtsbenchError


def stage_module(stage: str) -> StageModule:
    """Return the module of a stage."""
    return cast(StageModule, importlib.import_module(f"ttsbench.stages.{stage}"))


def thread_environment(threads: int) -> dict[str, str]:
    """Return the variables that fix the number of threads of libraries which read it when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**dict.fromkeys(names, str(threads)), "TOKENIZERS_PARALLELISM": "false"}


def set_threads(threads: int) -> None:
    """Fix the number of threads: with another number, a sum may differ in its last bit."""
    import torch

    warnings.filterwarnings("ignore", category=UserWarning, message="pkg_resources")  # from pyworld and pysptk
    torch.set_num_threads(threads)


def run_task(run: Run, call: TaskCall, progress: Progress) -> str | None:
    """Carry out a task; return None, or the reason of the failure as text.

    The number of threads is fixed first. Exceptions are turned into text here because an exception of a plug-in may
    fail to unpickle in another process.
    """
    set_threads(run.experiment.compute.threads)
    try:
        stage_module(call.job.stage).work(run, call.job, call.task, progress)
    except (Exception, SystemExit) as error:
        return failure_reason(error)
    return None


def failure_reason(error: BaseException) -> str:
    """Return the message of an error that is meant for the user, and the traceback of any other error."""
    if isinstance(error, TtsbenchError):
        return str(error)
    text = "".join(traceback.format_exception(error)).strip()
    return f"{type(error).__name__}: {error}\n{text}"
