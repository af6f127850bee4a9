"""``ttsbench compare``, ``score`` and ``report``: run what is not done yet, and show the table."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ttsbench.config.loading import load_experiment, merge, parse_override, validate
from ttsbench.config.schema import Experiment
from ttsbench.engine.engines import EngineChoice
from ttsbench.engine.executor import discard_damaged_files, execute
from ttsbench.engine.job import STAGES, AnyJob, Job, Run
from ttsbench.engine.layout import REPORT, RunLayout
from ttsbench.engine.local import default_workers
from ttsbench.engine.progress import RunReporter, clock, console
from ttsbench.engine.sentinels import DONE, is_done, mark_done, was_done
from ttsbench.engine.store import locked, read_json, write_json
from ttsbench.engine.terminal import visible, write_result
from ttsbench.engine.worker import stage_module
from ttsbench.errors import ConfigError, TtsbenchError
from ttsbench.evaluation.clip_table import FILE as ROWS
from ttsbench.evaluation.training_summary import divergence_notes, training_table
from ttsbench.pipeline.corpus_size import check_listed_splits
from ttsbench.pipeline.folder_plan import make_folder_plan, set_up
from ttsbench.pipeline.folder_request import FolderRequest
from ttsbench.pipeline.left_out import left_out_systems, remaining_plan
from ttsbench.pipeline.plan import make_plan
from ttsbench.pipeline.validation import check_experiment, check_table
from ttsbench.reporting.archive import FOLDER, result_files
from ttsbench.reporting.page import mark_outdated
from ttsbench.reporting.provenance import record_work
from ttsbench.stages.model_cache import restore_models
from ttsbench.stages.prepare import features_exist
from ttsbench.stages.report import report_archive

SHOWN_FAILURES = 10


def read_experiment(path: Path, overrides: Sequence[str] = (), seeds: Sequence[int] = ()) -> Experiment:
    """Return an experiment whose plug-ins, options and labels were checked; raises ``ConfigError``."""
    experiment = load_experiment(path, overrides, seeds)
    check_experiment(experiment)
    return experiment


def compare(experiment: Experiment, folder: Path, engine: EngineChoice, quiet: bool, command: str) -> int:
    """Run the remaining jobs and print the table; return 1 if a job failed. ``command`` goes into the provenance."""
    run = Run(folder.resolve(), experiment)
    plan = make_plan(experiment)
    with locked(run.folder):
        write_json(run.layout.experiment, experiment.model_dump(mode="json"))
        if not _is_finished(run, plan):
            _check_features(run, plan[0])
            if experiment.compute.reuse and (count := restore_models(run, plan)):
                _print_note(f"{count} models are taken from the cache of trained models.")
        return run_plan(run, plan, folder, engine, quiet, command)


def score(
    request: FolderRequest, folder: Path, overrides: Sequence[str], engine: EngineChoice, quiet: bool, command: str
) -> int:
    """Score folders of wavs and print the table; return 1 if a job or a measurement failed."""
    with locked(folder.resolve()):
        _refuse_other_run(folder)
        experiment, notes = set_up(request, folder, overrides)
        for note in notes:
            _print_note(note)
        run = Run(folder.resolve(), experiment, compares_folders=True)
        write_json(run.layout.experiment, experiment.model_dump(mode="json"))
        status = run_plan(run, make_folder_plan(experiment, run.folder), folder, engine, quiet, command)
    return status or _show_failures(run)


def run_plan(run: Run, plan: Sequence[AnyJob], shown: Path, engine: EngineChoice, quiet: bool, command: str) -> int:
    """Run the jobs that are not done; return 1 if a job failed. ``shown`` is the run folder as the user gave it."""
    if _is_finished(run, plan):
        _print(f"{shown} is finished and up to date: {len(plan)} jobs, nothing to do.\n\n")
        _print_table(run)
        _print_divergence(run)
        return _report_systems_without_clips(run)
    record_work(run.folder, command)
    failures = run_jobs(run, plan, quiet, engine)
    if failures:
        _report_remaining(run, plan, failures, quiet, engine)
        _print_divergence(run)
        _print_note(
            f"{len(failures)} of {len(plan)} jobs did not finish (reasons above). All other results remain in {shown}; "
            "fix the cause and run the same command again."
        )
        return 1
    run.layout.left_out.unlink(missing_ok=True)
    _print_table(run)
    names = [*result_files(run.folder), f"{FOLDER}/"]
    _print(f"\nIn {shown}: {', '.join(names)}.\nTo read and to listen: {shown / 'index.html'}\n")
    _print_divergence(run)
    return _report_systems_without_clips(run)


def run_jobs(run: Run, plan: Sequence[AnyJob], quiet: bool, engine: EngineChoice) -> Mapping[str, str]:
    """Run the jobs that are not done, and return the reason of each failure."""
    make_engine = engine.factory()
    reporter = RunReporter(console(), quiet)
    discard_damaged_files(run, plan, reporter)
    (run.folder / REPORT / DONE).unlink(missing_ok=True)  # the page gets a banner, and is written again at the end
    mark_outdated(run.folder)
    try:
        return execute(run, plan, engine.workers, reporter, make_engine)
    finally:
        reporter.stop()


def _report_remaining(
    run: Run, plan: Sequence[AnyJob], failures: Mapping[str, str], quiet: bool, engine: EngineChoice
) -> None:
    """Score and report the systems that did not fail, and print their table."""
    left_out = left_out_systems(plan, failures)
    remaining = remaining_plan(run.experiment, plan, left_out)
    if not remaining:
        return
    write_json(run.layout.left_out, left_out)
    if not run_jobs(run, remaining, quiet, engine):
        _print_table(run)


def dry_run(experiment: Experiment, folder: Path, workers: int | None) -> str:
    """Return the job graph as text: every job, the jobs that it needs, its estimated cost, and whether it is done.

    ``workers`` is the number of workers of the estimate (default: those of this machine).
    """
    workers = workers or default_workers(experiment.compute.threads)
    check_listed_splits(experiment)
    run = Run(folder.resolve(), experiment)
    plan = make_plan(experiment)
    width = max(len(job.id) for job in plan)
    totals: dict[str, float] = defaultdict(float)
    lines = [f"{experiment.name}: {len(plan)} jobs", ""]
    for job in plan:
        done = is_done(job.path(run), job.key)
        totals[job.stage] += 0.0 if done else job.cost_s
        cost = "done" if done else f"~{clock(job.cost_s)}"
        lines.append(f"  {job.id:<{width}}  {cost:>9}  {_needs(job)}")
    lines += ["", *(f"  {stage:<12} ~{clock(totals[stage])}" for stage in STAGES if totals[stage])]
    total = sum(totals.values())
    lines.append(
        f"\nAbout {clock(total)} of work, {clock(max(total / workers, _longest_chain_s(run, plan)))} "
        f"with {workers} workers."
    )
    return "\n".join(lines)


def report(folder: Path, listen: Sequence[str] = (), overrides: Sequence[str] = (), output: Path | None = None) -> int:
    """Write the tables and the page of a run again from its scores, or the tables of an archive from its rows.

    ``listen`` names the utterances to play on the page. ``overrides`` change keys under ``table``, in the folder's
    experiment too; ``output`` is another folder for the tables of an archive.
    """
    layout = RunLayout(folder)
    if not layout.experiment.exists():
        raise TtsbenchError(
            f"{folder} is no run folder: it has no {layout.experiment.name}. Give the --output of a compare."
        )
    run = _with_table(Run.open(folder.resolve()), overrides)
    if not layout.scores.exists() and (folder / ROWS).exists():
        return _report_archive(run, (output or folder).resolve())
    if output is not None:
        raise TtsbenchError(f"--output is for archives; the report of {folder} is written into the run.")
    if overrides:
        write_json(layout.experiment, run.experiment.model_dump(mode="json"))
    plan = make_folder_plan(run.experiment, run.folder) if run.compares_folders else make_plan(run.experiment)
    if layout.left_out.exists():
        plan = remaining_plan(run.experiment, plan, read_json(layout.left_out)) or plan
    if not (layout.scores / DONE).exists():
        raise TtsbenchError(f"{folder} has no finished scores; run its compare to the end first.")
    with locked(run.folder):
        job, stage = plan[-1], stage_module("report")
        finished = was_done(job.path(run), job.key)
        stage.work(run, job, {"listen": listen}, lambda fraction: None)
        if finished:
            mark_done(job.path(run), job.key, stage.finish(run, job) or ())
    _print_table(run)
    return 0


def _with_table(run: Run, overrides: Sequence[str]) -> Run:
    """Return the run with other values under ``table``; raises ``ConfigError`` for other keys and unknown names."""
    if not overrides:
        return run
    values = run.experiment.model_dump(mode="json")
    for text in overrides:
        if not text.startswith("table."):
            raise ConfigError(f"--set {text}: a report changes only the keys under table, such as table.metrics.")
        values = merge(values, parse_override(text, values))
    experiment = validate(values, "--set")
    with RunLayout(run.folder).summary.open(newline="", encoding="utf-8") as file:
        check_table(experiment, list(dict.fromkeys(row["system"] for row in csv.DictReader(file))))
    return replace(run, experiment=experiment)


def _report_archive(run: Run, output: Path) -> int:
    """Write the tables of an archive, and its experiment if that changes, and print the table for a paper."""
    output.mkdir(parents=True, exist_ok=True)
    report_archive(run, output)
    if output == run.folder:
        write_json(run.layout.experiment, run.experiment.model_dump(mode="json"))
    paper = output / "paper.md"
    _print((paper if paper.exists() else output / "table.md").read_text(encoding="utf-8"))
    return 0


def _report_systems_without_clips(run: Run) -> int:
    """Print the systems of which no clip could be measured; return 1 if there are any."""
    measured: dict[str, bool] = {}
    with run.layout.summary.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["n"]) or int(row["n_failed"]):  # the metric applies to the system
                measured[row["system"]] = measured.get(row["system"], False) or int(row["n"]) > 0
    empty = [system for system, is_measured in measured.items() if not is_measured]
    for system in empty:
        _print_note(f"{system}: all clips failed, for the reasons in failures.csv.")
    return 1 if empty else 0


def _print_divergence(run: Run) -> None:
    """Print the models whose validation loss diverged."""
    table = training_table(run.folder)
    for note in divergence_notes(table, {model: model for model in table["model"]}):
        _print_note(note)


def _is_finished(run: Run, plan: Sequence[AnyJob]) -> bool:
    return all(is_done(job.path(run), job.key) for job in plan)


def _refuse_other_run(folder: Path) -> None:
    layout = RunLayout(folder)
    if layout.experiment.exists() and not layout.compares_folders:
        raise TtsbenchError(f"{folder} holds a run of ttsbench compare; give another --output.")


def _show_failures(run: Run) -> int:
    """Print the first measurements that failed; return 1 if there are any."""
    with (run.folder / "failures.csv").open(newline="", encoding="utf-8") as file:
        failures = list(csv.DictReader(file))
    if not failures:
        return 0
    _print_note(f"{len(failures)} measurements failed; all are in failures.csv. The first:")
    for row in failures[:SHOWN_FAILURES]:
        text = f"  {row['system']} {row['utterance']} {row['metric']}: {row['error']}"
        _print_note(text)
    return 1


def _check_features(run: Run, prepare: AnyJob) -> None:
    """Mark the corpus as unprepared if the cache, which may be emptied at any time, no longer holds its features."""
    folder = prepare.path(run)
    if is_done(folder, prepare.key) and not features_exist(folder):
        (folder / DONE).unlink()


def _longest_chain_s(run: Run, plan: Sequence[AnyJob]) -> float:
    """Return the length of the longest chain of trainings, which no number of workers shortens."""
    ends: dict[str, float] = {}
    for job in plan:
        cost_s = 0.0 if job.stage != "train" or is_done(job.path(run), job.key) else job.cost_s
        ends[job.id] = cost_s + max((ends.get(need, 0.0) for need in job.needs), default=0.0)
    return max(ends.values())


def _needs(job: Job[object]) -> str:
    if not job.needs:
        return ""
    return f"after {', '.join(job.needs[:3])}" + (f" and {len(job.needs) - 3} more" if len(job.needs) > 3 else "")


def _print_table(run: Run) -> None:
    _print((run.folder / "table.md").read_text(encoding="utf-8"))


def _print(text: str) -> None:
    write_result(text)


def _print_note(text: str) -> None:
    """Print a line to standard error, with control characters shown."""
    console().print(visible(text), highlight=False, markup=False)
