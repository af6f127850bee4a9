"""The command ``ttsbench results``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttsbench.engine.terminal import write_result


def add_results(commands: Any) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser("results", help="write the README of a folder of archived runs from its template")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("results"), metavar="DIR", help="default: results")
    parser.set_defaults(command=_results)


def _results(options: argparse.Namespace) -> int:
    from ttsbench.reporting.results import write_results

    write_result(f"{write_results(options.folder)}\n")
    return 0
