"""Stage report: the scored rows become tables and figures.

Leaves in the run's folder ``summary.csv``, ``differences.csv``, ``failures.csv``, ``training.csv`` where models were
trained, ``table.md``, ``table.tex``, ``table.json``, ``figures/``, ``provenance.json``, and ``index.html`` with its
``clips/``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pandas as pd

from ttsbench import registry
from ttsbench.clips import read_record
from ttsbench.config import Experiment
from ttsbench.errors import ClipError
from ttsbench.evaluated import evaluated_utterances
from ttsbench.figures import save_figure, spectrograms, sweep_figure, training_curves
from ttsbench.folders import REQUEST, request_notes
from ttsbench.jobs import Job, Progress, Run, Task
from ttsbench.page import MARKS, table_marks, write_page
from ttsbench.provenance import provenance
from ttsbench.results import MetricRows, Sampling, compare, difference_frame, read_rows, summary, summary_frame
from ttsbench.scoring import COPY_SYNTHESIS, GROUND_TRUTH
from ttsbench.store import read_json, write_json, write_text
from ttsbench.sweeps import find_sweeps, moving, sweep_frame
from ttsbench.tables import Table, latex, markdown
from ttsbench.trainings import read_curve, training_lines, trainings
from ttsbench.transcribe import TRANSCRIPTS

REFERENCES = (GROUND_TRUTH, COPY_SYNTHESIS)


def tasks(run: Run, job: Job) -> Sequence[Task]:
    """One task."""
    return [{}]


def finish(run: Run, job: Job) -> None:
    """Everything was written by the task."""


def work(run: Run, job: Job, task: Task, progress: Progress) -> None:
    """Write the report; a task may say by ``listen`` which utterances the page lets one hear."""
    settings = run.experiment.statistics
    sampling = Sampling(settings.resamples, settings.level, settings.seed)
    metrics = _metric_rows(run, job)
    systems = list(dict.fromkeys(row["system"] for row in job.spec["systems"]))
    cells = summary(metrics, systems, sampling)
    write_text(run.folder / "summary.csv", summary_frame(cells, metrics).to_csv(index=False, lineterminator="\n"))
    progress(0.5)
    comparisons = compare(metrics, [system for system in systems if system not in REFERENCES], sampling)
    differences = difference_frame(comparisons, metrics)
    write_text(run.folder / "differences.csv", differences.to_csv(index=False, lineterminator="\n"))
    write_text(run.folder / "failures.csv", _failures(metrics))
    table = Table(
        title=run.experiment.title or run.experiment.name,
        systems=systems,
        references=[system for system in REFERENCES if system in systems],
        metrics=metrics,
        cells={(cell.system, cell.metric): cell for cell in cells},
        notes=_notes(run),
        comparisons=comparisons,
    )
    trained = trainings(run.folder)
    if len(trained):
        write_text(run.folder / "training.csv", trained.to_csv(index=False, lineterminator="\n"))
    write_text(run.folder / "table.md", "\n".join([markdown(table), *training_lines(trained), ""]))
    write_text(run.folder / "table.tex", latex(table))
    write_json(run.folder / MARKS, table_marks(table))
    progress(0.7)
    _figures(run, job)
    write_json(run.folder / "provenance.json", provenance(run))
    write_page(run.folder, task.get("listen", ()))


def _figures(run: Run, job: Job) -> None:
    """Spectrograms of the first test utterance that every system made, and the training curves."""
    folders = {row["system"]: run.folder / row["wavs"] for row in reversed(job.spec["systems"])}
    folders = dict(reversed(folders.items()))
    for utterance in evaluated_utterances(run.folder):
        try:
            clips = {system: read_record(folder, utterance.id, 0).audio for system, folder in folders.items()}
            picture = spectrograms(clips, f"{utterance.id}: {utterance.text}", run.experiment.mel)
        except ClipError:
            continue
        save_figure(picture, run.folder / "figures" / "spectrograms")
        break
    _sweeps(run)
    curves = {path.parent.name: read_curve(path) for path in sorted((run.folder / "train").glob("*/curve.csv"))}
    if curves:
        save_figure(training_curves(curves), run.folder / "figures" / "training")


def _sweeps(run: Run) -> None:
    """A figure for each sampling parameter that was swept, of the metrics that moved."""
    if (run.folder / REQUEST).exists():
        return
    table = pd.read_csv(run.folder / "summary.csv")
    frame = sweep_frame(find_sweeps(run.experiment), table)
    copies = table[table["system"] == COPY_SYNTHESIS]
    for parameter in dict.fromkeys(frame["parameter"]):
        rows = moving(frame, parameter)
        if len(rows):
            save_figure(sweep_figure(rows, copies), run.folder / "figures" / f"sweep-{parameter}")


def _metric_rows(run: Run, job: Job) -> list[MetricRows]:
    """Every metric's rows; one that reads transcripts also carries the recogniser's signature."""
    transcripts = next((row["transcripts"] for row in job.spec["systems"] if row["transcripts"]), None)
    heard = read_json(run.folder / transcripts / TRANSCRIPTS)["signature"] if transcripts else ""
    found = []
    for name, options in run.experiment.metrics.items():
        metric = registry.load("metrics", name)(**options)
        signature = metric.info.signature
        if "transcript" in metric.info.needs:
            signature += f"|{heard}"
        found.append(read_rows(run.folder / "scores" / f"{name}.csv", metric, signature))
    return found


def _notes(run: Run) -> list[str]:
    over = "training seeds and utterances" if len(run.experiment.seeds) > 1 else "utterances"
    level = f"Brackets: {run.experiment.statistics.level:.0%} bootstrap interval over {over}."
    best = "Bold: best model on the utterances all models share."
    if (run.folder / REQUEST).exists():
        return [f"{len(evaluated_utterances(run.folder))} references. {level} {best}", *request_notes(run.folder)]
    experiment = run.experiment
    seeds = ", ".join(str(seed) for seed in experiment.seeds)
    return [
        f"Corpus {experiment.corpus.name}; vocoder {experiment.vocoder.name}; training seeds {seeds}; "
        f"{experiment.synthesis.samples} draw(s) per utterance.",
        f"{level} {best} `a+b`: acoustic model a with prosody b.",
        *_start_notes(experiment),
        *read_json(run.folder / "prepare" / "notes.json"),
    ]


def _start_notes(experiment: Experiment) -> list[str]:
    """Who starts from other models, and who was optimised by judges."""
    told: dict[registry.Kind, list[str]] = {"adapters": [], "judges": []}
    for label, config in experiment.adapters.items():
        sources = registry.starts_from(config.adapter, config.options)
        for kind, lines in told.items():
            names = [name for name in sources if registry.kind_of(name) == kind]
            lines += [f"{label} ({', '.join(names)})"] if names else []
    budget = "Start from other models, whose training is not in their own budget: "
    judged = "Optimised by judges of the mel, which evaluate nothing here: "
    notes = {budget: told["adapters"], judged: told["judges"]}
    return [f"{what}{', '.join(lines)}." for what, lines in notes.items() if lines]


def _failures(metrics: Sequence[MetricRows]) -> str:
    lines = [["metric", "system", "seed", "sample", "utterance", "error"]]
    for rows in metrics:
        for _, row in rows.failures.iterrows():
            lines.append([rows.info.name, *(str(row[name]) for name in lines[0][1:])])
    return _csv(lines)


def _csv(lines: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()
