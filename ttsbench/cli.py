"""The command line: ``ttsbench COMMAND``. Modules that a command needs are imported when it runs."""

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
from ttsbench.engine.options import add_jobs, add_work_options, chosen_engine
from ttsbench.engine.terminal import reserved_stdout, visible, write_result
from ttsbench.errors import ConfigError, TtsbenchError
from ttsbench.listening.commands import add_listen
from ttsbench.listening.validity_command import add_validity
from ttsbench.reporting.comparison_commands import add_explain, add_merge
from ttsbench.reporting.figure_command import add_figure
from ttsbench.reporting.power_command import add_plan_power
from ttsbench.reporting.results_command import add_results

LISTABLE = ("adapters", "judges", "metrics", "corpora", "vocoders", "codecs", "transcribers", "normalisers", "figures",
            "engines", "experiments", "claims")  # fmt: skip
CLAIMS = Path("experiments/claims.yaml")
SCORE_EXAMPLES = """\
examples:
  recordings and two systems, matched by the stems of their files:
    ttsbench score --reference recordings/ --generated mine=out/a theirs=out/b --transcripts texts.csv

  a prompt list without recordings: error rates, similarity to the prompt and predicted quality:
    ttsbench score --list meta.lst --generated mine=out/a --set transcriber.name=whisper

  Chinese: error rates over characters, numbers read in Mandarin:
    ttsbench score --list zh/meta.lst --language zh --generated mine=out/zh --set transcriber.name=whisper

  Whisper's normaliser, or one vocabulary of the embedded recogniser for several runs:
    ttsbench score ... --set metrics.wer.normaliser=whisper_english
    ttsbench score ... --vocabulary words.txt

  costs of synthesis: {"cost": {"sampling_s": 0.8, "audio_s": 2.5}} in <stem>.json beside a wav, as compare writes it
    ttsbench score --reference recordings/ --generated mine=out/a --metrics mcd,rtf

Text files have lines 'stem|text' (or tab, comma), a heading with columns in any order, or are a JSON object. Two runs
that were scored in the same way become one table with 'ttsbench merge'.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if everything succeeded, 1 if a part failed, 2 if the command was refused."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.line = shlex.join(["ttsbench", *(sys.argv[1:] if arguments is None else arguments)])
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=UserWarning)
    try:
        with reserved_stdout():
            status: int = options.command(options)
        return status
    except TtsbenchError as error:
        _print_error(f"ttsbench: {error}")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        _print_error("ttsbench: interrupted. Finished work is saved; run the same command again to resume.")
        os._exit(130)  # a normal exit would wait for the workers' current tasks


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and options."""
    parser = argparse.ArgumentParser("ttsbench", description="Compare generative objectives for text-to-speech.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_compare(commands)
    _add_score(commands)
    _add_sentences(commands)
    add_merge(commands)
    add_explain(commands)
    _add_report(commands)
    add_figure(commands)
    _add_archive(commands)
    add_results(commands)
    _add_claims(commands)
    add_plan_power(commands, CLAIMS)
    add_listen(commands)
    add_validity(commands)
    _add_list(commands)
    _add_selftest(commands)
    _add_check(commands)
    _add_new(commands)
    _add_doctor(commands)
    return parser


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser("compare", help="train, sample, score and compare the objectives of an experiment")
    parser.add_argument("experiment", type=Path, help="experiment file, such as experiments/objectives.yaml")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="change a value of the experiment, such as train.acoustic.steps=500")  # fmt: skip
    parser.add_argument("--seed", nargs="+", action="extend", type=int, default=[], metavar="N", dest="seeds",
                        help="training seeds, in place of those of the experiment")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder (default: runs/<experiment name>)")
    parser.add_argument("--dry-run", action="store_true", help="print the jobs and their estimated cost, and stop")
    add_work_options(parser)
    parser.set_defaults(command=_compare)


def _add_score(commands: Any) -> None:
    parser = commands.add_parser(
        "score", help="score folders of wavs from any system against reference recordings or a list of prompts",
        epilog=SCORE_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--reference", type=Path, metavar="DIR", help="folder of the recordings")
    parser.add_argument("--list", type=Path, metavar="FILE", dest="prompt_list",
                        help="prompt list: lines 'id|prompt text|prompt audio|text', or CSV")  # fmt: skip
    parser.add_argument("--language", default="", metavar="CODE",
                        help="language of the texts, such as de or zh (default: that of the list, or en)")  # fmt: skip
    parser.add_argument("--generated", nargs="+", action="extend", required=True, metavar="NAME=DIR",
                        help="folder of each system, matched to the recordings by file stem; "
                        "a name that is given twice has two draws")  # fmt: skip
    parser.add_argument("--transcripts", type=Path, metavar="FILE", help="lines 'stem|text' (or tab, comma, JSON)")
    parser.add_argument("--speakers", type=Path, metavar="FILE", help="lines 'stem|speaker'")
    parser.add_argument("--metrics", default="", metavar="A,B", help="metrics (default: those that the input allows)")
    parser.add_argument("--protocol", default="", metavar="NAME",
                        help="metrics, normaliser and recogniser of a paper, such as seed-tts-en")  # fmt: skip
    parser.add_argument("--vocabulary", type=Path, metavar="FILE",
                        help="words of the embedded recogniser (default: those of the texts)")  # fmt: skip
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="such as transcriber.name=whisper or statistics.resamples=5000")  # fmt: skip
    parser.add_argument("--output", type=Path, default=Path("runs/score"), metavar="DIR",
                        help="run folder (default: runs/score)")  # fmt: skip
    add_work_options(parser)
    parser.set_defaults(command=_score)


