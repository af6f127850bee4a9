"""Difference in level between a clip and its reference, in dB of the root mean square."""

from __future__ import annotations

import numpy as np

from ttsbench import Clip, MetricInfo, require_usable
from ttsbench.reductions import Mean


class LevelDifference(Mean):
    """|level - level of the reference|, averaged over utterances."""

    info = MetricInfo(
        name="my_objective_level",
        title="Level difference",
        unit="dB",
        higher_is_better=False,
        columns=("difference_db",),
        signature="my_objective_level|rms|mean:utterances|v1",
        paper="a convention of the field",
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """The difference in dB; raises ``MeasurementError`` for a clip that is empty, silent or not finite."""
        return (abs(level_db(clip) - level_db(reference)),)


def level_db(clip: Clip) -> float:
    """Root mean square of a clip in dB relative to full scale."""
    require_usable(clip)
    return float(10 * np.log10(np.mean(np.square(clip.samples, dtype=np.float64))))
