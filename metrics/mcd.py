"""Mel-cepstral distortion.

R. F. Kubichek, "Mel-cepstral distance measure for objective speech quality assessment", IEEE PACRIM 1993. For the
mel-cepstra c of the clip and r of its reference along a path of L aligned frames,

    MCD = 1/L sum_l 10/ln 10 sqrt(2 sum_{m=1}^{24} (c_lm - r_lm)^2)   dB

which is the root mean square difference of two log spectra over the warped frequency axis.
``ttsbench.audio.cepstrum`` says which parts of the spectrum are excluded. c_0 is excluded from the path and from the
sum: it is the level, and including it would turn MCD into a loudness meter. A system's MCD is the mean over utterances
of their means, as in the literature, so a long sentence has no more weight than a short one.

`mcd` aligns by exact DTW over c_1 .. c_24 and ignores timing. `mcd_plain` compares frames of the same time, for systems
that use the reference's durations; it refuses clips whose lengths differ by more than a tenth.

What it shows: the distance of the spectral envelopes, blind to pitch, level and timing. What it cannot show:
naturalness; a smoothed spectrum scores well, and a band limit or noise below -45 dB does not count.

An empty or silent clip or reference raises ``MeasurementError``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from ttsbench.audio.cepstrum import ALPHA, FLOOR_DB, MAX_HZ, ORDER, SAMPLE_RATE, mean_distortion
from ttsbench.audio.world import Align, align_pair
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

BAND = f"{SAMPLE_RATE // 1000}kHz|0-{MAX_HZ / 1000:g}kHz|floor:{FLOOR_DB:g}dB"
ANALYSIS = f"world|f0:dio+ncc|{BAND}|order:{ORDER}|alpha:{ALPHA}|5ms|c0:no"


class MelCepstralDistortion(Mean):
    """MCD in dB over WORLD's mel-cepstrum of order 24, along the path of exact DTW."""

    _align: ClassVar[Align] = "dtw"
    info = MetricInfo(
        name="mcd",
        title="Mel-cepstral distortion",
        unit="dB",
        higher_is_better=False,
        columns=("distortion_db",),
        signature=f"mcd|{ANALYSIS}|dtw:exact|mean:utterances|v3",
        paper="Kubichek 1993, https://doi.org/10.1109/PACRIM.1993.407206",
        sample_rate=SAMPLE_RATE,
        band_hz=MAX_HZ,
        behaviour=Behaviour(
            identity=0.0,
            gain=0.01,
            shift=0.5,  # ten leading frames of room noise with about 15 dB each, in clips of 2 s or more
            resample=0.05,
            symmetric=0.01,
            worsens=frozenset({"noise", "low_pass", "smoothing"}),
        ),
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distortion along the path in dB; raise ``MeasurementError`` for unusable clips."""
        pair = align_pair(clip, reference, self._align)
        return (mean_distortion(pair.clip.mcep[:, 1:], pair.reference.mcep[:, 1:]),)


class MelCepstralDistortionPlain(MelCepstralDistortion):
    """MCD between frames of the same time."""

    _align = "time"
    info = replace(
        MelCepstralDistortion.info,
        name="mcd_plain",
        title="Mel-cepstral distortion (no warping)",
        signature=f"mcd_plain|{ANALYSIS}|align:time|mean:utterances|v2",
        behaviour=replace(MelCepstralDistortion.info.behaviour, shift=None),
    )
