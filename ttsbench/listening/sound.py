"""What is done to a clip before it is heard: equal loudness, the low-pass anchors, and checks of attention.

Loudness is the integrated one of ITU-R BS.1770-4 (gated, K-weighted, one channel), -23 LUFS as EBU R 128 has it, or
less where a clip of the test would exceed -1 dBFS: then all are turned down together, so that they stay equally loud.

Anchors are the recording through a low-pass filter, by ITU-R BS.1534-3: flat within 0.1 dB up to the cut-off, at
least 25 dB down 500 Hz above it and 50 dB down 1 kHz above it; 3.5 kHz for the low anchor, 7 kHz for the middle one.
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
BLOCK_S = 0.4  # of BS.1770: nothing shorter has a loudness
TRANSITION_HZ = 500.0
STOP_DB = 65.0
CHECK_RATE = 140  # words per minute, slow enough for an instruction


@dataclass(frozen=True)
class Level:
    """Loudness (LUFS) and peak (dBFS) of a clip as it is."""

    lufs: float
    peak_dbfs: float


def level(samples: Samples, sample_rate: int) -> Level:
    """Of samples (N,); raises ``ClipError`` for what is shorter than 0.4 s or nowhere louder than -70 LUFS."""
    seconds = len(samples) / sample_rate
    if seconds < BLOCK_S:
        raise ClipError(f"it lasts {seconds:.2f} s, and loudness is measured over {BLOCK_S} s")
    # These are the filters of BS.1770-4 as they are given for 48 kHz, at other rates too.
    lufs = float(pyloudnorm.Meter(sample_rate, filter_class="DeMan").integrated_loudness(samples.astype(np.float64)))
    if not np.isfinite(lufs):
        raise ClipError("it is silent")
    return Level(lufs, 20 * float(np.log10(np.abs(samples).max())))


def common_loudness(levels: Sequence[Level]) -> float:
    """The loudness (LUFS) that all clips are given: ``TARGET_LUFS`` or as much as the peaks leave room for."""
    return min(TARGET_LUFS, min(one.lufs - one.peak_dbfs + PEAK_DBFS for one in levels))


def at_loudness(samples: Samples, measured: Level, lufs: float) -> Samples:
    """Samples (N,) turned up or down to ``lufs``."""
    scaled: Samples = (samples * 10 ** ((lufs - measured.lufs) / 20)).astype(np.float32)
    return scaled


def low_passed(samples: Samples, sample_rate: int, cutoff_hz: float) -> Samples:
    """Samples (N,) without what lies above ``cutoff_hz``, neither delayed nor longer."""
    filtered: Samples = signal.convolve(samples, anchor_filter(sample_rate, cutoff_hz), mode="same").astype(np.float32)
    return filtered


def anchor_filter(sample_rate: int, cutoff_hz: float) -> Samples:
    """Symmetric coefficients of odd number; raises ``ConfigError`` where the rate has no room for the filter."""
    if cutoff_hz + TRANSITION_HZ >= sample_rate / 2:
        raise ConfigError(
            f"--anchors {cutoff_hz:g}: a recording at {sample_rate} Hz ends at {sample_rate / 2:g} Hz, and the filter "
            f"needs {TRANSITION_HZ:g} Hz above its cut-off. Choose a lower one, such as 3500."
        )
    count, beta = signal.kaiserord(STOP_DB, TRANSITION_HZ / (sample_rate / 2))
    middle = cutoff_hz + TRANSITION_HZ / 2
    taps: Samples = signal.firwin(count | 1, middle, window=("kaiser", beta), fs=sample_rate).astype(np.float32)
    return taps


def spoken_check(label: str) -> tuple[Samples, int]:
    """An instruction in the place of a clip (ITU-T P.808, trapping questions): samples (N,) and their rate in Hz."""
    text = f"This is a check that you are listening. Please choose the answer: {label}."
    spoken = speak(text, DEFAULT_VOICE, rate=CHECK_RATE)
    samples: Samples = (spoken.samples / 32768).astype(np.float32)
    return samples, SAMPLE_RATE
