"""A finished or archived run as claims read it: values per training seed, and how its models were trained."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ttsbench import registry
from ttsbench.config.schema import Experiment, pair
from ttsbench.engine.job import Run
from ttsbench.engine.layout import RunLayout
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.clip_table import FILE, read_clip_rows
from ttsbench.evaluation.metric_rows import MetricRows, read_rows
from ttsbench.evaluation.stats import seed_values
from ttsbench.evaluation.training_summary import training_table

CONVERGED_SHARE = 0.8  # of the seeds of a model


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
        self._signatures = _stored_signatures(RunLayout(folder).summary)
        self.metrics = metrics or {name: self._rows(name) for name in self.experiment.metrics}
        first = next(iter(self.metrics.values()))
        self.systems = first.systems

    def _rows(self, name: str) -> MetricRows:
        metric = registry.load("metrics", name)(**self.experiment.metrics[name])
        layout = RunLayout(self._folder)
        if not layout.scores.exists():
            return read_clip_rows(self._folder / FILE, metric)
        return read_rows(layout.metric_rows(name), metric, self._signatures.get(name, metric.info.signature))

    def common_utterances(self, metric: str, systems: Sequence[str]) -> set[str]:
        """Return the utterances that all systems have in full."""
        return set.intersection(*(self.metrics[metric].utterances(system) for system in systems))

    def seed_values(self, metric: str, systems: Sequence[str]) -> tuple[NDArray[np.float64], int]:
        """Return the metric of each system and training seed, (systems, S), and the number of shared utterances.

        The values are of the seeds and the utterances that all systems have; there are no seeds if the systems share
        nothing.
        """
        rows = self.metrics[metric]
        common = self.common_utterances(metric, systems)
        if not common:
            return np.empty((len(systems), 0)), 0
        values = []
        for system in systems:
            numbers, seeds = seed_values(rows.scores(system, common), rows.metric.reduce)
            values.append(dict(zip(seeds.tolist(), numbers.tolist(), strict=True)))
        shared = [seed for seed in values[0] if all(seed in of_system for of_system in values)]
        return np.array([[of_system[seed] for seed in shared] for of_system in values]), len(common)

    def value(self, metric: str, system: str) -> float:
        """Return a metric of a system over all seeds; NaN if the run did not record it."""
        rows = self.metrics.get(metric)
        return rows.value(system) if rows is not None else math.nan

    @cached_property
    def trainings(self) -> pd.DataFrame:
        """The training table, with a row per model and seed."""
        return training_table(self._folder)

    def unconverged(self, systems: set[str]) -> list[str]:
        """Return the models behind systems of which fewer than four in five seeds had converged."""
        return [name for name, rows in self._models(systems) if not rows["converged"].mean() >= CONVERGED_SHARE]

    def steps(self, systems: set[str]) -> dict[str, float]:
        """Return the mean number of training steps of the models behind systems."""
        return {name: float(rows["steps"].mean()) for name, rows in self._models(systems)}

    def trained_quantity(self, system: str, column: str) -> float:
        """Return the mean over seeds of a column of the training table for the acoustic model of a system."""
        values = [float(rows[column].mean()) for name, rows in self._models({system}) if name.endswith("(acoustic)")]
        return values[0] if values else math.nan

    def _models(self, systems: set[str]) -> list[tuple[str, pd.DataFrame]]:
        """Return the rows of the training table by model, for the models behind systems."""
        pairs = [pair(system) for system in systems]
        labels = {
            "acoustic": self._with_shared_training({acoustic for acoustic, _ in pairs}),
            "prosody": self._with_shared_training({prosody for _, prosody in pairs}),
        }
        groups = self.trainings.groupby(["model", "role"], sort=False)
        return [(f"{model} ({role})", rows) for (model, role), rows in groups if model in labels[str(role)]]

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
