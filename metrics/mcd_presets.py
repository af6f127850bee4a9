"""Mel-cepstral distortion as other tools print it, to compare with published figures. Use `mcd` for new work.

Each preset reproduces its tool, defects included. None of these numbers is comparable with another.

- `mcd_pymcd_plain`, `mcd_pymcd_dtw`, `mcd_pymcd_dtw_sl`: the package pymcd 0.2, called on temporary files
  (https://github.com/chenqi008/pymcd). It treats WORLD's power as amplitude, floors most of the bins of ordinary speech
  (so the level of the file matters), and excludes c_0 from the path but includes it in the distortion. `plain` pads the
  shorter clip with zeros, `dtw_sl` multiplies by the ratio of the lengths.
- `mcd_espnet`: egs2/TEMPLATE/asr1/pyscripts/utils/evaluate_mcd.py of ESPnet (https://github.com/espnet/espnet). SPTK's
  mcep of 16-bit samples, 1,024-point frames every 256 samples; order and alpha depend on the sample rate; c_0 counts.
- `mcd_versa_plain`, `mcd_versa_dtw`: versa/sequence_metrics/mcd_f0.py of VERSA
  (https://github.com/wavlab-speech/versa), whose `mcd_f0` has `dtw: false` or `dtw: true`. WORLD's Harvest and
  CheapTrick with 1,024 points, order 39 and alpha .466 at every sample rate; c_0 counts. `dtw` excludes frames more
  than 20 dB below the mean power.

All except the plain ones warp time by FastDTW (S. Salvador and P. Chan, "Toward accurate dynamic time warping in linear
time and space", Intelligent Data Analysis 11(5), 2007) with radius 1. If clip and reference differ in sample rate, the
tools resample one of them with various filters; we use soxr.

An empty or silent clip or reference raises ``MeasurementError``.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pysptk
import pyworld
import soundfile
from numpy.typing import NDArray
from scipy.signal import firwin, lfilter
from scipy.spatial.distance import euclidean

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.cepstrum import mel_cepstrum
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.backends.packages import require_package
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

# A gain and resampling change these numbers, so no tolerance is declared for either.
BEHAVIOUR = Behaviour(identity=0.0, worsens=frozenset({"noise", "low_pass", "smoothing"}))
DECIBEL = 10 / math.log(10) * math.sqrt(2)
PYMCD = "https://github.com/chenqi008/pymcd, version 0.2.1"
ESPNET = "Hayashi et al. 2021, ESPnet2-TTS, https://arxiv.org/abs/2110.07840; evaluate_mcd.py at de189f2"
VERSA = "Shi et al. 2025, VERSA, https://arxiv.org/abs/2412.17667; mcd_f0.py at c398480"

ESPNET_FRAME, ESPNET_SHIFT = 1024, 256  # samples, at any sample rate
ESPNET_ORDER_ALPHA = {
    16_000: (23, 0.42),
    22_050: (34, 0.45),
    24_000: (34, 0.46),
    44_100: (39, 0.53),
    48_000: (39, 0.55),
}
VERSA_ORDER, VERSA_ALPHA = 39, 0.466
VERSA_F0 = 40.0, 800.0  # Hz
VERSA_FFT = 1024
VERSA_QUIET_DB = -20.0  # relative to the mean power
VERSA_MISMATCH = 0.1  # difference of the lengths over their sum

Frames = NDArray[np.float64]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def _info(name: str, title: str, paper: str, analysis: str) -> MetricInfo:
    return MetricInfo(
        name=name,
        title=f"MCD ({title})",
        unit="dB",
        higher_is_better=False,
        columns=("distortion_db",),
        signature=f"{name}|{analysis}|mean:utterances|v1",
        paper=paper,
        band_hz=WIDEBAND_HZ,
        behaviour=BEHAVIOUR,
    )


class PymcdPlain(Mean):
    """MCD as `pymcd` prints it in its mode "plain"."""

    info = _info(
        "mcd_pymcd_plain",
        "pymcd, plain",
        PYMCD,
        "pymcd:0.2|22.05kHz|order:13|alpha:0.65|c0:yes|zero-padded",
    )
    _mode: ClassVar[str] = "plain"

    def require(self) -> None:
        """Raise ``ConfigError`` if pymcd is not installed."""
        require_package("pymcd", "mcd_plain")

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the package's number, in dB; raise ``MeasurementError`` for an empty or silent clip."""
        from pymcd.mcd import Calculate_MCD  # imports librosa

        require_usable(clip, reference)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("reference.wav", "clip.wav")]
            for path, side in zip(paths, (reference, clip), strict=True):
                soundfile.write(path, side.samples, side.sample_rate, subtype="FLOAT")
            return (float(Calculate_MCD(MCD_mode=self._mode).calculate_mcd(*map(str, paths))),)


