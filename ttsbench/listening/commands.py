"""The command line of listening tests: ``ttsbench listen export | import``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ttsbench.engine.terminal import write_result

KINDS = ("mos", "cmos", "preference", "mushra")


def add_listen(commands: Any) -> None:
    """Add the command to those of the parser."""
    listen = commands.add_parser("listen", help="export a listening test of a run, and import the answers")
    actions = listen.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_export(actions.add_parser("export", help="write a folder for a web server (page, audio, lists) and its key"))
    _add_import(actions.add_parser("import", help="write tables and a figure from the answer files of listeners"))


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished compare or score")
    parser.add_argument("--test", required=True, choices=KINDS, help="kind of test")
    parser.add_argument("--output", type=Path, metavar="DIR", help="RUN/listening/<test> by default")
    parser.add_argument("--systems", nargs="+", default=[], metavar="NAME",
                        help="all by default; in paired tests, all models")  # fmt: skip
    parser.add_argument(
        "--baseline",
        default="",
        metavar="NAME",
        help="the system that others are compared with; by default the first model",
    )
    parser.add_argument(
        "--utterances", type=int, metavar="N", help="number of utterances of the test; by default those of one listener"
    )
    parser.add_argument("--per-listener", type=int, metavar="N", help="number of utterances per listener")
    parser.add_argument("--anchors", nargs="*", type=float, metavar="HZ",
                        help="cut-offs of low-pass anchors; by default 3500 for mos and mushra")  # fmt: skip
    parser.add_argument(
        "--checks", type=_count, metavar="N", help="number of spoken attention checks; by default 3, none for mushra"
    )
    parser.add_argument(
        "--seed", type=_count, default=0, metavar="N", help="seed of the random selection of utterances"
    )
    parser.add_argument("--title", default="Listening test", help="title that listeners see")
    parser.add_argument("--show-text", action="store_true", help="show the text to listeners")
    parser.add_argument("--post", default="", metavar="URL", help="also send answers to this address, as JSON")
    parser.set_defaults(command=_export)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("test", type=Path, metavar="TEST", help="folder written by export")
    parser.add_argument("answers", type=Path, nargs="+", metavar="ANSWERS", help="answer files, or folders with them")
    parser.add_argument("--output", type=Path, metavar="DIR", help="TEST/results by default")
    parser.set_defaults(command=_import)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {number}")
    return number


def _export(options: argparse.Namespace) -> int:
    from ttsbench.listening.export import ExportRequest, export

    request = ExportRequest(
        options.test, tuple(options.systems), options.baseline, options.utterances, options.per_listener,
        None if options.anchors is None else tuple(options.anchors), options.checks, options.seed, options.post,
        options.show_text, options.title,
    )  # fmt: skip
    output = options.output or options.run / "listening" / options.test
    write_result(export(options.run, request, output) + "\n")
    return 0


def _import(options: argparse.Namespace) -> int:
    from ttsbench.listening.results import import_answers

    output = options.output or options.test / "results"
    text, rejected = import_answers(options.test, options.answers, output)
    write_result(text)
    return 1 if rejected else 0
