"""Mel-cepstral distortion.

R. F. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", IEEE PACRIM 1993. For the
mel-cepstra c of the clip and r of its reference along a path of L aligned frames,

    MCD = 1/L sum_l 10/ln 10 sqrt(2 sum_{m=1}^{24} (c_lm - r_lm)^2)   dB

that is, the root mean square difference of two log spectra over the warped frequency axis. c_0 is left out of the path
and of the sum: it is the level, and with it MCD would be a loudness meter. A system's MCD is the mean over utterances
of the utterances' means, as in the literature, so that a long sentence weighs no more than a short one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio.cepstrum import ALPHA, ORDER, SAMPLE_RATE
from ttsbench.audio.world import aligned, checked_align
from ttsbench.types import Clip, MetricInfo

DECIBEL = 10 / math.log(10) * math.sqrt(2)


class MelCepstralDistortion:
    """MCD in dB over WORLD's mel-cepstrum of order 24; ``align`` is "dtw", or "none" where frames correspond."""

    def __init__(self, align: str = "dtw") -> None:
        self._align = checked_align(align)
        path = "dtw:exact" if self._align == "dtw" else "align:none"
        analysis = f"world|{SAMPLE_RATE // 1000}kHz|order:{ORDER}|alpha:{ALPHA}|5ms|c0:no"
        self.info = MetricInfo(
            name="mcd",
            title="Mel-cepstral distortion",
            unit="dB",
            higher_is_better=False,
            columns=("distortion_db",),
            signature=f"mcd|{analysis}|{path}|mean:utterances|v1",
            paper="Kubichek 1993, https://doi.org/10.1109/PACRIM.1993.407206",
            sample_rate=SAMPLE_RATE,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Mean distortion along the path, in dB. Raises ``MeasurementError`` where either clip cannot be analysed."""
        pair = aligned(clip, reference, self._align)
        difference = pair.clip.mcep[:, 1:] - pair.reference.mcep[:, 1:]
        return (DECIBEL * float(np.linalg.norm(difference, axis=1).mean()),)

    def reduce(self, rows: NDArray[np.float64]) -> float:
        """Mean over utterances, rows (n, 1)."""
        return float(rows[:, 0].mean())
