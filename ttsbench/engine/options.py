"""Options of the command line that choose the engine and the number of tasks at a time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttsbench.engine.engines import EngineChoice


def add_work_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that run jobs."""
    add_jobs(parser)
    parser.add_argument("--engine", default="local", metavar="NAME",
                        help="where tasks run: local (this machine) or ray (this machine or a cluster)")  # fmt: skip
    parser.add_argument("--address", default="", metavar="HOST:PORT",
                        help="the Ray cluster to join, or auto (default: start Ray on this machine)")  # fmt: skip


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that work in parallel."""
    parser.add_argument("--jobs", type=_positive, metavar="N", help="tasks at a time (default: number of cores)")
    parser.add_argument("--quiet", action="store_true", help="print lines instead of a progress bar")


def chosen_engine(options: argparse.Namespace) -> EngineChoice:
    """Return the engine that the options choose."""
    from ttsbench.engine.engines import EngineChoice

    return EngineChoice(options.engine, options.jobs, {"address": options.address} if options.address else {})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
