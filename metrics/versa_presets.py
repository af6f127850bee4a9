"""MCD and F0 as VERSA prints them, to compare with published figures. Use `mcd` and `log_f0_rmse` for new work.

J. Shi et al., "VERSA: a versatile evaluation toolkit for speech, audio, and music", 2025,
https://arxiv.org/abs/2412.17667; https://github.com/wavlab-speech/versa at c398480. Each preset reproduces its tool,
defects included.

versa/sequence_metrics/mcd_f0.py, with its option `dtw: false` (`_plain`) or `dtw: true` (`_dtw`): WORLD's Harvest from
40 to 800 Hz and CheapTrick with 1,024 points every 5 ms, after a high-pass filter at 70 Hz; order 39 and alpha .466 at
every sample rate; c_0 counts.

- `mcd_versa_plain`, `mcd_versa_dtw`: `_dtw` excludes frames more than 20 dB below the mean power.
- `f0_rmse_versa_plain`, `f0_correlation_versa_plain`: in Hz over all frames of the shorter clip, where an unvoiced
  frame has 0 Hz, so that both mostly measure voicing.
- `f0_rmse_versa_dtw`, `f0_correlation_versa_dtw`: in Hz over the voiced frames alone, which a path of their own aligns.

The paths are FastDTW's with radius 1 over mel-cepstra. If clip and reference differ in sample rate, the higher one is
resampled. VERSA gives NaN for a clip without voiced frames; here it is a failure.

An empty or silent clip or reference raises ``MeasurementError``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyworld
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.cepstrum import mean_distortion, mel_cepstrum
from ttsbench.audio.fast_dtw import fast_dtw_path
from ttsbench.audio.usable import usable_at
from ttsbench.backends.packages import require_package
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

VERSA = "Shi et al. 2025, VERSA, https://arxiv.org/abs/2412.17667; mcd_f0.py at c398480"
ORDER, ALPHA = 39, 0.466
F0_MIN, F0_MAX = 40.0, 800.0  # Hz
FFT = 1024
QUIET_DB = -20.0  # relative to the mean power
MISMATCH = 0.1  # difference of the lengths over their sum
ANALYSIS = "harvest:40-800Hz+cheaptrick:1024|5ms|order:39|alpha:0.466|70Hz-high-pass"
PLAIN, DTW = "all-frames|unvoiced:0Hz|cut-to-shorter", "voiced-frames|fastdtw"


class Features(NamedTuple):
    """VERSA's features of T frames of a clip."""

    mcep: NDArray[np.float64]  # (T, 40)
    f0: NDArray[np.float64]  # (T,) Hz, 0 where unvoiced
    loud: NDArray[np.bool_]  # (T,) frames above -20 dB of the mean power


def _info(name: str, title: str, unit: str, details: str) -> MetricInfo:
    """Return the description of an MCD, an F0 RMSE or a correlation, which ``unit`` tells apart."""
    distance = Behaviour(identity=0.0, worsens=frozenset({"noise", "low_pass", "smoothing"}))
    column, behaviour = {
        "dB": ("distortion_db", distance),
        "Hz": ("rmse_hz", Behaviour(identity=0.0, noise=None)),
        "correlation": ("correlation", Behaviour(identity=1.0, noise=None)),
    }[unit]
    return MetricInfo(
        name=name,
        title=title,
        unit=unit,
        higher_is_better=unit == "correlation",
        columns=(column,),
        signature=f"{name}|{ANALYSIS}|{details}|mean:utterances|v1",
        paper=VERSA,
        band_hz=WIDEBAND_HZ if unit == "dB" else None,
        behaviour=behaviour,
    )


class VersaMcdDtw(Mean):
    """MCD as VERSA's `mcd_f0` prints it with `dtw: true`."""

    info = _info("mcd_versa_dtw", "MCD (VERSA, DTW)", "dB", "c0:yes|frames:>-20dB|fastdtw")

    def require(self) -> None:
        """Raise ``ConfigError`` if fastdtw is not installed."""
        require_package("fastdtw", "mcd")

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distortion along the path, in dB; raise ``MeasurementError`` for unusable clips."""
        a, b = (features.mcep[features.loud] for features in _features(clip, reference))
        path = fast_dtw_path(a, b)
        return (mean_distortion(a[path[0]], b[path[1]]),)


class VersaMcdPlain(Mean):
    """MCD as VERSA's `mcd_f0` prints it with `dtw: false`, its default."""

    info = _info("mcd_versa_plain", "MCD (VERSA, no warping)", "dB", "c0:yes|cut-to-shorter")

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distortion up to the end of the shorter clip, in dB.

        Raises ``MeasurementError`` for an empty or silent clip, and for lengths so different that VERSA refuses them.
        """
        a, b = (features.mcep for features in _cut_to_shorter(clip, reference))
        return (mean_distortion(a, b),)


class VersaF0RmsePlain(Mean):
    """F0 RMSE as VERSA's `mcd_f0` prints it with `dtw: false`, over all frames."""

    info = _info("f0_rmse_versa_plain", "F0 RMSE (VERSA, no warping)", "Hz", PLAIN)

    def _contours(self, clip: Clip, reference: Clip) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return F0 of aligned frames in Hz, (L,) each."""
        a, b = _cut_to_shorter(clip, reference)
        return a.f0, b.f0

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the root mean square difference in Hz; raise ``MeasurementError`` for unusable clips."""
        f0, target = self._contours(clip, reference)
        return (float(np.sqrt(np.mean((f0 - target) ** 2))),)


