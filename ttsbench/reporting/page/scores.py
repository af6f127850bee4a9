"""Scores of single clips for the page: each metric applied to one row of ``scores/<metric>.csv``."""

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
from ttsbench.engine.layout import RunLayout
from ttsbench.errors import ConfigError
from ttsbench.evaluation.metric_rows import iterate_rows
from ttsbench.interfaces import FlooredMetric
from ttsbench.reporting.page.run_clips import ClipId
from ttsbench.reporting.tables import heading
from ttsbench.types import MetricInfo


@dataclass(frozen=True)
class ClipScore:
    """A metric of one clip in the units of the table: ``value`` as text, or the reason for its absence in ``fault``.

    ``single`` is False for distributions, spreads and costs, which describe many clips; the page shows them apart.
    """

    title: str
    unit: str
    value: str
    fault: str
    single: bool


def clip_scores(folder: Path, experiment: Experiment, ids: Collection[str]) -> Mapping[ClipId, list[ClipScore]]:
    """Return the scores of every clip of the utterances ``ids``, in the order of the metrics."""
    scores: dict[ClipId, list[ClipScore]] = defaultdict(list)
    for name, options in experiment.metrics.items():
        path = RunLayout(folder).metric_rows(name)
        if not path.exists():
            continue
        metric, title = _metric(name, options), experiment.table.titles.get(name, "")
        if metric is None:
            continue
        for row in iterate_rows(path, ids):
            clip = ClipId(row["system"], int(row["seed"]), int(row["sample"]), row["utterance"])
            scores[clip].append(_score(metric, row, title))
    return scores


def _metric(name: str, options: Mapping[str, Any]) -> Any:
    """Return the metric, or None if its package is no longer installed."""
    try:
        return registry.load("metrics", name)(**options)
    except ConfigError:
        return None


def _score(metric: Any, row: Mapping[str, str], title: str) -> ClipScore:
    info: MetricInfo = metric.info
    head = heading(info, title)
    single = info.higher_is_better is not None and "cost" not in info.needs and not isinstance(metric, FlooredMetric)
    if row["error"]:
        return ClipScore(head.title, head.unit, "", row["error"], single)
    numbers = np.array([[float(row[column]) for column in info.columns]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a single clip has no spread
        value = float(metric.reduce(numbers)) * head.scale
    fault = "" if math.isfinite(value) else "undefined for a single clip"
    return ClipScore(head.title, head.unit, _text(value), fault, single)


def _text(value: float) -> str:
    """Format with three significant digits; an empty string for a value that is not finite."""
    if not math.isfinite(value):
        return ""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(6, max(0, digits))}f}"
