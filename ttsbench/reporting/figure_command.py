"""The command ``ttsbench figure``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttsbench.engine.terminal import write_result

FORMATS = ("pdf", "png", "svg")


def add_figure(commands: Any) -> None:
    """Add the command to those of the parser."""
    parser = commands.add_parser("figure", help="draw a figure of a run or of its archive again, with other options")
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder or archive")
    parser.add_argument("name", metavar="NAME", help="name of the figure, such as tradeoff")
    parser.add_argument("--width", type=float, metavar="INCHES", help="such as 3.3 for a column, 6.9 for a page")
    parser.add_argument("--columns", type=int, metavar="N", help="panels side by side")
    parser.add_argument("--font-size", type=float, default=8.0, metavar="PT", help="default: 8")
    parser.add_argument("--systems", nargs="+", metavar="NAME", help="names or titles of systems, in this order")
    parser.add_argument("--metrics", nargs="+", metavar="NAME", help="names or titles of metrics, in this order")
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=["pdf", "png"], dest="formats")
    parser.add_argument("--output", type=Path, metavar="FILE", help="without suffix; default: NAME")
    parser.set_defaults(command=_figure)


def _figure(options: argparse.Namespace) -> int:
    from ttsbench.reporting.figures.redraw import redraw

    files = redraw(
        options.run, options.name, options.output or Path(options.name), options.formats, width=options.width,
        columns=options.columns, font_size=options.font_size, systems=options.systems, metrics=options.metrics,
    )  # fmt: skip
    write_result("".join(f"{path}\n" for path in files))
    return 0
