"""Mel-cepstral distortion as other tools print it, to compare with published figures. Use `mcd` for new work.

Each preset reproduces its tool, defects included. None of these numbers is comparable with another.

- `mcd_pymcd_plain`, `mcd_pymcd_dtw`, `mcd_pymcd_dtw_sl`: the package pymcd 0.2, called on temporary files
  (https://github.com/chenqi008/pymcd). It treats WORLD's power as amplitude, floors most of the bins of ordinary speech
  (so the level of the file matters), and excludes c_0 from the path but includes it in the distortion. `plain` pads the
  shorter clip with zeros, `dtw_sl` multiplies by the ratio of the lengths.
- `mcd_espnet`: egs2/TEMPLATE/asr1/pyscripts/utils/evaluate_mcd.py of ESPnet (https://github.com/espnet/espnet). SPTK's
  mcep of 16-bit samples (files of 24 bits are truncated to 16), 1,024-point frames every 256 samples; order and alpha
  depend on the sample rate; c_0 counts.
- `mcd_mel_cepstral_distance` and `mcd_mel_cepstral_distance_penalty`: the package mel-cepstral-distance 0.0.4, called
  on temporary files (https://github.com/jasminsternkopf/mel_cepstral_distance). Cepstra of 20 mel bands of a 32 ms
  spectrogram every 8 ms, 15 coefficients without c_0, peak-normalised, aligned by FastDTW of radius 10 over the mel
  spectrogram. The penalty is the share of the path that the alignment added. For its published pair of files the
  package prints 4.03 and .0197, and so do these presets.

`metrics.versa_presets` has those of VERSA. `mcd_pymcd_dtw`, `mcd_pymcd_dtw_sl` and `mcd_espnet` warp time by FastDTW
(S. Salvador and P. Chan, "Toward accurate dynamic time warping in linear time and space", Intelligent Data Analysis
11(5), 2007) with radius 1. If clip and reference differ in sample rate, ESPnet resamples one of them; we use soxr.

An empty or silent clip or reference raises ``MeasurementError``.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pysptk
import soundfile
from numpy.typing import NDArray

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.cepstrum import mean_distortion
from ttsbench.audio.fast_dtw import fast_dtw_path
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.backends.packages import require_package
from ttsbench.errors import MeasurementError
from ttsbench.reductions import Mean
from ttsbench.types import Behaviour, Clip, MetricInfo

# A gain and resampling change these numbers, so no tolerance is declared for either.
BEHAVIOUR = Behaviour(identity=0.0, worsens=frozenset({"noise", "low_pass", "smoothing"}))
PYMCD = "https://github.com/chenqi008/pymcd, version 0.2.1"
ESPNET = "Hayashi et al. 2021, ESPnet2-TTS, https://arxiv.org/abs/2110.07840; evaluate_mcd.py at de189f2"
MEL_CEPSTRAL_DISTANCE = "https://github.com/jasminsternkopf/mel_cepstral_distance, version 0.0.4"

ESPNET_FRAME, ESPNET_SHIFT = 1024, 256  # samples, at any sample rate
ESPNET_ORDER_ALPHA = {
    16_000: (23, 0.42),
    22_050: (34, 0.45),
    24_000: (34, 0.46),
    44_100: (39, 0.53),
    48_000: (39, 0.55),
}

Frames = NDArray[np.float64]


def _info(name: str, title: str, paper: str, analysis: str, version: str = "v1") -> MetricInfo:
    return MetricInfo(
        name=name,
        title=f"MCD ({title})",
        unit="dB",
        higher_is_better=False,
        columns=("distortion_db",),
        signature=f"{name}|{analysis}|mean:utterances|{version}",
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
        with _wav_files(reference, clip) as paths:
            return (float(Calculate_MCD(MCD_mode=self._mode).calculate_mcd(*paths)),)


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
    """MCD as ESPnet's evaluate_mcd.py prints it for files of 16 bits or more, at the clip's sample rate."""

    info = _info(
        "mcd_espnet", "ESPnet", ESPNET, "sptk-mcep|order,alpha:by-rate|1024/256|int16:truncated|c0:yes|fastdtw", "v2"
    )

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
        path = fast_dtw_path(a, b)
        return (mean_distortion(a[path[0]], b[path[1]]),)


class MelCepstralDistance(Mean):
    """Mel-cepstral distance as the package `mel-cepstral-distance` prints it with its default options."""

    info = _info(
        "mcd_mel_cepstral_distance",
        "mel-cepstral-distance",
        MEL_CEPSTRAL_DISTANCE,
        "mel-cepstral-distance:0.0.4|mfcc:1-15|mels:20|32/8ms|peak:1|dtw:mel,radius10",
    )
    _place: ClassVar[int] = 0

    def require(self) -> None:
        """Raise ``ConfigError`` if the package is not installed."""
        require_package("mel_cepstral_distance", "mcd")

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the package's number; raise ``MeasurementError`` for an empty or silent clip."""
        from mel_cepstral_distance import compare_audio_files

        require_usable(clip, reference)
        logging.getLogger("mel_cepstral_distance").setLevel(logging.ERROR)  # it warns of window lengths at each call
        with _wav_files(reference, clip) as paths:
            return (float(compare_audio_files(*paths)[self._place]),)


class MelCepstralDistancePenalty(MelCepstralDistance):
    """The share of aligned frames that the warping added, which the package prints beside the distance."""

    info = replace(
        MelCepstralDistance.info,
        name="mcd_mel_cepstral_distance_penalty",
        title="Alignment penalty (mel-cepstral-distance)",
        unit="ratio",
        columns=("penalty",),
        signature=MelCepstralDistance.info.signature.replace("distance|", "distance_penalty|", 1),
        band_hz=None,
        behaviour=Behaviour(identity=0.0),
    )
    _place = 1


@contextmanager
def _wav_files(*clips: Clip) -> Iterator[list[str]]:
    """Yield the paths of temporary float wavs of the clips."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.wav" for number in range(len(clips))]
        for path, clip in zip(paths, clips, strict=True):
            soundfile.write(path, clip.samples, clip.sample_rate, subtype="FLOAT")
        yield [str(path) for path in paths]


def _espnet_mcep(clip: Clip) -> Frames:
    """Return SPTK's mel-cepstrum (T, order + 1) of the clip, whose samples are truncated to 16 bits."""
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
    x = np.clip(np.floor(clip.samples.astype(np.float64) * 32768.0), -32768, 32767)  # as libsndfile reads integers
    framed = np.lib.stride_tricks.sliding_window_view(x, ESPNET_FRAME)[::ESPNET_SHIFT]
    mcep: Frames = pysptk.mcep(framed * pysptk.hamming(ESPNET_FRAME), order, alpha, eps=1e-6, etype=1)
    return mcep
