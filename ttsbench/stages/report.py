"""Stage report: write the tables, verdicts, figures and page of a run from its scores.

The stage writes into the run's folder ``summary.csv``, ``differences.csv``, ``best.csv``, ``failures.csv``,
``rows.parquet``, ``training.csv`` (if models were trained), ``table.md`` and ``table.tex``, ``paper.md`` and
``paper.tex`` (if the experiment selects columns or rows), ``claims.md`` with ``claims.tex`` and ``claims.csv`` (if
there are verdicts), ``figures/``, ``provenance.json``, ``table.json``, and ``index.html`` with its ``clips/``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.config.specs import ScoreSpec
from ttsbench.config.systems import REFERENCES
from ttsbench.engine.job import Job, Progress, Run, Task
from ttsbench.engine.parts import require_parts
from ttsbench.engine.store import write_json, write_text
from ttsbench.evaluation.clip_table import FILE, clip_frame, read_clip_rows, write_clip_rows
from ttsbench.evaluation.estimates import BootstrapSettings, MetricCell
from ttsbench.evaluation.metric_rows import MetricRows, read_rows
from ttsbench.evaluation.summary import compare, difference_frame, summary, summary_frame
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.evaluation.training_summary import training_lines, training_table
from ttsbench.evaluation.transcripts import recogniser_signature, vocabulary_size
from ttsbench.reporting.archive import result_files
from ttsbench.reporting.claims import ScoredRun, write_run_claims
from ttsbench.reporting.csv import write_csv
from ttsbench.reporting.figures import FinishedRun, write_figures
from ttsbench.reporting.page import MARKS, table_marks, write_page
from ttsbench.reporting.provenance import provenance
from ttsbench.reporting.run_notes import description, run_notes, vocabulary_notes
from ttsbench.reporting.tables import Table, compare_with_best, latex, markdown
from ttsbench.reporting.tables.blocks import prosody_blocks
from ttsbench.reporting.tables.markdown import signature_lines

SIGNATURES = "paper-signatures.md"
FAILURES = ("metric", "system", "seed", "sample", "utterance", "error")


def tasks(run: Run, job: Job[ScoreSpec]) -> Sequence[Task]:
    """Return the single task."""
    return [{}]


def finish(run: Run, job: Job[ScoreSpec]) -> Sequence[Path]:
    """Return the files that the task has written, which lie in the run folder."""
    require_parts([run.layout.summary, run.folder / "index.html"])
    names = [*result_files(run.folder), MARKS, "index.html"]
    return [*(run.folder / name for name in names), *sorted(run.layout.figures.iterdir())]


def work(run: Run, job: Job[ScoreSpec], task: Task, progress: Progress) -> None:
    """Write the report. Numbers come first, so that a failure in tables or figures loses no number.

    ``task["listen"]`` may name the utterances to play on the page.
    """
    metrics = _metric_rows(run, job)
    systems = job.spec.systems
    cells = summary(metrics, systems, _sampling(run))
    write_csv(summary_frame(cells, metrics), run.layout.summary)
    write_csv(_failures(metrics, job.spec.left_out), run.folder / "failures.csv")
    speakers = {utterance.id: utterance.speaker for utterance in evaluated_utterances(run.folder)}
    write_clip_rows(clip_frame(metrics, speakers), run.folder / FILE)
    progress(0.4)
    write_tables(run, systems, job.spec.left_out, metrics, cells, run.folder, _vocabulary_size(run, job.spec))
    progress(0.7)
    _claims(run, metrics)
    progress(0.8)
    write_json(run.layout.provenance, provenance(run))
    _figures(run, job, metrics, systems)
    write_page(run.folder, task.get("listen", ()))


def report_archive(run: Run, output: Path) -> None:
    """Write the tables of an archived run again into ``output``, from its rows and with the options of ``run``.

    Raises ``TtsbenchError`` if the rows were computed with another version of a metric.
    """
    rows = run.folder / FILE
    loaded = [registry.load("metrics", name)(**options) for name, options in run.experiment.metrics.items()]
    metrics = [read_clip_rows(rows, metric) for metric in loaded]
    order = pd.read_csv(run.layout.summary, keep_default_na=False)["system"].unique()
    failed = pd.read_csv(run.folder / "failures.csv", keep_default_na=False)
    missing = failed[failed["metric"] == ""]
    left_out = dict(zip(missing["system"].astype(str), missing["error"].astype(str), strict=True))
    write_tables(run, list(order), left_out, metrics, summary(metrics, list(order), _sampling(run)), output)


def write_tables(
    run: Run, systems: Sequence[str], left_out: Mapping[str, str], metrics: Sequence[MetricRows],
    cells: Sequence[MetricCell], folder: Path, vocabulary: int | None = None,
) -> None:  # fmt: skip
    """Write the full table with its differences, and the selection of the experiment for a paper, into a folder."""
    full = _table(run, left_out, metrics, systems, cells, vocabulary)
    write_csv(difference_frame(full.comparisons, metrics), folder / "differences.csv")
    write_csv(difference_frame(full.best_comparisons, metrics), folder / "best.csv")
    models = training_table(run.folder)
    if len(models):
        write_csv(models, folder / "training.csv")
    write_text(folder / "table.md", "\n".join([markdown(full), *training_lines(models), ""]))
    write_text(folder / "table.tex", latex(full))
    if run.layout.scores.exists():
        write_json(folder / MARKS, table_marks(full))
    selection = run.experiment.table
    for name in ("paper.md", "paper.tex", SIGNATURES):
        (folder / name).unlink(missing_ok=True)
    if selection.chosen:
        columns = [rows for name in selection.metrics for rows in metrics if rows.info.name == name] or metrics
        rows = [system for system in selection.systems if system not in left_out] or systems
        paper = for_paper(_table(run, left_out, columns, rows, cells, vocabulary, "-paper"), run.experiment)
        if not paper.signatures:
            write_text(folder / SIGNATURES, "\n".join(signature_lines(paper)) + "\n")
        write_text(folder / "paper.md", markdown(paper))
        write_text(folder / "paper.tex", latex(paper))


def for_paper(table: Table, experiment: Experiment) -> Table:
    """Apply the options of the experiment to the table for a paper."""
    options = experiment.table
    marks: dict[str, Any] = {} if options.significance else {"comparisons": (), "best_comparisons": ()}
    blocks = None
    if options.layout != "rows":
        blocks = prosody_blocks(experiment, table.references, table.models, options.layout)
    below = options.signatures == "below"
    return replace(table, intervals=options.intervals, signatures=below, layout=blocks, **marks)


def _table(
    run: Run,
    left_out: Mapping[str, str],
    metrics: Sequence[MetricRows],
    systems: Sequence[str],
    cells: Sequence[MetricCell],
    vocabulary: int | None,
    suffix: str = "",
) -> Table:
    """Return a table of these rows and columns; models are compared among the displayed rows only."""
    references = [system for system in REFERENCES if system in systems]
    models = [system for system in systems if system not in REFERENCES]
    experiment, sampling = run.experiment, _sampling(run)
    return Table(
        title=experiment.title or experiment.name,
        systems=[*references, *models],
        references=references,
        metrics=metrics,
        cells={(cell.system, cell.metric): cell for cell in cells},
        notes=[
            *_left_out_notes(left_out),
            *run_notes(run.folder, experiment, models),
            *vocabulary_notes(metrics, vocabulary),
        ],
        comparisons=compare(metrics, models, sampling),
        best_comparisons=compare_with_best(metrics, models, sampling),
        about=description(run.folder, experiment),
        titles=experiment.table.titles,
        label=f"tab:{experiment.name}{suffix}",
    )


def _vocabulary_size(run: Run, spec: ScoreSpec) -> int | None:
    folder = _transcripts(spec)
    return vocabulary_size(run.folder / folder) if folder else None


def _transcripts(spec: ScoreSpec) -> str | None:
    """Return the folder of one system's transcripts; all systems are transcribed by the same recogniser."""
    return next((clips.transcripts for clips in spec.clips if clips.transcripts), None)


