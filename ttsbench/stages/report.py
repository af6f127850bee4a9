"""Stage report: the scored rows become tables, verdicts and figures.

Leaves in the run's folder ``summary.csv``, ``differences.csv``, ``best.csv``, ``failures.csv``, ``rows.parquet``,
``training.csv`` where models were trained, ``table.md``, ``table.tex``, the same as ``paper`` where the experiment
chooses columns or rows, ``claims.md`` (with ``claims.tex`` and ``claims.csv`` where there are verdicts), ``figures/``,
``provenance.json``, ``table.json``, and ``index.html`` with its ``clips/``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ttsbench import registry
from ttsbench.config.specs import ScoreSpec
from ttsbench.config.systems import REFERENCES
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.store import write_json, write_text
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.clip_table import FILE, clip_frame, write_clip_rows
from ttsbench.evaluation.estimates import BootstrapSettings, MetricCell
from ttsbench.evaluation.metric_rows import MetricRows, read_rows
from ttsbench.evaluation.summary import compare, difference_frame, summary, summary_frame
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.evaluation.training_summary import training_lines, training_table
from ttsbench.evaluation.transcripts import recogniser_signature
from ttsbench.reporting.claims import ScoredRun, write_run_claims
from ttsbench.reporting.figures import FinishedRun, write_figures
from ttsbench.reporting.page import MARKS, table_marks, write_page
from ttsbench.reporting.provenance import provenance
from ttsbench.reporting.run_notes import about, remarks
from ttsbench.reporting.tables import Table, compare_with_best, latex, markdown


def tasks(run: Run, job: Job[ScoreSpec]) -> Sequence[Task]:
    """One task."""
    return [{}]


def finish(run: Run, job: Job[ScoreSpec]) -> None:
    """Everything was written by the task."""


def work(run: Run, job: Job[ScoreSpec], task: Task, progress: Progress) -> None:
    """Write the report: first the numbers, then what is made of them, so that nothing of that costs a number.

    A task may say by ``listen`` which utterances the page lets one hear.
    """
    metrics = _metric_rows(run, job)
    systems = job.spec.systems
    cells = summary(metrics, systems, _sampling(run))
    _write_csv(summary_frame(cells, metrics), run.folder / "summary.csv")
    write_text(run.folder / "failures.csv", _failures(metrics))
    speakers = {one.id: one.speaker for one in evaluated_utterances(run.folder)}
    write_clip_rows(clip_frame(metrics, speakers), run.folder / FILE)
    progress(0.4)
    _tables(run, metrics, systems, cells)
    progress(0.7)
    _claims(run, metrics)
    progress(0.8)
    write_json(run.folder / "provenance.json", provenance(run))
    failures = _figures(run, job, metrics, systems)
    write_page(run.folder, task.get("listen", ()))
    if failures:
        raise TtsbenchError(f"{' '.join(failures)} The tables are written, and so are the other figures.")


def _tables(run: Run, metrics: Sequence[MetricRows], systems: Sequence[str], cells: Sequence[MetricCell]) -> None:
    """The whole table with its differences, and what the experiment chose of it for a paper."""
    whole = _table(run, metrics, systems, cells)
    _write_csv(difference_frame(whole.comparisons, metrics), run.folder / "differences.csv")
    _write_csv(difference_frame(whole.best_comparisons, metrics), run.folder / "best.csv")
    trained = training_table(run.folder)
    if len(trained):
        _write_csv(trained, run.folder / "training.csv")
    write_text(run.folder / "table.md", "\n".join([markdown(whole), *training_lines(trained), ""]))
    write_text(run.folder / "table.tex", latex(whole))
    write_json(run.folder / MARKS, table_marks(whole))
    chosen = run.experiment.table
    for suffix in (".md", ".tex"):
        (run.folder / f"paper{suffix}").unlink(missing_ok=True)
    if chosen.chosen:
        columns = [rows for name in chosen.metrics for rows in metrics if rows.info.name == name] or metrics
        paper = _table(run, columns, chosen.systems or systems, cells, "-paper")
        write_text(run.folder / "paper.md", markdown(paper))
        write_text(run.folder / "paper.tex", latex(paper))


def _table(
    run: Run, metrics: Sequence[MetricRows], systems: Sequence[str], cells: Sequence[MetricCell], suffix: str = ""
) -> Table:
    """These rows and columns; whoever is compared, is compared with the others that are shown."""
    references = [system for system in REFERENCES if system in systems]
    models = [system for system in systems if system not in REFERENCES]
    experiment, sampling = run.experiment, _sampling(run)
    return Table(
        title=experiment.title or experiment.name,
        systems=[*references, *models],
        references=references,
        metrics=metrics,
        cells={(cell.system, cell.metric): cell for cell in cells},
        notes=remarks(run.folder, experiment),
        comparisons=compare(metrics, models, sampling),
        best_comparisons=compare_with_best(metrics, models, sampling),
        about=about(run.folder, experiment),
        titles=experiment.table.titles,
        label=f"tab:{experiment.name}{suffix}",
    )


def _claims(run: Run, metrics: Sequence[MetricRows]) -> None:
    """The verdicts that this run's systems allow."""
    scored = ScoredRun(run.folder, {rows.info.name: rows for rows in metrics})
    write_run_claims(run.experiment.claims, scored, run.folder / "claims")


def _figures(run: Run, job: Job[ScoreSpec], metrics: Sequence[MetricRows], systems: Sequence[str]) -> list[str]:
    """Every figure that has something to show; returns what went wrong."""
    wavs = {clips.system: run.folder / clips.wavs for clips in reversed(job.spec.clips)}
    finished = FinishedRun(
        run.folder, run.experiment, about(run.folder, run.experiment), systems,
        {rows.info.name: rows for rows in metrics}, wavs,
    )  # fmt: skip
    return write_figures(finished, run.folder / "figures")


def _sampling(run: Run) -> BootstrapSettings:
    settings = run.experiment.statistics
    return BootstrapSettings(settings.resamples, settings.level, settings.seed)


def _metric_rows(run: Run, job: Job[ScoreSpec]) -> list[MetricRows]:
    """Every metric's rows; one that reads transcripts also carries the recogniser's signature."""
    transcripts = next((clips.transcripts for clips in job.spec.clips if clips.transcripts), None)
    recogniser = recogniser_signature(run.folder / transcripts) if transcripts else ""
    found = []
    for name, options in run.experiment.metrics.items():
        metric = registry.load("metrics", name)(**options)
        signature = metric.info.signature
        if "transcript" in metric.info.needs:
            signature += f"|{recogniser}"
        found.append(read_rows(run.folder / "scores" / f"{name}.csv", metric, signature))
    return found


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def _failures(metrics: Sequence[MetricRows]) -> str:
    lines = [["metric", "system", "seed", "sample", "utterance", "error"]]
    for rows in metrics:
        for _, row in rows.failures.iterrows():
            lines.append([rows.info.name, *(str(row[name]) for name in lines[0][1:])])
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()
