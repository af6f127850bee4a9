"""The command line: ``ttsbench compare | score | report | listen | list | check | new | selftest | doctor``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.errors import ConfigError, TtsbenchError
from ttsbench.listening.commands import add_listen

LISTED = ("adapters", "judges", "metrics", "corpora", "vocoders", "codecs", "transcribers", "figures", "experiments",
          "claims")  # fmt: skip

CLAIMS = Path("experiments/claims.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when everything asked for was done."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.line = shlex.join(["ttsbench", *(sys.argv[1:] if arguments is None else arguments)])
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    try:
        status: int = options.command(options)
        return status
    except TtsbenchError as error:
        _say(f"ttsbench: {error}")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        _say("ttsbench: stopped. What was computed is kept; the same command resumes.")
        os._exit(130)  # the interpreter would first wait for what the workers are at


def build_parser() -> argparse.ArgumentParser:
    """Every command and option."""
    parser = argparse.ArgumentParser("ttsbench", description="Compare generative objectives for text-to-speech.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    compare = commands.add_parser("compare", help="train, sample, score and compare the objectives of an experiment")
    compare.add_argument("experiment", type=Path, help="experiment file, such as experiments/objectives.yaml")
    compare.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides")
    compare.add_argument("--seed", nargs="+", action="extend", type=int, default=[], metavar="N", dest="seeds")
    compare.add_argument("--output", type=Path, metavar="DIR", help="run folder; runs/<experiment name> by default")
    compare.add_argument("--dry-run", action="store_true", help="print the jobs and what they would cost, run nothing")
    _add_work_options(compare)
    compare.set_defaults(command=_compare)

    score = commands.add_parser("score", help="score folders of wavs from anywhere against a folder of references")
    score.add_argument("--reference", type=Path, required=True, metavar="DIR", help="recordings")
    score.add_argument("--generated", nargs="+", action="extend", required=True, metavar="NAME=DIR",
                       help="systems, matched to the recordings by stem; a name given twice has two draws")  # fmt: skip
    score.add_argument("--transcripts", type=Path, metavar="FILE", help="lines 'stem|text' (or tab, comma, JSON)")
    score.add_argument("--speakers", type=Path, metavar="FILE", help="lines 'stem|speaker'")
    score.add_argument("--metrics", default="", metavar="A,B", help="a choice that fits what was given by default")
    score.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides",
                       help="such as transcriber.name=whisper or statistics.resamples=5000")  # fmt: skip
    score.add_argument("--output", type=Path, default=Path("runs/score"), metavar="DIR", help="runs/score by default")
    _add_work_options(score)
    score.set_defaults(command=_score)

    report = commands.add_parser("report", help="write tables and page again from the scores of a run")
    report.add_argument("run", type=Path, metavar="RUN")
    report.add_argument("--listen", nargs="+", default=[], metavar="ID",
                        help="utterances to hear on the page; six over all speakers by default")  # fmt: skip
    report.set_defaults(command=_report)

    archive = commands.add_parser(
        "archive", help="copy the tables, figures and scores of a finished run, without audio and weights"
    )
    archive.add_argument("run", type=Path, metavar="RUN")
    archive.add_argument("folder", type=Path, metavar="DIR")
    archive.set_defaults(command=_archive)

    claims = commands.add_parser("claims", help="hold published claims to finished runs")
    claims.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    claims.add_argument("--claims", type=Path, default=CLAIMS, metavar="FILE")
    claims.add_argument("--output", type=Path, metavar="FILE", help="also write it there, with .md, .tex and .csv")
    claims.set_defaults(command=_claims)

    add_listen(commands)

    listing = commands.add_parser("list", help="what is registered, or which experiments there are")
    listing.add_argument("kind", choices=LISTED)
    listing.add_argument("--claims", type=Path, default=CLAIMS, metavar="FILE", help=f"{CLAIMS} by default")
    listing.set_defaults(command=_list)

    selftest = commands.add_parser("selftest", help="hold the metrics to what they promise, on recordings of yours")
    selftest.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="recordings; espeak-ng's by default")
    selftest.add_argument("--metrics", default="", metavar="A,B", help="all that are registered by default")
    selftest.add_argument("--transcripts", type=Path, metavar="FILE", help="lines 'stem|text', for WER and CER")
    selftest.add_argument("--output", type=Path, metavar="DIR", help="also write selftest.csv there")
    _add_work_options(selftest)
    selftest.set_defaults(command=_selftest)

    check = commands.add_parser("check", help="conformance of one adapter or metric, in seconds")
    check.add_argument("name", metavar="NAME")
    check.set_defaults(command=_check)

    new = commands.add_parser("new", help="write an installable package with an objective, a metric and their tests")
    new.add_argument("kind", choices=["adapter"])
    new.add_argument("name", metavar="NAME", help="name of the adapter, such as my_objective")
    new.add_argument("--output", type=Path, metavar="DIR", help="folder of the package; NAME by default")
    new.set_defaults(command=_new)

    doctor = commands.add_parser("doctor", help="what is installed, what is missing, and what to do about it")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_work_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=_positive, metavar="N", help="worker processes; as many as there are cores")
    parser.add_argument("--quiet", action="store_true", help="lines instead of a progress bar")


def _compare(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import compare, dry_run, read_experiment

    experiment = read_experiment(options.experiment, options.overrides, options.seeds)
    folder = options.output or Path("runs") / experiment.name
    workers = options.jobs or max(1, (os.cpu_count() or 1) // experiment.compute.threads)
    if options.dry_run:
        _print(dry_run(experiment, folder, workers))
        return 0
    return compare(experiment, folder, workers, options.quiet, options.line)


def _score(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import score
    from ttsbench.pipeline.folder_request import FolderRequest, parse_generated

    generated = parse_generated(options.generated)
    request = FolderRequest(
        options.reference, generated, options.transcripts, options.speakers, _names(options.metrics)
    )
    workers = options.jobs or os.cpu_count() or 1
    return score(request, options.output, options.overrides, workers, options.quiet, options.line)


def _report(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import report

    return report(options.run, options.listen)


def _archive(options: argparse.Namespace) -> int:
    from ttsbench.reporting.archive import archive_run

    names = archive_run(options.run, options.folder)
    _print(f"In {options.folder}: {', '.join(names)}.")
    return 0


def _claims(options: argparse.Namespace) -> int:
    from ttsbench.reporting.claims import ScoredRun, claims_markdown, judge_all, write_claims

    judged = judge_all(options.claims, [ScoredRun(folder) for folder in options.runs])
    if options.output:
        write_claims(judged, options.output)
    _print(claims_markdown(judged))
    return 0


def _list(options: argparse.Namespace) -> int:
    if options.kind == "experiments":
        found = [path for path in sorted(CLAIMS.parent.glob("*.yaml")) if path != CLAIMS]
        _print("\n".join(map(str, found)) or f"none in {CLAIMS.parent}/")
        return 0
    if options.kind == "claims":
        return _list_claims(options.claims)
    for name, entry in sorted(registry.registered(options.kind).items()):
        _print(f"{name:<20} {_describe(options.kind, name)} [{entry.dist.name if entry.dist else 'unknown'}]")
    return 0


def _list_claims(path: Path) -> int:
    from ttsbench.reporting.claims import read_claims

    for name, claim in read_claims(path).items():
        judged_by = ", ".join(dict.fromkeys(part.metric for part in claim.parts))
        _print(f"{name:<4} {claim.statement}. {claim.paper} [{claim.without_run or f'by {judged_by}'}]")
    return 0


def _describe(kind: registry.Kind, name: str) -> str:
    try:
        plugin = registry.load(kind, name)
    except ConfigError as error:
        return f"broken: {error}"
    info: Any = getattr(plugin() if kind == "metrics" else plugin, "info", None)
    if hasattr(info, "title"):
        unit = f" ({info.unit})" if getattr(info, "unit", "") else ""
        return f"{info.title}{unit}. {info.paper}"
    return (plugin.__doc__ or "").strip().partition("\n")[0]


def _check(options: argparse.Namespace) -> int:
    from ttsbench.checks.check import check

    findings = check(options.name)
    for finding in findings:
        _print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}{'' if finding.ok else f': {finding.detail}'}")
    failed = sum(not finding.ok for finding in findings)
    _print(f"{options.name}: {len(findings) - failed} of {len(findings)} checks passed.")
    return 1 if failed else 0


def _new(options: argparse.Namespace) -> int:
    from ttsbench.checks.scaffold import write_adapter_package

    folder = options.output or Path(options.name)
    written = write_adapter_package(options.name, folder)
    _print("\n".join(map(str, written)))
    _print(f"Next: pip install --editable {folder} && ttsbench check {options.name}")
    return 0


def _selftest(options: argparse.Namespace) -> int:
    from ttsbench.checks.selftest.run import selftest
    from ttsbench.data.pairs import read_pairs

    texts = read_pairs(options.transcripts, "--transcripts") if options.transcripts else None
    workers = options.jobs or os.cpu_count() or 1
    return selftest(options.folder, _names(options.metrics), options.output, workers, options.quiet, texts)


def _doctor(options: argparse.Namespace) -> int:
    from ttsbench.doctor import examine

    healthy = True
    for finding in examine():
        _print(f"{finding.mark:<8} {finding.what}{f'. {finding.advice}' if finding.advice else ''}")
        healthy &= not finding.fatal
    return 0 if healthy else 1


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
