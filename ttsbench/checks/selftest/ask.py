"""One recording, and all that is promised of the metrics that it suits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ttsbench.checks.selftest.checks import checks
from ttsbench.checks.selftest.measure import Responses, measure_recording
from ttsbench.checks.selftest.needs import build, suits
from ttsbench.interfaces import Metric
from ttsbench.types import Clip


def ask(clip: Clip, metrics: Mapping[str, Metric], vocabulary: Sequence[str]) -> Responses:
    """The responses for every pair that a promise is about."""
    wanted = {
        name: [pair for check in checks(metric.info) for pair in check.pairs] if suits(clip, metric.info) else []
        for name, metric in metrics.items()
    }
    return measure_recording(clip, metrics, wanted, vocabulary)


def ask_by_name(clip: Clip, names: Sequence[str], vocabulary: Sequence[str]) -> Responses:
    """The same in a process that has no metrics yet."""
    built = {name: build(name) for name in names}
    return ask(clip, {name: one for name, one in built.items() if not isinstance(one, str)}, vocabulary)
