"""The command line of listening tests: ``ttsbench listen export | import``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

KINDS = ("mos", "cmos", "preference", "mushra")


def add_listen(commands: Any) -> None:
    """Add the command to those of the parser."""
    listen = commands.add_parser("listen", help="make a listening test of a run, and read what listeners answered")
    actions = listen.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_export(actions.add_parser("export", help="a folder for a web server: page, audio, lists; and the key to it"))
    _add_import(actions.add_parser("import", help="tables and a figure from the files that listeners handed in"))


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished compare or score")
    parser.add_argument("--test", required=True, choices=KINDS, help="what listeners are asked")
    parser.add_argument("--output", type=Path, metavar="DIR", help="RUN/listening/<test> by default")
    parser.add_argument("--systems", nargs="+", default=[], metavar="NAME",
                        help="all by default; of paired tests, all models")  # fmt: skip
    parser.add_argument("--baseline", default="", metavar="NAME", help="what others are compared with; the first model")
    parser.add_argument("--utterances", type=int, metavar="N", help="in the whole test; as many as a listener hears")
    parser.add_argument("--per-listener", type=int, metavar="N", help="utterances that one listener hears")
    parser.add_argument("--anchors", nargs="*", type=float, metavar="HZ",
                        help="cut-offs of low-pass anchors; 3500 for mos and mushra")  # fmt: skip
    parser.add_argument("--checks", type=_count, metavar="N", help="spoken checks of attention; 3, none for mushra")
    parser.add_argument("--seed", type=_count, default=0, metavar="N", help="decides which utterances are taken")
    parser.add_argument("--title", default="Listening test", help="what listeners read at the top")
    parser.add_argument("--show-text", action="store_true", help="show listeners what is said")
    parser.add_argument("--post", default="", metavar="URL", help="also send answers there, as JSON")
    parser.set_defaults(command=_export)


def _add_import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("test", type=Path, metavar="TEST", help="folder that export made")
    parser.add_argument("answers", type=Path, nargs="+", metavar="ANSWERS", help="files of answers, or folders of them")
    parser.add_argument("--output", type=Path, metavar="DIR", help="TEST/results by default")
    parser.set_defaults(command=_import)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {number}")
    return number


def _export(options: argparse.Namespace) -> int:
    from ttsbench.listening.export import Request, export

    request = Request(
        options.test, tuple(options.systems), options.baseline, options.utterances, options.per_listener,
        None if options.anchors is None else tuple(options.anchors), options.checks, options.seed, options.post,
        options.show_text, options.title,
    )  # fmt: skip
    output = options.output or options.run / "listening" / options.test
    sys.stdout.write(export(options.run, request, output) + "\n")
    return 0


def _import(options: argparse.Namespace) -> int:
    from ttsbench.listening.results import import_answers

    output = options.output or options.test / "results"
    text, refused = import_answers(options.test, options.answers, output)
    sys.stdout.write(text)
    return 1 if refused else 0
