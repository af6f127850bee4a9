"""``ttsbench compare``, ``score`` and ``report``: from what was asked for to its table, resuming what is there."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment
from ttsbench.engine.executor import execute, stage_module
from ttsbench.engine.job import STAGES, Job, Run
from ttsbench.engine.progress import RunReporter, clock, console
from ttsbench.engine.store import DONE, is_done, locked, read_json, write_json
from ttsbench.errors import TtsbenchError
from ttsbench.pipeline.folder_plan import REQUEST, Request, make_folder_plan, set_up
from ttsbench.pipeline.plan import make_plan
from ttsbench.reporting.archive import EXPERIMENT, FOLDER, result_files
from ttsbench.reporting.provenance import note_work
from ttsbench.stages.model_cache import reuse

SHOWN_FAILURES = 10


def compare(experiment: Experiment, folder: Path, workers: int, quiet: bool, command: str) -> int:
    """Run what is not done yet and print the table; 1 where a job failed. ``command`` is kept for the provenance."""
    run = Run(folder.resolve(), experiment)
    plan = make_plan(experiment)
    with locked(run.folder):
        write_json(run.folder / EXPERIMENT, experiment.model_dump(mode="json"))
        if not all(is_done(job.path(run), job.key) for job in plan):
            _restore_features(run, plan[0])
            if experiment.compute.reuse and (count := reuse(run, plan)):
                console().print(f"{count} models were trained before and are taken from the cache.", highlight=False)
        return carry_out(run, plan, folder, workers, quiet, command)


def score(request: Request, folder: Path, overrides: Sequence[str], workers: int, quiet: bool, command: str) -> int:
    """Score folders of wavs and print the table; 1 where a job or a measurement failed."""
    with locked(folder.resolve()):
        _refuse_other_run(folder)
        experiment, notes = set_up(request, folder, overrides)
        for note in notes:
            console().print(note, highlight=False, markup=False)
        write_json(folder / EXPERIMENT, experiment.model_dump(mode="json"))
        run = Run(folder.resolve(), experiment)
        status = carry_out(run, make_folder_plan(experiment, run.folder), folder, workers, quiet, command)
    return status or _measurements_failed(run)


def carry_out(run: Run, plan: Sequence[Job], shown: Path, workers: int, quiet: bool, command: str) -> int:
    """Run the jobs of a plan that are not done; 1 where one failed. ``shown`` is the folder as the user gave it."""
    if all(is_done(job.path(run), job.key) for job in plan):
        _out(f"{shown} is finished and up to date: {len(plan)} jobs, nothing to do.\n\n")
        _show(run)
        return 0
    note_work(run.folder, command)
    reporter = RunReporter(console(), quiet, workers)
    try:
        failures = execute(run, plan, workers, reporter)
    finally:
        reporter.stop()
    if failures:
        reporter.message(
            f"{len(failures)} of {len(plan)} jobs did not finish (reasons above). Everything else is kept in {shown}; "
            "mend the cause and give the same command."
        )
        return 1
    _show(run)
    found = [*result_files(run.folder), f"{FOLDER}/"]
    _out(f"\nIn {shown}: {', '.join(found)}.\nTo read and to listen: {shown / 'index.html'}\n")
    return 0


def _refuse_other_run(folder: Path) -> None:
    if (folder / EXPERIMENT).exists() and not (folder / REQUEST).exists():
        raise TtsbenchError(f"{folder} holds a run of ttsbench compare; give another --output.")


def _measurements_failed(run: Run) -> int:
    """Say what could not be measured: 1 where there is something."""
    with (run.folder / "failures.csv").open(newline="", encoding="utf-8") as file:
        failed = list(csv.DictReader(file))
    if not failed:
        return 0
    say = console()
    say.print(f"{len(failed)} measurements failed; all are in failures.csv. The first:", highlight=False)
    for row in failed[:SHOWN_FAILURES]:
        text = f"  {row['system']} {row['utterance']} {row['metric']}: {row['error']}"
        say.print(text, highlight=False, markup=False)
    return 1


def _restore_features(run: Run, prepare: Job) -> None:
    """Features lie in a cache that may be emptied under a run: what still needs them has them computed anew."""
    from ttsbench.stages.prepare import features_are_there

    folder = prepare.path(run)
    if is_done(folder, prepare.key) and not features_are_there(folder):
        (folder / DONE).unlink()


def dry_run(experiment: Experiment, folder: Path, workers: int) -> str:
    """The job graph as text: every job, what it waits for, its estimated cost, and whether it is done."""
    run = Run(folder.resolve(), experiment)
    plan = make_plan(experiment)
    width = max(len(job.id) for job in plan)
    totals: dict[str, float] = defaultdict(float)
    lines = [f"{experiment.name}: {len(plan)} jobs", ""]
    for job in plan:
        done = is_done(job.path(run), job.key)
        totals[job.stage] += 0.0 if done else job.cost_s
        cost = "done" if done else f"~{clock(job.cost_s)}"
        lines.append(f"  {job.id:<{width}}  {cost:>9}  {_after(job)}")
    lines += ["", *(f"  {stage:<12} ~{clock(totals[stage])}" for stage in STAGES if totals[stage])]
    total = sum(totals.values())
    lines.append(
        f"\nAbout {clock(total)} of work, {clock(max(total / workers, _longest(run, plan)))} with {workers} workers."
    )
    return "\n".join(lines)


def report(folder: Path, listen: Sequence[str] = ()) -> int:
    """Write tables and page of a run again from its scores, with the code as it is now; to hear: ``listen``."""
    if not (folder / EXPERIMENT).exists():
        raise TtsbenchError(f"{folder} is no run folder: it has no {EXPERIMENT}. Give the --output of a compare.")
    experiment = validate(read_json(folder / EXPERIMENT), str(folder / EXPERIMENT))
    run = Run(folder.resolve(), experiment)
    plan = make_folder_plan(experiment, run.folder) if (run.folder / REQUEST).exists() else make_plan(experiment)
    job = plan[-1]
    if not (run.folder / "scores" / "done").exists():
        raise TtsbenchError(f"{folder} has no finished scores; run its compare to the end first.")
    with locked(run.folder):
        stage_module("report").work(run, job, {"listen": listen}, lambda fraction: None)
    _show(run)
    return 0


def _longest(run: Run, plan: Sequence[Job]) -> float:
    """The longest chain of training jobs: what no number of workers shortens."""
    ends: dict[str, float] = {}
    for job in plan:
        cost = 0.0 if job.stage != "train" or is_done(job.path(run), job.key) else job.cost_s
        ends[job.id] = cost + max((ends.get(need, 0.0) for need in job.needs), default=0.0)
    return max(ends.values())


def _after(job: Job) -> str:
    if not job.needs:
        return ""
    return f"after {', '.join(job.needs[:3])}" + (f" and {len(job.needs) - 3} more" if len(job.needs) > 3 else "")


def _show(run: Run) -> None:
    _out((run.folder / "table.md").read_text(encoding="utf-8"))


def _out(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
