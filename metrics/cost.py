"""Cost of synthesis, as recorded by the synthesize stage.

The real-time factor is seconds of computing per second of audio, either for all components (prosody model, acoustic
model and vocoder) or for the models alone. On a CPU these are CPU seconds of the sampling process, which other
processes on the machine hardly change; on an accelerator they are seconds between synchronisations of the device. One
draw is sampled before the first one that is timed. With several draws per utterance the vocoded ones are timed.
Function evaluations and parameters refer to the acoustic model and the networks used for sampling. Operations and
memory are counted on the operators that PyTorch dispatches, so they do not depend on the machine. They are counted for
one clip in eight; the other clips do not enter these metrics.

Recordings have no cost, so these metrics do not apply to them. A clip from elsewhere has no cost record, which is an
error.

Times carry the device and the host that made the clip (``Cost.machine``): systems are ranked and tested by a time only
if all their clips were made on one machine. Counts are compared whatever made them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.usable import require_usable
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.reductions import Mean, RatioOfSums
from ttsbench.types import Behaviour, Clip, Cost, MetricInfo

COST = frozenset({"cost"})
COST_BEHAVIOUR = Behaviour(silence="refused", noise="answered")


class RealTimeFactor(RatioOfSums):
    """Computing time over audio time, a ratio of sums. It depends on the machine."""

    info = MetricInfo(
        name="rtf",
        title="Real-time factor",
        unit="ratio",
        higher_is_better=False,
        columns=("compute_s", "audio_s"),
        signature="rtf|prosody+acoustic+vocoder|cpu-seconds|warm-up:1|ratio-of-sums|v2",
        paper="a convention of the field; no paper",
        needs=COST,
        timed=True,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return seconds of computing and seconds of audio."""
        cost = _cost(clip)
        return _seconds(clip.id, cost.sampling_s + cost.vocoder_s), _audio_s(clip.id, cost)


class ModelRealTimeFactor(RatioOfSums):
    """Real-time factor of prosody and acoustic model alone: the cost of the objective, without the vocoder."""

    info = MetricInfo(
        name="rtf_model",
        title="Real-time factor without vocoder",
        unit="ratio",
        higher_is_better=False,
        columns=("sampling_s", "audio_s"),
        signature="rtf_model|prosody+acoustic|cpu-seconds|warm-up:1|ratio-of-sums|v2",
        paper="a convention of the field; no paper",
        needs=COST,
        timed=True,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return seconds of sampling and seconds of audio."""
        cost = _cost(clip)
        return _seconds(clip.id, cost.sampling_s), _audio_s(clip.id, cost)


class Flops(RatioOfSums):
    """Billions of floating point operations per second of audio; elementwise operations are not counted."""

    info = MetricInfo(
        name="flops",
        title="Operations",
        unit="GFLOP/s of audio",
        higher_is_better=False,
        columns=("gflop", "audio_s"),
        signature="flops|prosody+acoustic|torch-counter|multiply-add:2|clips:1in8|ratio-of-sums|v1",
        paper="a convention of the field; no paper",
        needs=COST,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return billions of operations and seconds of audio; raise ``NotApplicable`` if the clip was not counted."""
        cost = _cost(clip)
        if cost.flops is None:
            raise NotApplicable(f"the operations of clip {clip.id!r} were not counted: only one clip in eight is")
        return cost.flops / 1e9, _audio_s(clip.id, cost)


class PeakMemory:
    """Peak memory of live tensors in MB during sampling, with parameters, without operators' scratch memory."""

    info = MetricInfo(
        name="peak_memory",
        title="Peak memory",
        unit="MB",
        higher_is_better=False,
        columns=("peak_mb",),
        signature="peak_memory|prosody+acoustic|live-tensors+parameters|batch:1|clips:1in8|max|v1",
        paper="a convention of the field; no paper",
        needs=COST,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return megabytes; raise ``NotApplicable`` if this clip's memory was not counted."""
        cost = _cost(clip)
        if cost.peak_bytes is None:
            raise NotApplicable(f"the memory of clip {clip.id!r} was not counted: only one clip in eight is")
        return (cost.peak_bytes / 1e6,)

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Return the maximum over utterances, rows (n, 1)."""
        return float(rows[:, 0].max())

    def reduce_weighted(self, rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the maximum for each row of weights (R, n)."""
        largest: NDArray[np.float64] = np.where(weights > 0, rows[:, 0], -np.inf).max(axis=1)
        return largest


class FirstChunk(Mean):
    """Seconds from phones to the first samples of a stream, with vocoder. They depend on the machine."""

    info = MetricInfo(
        name="first_chunk",
        title="Latency of the first chunk",
        unit="s",
        higher_is_better=False,
        columns=("first_chunk_s",),
        signature="first_chunk|acoustic+vocoder|wall-clock|clips:1in8|mean:utterances|v1",
        paper="a convention of the field; no paper",
        needs=COST,
        timed=True,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return seconds; raise ``NotApplicable`` if this clip was not streamed."""
        cost = _cost(clip)
        if cost.first_chunk_s is None:
            raise NotApplicable(f"clip {clip.id!r} was not streamed: only one clip in eight is")
        return (_seconds(clip.id, cost.first_chunk_s),)


class FunctionEvaluations(Mean):
    """Calls of the acoustic model's generator per clip, counted during sampling."""

    info = MetricInfo(
        name="nfe",
        title="Function evaluations",
        unit="calls",
        higher_is_better=False,
        columns=("nfe",),
        signature="nfe|acoustic|measured|mean:utterances|v1",
        paper="as in Song et al. 2021, https://arxiv.org/abs/2011.13456",
        needs=COST,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the number of generator calls; raise ``NotApplicable`` for a system whose calls are not counted."""
        nfe = _cost(clip).nfe
        if nfe is None:
            raise NotApplicable(f"the system that made clip {clip.id!r} does not report its function evaluations")
        return (float(nfe),)


class Parameters(Mean):
    """Parameters of all networks used for sampling, without the vocoder. A size, neither good nor bad."""

    info = MetricInfo(
        name="params",
        title="Parameters",
        unit="parameters",
        higher_is_better=None,
        columns=("params",),
        signature="params|sampling|vocoder:no|v1",
        paper="a convention of the field; no paper",
        needs=COST,
        behaviour=COST_BEHAVIOUR,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the number of parameters of the system; raise ``NotApplicable`` if it is unknown."""
        parameters = _cost(clip).parameters
        if parameters is None:
            raise NotApplicable(f"the system that made clip {clip.id!r} does not report its parameters")
        return (float(parameters),)


def _seconds(id_: str, compute_s: float) -> float:
    if not (math.isfinite(compute_s) and compute_s >= 0):
        raise MeasurementError(f"the cost of clip {id_!r} records {compute_s} s of computing; synthesize it again")
    return compute_s


def _audio_s(id_: str, cost: Cost) -> float:
    if not (math.isfinite(cost.audio_s) and cost.audio_s > 0):
        raise MeasurementError(f"the cost of clip {id_!r} records {cost.audio_s} s of audio; synthesize it again")
    return cost.audio_s


def _cost(clip: Clip) -> Cost:
    require_usable(clip)
    if clip.cost is None:
        raise MeasurementError(f"clip {clip.id!r} has no cost record; only clips synthesized by a run have one")
    return clip.cost
