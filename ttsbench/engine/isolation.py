"""Calls in a child process: a native library that crashes takes the child with it, and nothing else.

A stage works in long-lived workers, because starting one costs seconds. Where a worker died, its chunk is done again
with each call in here, and only the call that kills its child is counted as failed.
"""

from __future__ import annotations

import multiprocessing
import os
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


class Crashed(Exception):
    """The child died during the call."""


class Child:
    """One child process, replaced when it dies."""

    def __init__(self) -> None:
        self._pool = self._start()

    def __call__(self, function: Call, *arguments: Any) -> Any:
        """``function(*arguments)`` in the child; raises ``Crashed`` where it does not survive that."""
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = self._start()
            raise Crashed from None

    def close(self) -> None:
        """End the child."""
        self._pool.shutdown()

    def _start(self) -> ProcessPoolExecutor:
        import torch

        context, threads = multiprocessing.get_context("spawn"), torch.get_num_threads()
        return ProcessPoolExecutor(1, context, initializer=_begin, initargs=(threads,))


def _begin(threads: int) -> None:
    """As many threads as the worker has: with another number a sum may end in another bit."""
    import torch

    die_with_parent()
    torch.set_num_threads(threads)


def die_with_parent() -> None:
    """End this process when the one that started it is gone: an orphan would go on writing into the run's folder."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def caller(marker: Path) -> Iterator[Call]:
    """How the calls of a chunk are made: directly, or in a child where ``marker`` shows that a worker died over it."""
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