def _add_sentences(commands: Any) -> None:
    parser = commands.add_parser("sentences", help="write the test sentences of an experiment, for systems elsewhere")
    parser.add_argument("experiment", type=Path, help="experiment file, such as experiments/objectives.yaml")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="change a value of the experiment")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="run folder (default: runs/<experiment name>)")
    add_work_options(parser)
    parser.set_defaults(command=_sentences)


def _add_report(commands: Any) -> None:
    parser = commands.add_parser("report", help="write the report of a run or an archive again")
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder or archive")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="table.KEY=VALUE", dest="overrides",
                        help="change the table for a paper, such as table.intervals=false")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the tables of an archive")
    parser.add_argument("--listen", nargs="+", default=[], metavar="ID",
                        help="utterances to play on the page (default: six, over all speakers)")  # fmt: skip
    parser.add_argument("--pack", type=Path, metavar="FILE",
                        help="also write the page with the clips of these utterances as one zip file")  # fmt: skip
    parser.set_defaults(command=_report)


def _add_archive(commands: Any) -> None:
    parser = commands.add_parser(
        "archive", help="copy the tables, figures and scores of a finished run, without audio and weights"
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder for the copy")
    parser.set_defaults(command=_archive)


def _add_claims(commands: Any) -> None:
    parser = commands.add_parser("claims", help="test published claims on finished runs")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--claims", type=Path, default=CLAIMS, metavar="FILE", help=f"(default: {CLAIMS})")
    parser.add_argument("--earlier", type=Path, nargs="+", default=[], metavar="RUN",
                        help="runs on the same corpora with at most half of the training steps, whose effects decide "
                        "about models that had not converged")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the verdicts as .md, .tex and .csv")
    parser.set_defaults(command=_claims)


def _add_list(commands: Any) -> None:
    parser = commands.add_parser("list", help="list plug-ins of a kind, experiments or claims")
    parser.add_argument("kind", choices=LISTABLE)
    parser.add_argument("--claims", type=Path, default=CLAIMS, metavar="FILE", help=f"(default: {CLAIMS})")
    parser.set_defaults(command=_list)


def _add_selftest(commands: Any) -> None:
    parser = commands.add_parser("selftest", help="test the guaranteed behaviour of metrics on your recordings")
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="recordings (default: speech of espeak-ng)")
    parser.add_argument("--metrics", default="", metavar="A,B", help="metrics (default: all that are registered)")
    parser.add_argument("--transcripts", type=Path, metavar="FILE", help="lines 'stem|text', for WER and CER")
    parser.add_argument("--output", type=Path, metavar="DIR", help="also write DIR/selftest.csv")
    add_jobs(parser)
    parser.set_defaults(command=_selftest)


def _add_check(commands: Any) -> None:
    parser = commands.add_parser("check", help="check an adapter or a metric for conformance, in seconds")
    parser.add_argument("name", metavar="NAME", help="registered name, or module:Class")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", dest="overrides",
                        help="options of the constructor, such as steps=8")  # fmt: skip
    parser.set_defaults(command=_check)


def _add_new(commands: Any) -> None:
    parser = commands.add_parser("new", help="write an installable package with an objective, a metric and their tests")
    parser.add_argument("kind", choices=["adapter"])
    parser.add_argument("name", metavar="NAME", help="name of the adapter, such as my_objective")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the package (default: NAME)")
    parser.set_defaults(command=_new)


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser("doctor", help="check the installation, and say how to fix what is missing")
    parser.add_argument("run", type=Path, nargs="?", metavar="RUN", help="check the files of this run instead")
    parser.set_defaults(command=_doctor)


