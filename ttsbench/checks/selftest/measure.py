"""Measure all pairs that are made from one recording."""

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
    """Why there is no measurement; "broken" means an unexpected exception or values that are not finite numbers."""

    reason: str
    kind: Literal["refused", "not applicable", "broken"] = "refused"


Response = tuple[float, ...] | Refusal
Responses = dict[tuple[str, str], Response]  # (metric, name of the pair)


def measure_recording(
    clip: Clip, metrics: Mapping[str, Metric], pairs: Mapping[str, Collection[str]], vocabulary: Sequence[str]
) -> Responses:
    """Return the responses of each metric to its ``pairs``, by name; each pair is made once and then dropped.

    ``vocabulary`` are the words of the recogniser, for metrics that read transcripts.
    """
    responses: Responses = {}
    for name in dict.fromkeys(name for names in pairs.values() for name in names):
        variant, reference = pair(name, clip)
        for metric in (metric for metric in metrics.values() if name in pairs.get(metric.info.name, ())):
            measured = _transcribed(variant, vocabulary) if "transcript" in metric.info.needs else variant
            responses[metric.info.name, name] = respond(metric, measured, reference)
    return responses


def respond(metric: Metric, clip: Clip, reference: Clip) -> Response:
    """Measure one pair as the score stage does."""
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
    """Return the clip with its transcript."""
    return replace(clip, transcript=clip.feature(_Transcription(tuple(vocabulary))))


@dataclass(frozen=True)
class _Transcription:
    """The transcript as a feature of a clip; None if the recogniser fails."""

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
    """Load one recogniser per process, because loading takes longer than transcribing a clip."""
    return registry.load("transcribers", TRANSCRIBER)(vocabulary)