class PymcdDtw(PymcdPlain):
    """MCD as `pymcd` prints it in its mode "dtw"."""

    info = _info("mcd_pymcd_dtw", "pymcd, DTW", PYMCD, "pymcd:0.2|22.05kHz|order:13|alpha:0.65|c0:cost-only|fastdtw")
    _mode = "dtw"


class PymcdDtwSl(PymcdPlain):
    """MCD as `pymcd` prints it in its mode "dtw_sl"."""

    info = replace(
        PymcdDtw.info,
        name="mcd_pymcd_dtw_sl",
        title="MCD (pymcd, DTW weighted by length)",
        signature="mcd_pymcd_dtw_sl|pymcd:0.2|22.05kHz|order:13|alpha:0.65|c0:cost-only|fastdtw|x:length-ratio|"
        "mean:utterances|v1",
    )
    _mode = "dtw_sl"


class EspnetMcd(Mean):
    """MCD as ESPnet's evaluate_mcd.py prints it for 16-bit files, at the clip's sample rate."""

    info = _info("mcd_espnet", "ESPnet", ESPNET, "sptk-mcep|order,alpha:by-rate|1024/256|int16|c0:yes|fastdtw")

    def require(self) -> None:
        """Raise ``ConfigError`` if fastdtw is not installed."""
        require_package("fastdtw", "mcd")

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distortion along the path, in dB.

        Raises ``MeasurementError`` for an empty or silent clip, for one shorter than a frame, and for a sample rate
        that the script does not support.
        """
        require_usable(clip)
        a, b = (side.feature(_espnet_mcep) for side in (clip, usable_at(reference, clip.sample_rate)))
        return (_distortion(a, b, _fastdtw(a, b)),)


class VersaMcdDtw(Mean):
    """MCD as VERSA's `mcd_f0` prints it with `dtw: true`."""

    info = _info(
        "mcd_versa_dtw",
        "VERSA, DTW",
        VERSA,
        "harvest:40-800Hz+cheaptrick:1024|5ms|order:39|alpha:0.466|70Hz-high-pass|c0:yes|frames:>-20dB|fastdtw",
    )

    def require(self) -> None:
        """Raise ``ConfigError`` if fastdtw is not installed."""
        require_package("fastdtw", "mcd")

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distortion along the path, in dB; raise ``MeasurementError`` for unusable clips."""
        (a, loud_a), (b, loud_b) = (side.feature(_versa_mcep) for side in _at_lower_rate(clip, reference))
        a, b = a[loud_a], b[loud_b]
        return (_distortion(a, b, _fastdtw(a, b)),)


class VersaMcdPlain(Mean):
    """MCD as VERSA's `mcd_f0` prints it with `dtw: false`, its default."""

    info = _info(
        "mcd_versa_plain",
        "VERSA, no warping",
        VERSA,
        "harvest:40-800Hz+cheaptrick:1024|5ms|order:39|alpha:0.466|70Hz-high-pass|c0:yes|cut-to-shorter",
    )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the mean distortion up to the end of the shorter clip, in dB.

        Raises ``MeasurementError`` for an empty or silent clip, and for lengths so different that VERSA refuses them.
        """
        (a, _), (b, _) = (side.feature(_versa_mcep) for side in _at_lower_rate(clip, reference))
        mismatch = abs(len(a) - len(b)) / (len(a) + len(b))
        if not mismatch < VERSA_MISMATCH:
            raise MeasurementError(
                f"clip {clip.id!r} has {len(a)} frames and its reference {len(b)}, a mismatch of {mismatch:.2f}: VERSA "
                f"refuses {VERSA_MISMATCH} or more; use mcd_versa_dtw"
            )
        frames = np.arange(min(len(a), len(b)))
        return (_distortion(a, b, (frames, frames)),)


def _distortion(a: Frames, b: Frames, pairs: Pairs) -> float:
    """Return the mean distortion in dB of mel-cepstra (T1, C) and (T2, C) between pairs of frames, with c_0."""
    return DECIBEL * float(np.linalg.norm(a[pairs[0]] - b[pairs[1]], axis=1).mean())


def _fastdtw(a: Frames, b: Frames) -> Pairs:
    """Return FastDTW's path between frames (T1, C) and (T2, C)."""
    from fastdtw import fastdtw

    path = np.array(fastdtw(a, b, dist=euclidean)[1], dtype=np.int64)
    return path[:, 0], path[:, 1]


