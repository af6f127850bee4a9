"""``ttsbench merge``: one table of the systems of several runs that were scored in the same way on the same recordings.

Only metrics that all runs have are merged. A metric whose signatures differ, recordings whose values differ and a
system that two runs share are refused: their numbers cannot stand in one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ttsbench import registry
from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment
from ttsbench.config.systems import GROUND_TRUTH, REFERENCES
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json, write_json, write_text
from ttsbench.errors import ConfigError, TtsbenchError
from ttsbench.evaluation.clip_table import FILE, clip_frame, read_clip_rows, write_clip_rows
from ttsbench.evaluation.estimates import BootstrapSettings
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.summary import compare, difference_frame, summary, summary_frame
from ttsbench.reporting.csv import write_csv
from ttsbench.reporting.tables import Table, compare_with_best, latex, markdown

TOLERANCE = 1e-5  # relative, of archived rows in single precision


@dataclass(frozen=True)
class _Run:
    """A finished run or archive: its systems in order, its signatures by metric, and its speakers by utterance."""

    folder: Path
    experiment: Experiment
    systems: Sequence[str]
    signatures: Mapping[str, str]
    speakers: Mapping[str, str]


def merge(folders: Sequence[Path], output: Path) -> str:
    """Write the tables of the merged runs into ``output`` and return the Markdown table.

    Raises ``TtsbenchError`` if the runs cannot be compared, or ``output`` holds other files.
    """
    if len(folders) < 2:
        raise ConfigError("merge takes at least two runs.")
    if output.exists() and any(output.iterdir()) and not (output / "merged.json").exists():
        raise TtsbenchError(f"{output} holds other files; give another --output.")
    runs = [_read(folder) for folder in folders]
    names = [name for name in runs[0].signatures if all(name in run.signatures for run in runs)]
    if not names:
        raise ConfigError("The runs have no metric in common; score them with the same --metrics.")
    _check_signatures(runs, names)
    metrics = [_merged(runs, name) for name in names]
    systems = _systems(runs)
    _write(output, runs, metrics, systems)
    return (output / "table.md").read_text(encoding="utf-8")


def _read(folder: Path) -> _Run:
    layout = RunLayout(folder)
    if not layout.summary.exists() or not (folder / FILE).exists():
        raise TtsbenchError(f"{folder} holds no finished run: it lacks {layout.summary.name} or {FILE}.")
    table = pd.read_csv(layout.summary, dtype=str, keep_default_na=False)
    frame = pd.read_parquet(folder / FILE, columns=["utterance", "speaker"]).drop_duplicates()
    return _Run(
        folder,
        validate(read_json(layout.experiment), str(layout.experiment)),
        list(dict.fromkeys(table["system"])),
        dict(zip(table["metric"], table["signature"], strict=True)),
        dict(zip(frame["utterance"].astype(str), frame["speaker"].astype(str), strict=True)),
    )


def _check_signatures(runs: Sequence[_Run], names: Sequence[str]) -> None:
    for name in names:
        for run in runs[1:]:
            if run.signatures[name] != runs[0].signatures[name]:
                raise ConfigError(
                    f"{name} was computed in two ways, so its values cannot be compared: {runs[0].signatures[name]} in "
                    f"{runs[0].folder} and {run.signatures[name]} in {run.folder}. Score both with the same options "
                    "(ttsbench explain shows the effect of each difference)."
                )


def _systems(runs: Sequence[_Run]) -> list[str]:
    """Return the references of the first run and the other systems of all; raises ``ConfigError`` for duplicates."""
    systems = list(runs[0].systems)
    for run in runs[1:]:
        for system in run.systems:
            if system in REFERENCES:
                continue
            if system in systems:
                raise ConfigError(f"'{system}' is a row of two runs; score it in one of them under another name.")
            systems.append(system)
    return systems


def _merged(runs: Sequence[_Run], name: str) -> MetricRows:
    """Return the rows of a metric; raises ``ConfigError`` if the runs have other recordings."""
    options = runs[0].experiment.metrics[name]
    metric = registry.load("metrics", name)(**options)
    parts = [read_clip_rows(run.folder / FILE, metric) for run in runs]
    for run, rows in zip(runs[1:], parts[1:], strict=True):
        _check_recordings(runs[0], run, parts[0], rows)
    first, *others = parts
    return first.joined([rows.without(REFERENCES) for rows in others], runs[0].signatures[name])


def _check_recordings(first: _Run, second: _Run, a: MetricRows, b: MetricRows) -> None:
    """Raise ``ConfigError`` unless the recordings have the same ids and values in both runs."""
    if set(first.speakers) != set(second.speakers):
        different = sorted(set(first.speakers) ^ set(second.speakers))
        raise ConfigError(
            f"{first.folder} and {second.folder} have different utterances, such as {different[0]}: a table compares "
            "systems on the same sentences."
        )
    expected, values = a.scores(GROUND_TRUTH).rows, b.scores(GROUND_TRUTH).rows
    if expected.shape != values.shape or not np.allclose(expected, values, rtol=TOLERANCE, atol=1e-6):
        raise ConfigError(
            f"{a.info.name} of the recordings differs between {first.folder} and {second.folder}: their recordings, "
            "texts or recognisers are not the same."
        )


def _write(output: Path, runs: Sequence[_Run], metrics: Sequence[MetricRows], systems: Sequence[str]) -> None:
    statistics = runs[0].experiment.statistics
    settings = BootstrapSettings(statistics.resamples, statistics.level, statistics.seed)
    cells = summary(metrics, systems, settings)
    references = [system for system in REFERENCES if system in systems]
    models = [system for system in systems if system not in REFERENCES]
    table = Table(
        title=" and ".join(run.experiment.title or run.experiment.name for run in runs),
        systems=[*references, *models],
        references=references,
        metrics=metrics,
        cells={(cell.system, cell.metric): cell for cell in cells},
        notes=[f"Merged from {', '.join(run.folder.name for run in runs)}: the same recordings and signatures."],
        comparisons=compare(metrics, models, settings),
        best_comparisons=compare_with_best(metrics, models, settings),
        label="tab:merged",
    )
    write_csv(summary_frame(cells, metrics), output / "summary.csv")
    write_csv(difference_frame(table.comparisons, metrics), output / "differences.csv")
    write_csv(difference_frame(table.best_comparisons, metrics), output / "best.csv")
    write_clip_rows(clip_frame(metrics, runs[0].speakers), output / FILE)
    write_text(output / "table.md", markdown(table))
    write_text(output / "table.tex", latex(table))
    write_json(output / "merged.json", [str(run.folder.resolve()) for run in runs])
