"""Recordings measured side by side, one per task, in processes of their own."""

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

PACE_OVER_S = 3600.0  # the time left is estimated over the whole run: recordings take long, and few are done


def measure_all(recordings: Sequence[Clip], names: Sequence[str], workers: int, quiet: bool) -> list[Responses]:
    """The responses of the named metrics for each recording that suits them, in the order of the recordings.

    Raises ``TtsbenchError`` where a worker dies.
    """
    vocabulary = sorted({word for clip in recordings for word in words(clip.text)})
    found: dict[int, Responses] = {}
    workers = min(workers, len(recordings))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start)
    bar = _Bar(sum(clip.duration_s for clip in recordings), quiet)
    try:
        with bar:
            tasks = {pool.submit(_work, clip, names, vocabulary): number for number, clip in enumerate(recordings)}
            for task in as_completed(tasks):
                found[tasks[task]] = task.result()
                bar.advance(recordings[tasks[task]], len(found), len(recordings))
    except BrokenProcessPool as error:
        raise TtsbenchError(
            "A worker process died, as native code does that crashes; name the metrics to try, to find which it is."
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return [found[number] for number in range(len(recordings))]


def _start() -> None:
    """One thread per worker, none left behind, and nothing said about packages that others maintain."""
    import torch

    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(1)
    die_with_parent()


def _work(clip: Clip, names: Sequence[str], vocabulary: Sequence[str]) -> Responses:
    from ttsbench.checks.selftest.ask import (
        ask_by_name,  # what it imports warns: not before the process was told not to
    )

    return ask_by_name(clip, names, vocabulary)


class _Bar:
    """A bar on a terminal, a line per recording elsewhere and where it is to be quiet."""

    def __init__(self, seconds: float, quiet: bool) -> None:
        self._console = console()
        shown = self._console.is_terminal and not quiet
        self._bar = Progress(console=self._console, speed_estimate_period=PACE_OVER_S) if shown else None
        self._seconds = seconds

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("measuring", total=self._seconds)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, clip: Clip, done: int, total: int) -> None:
        """One recording more is done."""
        if self._bar is not None:
            self._bar.advance(self._task, clip.duration_s)
        else:
            self._console.print(f"  {done} of {total}  {clip.id}", highlight=False, markup=False)
