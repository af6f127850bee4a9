"""Published claims held to runs: each gets a verdict with the evidence for it.

A claim is data (``claim.py``): parts that all have to hold, each a metric and what is said of systems
under it. A part becomes comparisons of two systems, signed so that a positive difference speaks for the claim. One is

    supported      where its interval lies above ``margin`` and the paired test rejects, after Holm's correction over
                   the comparisons of the claim in one run
    refuted        where it lies below, and the test rejects
    inconclusive   otherwise

A claim is supported where all comparisons are, refuted where one is, else inconclusive; not run where no run has the
systems. Models whose validation loss did more than a twentieth of its whole fall in the last quarter of their
training, or rose by as much, refute nothing: the verdict is then inconclusive. That the least of several values is
among some (``lowest``) is supported where every other value is above the least of those, and refuted where another one
is below all of them. What two systems do not say, such as that one loses more by a change than another does, is a
weighted sum that should be positive (``contrast``), tested by the bootstrap. A verdict holds for the corpus, the
models and the seeds it was found with, and for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ttsbench import registry
from ttsbench.config.loading import validate
from ttsbench.config.schema import Experiment, pair
from ttsbench.engine.store import read_json
from ttsbench.errors import TtsbenchError
from ttsbench.evaluation.clip_table import FILE, read_clip_rows
from ttsbench.evaluation.metric_rows import Comparison, MetricRows, Sampling, read_rows
from ttsbench.evaluation.stats import holm
from ttsbench.evaluation.training_summary import trainings
from ttsbench.reporting.claims.claim import Claim, Part
from ttsbench.reporting.tables import SIGNIFICANT

CONVERGED = 0.05  # change of the validation loss in the last quarter of training, as a share of its whole fall
Verdict = Literal["supported", "refuted", "inconclusive", "not run"]


@dataclass(frozen=True)
class Finding:
    """One comparison: a positive ``comparison.value`` speaks for the claim."""

    sentence: str
    comparison: Comparison
    margin: float

    @property
    def verdict(self) -> Verdict:
        """What this comparison alone says."""
        one = self.comparison
        if not one.p_holm < SIGNIFICANT:
            return "inconclusive"
        if one.low > self.margin:
            return "supported"
        return "refuted" if one.high < self.margin else "inconclusive"


@dataclass(frozen=True)
class Judgement:
    """A claim in the light of one run."""

    claim: Claim
    run: str
    corpus: str
    findings: Sequence[Finding]
    missing: Sequence[str]  # parts that the run cannot judge
    converged: Mapping[str, float]  # change of the validation loss in the last quarter, by model

    @property
    def unconverged(self) -> list[str]:
        """Models whose validation loss was still moving: nothing is refuted by those."""
        return [name for name, change in self.converged.items() if not abs(change) <= CONVERGED]

    @property
    def verdict(self) -> Verdict:
        """Of all findings together."""
        verdicts = {finding.verdict for finding in self.findings}
        if not verdicts:
            return "not run"
        if "refuted" in verdicts:
            return "inconclusive" if self.unconverged else "refuted"
        return "supported" if verdicts == {"supported"} else "inconclusive"


def judge(claim: Claim, run: ScoredRun) -> Judgement:
    """A claim in the light of one run; parts whose systems or metric it lacks are left out and named."""
    findings: list[Finding] = []
    missing, systems = [], set[str]()
    for part in claim.parts:
        lacking = sorted(part.systems - run.systems) or ([] if part.metric in run.metrics else [part.metric])
        if lacking:
            missing.append(f"{part.metric}: the run has no {', '.join(lacking)}")
            continue
        systems |= part.systems
        findings += _findings(part, run)
    findings = _corrected(findings) if findings else []
    return Judgement(claim, run.name, run.corpus, findings, missing, run.converged(systems))


class ScoredRun:
    """What a finished run left to be judged: its folder, or of that no more than the files directly in it."""

    def __init__(self, folder: Path, metrics: Mapping[str, MetricRows] | None = None) -> None:
        """Rows of metrics that were read before need not be read again.

        Raises ``TtsbenchError`` where the folder holds no finished run.
        """
        if not (folder / "summary.csv").exists():
            raise TtsbenchError(f"{folder} holds no finished run: it has no summary.csv. Run its compare to the end.")
        self._folder = folder
        self.experiment: Experiment = validate(read_json(folder / "experiment.json"), str(folder))
        self.name, self.corpus = self.experiment.name, self.experiment.corpus.name
        settings = self.experiment.statistics
        self._sampling = Sampling(settings.resamples, settings.level, settings.seed)
        self.metrics = metrics or {name: self._rows(name) for name in self.experiment.metrics}
        first = next(iter(self.metrics.values()))
        self.systems = first.systems

    def _rows(self, name: str) -> MetricRows:
        metric = registry.load("metrics", name)(**self.experiment.metrics[name])
        scores = self._folder / "scores"
        if not scores.exists():
            return read_clip_rows(self._folder / FILE, metric)
        return read_rows(scores / f"{name}.csv", metric, metric.info.signature)

    def difference(self, metric: str, system: str, baseline: str, to: float | None = None) -> Comparison:
        """``system`` minus ``baseline``, of the metric or of its distance from ``to``."""
        rows = self.metrics[metric]
        if to is not None:
            rows = rows.seen_as(_Distance(rows.metric, to))
        return rows.difference(system, baseline, self._sampling)

    def contrast(self, metric: str, weights: Mapping[str, float]) -> Comparison:
        """Weighted sum of systems."""
        return self.metrics[metric].contrast(weights, self._sampling)

    def converged(self, systems: set[str]) -> dict[str, float]:
        """Change of the validation loss in the last quarter of training, of every model behind the systems."""
        pairs = [pair(system) for system in systems]
        labels = {
            "acoustic": self._sharing({acoustic for acoustic, _ in pairs}),
            "prosody": self._sharing({prosody for _, prosody in pairs}),
        }
        table = trainings(self._folder)
        found = {}
        for (model, role), rows in table.groupby(["model", "role"], sort=False):
            if model in labels[str(role)]:
                found[f"{model} ({role})"] = float(rows["valid_change"].mean())
        return found

    def _sharing(self, labels: set[str]) -> set[str]:
        """These labels and those that share a training with one: a model's folder has the name of the first."""
        known = self.experiment.adapters
        wanted = [known[label].training for label in labels if label in known]
        return labels | {label for label, config in known.items() if config.training in wanted}


