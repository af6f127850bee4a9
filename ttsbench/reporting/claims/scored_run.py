"""A finished or archived run as claims read it: comparisons between its systems, and how far its models converged."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench import registry
from ttsbench.config.schema import Experiment, pair
from ttsbench.engine.job import Run
from ttsbench.engine.layout import RunLayout
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.clip_table import FILE, read_clip_rows
from ttsbench.evaluation.estimates import BootstrapSettings, Comparison
from ttsbench.evaluation.metric_rows import MetricRows, read_rows
from ttsbench.evaluation.training_summary import training_table


class ScoredRun:
    """The scores of a finished run, read from its folder or from its archive (``ttsbench archive``)."""

    def __init__(self, folder: Path, metrics: Mapping[str, MetricRows] | None = None) -> None:
        """``metrics`` are rows that were read before; without them the rows are read from the folder.

        Raises ``TtsbenchError`` if the folder holds no finished run.
        """
        if not RunLayout(folder).summary.exists():
            raise TtsbenchError(f"{folder} holds no finished run: it has no summary.csv. Run its compare to the end.")
        self._folder = folder
        self.experiment: Experiment = Run.open(folder).experiment
        self.name, self.corpus = self.experiment.name, self.experiment.corpus.name
        settings = self.experiment.statistics
        self._signatures = _stored_signatures(RunLayout(folder).summary)
        self._sampling = BootstrapSettings(settings.resamples, settings.level, settings.seed)
        self.metrics = metrics or {name: self._rows(name) for name in self.experiment.metrics}
        first = next(iter(self.metrics.values()))
        self.systems = first.systems

    def _rows(self, name: str) -> MetricRows:
        metric = registry.load("metrics", name)(**self.experiment.metrics[name])
        layout = RunLayout(self._folder)
        if not layout.scores.exists():
            return read_clip_rows(self._folder / FILE, metric)
        return read_rows(layout.metric_rows(name), metric, self._signatures.get(name, metric.info.signature))

    def difference(self, metric: str, system: str, baseline: str, to: float | None = None) -> Comparison:
        """Return ``system`` minus ``baseline`` in the metric, or in its distance from ``to``."""
        rows = self.metrics[metric]
        if to is not None:
            rows = rows.reduced_by(_Distance(rows.metric, to))
        return rows.difference(system, baseline, self._sampling)

    def contrast(self, metric: str, weights: Mapping[str, float]) -> Comparison:
        """Return a weighted sum of the values of systems."""
        return self.metrics[metric].contrast(weights, self._sampling)

    def converged(self, systems: set[str]) -> dict[str, float]:
        """Return the relative change of the validation loss in the last quarter of training, by model."""
        pairs = [pair(system) for system in systems]
        labels = {
            "acoustic": self._with_shared_training({acoustic for acoustic, _ in pairs}),
            "prosody": self._with_shared_training({prosody for _, prosody in pairs}),
        }
        changes = {}
        for (model, role), rows in training_table(self._folder).groupby(["model", "role"], sort=False):
            if model in labels[str(role)]:
                changes[f"{model} ({role})"] = float(rows["valid_change"].mean())
        return changes

    def _with_shared_training(self, labels: set[str]) -> set[str]:
        """Return the labels and those that share a training with one: the folder is named after the first label."""
        known = self.experiment.adapters
        wanted = [known[label].training for label in labels if label in known]
        return labels | {label for label, config in known.items() if config.training in wanted}


def signature_notes(runs: Sequence[ScoredRun]) -> list[str]:
    """Name the metrics whose signatures differ between runs, so that their values must not be compared."""
    signatures: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for name, rows in run.metrics.items():
            signatures.setdefault(name, {}).setdefault(rows.signature, []).append(run.name)
    return [
        f"{name}: values of different runs are not comparable, because their signatures differ: "
        + "; ".join(f"{signature} ({', '.join(names)})" for signature, names in by_signature.items())
        + "."
        for name, by_signature in signatures.items()
        if len(by_signature) > 1
    ]


def _stored_signatures(summary: Path) -> dict[str, str]:
    """Return the signature of each metric in ``summary.csv``, with those of the recogniser and of the mel."""
    with summary.open(newline="", encoding="utf-8") as file:
        return {row["metric"]: row["signature"] for row in csv.DictReader(file)}


class _Distance:
    """A metric as its distance from a target value."""

    def __init__(self, metric: Any, to: float) -> None:
        self.info, self._metric, self._to = metric.info, metric, to

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Return the absolute distance of the reduced value from the target."""
        return abs(float(self._metric.reduce(rows)) - self._to)