def _left_out_notes(left_out: Mapping[str, str]) -> list[str]:
    return [f"{system} is missing because it failed. {reason}" for system, reason in left_out.items()]


def _claims(run: Run, metrics: Sequence[MetricRows]) -> None:
    """Write the verdicts on the claims that this run can evaluate."""
    scored = ScoredRun(run.folder, {rows.info.name: rows for rows in metrics})
    write_run_claims(run.experiment.claims, scored, run.folder / "claims")


def _figures(run: Run, job: Job[ScoreSpec], metrics: Sequence[MetricRows], systems: Sequence[str]) -> None:
    """Draw every figure for which the run has data; a figure that fails becomes a note in its place."""
    wavs = {clips.system: run.folder / clips.wavs for clips in reversed(job.spec.clips)}
    finished = FinishedRun(
        run.folder, run.experiment, description(run.folder, run.experiment), systems,
        {rows.info.name: rows for rows in metrics}, wavs,
    )  # fmt: skip
    write_figures(finished, run.layout.figures)


def _sampling(run: Run) -> BootstrapSettings:
    settings = run.experiment.statistics
    return BootstrapSettings(settings.resamples, settings.level, settings.seed)


def _metric_rows(run: Run, job: Job[ScoreSpec]) -> list[MetricRows]:
    """Read the rows of every metric; metrics that read transcripts also carry the signature of the recogniser."""
    folder = _transcripts(job.spec)
    recogniser = recogniser_signature(run.folder / folder) if folder else ""
    metrics = []
    for name, options in run.experiment.metrics.items():
        metric = registry.load("metrics", name)(**options)
        signature = metric.info.signature
        if "draws" in metric.info.needs:
            signature += f"|{run.experiment.mel.signature}"
        if "transcript" in metric.info.needs:
            signature += f"|{recogniser}"
        metrics.append(read_rows(run.layout.metric_rows(name), metric, signature))
    return metrics


def _failures(metrics: Sequence[MetricRows], left_out: Mapping[str, str]) -> pd.DataFrame:
    """Return every failed measurement, and a row without a metric for every system that is left out."""
    columns = [name for name in FAILURES if name != "metric"]  # no statistics: some metrics have thousands
    parts = [rows.failures[columns].assign(metric=rows.info.name)[list(FAILURES)] for rows in metrics]
    systems = [{"system": system, "error": reason} for system, reason in left_out.items()]
    return pd.concat([*parts, pd.DataFrame(systems, columns=list(FAILURES))], ignore_index=True)
