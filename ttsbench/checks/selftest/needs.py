"""Check that the needs of metrics are met: an installed model, and information about a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ttsbench import registry
from ttsbench.data.text import words
from ttsbench.errors import TtsbenchError
from ttsbench.interfaces import Metric
from ttsbench.types import Clip, MetricInfo

AVAILABLE: Mapping[str, Callable[[Clip], bool]] = {
    "cost": lambda clip: clip.cost is not None,
    "transcript": lambda clip: bool(words(clip.text)),  # the recogniser runs if there is a text to compare
    "phones": lambda clip: clip.phones is not None,
    "prompt": lambda clip: clip.prompt is not None,
    "draws": lambda clip: clip.draws is not None,
}
REASONS = {
    "cost": "recordings have no cost of synthesis",
    "transcript": "no transcripts: the texts of the recordings are unknown",
    "phones": "no phones: the recordings have neither texts nor alignments (<name>.TextGrid)",
    "prompt": "no prompt: there is no other recording",
    "draws": "recordings have no draws: only samples of a model have",
}


def build(name: str) -> Metric | str:
    """Return the metric with its default options, or the reason why it is unavailable, such as an absent model.

    Raises ``ConfigError`` for a name that is not registered.
    """
    known = name in registry.registered("metrics")
    try:
        metric: Metric = registry.load("metrics", name)()
        require = getattr(metric, "require", None)
        if require is not None:
            require()
    except (TtsbenchError, TypeError, ValueError) as error:
        if not known:
            raise
        return str(error).partition(". ")[0].rstrip(".")
    return metric


def has_information(clip: Clip, info: MetricInfo) -> bool:
    """Return whether a recording comes with everything that a metric needs."""
    return all(AVAILABLE[need](clip) for need in info.needs if need in AVAILABLE)


def missing_information(recordings: Sequence[Clip], info: MetricInfo) -> str:
    """Return why a metric can measure none of the recordings; empty if it can measure some."""
    if any(has_information(clip, info) for clip in recordings):
        return ""
    missing = [need for need in AVAILABLE if need in info.needs and not any(map(AVAILABLE[need], recordings))]
    return REASONS[missing[0]] if missing else f"no recording has all of {', '.join(sorted(info.needs))}"
