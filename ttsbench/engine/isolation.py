"""Calls in a child process, for native libraries that may crash.

Stages work in long-lived workers because starting a process takes seconds. If a worker dies, its chunk of clips is
repeated with each call in a child process, so that only the call that crashes counts as failed.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from ttsbench.engine.store import write_text

Call = Callable[..., Any]


ATTEMPTS = 5  # of a call whose child is killed from outside, by a user or for want of memory


class CallCrashed(Exception):
    """The child process died during the call."""


class Child:
    """A child process for calls, replaced if it dies."""

    def __init__(self) -> None:
        self._pool = self._start()

    def __call__(self, function: Call, *arguments: Any) -> Any:
        """Return ``function(*arguments)``, computed in the child; raises ``CallCrashed`` if the call crashes.

        SIGKILL comes from outside and says nothing about the call, which is then repeated.
        """
        for _ in range(ATTEMPTS):
            future = self._pool.submit(function, *arguments)
            processes = list(self._pool._processes.values())
            try:
                return future.result()
            except BrokenProcessPool:
                self._pool.shutdown()
                self._pool = self._start()
                if all(process.exitcode != -signal.SIGKILL for process in processes):
                    break
        raise CallCrashed

    def close(self) -> None:
        """Stop the child process."""
        self._pool.shutdown()

    def _start(self) -> ProcessPoolExecutor:
        import torch

        context, threads = multiprocessing.get_context("spawn"), torch.get_num_threads()
        return ProcessPoolExecutor(1, context, initializer=_begin, initargs=(threads,))


def _begin(threads: int) -> None:
    """Use as many threads as the worker: with another number, a sum may differ in its last bit."""
    import torch

    faulthandler.enable()  # the traceback of a crash goes to the output of the worker
    die_with_parent()
    torch.set_num_threads(threads)


def die_with_parent() -> None:
    """End this process if its parent ends: an orphan would go on writing into the run folder."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def caller(marker: Path) -> Iterator[Call]:
    """Yield how to make the calls of a chunk: directly, or in a child process if an earlier attempt left ``marker``."""
    child = Child() if marker.exists() else None
    write_text(marker, "")
    try:
        yield child or _directly
    finally:
        if child is not None:
            child.close()
    marker.unlink(missing_ok=True)


def _directly(function: Call, *arguments: Any) -> Any:
    return function(*arguments)
