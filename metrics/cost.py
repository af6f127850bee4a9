"""What a clip cost to make, as the synthesize stage measured it.

The real-time factor is seconds of computing per second of audio, over everything that runs at synthesis: prosody model,
acoustic model and vocoder. Function evaluations and parameters are the acoustic model's and the sampling networks'.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.usable import require_usable
from ttsbench.errors import MeasurementError
from ttsbench.types import Clip, Cost, MetricInfo

COST = frozenset({"cost"})


class RealTimeFactor:
    """Computing time over playing time, a ratio of sums. Depends on the machine: compare within one run only."""

    info = MetricInfo(
        name="rtf",
        title="Real-time factor",
        unit="ratio",
        higher_is_better=False,
        columns=("compute_s", "audio_s"),
        signature="rtf|prosody+acoustic+vocoder|wall-clock|ratio-of-sums|v1",
        paper="a convention of the field; no paper",
        needs=COST,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Seconds of computing and seconds of audio."""
        cost = _cost(clip)
        compute_s = cost.sampling_s + cost.vocoder_s
        if not (math.isfinite(compute_s) and compute_s >= 0 and math.isfinite(cost.audio_s) and cost.audio_s > 0):
            raise MeasurementError(
                f"the cost of clip {clip.id!r} says {compute_s} s of computing for {cost.audio_s} s of audio; "
                "synthesize it again"
            )
        return compute_s, cost.audio_s

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Sum of computing time over sum of playing time, rows (n, 2)."""
        compute_s, audio_s = rows.sum(axis=0)
        return float(compute_s / audio_s) if audio_s > 0 else float("nan")


class FunctionEvaluations:
    """Calls of the acoustic model's generator per clip, counted while it ran."""

    info = MetricInfo(
        name="nfe",
        title="Function evaluations",
        unit="calls",
        higher_is_better=False,
        columns=("nfe",),
        signature="nfe|acoustic|measured|mean:utterances|v1",
        paper="as in Song et al. 2021, https://arxiv.org/abs/2011.13456",
        needs=COST,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Calls of the generator."""
        return (float(_cost(clip).nfe),)

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Mean over utterances, rows (n, 1)."""
        return float(rows[:, 0].mean())


class Parameters:
    """Parameters of everything that runs at sampling time, the vocoder left out. A size, neither good nor bad."""

    info = MetricInfo(
        name="params",
        title="Parameters",
        unit="parameters",
        higher_is_better=None,
        columns=("params",),
        signature="params|sampling|vocoder:no|v1",
        paper="a convention of the field; no paper",
        needs=COST,
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Parameters of the system that made the clip."""
        return (float(_cost(clip).parameters),)

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Mean over utterances, which all have one system's number, rows (n, 1)."""
        return float(rows[:, 0].mean())


def _cost(clip: Clip) -> Cost:
    require_usable(clip)
    if clip.cost is None:
        raise MeasurementError(f"clip {clip.id!r} came without its cost; only clips synthesized by a run have one")
    return clip.cost
