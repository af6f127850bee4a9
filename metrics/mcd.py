"""Mel-cepstral distortion.

R. F. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", IEEE PACRIM 1993. For the
mel-cepstra c of the clip and r of its reference along a path of L aligned frames,

    MCD = 1/L sum_l 10/ln 10 sqrt(2 sum_{m=1}^{24} (c_lm - r_lm)^2)   dB

that is, the root mean square difference of two log spectra over the warped frequency axis. What the spectra leave out
is said in ``ttsbench.audio.cepstrum``. c_0 is left out of the path and of the sum: it is the level, and with it MCD
would be a loudness meter. A system's MCD is the mean over utterances of the utterances' means, as in the literature, so
that a long sentence weighs no more than a short one.

`mcd` aligns by exact DTW over c_1 .. c_24 and forgives timing. `mcd_plain` pairs frames of the same time, for systems
that were given the reference's durations; clips whose lengths differ by more than a tenth are no measurement.

An empty or silent clip or reference has no answer: ``MeasurementError``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import numpy as np

from ttsbench.audio.cepstrum import ALPHA, FLOOR_DB, ORDER, SAMPLE_RATE, TOP_HZ
from ttsbench.audio.world import Align, aligned
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

DECIBEL = 10 / math.log(10) * math.sqrt(2)
BAND = f"{SAMPLE_RATE // 1000}kHz|0-{TOP_HZ / 1000:g}kHz|floor:{FLOOR_DB:g}dB"
ANALYSIS = f"world|{BAND}|order:{ORDER}|alpha:{ALPHA}|5ms|c0:no"


class MelCepstralDistortion(Mean):
    """MCD in dB over WORLD's mel-cepstrum of order 24, along the path of exact DTW."""

    _align: ClassVar[Align] = "dtw"
    info = MetricInfo(
        name="mcd",
        title="Mel-cepstral distortion",
        unit="dB",
        higher_is_better=False,
        columns=("distortion_db",),
        signature=f"mcd|{ANALYSIS}|dtw:exact|mean:utterances|v2",
        paper="Kubichek 1993, https://doi.org/10.1109/PACRIM.1993.407206",
        sample_rate=SAMPLE_RATE,
        behaviour=Behaviour(
            identity=0.0,
            gain=0.01,
            shift=0.5,  # ten frames of a quiet room in front, some 15 dB each, in clips from 2 s
            resample=0.05,
            symmetric=0.01,
            worsens=frozenset({"noise", "low_pass", "smoothing"}),
        ),
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Mean distortion along the path, in dB. Raises ``MeasurementError`` where either clip cannot be analysed."""
        pair = aligned(clip, reference, self._align)
        difference = pair.clip.mcep[:, 1:] - pair.reference.mcep[:, 1:]
        return (DECIBEL * float(np.linalg.norm(difference, axis=1).mean()),)


class MelCepstralDistortionPlain(MelCepstralDistortion):
    """MCD between frames of the same time."""

    _align = "time"
    info = replace(
        MelCepstralDistortion.info,
        name="mcd_plain",
        title="Mel-cepstral distortion, frames by time",
        signature=f"mcd_plain|{ANALYSIS}|align:time|mean:utterances|v1",
        behaviour=replace(MelCepstralDistortion.info.behaviour, shift=None),
    )
