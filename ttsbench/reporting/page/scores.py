"""What each metric says of one clip: its row in ``scores/<metric>.csv``, reduced by itself."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.errors import ConfigError
from ttsbench.evaluation.metric_rows import iterate_rows
from ttsbench.interfaces import FlooredMetric
from ttsbench.reporting.page.run_clips import Who
from ttsbench.types import MetricInfo


@dataclass(frozen=True)
class ClipScore:
    """One metric of one clip: ``value`` as text, or ``fault``, the reason why there is none.

    ``single``: it judges a clip by itself. Distributions, spreads and costs are about many, and a clip's share in them
    is a curiosity.
    """

    title: str
    unit: str
    value: str
    fault: str
    single: bool


def clip_scores(folder: Path, experiment: Experiment, ids: Collection[str]) -> Mapping[Who, list[ClipScore]]:
    """Every clip of the utterances ``ids``, with its scores in the order of the metrics. Reads a row at a time."""
    found: dict[Who, list[ClipScore]] = defaultdict(list)
    for name, options in experiment.metrics.items():
        path = folder / "scores" / f"{name}.csv"
        if not path.exists():
            continue
        metric = _metric(name, options)
        if metric is None:
            continue
        for row in iterate_rows(path, ids):
            who = Who(row["system"], int(row["seed"]), int(row["sample"]), row["utterance"])
            found[who].append(_score(metric, row))
    return found


def _metric(name: str, options: Mapping[str, Any]) -> Any:
    """None where the package that it came from is gone: the rest of the page does without it."""
    try:
        return registry.load("metrics", name)(**options)
    except ConfigError:
        return None


def _score(metric: Any, row: Mapping[str, str]) -> ClipScore:
    info: MetricInfo = metric.info
    judged = info.higher_is_better is not None and "cost" not in info.needs and not isinstance(metric, FlooredMetric)
    if row["error"]:
        return ClipScore(info.title, info.unit, "", row["error"], judged)
    numbers = np.array([[float(row[column]) for column in info.columns]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a spread that a single clip does not have
        value = float(metric.reduce(numbers))
    fault = "" if math.isfinite(value) else "a single clip has none"
    return ClipScore(info.title, info.unit, _text(value, info.unit), fault, judged)


def _text(value: float, unit: str) -> str:
    """Three significant digits; parameters in millions; nothing for what is no number."""
    if not math.isfinite(value):
        return ""
    if unit == "parameters":
        return f"{value / 1e6:.2f} M"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(6, max(0, digits))}f}"