def _compare(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import compare, dry_run, read_experiment

    experiment = read_experiment(options.experiment, options.overrides, options.seeds)
    folder = options.output or Path("runs") / experiment.name
    if options.dry_run:
        _print(dry_run(experiment, folder, options.jobs))
        return 0
    return compare(experiment, folder, chosen_engine(options), options.quiet, options.line)


def _score(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import score
    from ttsbench.pipeline.folder_request import FolderRequest, parse_generated

    generated = parse_generated(options.generated)
    request = FolderRequest(
        options.reference, generated, options.transcripts, options.speakers, _names(options.metrics),
        options.prompt_list, options.language, options.protocol, options.vocabulary,
    )  # fmt: skip
    return score(request, options.output, options.overrides, chosen_engine(options), options.quiet, options.line)


def _sentences(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import read_experiment
    from ttsbench.pipeline.sentences import write_sentences

    experiment = read_experiment(options.experiment, options.overrides)
    folder = options.output or Path("runs") / experiment.name
    files = write_sentences(experiment, folder, chosen_engine(options), options.quiet)
    _print("\n".join(map(str, files)))
    return 0


def _report(options: argparse.Namespace) -> int:
    from ttsbench.pipeline.commands import report

    status = report(options.run, options.listen, options.overrides, options.output)
    if options.pack:
        from ttsbench.reporting.page.pack import write_pack

        write_pack(options.run, options.pack, options.listen)
    return status


def _archive(options: argparse.Namespace) -> int:
    from ttsbench.reporting.archive import archive_run

    names = archive_run(options.run, options.folder)
    _print(f"In {options.folder}: {', '.join(names)}.")
    return 0


def _claims(options: argparse.Namespace) -> int:
    from ttsbench.reporting.claims import ScoredRun, claims_markdown, judge_all, signature_notes, write_claims

    runs = [ScoredRun(folder) for folder in options.runs]
    earlier = [ScoredRun(folder) for folder in options.earlier]
    judged, remarks = judge_all(options.claims, runs, earlier), signature_notes(runs)
    if options.output:
        write_claims(judged, options.output, remarks=remarks)
    _print(claims_markdown(judged, remarks=remarks))
    return 0


def _list(options: argparse.Namespace) -> int:
    if options.kind == "experiments":
        experiments = [path for path in sorted(CLAIMS.parent.glob("*.yaml")) if path != CLAIMS]
        _print("\n".join(map(str, experiments)) or f"{CLAIMS.parent}/ contains no experiment.")
        return 0
    if options.kind == "claims":
        return _list_claims(options.claims)
    for name, entry in sorted(registry.registered(options.kind).items()):
        _print(f"{name:<20} {_describe(options.kind, name)} [{entry.dist.name if entry.dist else 'unknown'}]")
    return 0


def _list_claims(path: Path) -> int:
    from ttsbench.reporting.claims import read_claims

    for name, claim in read_claims(path).items():
        metrics = ", ".join(claim.metrics)
        _print(f"{name:<4} {claim.statement}. {claim.paper} [{claim.without_run or f'by {metrics}'}]")
    return 0


def _describe(kind: registry.Kind, name: str) -> str:
    try:
        plugin: Any = registry.load(kind, name)
    except ConfigError as error:
        return f"broken: {error}"
    info: Any = getattr(plugin() if kind == "metrics" else plugin, "info", None)
    if hasattr(info, "title"):
        unit = f" ({info.unit})" if getattr(info, "unit", "") else ""
        return f"{info.title}{unit}. {info.paper}"
    return (plugin.__doc__ or "").strip().partition("\n")[0]


def _check(options: argparse.Namespace) -> int:
    from ttsbench.checks.check import check, root_causes
    from ttsbench.config.loading import merge, parse_override

    values: dict[str, Any] = {}
    for text in options.overrides:
        values = merge(values, parse_override(text, values))
    findings = check(options.name, values)
    for finding in findings:
        if finding.ok:
            _print(f"ok    {finding.property}")
    causes, passed = root_causes(findings), sum(finding.ok for finding in findings)
    for finding in causes:
        _print(f"FAIL  {finding.property}: {finding.problem}")
    if further := len(findings) - passed - len(causes):
        _print(f"{further} further {'check fails' if further == 1 else 'checks fail'} as a consequence.")
    _print(f"{options.name}: {passed} of {len(findings)} checks passed.")
    return 1 if causes else 0


def _new(options: argparse.Namespace) -> int:
    from ttsbench.checks.scaffold import write_adapter_package

    folder = options.output or Path(options.name)
    written = write_adapter_package(options.name, folder)
    _print("\n".join(map(str, written)))
    _print(f"Next: pip install --editable {folder} && ttsbench check {options.name}")
    return 0


def _selftest(options: argparse.Namespace) -> int:
    from ttsbench.checks.selftest.run import selftest
    from ttsbench.data.utterance_lists import read_texts

    texts = read_texts(options.transcripts, "--transcripts") if options.transcripts else None
    workers = options.jobs or os.cpu_count() or 1
    return selftest(options.folder, _names(options.metrics), options.output, workers, options.quiet, texts)


def _doctor(options: argparse.Namespace) -> int:
    from ttsbench.doctor import examine, examine_run

    healthy = True
    for finding in examine_run(options.run) if options.run else examine():
        _print(f"{finding.mark:<8} {finding.subject}{f'. {finding.advice}' if finding.advice else ''}")
        healthy &= not finding.fatal and not (options.run and finding.mark == "broken")
    return 0 if healthy else 1


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _print(text: str) -> None:
    write_result(text + "\n")


def _print_error(text: str) -> None:
    sys.stderr.write(visible(text) + "\n")


if __name__ == "__main__":
    sys.exit(main())
