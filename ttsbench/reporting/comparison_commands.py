"""``ttsbench merge`` and ``ttsbench explain``: numbers of several runs side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttsbench.engine.terminal import write_result


def add_merge(commands: Any) -> None:
    """Add the command ``merge``."""
    parser = commands.add_parser("merge", help="make one table of runs that were scored in the same way")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="finished runs or archives")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for the tables")
    parser.set_defaults(command=_merge)


def add_explain(commands: Any) -> None:
    """Add the command ``explain``."""
    parser = commands.add_parser("explain", help="say why two runs give the same wavs different numbers")
    parser.add_argument("first", type=Path, metavar="RUN", help="finished run")
    parser.add_argument("second", type=Path, metavar="RUN", help="finished run of the same wavs")
    parser.set_defaults(command=_explain)


def _merge(options: argparse.Namespace) -> int:
    from ttsbench.reporting.merge import merge

    write_result(merge(options.runs, options.output) + "\n")
    return 0


def _explain(options: argparse.Namespace) -> int:
    from ttsbench.reporting.explain import explain

    write_result(explain(options.first, options.second) + "\n")
    return 0