class _Distance:
    """A metric as its distance from the value that is right."""

    def __init__(self, metric: Any, to: float) -> None:
        self.info, self._metric, self._to = metric.info, metric, to

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Distance of the reduced value."""
        return abs(float(self._metric.reduce(rows)) - self._to)


def _findings(part: Part, run: ScoredRun) -> Iterator[Finding]:
    metric = part.metric
    if part.rising:
        for lower, higher in zip(part.rising, part.rising[1:], strict=False):
            yield Finding(f"{metric}: {higher} above {lower}", run.difference(metric, higher, lower), part.margin)
    elif part.lowest:
        yield from _lowest(part, run)
    elif part.contrast:
        summed = run.contrast(metric, part.contrast)
        yield Finding(f"{metric}: {summed.system} above 0", summed, part.margin)
    elif part.more:
        for other in part.than:
            yield Finding(f"{metric}: {part.more} above {other}", run.difference(metric, part.more, other), part.margin)
    else:
        one = part.less or part.nearer
        relation = "below" if part.to is None else f"nearer to {part.to:g} than"
        for other in part.than:
            compared = run.difference(metric, other, one, part.to)
            yield Finding(f"{metric}: {one} {relation} {other}", compared, part.margin)


def _lowest(part: Part, run: ScoredRun) -> Iterator[Finding]:
    """Every system outside against the best of those inside."""
    rows = run.metrics[part.metric]
    common = set.intersection(*(rows.utterances(system) for system in part.lowest))
    best = min(part.within, key=lambda system: rows.value(system, common))
    for other in part.lowest:
        if other not in part.within:
            compared = run.difference(part.metric, other, best)
            yield Finding(f"{part.metric}: {other} above {best}, the least of those expected", compared, part.margin)


def _corrected(findings: Sequence[Finding]) -> list[Finding]:
    """With ``p_holm`` over all comparisons of the claim."""
    adjusted = holm(np.array([finding.comparison.p for finding in findings]))
    return [
        replace(finding, comparison=replace(finding.comparison, p_holm=float(p)))
        for finding, p in zip(findings, adjusted, strict=True)
    ]
