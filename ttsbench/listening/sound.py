"""Process clips for listening tests: equal loudness, low-pass anchors, and spoken attention checks.

Loudness is the integrated loudness of ITU-R BS.1770-4 (gated, K-weighted, one channel). The target is -23 LUFS, as in
EBU R 128. If a clip would exceed -1 dBFS, all clips of the test are attenuated alike and stay equally loud.

Anchors are low-pass filtered recordings as in ITU-R BS.1534-3: flat within 0.1 dB up to the cut-off, and attenuated by
at least 25 dB at 500 Hz and 50 dB at 1 kHz above it. The low anchor has 3.5 kHz, the middle anchor 7 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyloudnorm
from scipy import signal

from ttsbench.data.espeak.voice import DEFAULT_VOICE, SAMPLE_RATE, speak
from ttsbench.errors import ClipError, ConfigError
from ttsbench.types import Samples

TARGET_LUFS = -23.0
PEAK_DBFS = -1.0
BLOCK_S = 0.4  # block length of BS.1770, the shortest clip with a loudness
TRANSITION_HZ = 500.0
STOP_DB = 65.0
CHECK_RATE = 140  # words per minute, slow enough for an instruction


@dataclass(frozen=True)
class Level:
    """Loudness (LUFS) and peak (dBFS) of a clip."""

    lufs: float
    peak_dbfs: float


def level(samples: Samples, sample_rate: int) -> Level:
    """Measure samples (N,); raises ``ClipError`` for clips below 0.4 s or -70 LUFS."""
    seconds = len(samples) / sample_rate
    if seconds < BLOCK_S:
        raise ClipError(f"it lasts {seconds:.2f} s, but loudness needs at least {BLOCK_S} s")
    # The filters of BS.1770-4 are given for 48 kHz; pyloudnorm adapts them to other rates.
    lufs = float(pyloudnorm.Meter(sample_rate, filter_class="DeMan").integrated_loudness(samples.astype(np.float64)))
    if not np.isfinite(lufs):
        raise ClipError("it is silent")
    return Level(lufs, 20 * float(np.log10(np.abs(samples).max())))


def common_loudness(levels: Sequence[Level]) -> float:
    """Return the common loudness (LUFS) of all clips: ``TARGET_LUFS``, or less if a peak would exceed ``PEAK_DBFS``."""
    return min(TARGET_LUFS, min(item.lufs - item.peak_dbfs + PEAK_DBFS for item in levels))


def at_loudness(samples: Samples, measured: Level, lufs: float) -> Samples:
    """Scale samples (N,) to the loudness ``lufs``."""
    scaled: Samples = (samples * 10 ** ((lufs - measured.lufs) / 20)).astype(np.float32)
    return scaled


def low_passed(samples: Samples, sample_rate: int, cutoff_hz: float) -> Samples:
    """Low-pass filter samples (N,) at ``cutoff_hz`` without delay; the length is unchanged."""
    filtered: Samples = signal.convolve(samples, anchor_filter(sample_rate, cutoff_hz), mode="same").astype(np.float32)
    return filtered


def anchor_filter(sample_rate: int, cutoff_hz: float) -> Samples:
    """Return an odd number of symmetric coefficients; raises ``ConfigError`` if the sample rate is too low."""
    if cutoff_hz + TRANSITION_HZ >= sample_rate / 2:
        raise ConfigError(
            f"--anchors {cutoff_hz:g}: recordings at {sample_rate} Hz end at {sample_rate / 2:g} Hz, and the filter "
            f"needs {TRANSITION_HZ:g} Hz above its cut-off. Choose a lower cut-off, such as 3500."
        )
    count, beta = signal.kaiserord(STOP_DB, TRANSITION_HZ / (sample_rate / 2))
    middle = cutoff_hz + TRANSITION_HZ / 2
    taps: Samples = signal.firwin(count | 1, middle, window=("kaiser", beta), fs=sample_rate).astype(np.float32)
    return taps


def spoken_check(label: str) -> tuple[Samples, int]:
    """Return a spoken instruction (ITU-T P.808, trapping questions) as samples (N,) and their rate in Hz."""
    text = f"This is a check that you are listening. Please choose the answer: {label}."
    spoken = speak(text, DEFAULT_VOICE, rate=CHECK_RATE)
    samples: Samples = (spoken.samples / 32768).astype(np.float32)
    return samples, SAMPLE_RATE
