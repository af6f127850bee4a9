"""Stage report: the scored rows become tables and figures.

Leaves in the run's folder ``summary.csv``, ``differences.csv``, ``failures.csv``, ``table.md``, ``table.tex``,
``figures/`` and ``provenance.json``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ttsbench import registry
from ttsbench.data.corpus import PreparedCorpus
from ttsbench.figures import read_curve, save_figure, spectrograms, training_curves
from ttsbench.jobs import Job, Progress, Run, Task
from ttsbench.plan import COPY_SYNTHESIS, GROUND_TRUTH
from ttsbench.provenance import provenance
from ttsbench.results import MetricRows, Sampling, read_rows, summary, summary_frame
from ttsbench.store import read_json, write_json, write_text
from ttsbench.synthesize import wav_path
from ttsbench.tables import Table, latex, markdown
from ttsbench.transcribe import TRANSCRIPTS

REFERENCES = (GROUND_TRUTH, COPY_SYNTHESIS)


def tasks(run: Run, job: Job) -> Sequence[Task]:
    """One task."""
    return [{}]


def finish(run: Run, job: Job) -> None:
    """Everything was written by the task."""


def work(run: Run, job: Job, task: Task, progress: Progress) -> None:
    """Write the report."""
    settings = run.experiment.statistics
    sampling = Sampling(settings.resamples, settings.level, settings.seed)
    metrics = _metric_rows(run, job)
    systems = list(dict.fromkeys(row["system"] for row in job.spec["systems"]))
    cells = summary(metrics, systems, sampling)
    write_text(run.folder / "summary.csv", summary_frame(cells, metrics).to_csv(index=False, lineterminator="\n"))
    progress(0.5)
    write_text(run.folder / "differences.csv", _differences(metrics, systems, sampling))
    write_text(run.folder / "failures.csv", _failures(metrics))
    table = Table(
        title=run.experiment.title or run.experiment.name,
        systems=systems,
        references=REFERENCES,
        metrics=metrics,
        cells={(cell.system, cell.metric): cell for cell in cells},
        notes=_notes(run),
    )
    write_text(run.folder / "table.md", markdown(table))
    write_text(run.folder / "table.tex", latex(table))
    progress(0.7)
    _figures(run, job)
    write_json(run.folder / "provenance.json", provenance(run))


def _figures(run: Run, job: Job) -> None:
    """Spectrograms of the first test utterance that every system made, and the training curves."""
    folders = {row["system"]: run.folder / row["wavs"] for row in reversed(job.spec["systems"])}
    folders = dict(reversed(folders.items()))
    for utterance in PreparedCorpus(run.folder / "prepare").split("test"):
        clips = {system: wav_path(folder, utterance.id, 0) for system, folder in folders.items()}
        if all(path.exists() for path in clips.values()):
            title = f"{utterance.id}: {utterance.text}"
            save_figure(spectrograms(clips, title, run.experiment.mel), run.folder / "figures" / "spectrograms")
            break
    curves = {path.parent.name: read_curve(path) for path in sorted((run.folder / "train").glob("*/curve.csv"))}
    save_figure(training_curves(curves), run.folder / "figures" / "training")


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
    experiment = run.experiment
    seeds = ", ".join(str(seed) for seed in experiment.seeds)
    return [
        f"Corpus {experiment.corpus.name}; vocoder {experiment.vocoder.name}; training seeds {seeds}; "
        f"{experiment.synthesis.samples} draw(s) per utterance.",
        f"Brackets: {experiment.statistics.level:.0%} bootstrap interval over utterances. "
        "Bold: best model on the utterances all models share. `a+b`: acoustic model a with prosody b.",
        *read_json(run.folder / "prepare" / "notes.json"),
    ]


def _differences(metrics: Sequence[MetricRows], systems: Sequence[str], sampling: Sampling) -> str:
    """Each model minus the first, paired over utterances."""
    models = [system for system in systems if system not in REFERENCES]
    lines = [["system", "baseline", "metric", "difference", "low", "high", "n", "unit"]]
    for system in models[1:]:
        for rows in metrics:
            value, low, high, n = rows.difference(system, models[0], sampling)
            numbers = ["" if number != number else f"{number:.6g}" for number in (value, low, high)]
            lines.append([system, models[0], rows.info.name, *numbers, str(n), rows.info.unit])
    return _csv(lines)


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
