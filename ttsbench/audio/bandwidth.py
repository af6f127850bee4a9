"""Bandwidth of speech, measured from the signal.

The sample rate does not tell it: telephone speech that was resampled to 48 kHz still ends at 3.4 kHz. We compare the
levels of bands of 250 Hz. The level of a band is the 98th percentile over frames of 16 ms, so that a single fricative
is enough to fill it; the bandwidth is the upper edge of the highest band within 55 dB of the loudest one.

On 40 clips of LibriSpeech and LJSpeech and on the voices of espeak-ng this is the whole band at 16 kHz (8 kHz).
Resampled to 8 and 11.025 kHz and back and stored as 16 bits, each of these clips measures 4 and 5.5 kHz. Limits of -50
to -65 dB give the same to within 250 Hz.
"""

from __future__ import annotations

import numpy as np

from ttsbench.types import Clip, Samples

WIDEBAND_HZ = 7_000.0  # upper end of wideband speech (ITU-T G.722)
BAND_HZ = 250.0
FRAME_S = 0.016
PERCENTILE = 98.0
FLOOR_DB = -55.0


def bandwidth_hz(samples: Samples, sample_rate: int) -> float:
    """Return the highest frequency of samples (N,), N > 0, in Hz, in steps of 250 Hz; 0 for digital silence.

    >>> rng = np.random.default_rng(0)
    >>> bandwidth_hz(rng.standard_normal(16_000).astype(np.float32), 16_000)
    8000.0
    >>> bandwidth_hz(np.sin(2 * np.pi * 900 * np.arange(16_000) / 16_000).astype(np.float32), 16_000)
    1500.0
    """
    length = min(len(samples), 2 * round(FRAME_S * sample_rate / 2))
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), length)[::length]
    power = np.abs(np.fft.rfft(frames * np.hanning(length))) ** 2
    band = (np.fft.rfftfreq(length, 1 / sample_rate) / BAND_HZ).astype(np.int64)
    levels = np.array([np.percentile(power[:, band == number].sum(axis=1), PERCENTILE) for number in np.unique(band)])
    audible = np.flatnonzero(levels > levels.max() * 10 ** (FLOOR_DB / 10))
    return min(sample_rate / 2, float(np.unique(band)[audible[-1]] + 1) * BAND_HZ) if len(audible) else 0.0


def bandwidth(clip: Clip) -> float:
    """Return the bandwidth of a clip in Hz; call it through ``clip.feature``."""
    return bandwidth_hz(clip.samples, clip.sample_rate)


def band_limit_warning(clip: Clip, reference: Clip | None, analysed_hz: float) -> str:
    """Return a sentence if clip or reference end below the highest frequency that a metric analyses, else ""."""
    own = clip.feature(bandwidth)
    other = own if reference is None else reference.feature(bandwidth)
    if min(own, other) >= analysed_hz:
        return ""
    consequence = (
        "the missing band counts as a difference"
        if reference is not None and abs(own - other) > BAND_HZ
        else "do not compare the value with values of full-band clips"
    )
    sides = f"the clip ends at {_khz(own)}" + (f" and its reference at {_khz(other)}" if reference is not None else "")
    return f"{sides}, of the {_khz(analysed_hz)} that the metric analyses: {consequence}"


def _khz(frequency: float) -> str:
    return f"{frequency / 1000:g} kHz"
