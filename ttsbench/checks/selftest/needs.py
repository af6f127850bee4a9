"""What metrics need, and whether it is there: a model that is installed, and what is known of a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ttsbench import registry
from ttsbench.data.text import words
from ttsbench.errors import TtsbenchError
from ttsbench.interfaces import Metric
from ttsbench.types import Clip, MetricInfo

KNOWN: Mapping[str, Callable[[Clip], bool]] = {
    "cost": lambda clip: clip.cost is not None,
    "transcript": lambda clip: bool(words(clip.text)),  # a recogniser can be asked where there is a text
    "phones": lambda clip: clip.phones is not None,
    "prompt": lambda clip: clip.prompt is not None,
    "draws": lambda clip: clip.draws is not None,
}
LACKING = {
    "cost": "recordings have no cost of synthesis",
    "transcript": "no transcripts: what is said in the recordings is not known",
    "phones": "no phones: the recordings come without text and without alignments (<name>.TextGrid)",
    "prompt": "no prompt: there is no other recording",
    "draws": "recordings have no draws: only samples of a model have",
}


def build(name: str) -> Metric | str:
    """The metric with its default options, or why there is none: a model that is absent, a package that is broken.

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


def suits(clip: Clip, info: MetricInfo) -> bool:
    """Whether a recording comes with all that a metric needs."""
    return all(KNOWN[need](clip) for need in info.needs if need in KNOWN)


def lacking(recordings: Sequence[Clip], info: MetricInfo) -> str:
    """Why a metric cannot be asked about any of the recordings; empty where it can."""
    if any(suits(clip, info) for clip in recordings):
        return ""
    missing = [need for need in KNOWN if need in info.needs and not any(map(KNOWN[need], recordings))]
    return LACKING[missing[0]] if missing else f"no recording has all of {', '.join(sorted(info.needs))}"
