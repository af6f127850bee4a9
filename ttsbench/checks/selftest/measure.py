"""What metrics say of one recording and of all that is made of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from ttsbench import registry
from ttsbench.audio.wav import resample
from ttsbench.checks.selftest.variants import pair
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.interfaces import Metric
from ttsbench.types import Clip

TRANSCRIBER = "pocketsphinx"


@dataclass(frozen=True)
class Refusal:
    """Why there are no numbers; "broken" where a metric raised something else, or gave values that are no numbers."""

    reason: str
    kind: Literal["refused", "not applicable", "broken"] = "refused"


Response = tuple[float, ...] | Refusal
Responses = dict[tuple[str, str], Response]  # (metric, name of the pair)


def measure_recording(
    clip: Clip, metrics: Mapping[str, Metric], wanted: Mapping[str, Collection[str]], vocabulary: Sequence[str]
) -> Responses:
    """Each metric's responses for the pairs that it is ``wanted`` for; each pair is made once, and dropped.

    ``vocabulary`` is what the recogniser may hear, where a metric reads transcripts.
    """
    responses: Responses = {}
    for name in dict.fromkeys(name for names in wanted.values() for name in names):
        made, reference = pair(name, clip)
        for metric in (metric for metric in metrics.values() if name in wanted[metric.info.name]):
            given = _transcribed(made, vocabulary) if "transcript" in metric.info.needs else made
            responses[metric.info.name, name] = respond(metric, given, reference)
    return responses


def respond(metric: Metric, clip: Clip, reference: Clip) -> Response:
    """What one metric says of one pair, asked as the score stage asks it."""
    info = metric.info
    against = reference if "reference" in info.needs else clip
    try:
        values = metric.measure(clip.at(info.sample_rate), against.at(info.sample_rate))
    except NotApplicable as error:
        return Refusal(str(error), "not applicable")
    except MeasurementError as error:
        return Refusal(str(error))
    except Exception as error:
        return Refusal(f"{type(error).__name__}: {error}", "broken")
    if len(values) != len(info.columns) or not all(math.isfinite(value) for value in values):
        return Refusal(f"it gave {values} for the columns {info.columns}", "broken")
    return tuple(float(value) for value in values)


def _transcribed(clip: Clip, vocabulary: Sequence[str]) -> Clip:
    """The clip with what the recogniser hears in it."""
    return replace(clip, transcript=clip.feature(_Heard(tuple(vocabulary))))


@dataclass(frozen=True)
class _Heard:
    """The transcript as a feature of a clip; None where the recogniser gave up."""

    vocabulary: tuple[str, ...]

    def __call__(self, clip: Clip) -> str | None:
        recogniser = _recogniser(self.vocabulary)
        try:
            text: str = recogniser.transcribe(resample(clip.samples, clip.sample_rate, recogniser.sample_rate))
        except RuntimeError:
            return None
        return text


@lru_cache(maxsize=1)
def _recogniser(vocabulary: tuple[str, ...]) -> Any:
    """One recogniser per process: loading it costs more than a clip."""
    return registry.load("transcribers", TRANSCRIBER)(vocabulary)