class VersaF0RmseDtw(VersaF0RmsePlain):
    """F0 RMSE as VERSA's `mcd_f0` prints it with `dtw: true`, over voiced frames."""

    info = _info("f0_rmse_versa_dtw", "F0 RMSE (VERSA, DTW)", "Hz", DTW)

    def require(self) -> None:
        """Raise ``ConfigError`` if fastdtw is not installed."""
        require_package("fastdtw", "log_f0_rmse")

    def _contours(self, clip: Clip, reference: Clip) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return F0 of the aligned voiced frames in Hz, (L,) each; raise ``MeasurementError`` without any."""
        a, b = _features(clip, reference)
        for features, owner in ((a, ""), (b, "the reference of ")):
            if not (features.f0 > 0).any():
                raise MeasurementError(f"{owner}clip {clip.id!r} has no voiced frame, so that VERSA prints NaN")
        voiced, target = a.f0 > 0, b.f0 > 0
        path = fast_dtw_path(a.mcep[voiced], b.mcep[target])
        return a.f0[voiced][path[0]], b.f0[target][path[1]]


class VersaF0CorrelationPlain(VersaF0RmsePlain):
    """Pearson's correlation of F0 as VERSA's `mcd_f0` prints it with `dtw: false`, over all frames."""

    info = _info("f0_correlation_versa_plain", "F0 correlation (VERSA, no warping)", "correlation", PLAIN)

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the correlation; raise ``MeasurementError`` for unusable clips and for constant contours."""
        return _correlation(clip, *self._contours(clip, reference))


class VersaF0CorrelationDtw(VersaF0RmseDtw):
    """Pearson's correlation of F0 as VERSA's `mcd_f0` prints it with `dtw: true`, over voiced frames."""

    info = _info("f0_correlation_versa_dtw", "F0 correlation (VERSA, DTW)", "correlation", DTW)

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the correlation; raise ``MeasurementError`` for unusable clips and for constant contours."""
        return _correlation(clip, *self._contours(clip, reference))


def _correlation(clip: Clip, f0: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float]:
    if len(f0) < 2 or float(np.ptp(f0)) == 0 or float(np.ptp(target)) == 0:
        raise MeasurementError(
            f"the F0 of clip {clip.id!r} or of its reference is constant, so its correlation is undefined"
        )
    return (float(np.corrcoef(f0, target)[0, 1]),)


def _features(clip: Clip, reference: Clip) -> tuple[Features, Features]:
    rate = min(clip.sample_rate, reference.sample_rate)
    return usable_at(clip, rate).feature(versa_features), usable_at(reference, rate).feature(versa_features)


def _cut_to_shorter(clip: Clip, reference: Clip) -> tuple[Features, Features]:
    """Return the features of the frames that both have; raise ``MeasurementError`` where VERSA refuses the lengths."""
    a, b = _features(clip, reference)
    mismatch = abs(len(a.f0) - len(b.f0)) / (len(a.f0) + len(b.f0))
    if not mismatch < MISMATCH:
        raise MeasurementError(
            f"clip {clip.id!r} has {len(a.f0)} frames and its reference {len(b.f0)}, a mismatch of {mismatch:.2f}: "
            f"VERSA refuses {MISMATCH} or more; use a preset that ends in _versa_dtw"
        )
    frames = min(len(a.f0), len(b.f0))
    first, second = (Features(side.mcep[:frames], side.f0[:frames], side.loud[:frames]) for side in (a, b))
    return first, second


def versa_features(clip: Clip) -> Features:
    """Return mel-cepstrum, F0 and loud frames every 5 ms; call it through ``clip.feature``."""
    rate = clip.sample_rate
    high_pass = firwin(255, 70 / (rate // 2), pass_zero=False)
    x = lfilter(high_pass, [1.0], clip.samples.astype(np.float64) * 32767.0)
    f0, times = pyworld.harvest(x, rate, f0_floor=F0_MIN, f0_ceil=F0_MAX, frame_period=5.0)
    power = pyworld.cheaptrick(x, f0, times, rate, fft_size=FFT)
    level = 2 * power.sum(axis=1) - power[:, 0] - power[:, -1]
    return Features(mel_cepstrum(power, ORDER, ALPHA), f0, 10 * np.log10(level / level.mean()) > QUIET_DB)
