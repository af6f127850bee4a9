"""Measure recordings in parallel, one per task, in worker processes."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from rich.progress import Progress

from ttsbench.data.text import words
from ttsbench.engine.isolation import die_with_parent
from ttsbench.engine.progress import console
from ttsbench.errors import TtsbenchError
from ttsbench.types import Clip

if TYPE_CHECKING:
    from ttsbench.checks.selftest.measure import Responses

ESTIMATE_OVER_S = 3600.0  # the remaining time is estimated from the whole run, since recordings are few and slow


def measure_all(recordings: Sequence[Clip], names: Sequence[str], workers: int, quiet: bool) -> list[Responses]:
    """Return the responses of the named metrics to each recording, in the order of the recordings.

    Raises ``TtsbenchError`` if a worker process dies.
    """
    vocabulary = sorted({word for clip in recordings for word in words(clip.text)})
    responses: dict[int, Responses] = {}
    workers = min(workers, len(recordings))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start)
    bar = _Bar(sum(clip.duration_s for clip in recordings), quiet)
    try:
        with bar:
            tasks = {pool.submit(_work, clip, names, vocabulary): number for number, clip in enumerate(recordings)}
            for task in as_completed(tasks):
                responses[tasks[task]] = task.result()
                bar.advance(recordings[tasks[task]], len(responses), len(recordings))
    except BrokenProcessPool as error:
        raise TtsbenchError(
            "A worker process died, probably by a crash in native code; test metrics one by one with --metrics to "
            "find the cause."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [responses[number] for number in range(len(recordings))]


def _start() -> None:
    """Use one thread, die with the parent process, and ignore warnings of third-party packages."""
    import torch

    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    die_with_parent()


def _work(clip: Clip, names: Sequence[str], vocabulary: Sequence[str]) -> Responses:
    from ttsbench.checks.selftest.collect import collect_by_name  # after ``_start``, because its imports warn

    return collect_by_name(clip, names, vocabulary)


class _Bar:
    """A progress bar on a terminal; otherwise, and with ``quiet``, one line per recording."""

    def __init__(self, seconds: float, quiet: bool) -> None:
        self._console = console()
        shown = self._console.is_terminal and not quiet
        self._bar = Progress(console=self._console, speed_estimate_period=ESTIMATE_OVER_S) if shown else None
        self._seconds = seconds

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("measuring", total=self._seconds)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, clip: Clip, done: int, total: int) -> None:
        """Count one more recording."""
        if self._bar is not None:
            self._bar.advance(self._task, clip.duration_s)
        else:
            self._console.print(f"  {done} of {total}  {clip.id}", highlight=False, markup=False)