def _espnet_mcep(clip: Clip) -> Frames:
    """Return SPTK's mel-cepstrum (T, order + 1) of the clip as stored in a 16-bit file."""
    if clip.sample_rate not in ESPNET_ORDER_ALPHA:
        supported = ", ".join(map(str, ESPNET_ORDER_ALPHA))
        raise MeasurementError(
            f"clip {clip.id!r} has {clip.sample_rate} Hz, but ESPnet's script supports {supported} Hz: resample it"
        )
    frames = (len(clip.samples) - ESPNET_FRAME) // ESPNET_SHIFT + 1
    if frames < 1:
        raise MeasurementError(
            f"clip {clip.id!r} has {len(clip.samples)} samples, less than the frame of {ESPNET_FRAME} that ESPnet's "
            "script needs; leave this utterance out"
        )
    order, alpha = ESPNET_ORDER_ALPHA[clip.sample_rate]
    x = np.clip(np.rint(clip.samples.astype(np.float64) * 32768.0), -32768, 32767)
    framed = np.lib.stride_tricks.sliding_window_view(x, ESPNET_FRAME)[::ESPNET_SHIFT]
    mcep: Frames = pysptk.mcep(framed * pysptk.hamming(ESPNET_FRAME), order, alpha, eps=1e-6, etype=1)
    return mcep


def _at_lower_rate(clip: Clip, reference: Clip) -> tuple[Clip, Clip]:
    rate = min(clip.sample_rate, reference.sample_rate)
    return usable_at(clip, rate), usable_at(reference, rate)


def _versa_mcep(clip: Clip) -> tuple[Frames, NDArray[np.bool_]]:
    """Return the mel-cepstrum (T, 40) every 5 ms, and a mask (T,) of frames above -20 dB of the mean power."""
    rate = clip.sample_rate
    high_pass = firwin(255, 70 / (rate // 2), pass_zero=False)
    x = lfilter(high_pass, [1.0], clip.samples.astype(np.float64) * 32767.0)
    f0, times = pyworld.harvest(x, rate, f0_floor=VERSA_F0[0], f0_ceil=VERSA_F0[1], frame_period=5.0)
    power = pyworld.cheaptrick(x, f0, times, rate, fft_size=VERSA_FFT)
    level = 2 * power.sum(axis=1) - power[:, 0] - power[:, -1]
    loud = 10 * np.log10(level / level.mean()) > VERSA_QUIET_DB
    return mel_cepstrum(power, VERSA_ORDER, VERSA_ALPHA), loud
