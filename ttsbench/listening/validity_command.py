"""The command ``ttsbench validity``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttsbench.engine.terminal import write_result

RESAMPLES = 2000


def add_validity(commands: Any) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser("validity", help="correlate the metrics of runs with listeners, by system and by clip")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders or archives")
    parser.add_argument("--listeners", type=Path, nargs="+", default=[], metavar="FILE",
                        help="CSV files with the columns system and mos (and utterance), or imported listening tests; "
                        "default: the tests in the runs")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="default: RUN/validity")
    parser.add_argument("--resamples", type=int, default=RESAMPLES, metavar="N", help=f"default: {RESAMPLES}")
    parser.set_defaults(command=_validity)


def _validity(options: argparse.Namespace) -> int:
    from ttsbench.evaluation.estimates import BootstrapSettings
    from ttsbench.evaluation.stats import LEVEL
    from ttsbench.listening.validity import read_listeners, validity_frame, write_validity
    from ttsbench.reporting.claims import ScoredRun, signature_notes

    listeners = read_listeners(options.listeners, options.runs)
    runs = [ScoredRun(folder) for folder in options.runs]
    frame = validity_frame(runs, listeners, BootstrapSettings(options.resamples, LEVEL, 0))
    write_result(write_validity(frame, options.output or options.runs[0] / "validity", signature_notes(runs)))
    return 0
