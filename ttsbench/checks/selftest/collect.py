"""Collect the responses of metrics to all pairs that are made from one recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttsbench.checks.selftest.checks import checks_of
from ttsbench.checks.selftest.measure import Responses, measure_recording
from ttsbench.checks.selftest.needs import build, has_information
from ttsbench.interfaces import Metric
from ttsbench.types import Clip


def collect_responses(clip: Clip, metrics: Mapping[str, Metric], vocabulary: Sequence[str]) -> Responses:
    """Return each metric's response to every pair that one of its promises is about."""
    pairs = {
        name: [pair for check in checks_of(metric.info) for pair in check.pairs]
        for name, metric in metrics.items()
        if has_information(clip, metric.info)
    }
    return measure_recording(clip, metrics, pairs, vocabulary)


def collect_by_name(clip: Clip, names: Sequence[str], vocabulary: Sequence[str]) -> Responses:
    """Build the metrics that are available, as a worker process does, and collect their responses."""
    built = {name: build(name) for name in names}
    available = {name: metric for name, metric in built.items() if not isinstance(metric, str)}
    return collect_responses(clip, available, vocabulary)
